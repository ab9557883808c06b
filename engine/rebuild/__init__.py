"""Making databases of stored images, in child processes, into folders that nobody else knows yet.

- `tasks` is what a parent may ask for, and `results` what it asks with, and gets.
- `child` sets a process up.
- `databases` writes an image's pages and gives every variable a new id.
- `large` makes a large database in all children at once: `gathering` puts its leaves together,
  `indexing` plans its indexes, and `sorting` fills their leaves.
- `pages` is a database in the making, in memory or in its file; `space` is its room.
- `complete` builds what the backup left out, and checks the file.
- `stored` opens a stored image as it is, to be read only; nothing is made of it.
- `paged` does so, too, and reads only the pages that are asked for.
"""

NEEDED = ("engine.rebuild.indexing",)  # what a child imports before anything is asked of it
