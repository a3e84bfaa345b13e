"""Python's garbage collector, paused while very many objects are created at once.

Imports create hundreds of thousands of objects that stay, and the collector looks through all of
them again and again: of the time from torch to the first clip of pollen that was a seventh. With
torch imported, one look takes 0.4 s, and the rows of 25,000 clips cause one.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_paused = 0
_was_enabled = False


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Collect no cycles within the context, for a few seconds; any number of threads may do so.

    It is a decorator, too.

    Afterwards the collector is as it was before the first of them.
    """
    global _paused, _was_enabled  # noqa: PLW0603  (there is one collector)
    with _lock:
        if _paused == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _paused += 1
    try:
        yield
    finally:
        with _lock:
            _paused -= 1
            if _paused == 0 and _was_enabled:
                gc.enable()
