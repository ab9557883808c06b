"""What of a project belongs in a backup: one table that its owner can read."""

from __future__ import annotations

from engine.model import ContentLine

INCLUDED = "included"
REGENERATED = "regenerated"
NOT_INCLUDED = "not included"

CONTENT: tuple[ContentLine, ...] = (
    ContentLine("Devices", INCLUDED, "with tags, parameters and retention settings"),
    ContentLine("Variables", INCLUDED, "values, times, groups and metadata"),
    ContentLine("Actions", INCLUDED, "off in a restored project until it is woken"),
    ContentLine("Analyses", INCLUDED, "tags and environment variables, not the code"),
    ContentLine("Accounts", INCLUDED, "with passwords, and the master password"),
    ContentLine("Statistics", INCLUDED, "the counts of input and output"),
    ContentLine("Plugin storage", INCLUDED, "what plugins keep in the project"),
    ContentLine("Settings", INCLUDED, "TagoCore's and plugins', with passwords"),
    ContentLine("Device tokens", REGENERATED, "same name, permission and expiry"),
    ContentLine("Ids of variables", REGENERATED, "new in every restored project"),
    ContentLine("Folders and port", REGENERATED, "a restored project has its own"),
    ContentLine("Log-in tokens", NOT_INCLUDED, "everyone logs in again"),
    ContentLine("Analysis code", NOT_INCLUDED, "to be put back; a restore lists each file"),
    ContentLine("Console logs", NOT_INCLUDED, "what analyses have printed"),
    ContentLine("Payload parsers", NOT_INCLUDED, "code; a restore lists each file"),
    ContentLine("Uploaded files", NOT_INCLUDED, "they lie outside the database"),
    ContentLine("Plugins", NOT_INCLUDED, "their code; TagoCore brings its own"),
    ContentLine("Deleted devices", NOT_INCLUDED, "files that TagoCore has left over"),
)
