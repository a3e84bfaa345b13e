"""Leave out what libraries log while this thread tries something.

Another thread's messages are news: loggers are silent in one thread only, whatever others do
meanwhile. What is printed can't be told apart by thread, so nothing takes it away.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

_state = threading.local()


@contextlib.contextmanager
def silent_loggers(*names: str) -> Iterator[None]:
    """Leave out what these loggers, and those below them, say in this thread.

    Args:
        names: Their names, such as "diffusers".
    """
    for name in names:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            for handler in logger.handlers:
                handler.addFilter(_is_heard)  # once, however often it is added
            logger = logger.parent
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_heard)
    before: tuple[str, ...] = getattr(_state, "names", ())
    _state.names = (*before, *names)
    try:
        yield
    finally:
        _state.names = before


def _is_heard(record: logging.LogRecord) -> bool:
    names: tuple[str, ...] = getattr(_state, "names", ())
    return not any(record.name == name or record.name.startswith(f"{name}.") for name in names)
