"""SQLite's file format, as far as snapshots and restores need it.

Everything here works on bytes in memory, a batch of pages at a time, with numpy. The format is
SQLite's own description of it (https://www.sqlite.org/fileformat2.html); page numbers count from 1.

- `header` reads the 100 bytes at the start of a file.
- `slices` divides a file into parts that are worked on at once.
- `btree` finds the pages of a b-tree and the cells of table leaves.
- `canonical` plans and makes canonical images: what a backup keeps of a file.
- `freelist` reads and writes the list of free pages.
- `ids` writes new ids into table leaves; `index` builds the primary key's index page by page.
- `records` reads columns of rows and `order` orders rows by them; `entries` makes the entries of
  other indexes, and `secondary` fills their pages; `writing` is what all who write pages share.
"""
