"""Whether a file or folder of the home is out of other people's reach."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from engine.errors import BackstayError, HomeUnsafe, NotFound, StorageFailed

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH


def check_private(path: Path, *, secret: bool = False) -> None:
    """Pass when only we or root can change `path`, a regular file or a folder.

    With `secret`, others may not read it either. Raises `HomeUnsafe` that says what is wrong,
    `NotFound` when nothing is there and `StorageFailed` when it cannot be looked at.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise _out_of_reach(path, error) from error
    _check(path, state, secret=secret)


def read_private(path: Path, *, longest: int, secret: bool = False) -> bytes | None:
    """The bytes of the file at `path`, checked like `check_private`; None when there are too many.

    What is checked is the very file that is read, whatever is put in its place meanwhile. Raises
    what `check_private` raises.
    """
    try:
        # Without O_NONBLOCK, a pipe in the file's place would make us wait for ever.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _out_of_reach(path, error) from error
    try:
        state = os.fstat(file)
        _check(path, state, secret=secret)
        if not stat.S_ISREG(state.st_mode):
            raise HomeUnsafe(
                f"{path} is not a file.",
                hint="Nothing was changed. Look at what it is and move it away.",
            )
        with open(file, "rb", closefd=False) as opened:
            content = opened.read(longest + 1)
    except OSError as error:
        raise _out_of_reach(path, error) from error
    finally:
        os.close(file)
    return content if len(content) <= longest else None


def _check(path: Path, state: os.stat_result, *, secret: bool) -> None:
    folder = stat.S_ISDIR(state.st_mode)
    if not folder and not stat.S_ISREG(state.st_mode):
        raise HomeUnsafe(
            f"{path} is neither a file nor a folder.",
            hint="Nothing was changed. Look at what it is and move it away.",
        )
    us = os.geteuid()
    if state.st_uid not in (us, 0):
        raise HomeUnsafe(
            f"{path} belongs to user {state.st_uid}, not to you (user {us}).",
            hint="Nothing was changed. Run this as its owner, or choose another place.",
        )
    mode = stat.S_IMODE(state.st_mode)
    what = ""
    if mode & _OTHERS_WRITE:
        what = "can be changed by other users"
    elif secret and mode & _OTHERS_READ:
        what = "can be read by other users"
    if what:
        only_us = "700" if folder else "600"
        mend = f"Look through it, then: chmod {only_us} {path}"
        if mode & stat.S_ISVTX:
            mend = "It is a folder for everybody: choose one of your own."
        raise HomeUnsafe(
            f"{path} {what} (its mode is {mode:04o}).", hint=f"Nothing was changed. {mend}"
        )


def _out_of_reach(path: Path, error: OSError) -> BackstayError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"{path} is not there.")
    return StorageFailed(
        f"{path} cannot be read: {error.strerror or error}.",
        hint="Nothing was changed. Let the user that runs Backstay read it, then try again.",
    )
