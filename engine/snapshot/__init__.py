"""Reading a project's databases at one committed moment each, in child processes.

- `live` opens a database that others are writing to, and holds it for as short as can be.
- `store` turns pages into chunks and stores those that the repository lacks.
- `pieces` tells whether bytes are as they were when they were read before.
- `databases` reads one device's database, whole or in slices, and settles what changed meanwhile.
- `tasks` is what a parent may ask for, and `results` what it gets.
- `main` copies the main database, the plugins' storage and the settings.

How a large file is read without holding it for long: it is read in slices, each under a SHARED lock
of its own of a few milliseconds. If nobody committed meanwhile (SQLite's change counter did not
move), the slices are one moment. If somebody did, the file is read once more under one lock, at the
speed of memory, and only compared with what was read before; the pages that differ are replaced.
"""

# What a child imports before anything is asked of it; the main database is often as it was.
NEEDED = ("engine.snapshot.databases", "engine.snapshot.tasks")
NEEDED_FOR_MAIN = ("engine.snapshot.main",)
