"""What is the same for all tests: signals mean to them, and to what they start, what they mean."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Heed signals that whoever started the tests ignores, as `nohup` and a shell's ``&`` do.

    What ignores a signal starts nothing that heeds it, and tests send them.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, handler)
