"""Silence what tokenizers and pipelines say of texts over a limit: a note has said it before."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator

# Of a text that a pipeline cuts off anyway, transformers says that it "will result in indexing
# errors", which alarms for nothing; diffusers lists the lost part for every clip.
_SAID_BEFORE = ("Token indices sequence length is longer", "of your input was truncated because")
_LOGGERS = ("transformers.tokenization_utils_base", "transformers.tokenization_python")
_state = threading.local()


@contextlib.contextmanager
def about_limits(pipe: object) -> Iterator[None]:
    """Leave out these warnings in this thread.

    Args:
        pipe: The pipeline that reads the texts.
    """
    kinds = {kind.__module__ for kind in type(pipe).__mro__ if kind.__module__ != "builtins"}
    for name in (*_LOGGERS, *kinds):
        logging.getLogger(name).addFilter(_is_news)  # once, however often it is added
    before = getattr(_state, "quiet", False)
    _state.quiet = True
    try:
        yield
    finally:
        _state.quiet = before


def _is_news(record: logging.LogRecord) -> bool:
    if not getattr(_state, "quiet", False):
        return True
    return not any(one in record.getMessage() for one in _SAID_BEFORE)
