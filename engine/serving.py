"""What a child process runs: one task after the other, until its parent is gone.

It is kept apart from `engine.children`, which a child does not need, so that children start fast.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import select
import struct
import threading
import traceback
from typing import BinaryIO

from engine.errors import BackstayError, Failed

LENGTH = struct.Struct(">Q")  # stands before every message, in both directions


def start(sockets: str, *preload: str) -> None:
    """Become as many children as there are sockets (numbers, joined by commas).

    What is in `preload` is imported once, before this process divides: that takes longer than
    anything else here. It has no thread then, and nothing open but the sockets.
    """
    gc.disable()  # there is no garbage yet, and looking for it takes a tenth of the time
    for module in preload:
        importlib.import_module(module)
    gc.freeze()  # so that looking for garbage does not copy what is shared
    gc.enable()
    first, *others = numbers = [int(number) for number in sockets.split(",")]
    for own in others:
        if os.fork() == 0:
            first = own
            break
    for other in numbers:
        if other != first:
            os.close(other)
    with contextlib.suppress(ConnectionError):  # a parent that is gone needs no answer
        serve(first)
    os._exit(0)  # a copy of a process has nothing of its own to tidy up


def serve(socket: int) -> None:
    """The main loop of a child: tell who it is, then run tasks until the parent is gone."""
    source, sink = os.fdopen(os.dup(socket), "rb"), os.fdopen(socket, "wb")
    threading.Thread(target=_end_with_parent, args=(source.fileno(),), daemon=True).start()
    _send(sink, pickle.dumps((None, os.getpid())))
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
        _send(sink, packed)


def _send(sink: BinaryIO, message: bytes) -> None:
    sink.write(LENGTH.pack(len(message)) + message)
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
