"""Where the bytes of all backups live: chunks in packs, and one manifest per backup.

Format 2
========

A repository is a set of named objects in a store (`engine.repository.storage`)::

    config                  what this repository is; the only object that is plain JSON
    packs/ab/ab..           chunks; named by 32 random hexadecimal digits
    manifests/<backup id>   one per backup
    damaged/<pack>-<frame>  empty: a frame that was found damaged, so that its chunks count as lost

**config** holds ``format``, ``id`` (32 hexadecimal digits), ``encryption`` (``aes-256-gcm`` or
``none``), ``chunk_size`` and ``key_check``, which tells a wrong key from a right one. A repository
that is not encrypted holds its key here as ``key``: its checks then find damage, not forgery.

**Keys.** One random key of 32 bytes. From it BLAKE3's key derivation makes, with the repository's
id, one key each for naming chunks, for packs and for manifests.

**Chunks.** An image of a database is cut into chunks of 64 KiB. Of a chunk the blocks of 4 KiB that
are not all zeros are stored: one behind the other, behind two bytes whose bits say which blocks
these are, the highest bit for the first; without these two bytes where all blocks are stored. A
chunk is named by the first 16 bytes of the keyed BLAKE3 hash of what is stored. Of a chunk of zeros
nothing is; its name is 16 zero bytes. The names of a file's chunks, in order, are themselves cut
into chunks of 1,024 names (*lists*), and the manifest names these: an image of 1 GB takes 15 names
in the manifest, and only the lists that changed are stored again.

**Packs.** ``BKSTPACK`` and a version byte; frames, one behind the other; a trailer; the trailer's
length (4 bytes, big-endian). A frame holds chunks until they are 256 KiB or a little more,
compressed together with zstd and sealed. The trailer, sealed too, says how long each frame is and
which chunks are in it::

    frames u32, chunks u32
    per frame: sealed length u32, number of chunks u32
    per chunk: length u32
    per chunk: name, 16 bytes

Sealing: AES-256-GCM under a key derived for this pack alone from the pack key and the pack's name;
the nonce is the frame's number (the trailer's is 2^32), so none is ever used twice; nothing that is
moved to another pack or place still opens. Not encrypted: a keyed BLAKE3 tag of 16 bytes instead.

**Manifests.** ``BKSTMFST`` and a version byte; 12 random bytes, the nonce; JSON, compressed with
zstd and sealed under a key derived for this manifest alone from the manifest key and the backup's
id: a manifest that is renamed, altered or forged does not open. Every name and number in it is
checked before it is used (`engine.repository.manifest_json`).

**Format 1** had chunks of 16 KiB, or of one page where pages are larger, stored with all their
zeros. A repository keeps the format that it was made with.

Write order
===========

1. Packs: each is put under its final name only when it is whole and on disk.
2. When all packs are on disk, the manifest appears, by one atomic step that never replaces another.
   That is the moment in which the backup comes to exist.
3. Then the catalog learns of it. A manifest that the catalog lacks is adopted at the next start.

A backup that is killed leaves at most packs that nothing names; clean-up removes them. A chunk that
is in a damaged frame, or in a pack that is gone, is stored again by the next backup that needs it,
and older backups that need it are whole again with it.

Nothing that exists is ever written again but a manifest, which may come to name other packs. A
chunk is looked for in all packs, so a backup does not depend on which of them its manifest names; a
manifest whose packs are not all there only makes the next backup read everything.

Clean-up
========

1. Everything is looked at first. A manifest or a pack of a newer format, or a manifest that cannot
   be read, stops the clean-up: what it needs is not known.
2. The manifests of the backups that had their time are removed. From here on they do not exist.
3. Packs in which nothing is live are dead. Of packs of which less than half is live, and of packs
   with a frame that is marked as damaged, the live chunks are copied into new packs, on disk. A
   chunk that is stored several times is live in one place.
4. The new packs are read back: everything that was found must be found without the old ones. Then
   the manifests that name old packs are replaced by ones that name the new.
5. The old packs and the dead ones are removed, then the marks of packs that are gone.

Killed at any step, a clean-up leaves chunks twice, or packs that nothing needs; the next one
removes them. A pack stays as it is where something needed is in a damaged frame of it and nowhere
else, and so does one that cannot be read, or that a backup with an unreadable list names, while
something is missing. Where no new pack can be written, only dead packs go; where not even a
manifest can, they go before manifests are replaced, which makes room.
"""
