"""What a child process runs: one task after the other, until its parent is gone.

It is kept apart from `engine.children`, which a child does not need, so that children start fast.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import threading
import traceback
from typing import BinaryIO

from engine.errors import BackstayError, Failed

LENGTH = struct.Struct(">Q")  # stands before every message, in both directions


def serve() -> None:
    """The main loop of a child: read a task, run it, send what it gives; end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl+C means
    source = os.fdopen(os.dup(0), "rb")
    threading.Thread(target=_end_with_parent, args=(source.fileno(),), daemon=True).start()
    sink = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)  # whatever prints must not end up between the answers
    while (message := _read(source)) is not None:
        task, args, kwargs = pickle.loads(message)  # noqa: S301  # from our own parent process
        answer: tuple[BaseException | None, object]
        try:
            answer = (None, task(*args, **kwargs))
        except BackstayError as error:
            answer = (error, None)
        except Exception as error:  # noqa: BLE001  # sent to the parent, which raises it
            error.add_note("In a child process:\n" + traceback.format_exc())
            answer = (error, None)
        try:
            packed = pickle.dumps(answer, protocol=5)
        except Exception:  # noqa: BLE001  # an error that does not travel is told in words
            packed = pickle.dumps((Failed(f"Internal error: {answer[0]!r}"), None), protocol=5)
        sink.write(LENGTH.pack(len(packed)) + packed)
        sink.flush()


def _end_with_parent(source: int) -> None:
    """End this process when nobody holds the other end of `source` any more.

    A task may take long, and what it writes must not get in the way of the next process's cleaning.
    """
    hung_up = select.poll()
    hung_up.register(source, 0)  # POLLHUP and POLLERR are always reported
    while not any(event & (select.POLLHUP | select.POLLERR) for _, event in hung_up.poll()):
        pass
    os._exit(1)


def _read(source: BinaryIO) -> bytes | None:
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    message = source.read(length)
    return message if len(message) == length else None
