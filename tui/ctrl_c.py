"""What Ctrl+C does to this process. Where it was started to ignore it, that stays so."""

from __future__ import annotations

import signal


def end_at_once() -> None:
    """Let Ctrl+C end this process as it ends any program: nothing has begun, or all has ended."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def be_told() -> None:
    """Have Ctrl+C raise KeyboardInterrupt, so that what was begun is ended, and told of."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
