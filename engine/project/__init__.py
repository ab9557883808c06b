"""What a project is: TagoCore on SQLite, on disk, in a backup, and as a restored one.

`instance` finds and describes an instance, `content` says what of it belongs in a backup,
`maindb` copies data.db without what must not be kept (`marks` stand in for its tokens),
`settings_files` carries its settings, and `identity` makes a restored copy a project of its own
that starts `quiet`. `ids` makes ids as TagoCore does. Import the module that is needed: importing
this package loads none of them.
"""
