"""The table of what a backup includes says the same as what a copy holds."""

from engine.project.content import CONTENT, INCLUDED, NOT_INCLUDED, REGENERATED


def test_every_line_has_one_of_three_treatments_and_says_why() -> None:
    assert {line.treatment for line in CONTENT} == {INCLUDED, REGENERATED, NOT_INCLUDED}
    assert len({line.what for line in CONTENT}) == len(CONTENT)
    for line in CONTENT:
        assert line.note
        assert len(f"{line.what:16}{line.treatment:14}{line.note}") <= 80


def test_what_is_promised_to_be_left_out_is_listed() -> None:
    left_out = {line.what for line in CONTENT if line.treatment == NOT_INCLUDED}
    assert {"Analysis code", "Console logs", "Uploaded files", "Log-in tokens"} <= left_out
    assert "Device tokens" in {line.what for line in CONTENT if line.treatment == REGENERATED}
