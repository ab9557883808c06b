"""What an export is made of, and what it is written into.

- `output` is where bytes go: a new file, or one that somebody else has opened.
- `archive` takes whole files: a tar, or a folder, with a checksum of each.
- `description` is the manifest.json of an export, and reads it again where one is adopted.
- `listing` reads what is told of devices, actions, analyses and accounts beside their data.
- `parquet` writes variables and devices as Parquet files, in child processes.
"""
