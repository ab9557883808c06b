"""``python -m tests.screenshots``: take all pictures anew."""

from __future__ import annotations

import sys

from .pictures import FOLDER, MEASURED, shows_the_same, take_all


def main() -> None:
    """Write the pictures, remove those that are none any more, and say what has changed."""
    FOLDER.mkdir(exist_ok=True)
    pictures = take_all()
    for old in set(FOLDER.iterdir()) - {MEASURED} - {FOLDER / name for name in pictures}:
        old.unlink()
        sys.stdout.write(f"{old.name}: removed\n")
    for name, text in sorted(pictures.items()):
        file = FOLDER / name
        before = file.read_text("utf-8") if file.exists() else None
        same = before is not None and shows_the_same(text, before)
        if not same:
            file.write_text(text, "utf-8")
        sys.stdout.write(f"{name}: {'as it was' if same else 'taken anew'}\n")


main()
