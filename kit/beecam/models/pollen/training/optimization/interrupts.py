"""Signals that stop a training only after a finished and saved step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Defer SIGINT and SIGTERM until the context ends; a second signal acts at once.

    Yields a list that is empty until a signal arrives. It stays empty outside the main thread,
    which alone gets signals.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    # Ignored signals, as in a background job of a script, stay ignored.
    before = {
        one: handler
        for one in (signal.SIGINT, signal.SIGTERM)
        if (handler := signal.getsignal(one)) not in (None, signal.SIG_IGN)
    }

    def defer(number: int, _: Any) -> None:
        print("stops after this step; interrupt again to stop at once without saving", flush=True)
        caught.append(number)
        restore()

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in before:
        signal.signal(one, defer)
    try:
        yield caught
    finally:
        restore()
    if caught:
        signal.raise_signal(caught[0])
