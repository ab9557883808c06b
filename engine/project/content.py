"""What of a project belongs in a backup: one table that its owner can read."""

from __future__ import annotations

from engine.model import ContentLine

INCLUDED = "included"
REGENERATED = "regenerated"
NOT_INCLUDED = "not included"

CONTENT: tuple[ContentLine, ...] = (
    ContentLine("Devices", INCLUDED, "with their tags, configuration parameters and retention"),
    ContentLine("Variables", INCLUDED, "every device's data: values, times, groups, metadata"),
    ContentLine("Actions", INCLUDED, "switched off in a restored project until it is woken"),
    ContentLine("Analyses", INCLUDED, "names, tags and environment variables, without their code"),
    ContentLine("Accounts", INCLUDED, "with their passwords, and the master password"),
    ContentLine("Statistics", INCLUDED, "the counts of input and output"),
    ContentLine("Plugin storage", INCLUDED, "what plugins keep in the project"),
    ContentLine("Settings", INCLUDED, "TagoCore's and its plugins', with the passwords in them"),
    ContentLine("Device tokens", REGENERATED, "new ones of the same name, permission and expiry"),
    ContentLine("Ids of variables", REGENERATED, "new in every restored project"),
    ContentLine("Folders and port", REGENERATED, "a restored project has its own"),
    ContentLine("Log-in tokens", NOT_INCLUDED, "everyone logs in again with their password"),
    ContentLine("Analysis code", NOT_INCLUDED, "to be put back; the report lists each file"),
    ContentLine("Console logs", NOT_INCLUDED, "what analyses have printed"),
    ContentLine("Payload parsers", NOT_INCLUDED, "code; the report lists each file"),
    ContentLine("Uploaded files", NOT_INCLUDED, "they lie outside the database"),
    ContentLine("Plugins", NOT_INCLUDED, "their code; TagoCore brings its own"),
    ContentLine("Deleted devices", NOT_INCLUDED, "files that TagoCore has left over"),
)
