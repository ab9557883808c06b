"""What differs between two backups, found in child processes.

- `child` sets a process up, and is what a parent may ask of it.
- `images` compares a device's rows by the pages that differ.
- `tables` compares them row by row, where that cannot be done.
- `main` compares the main databases, and `settings` the settings, in the owner's terms.

Rows are the same where their numbers in the device's table and all their values but the id are: a
backup keeps no ids.
"""
