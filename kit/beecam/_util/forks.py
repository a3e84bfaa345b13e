"""What a process does first when it was forked from another one."""

from __future__ import annotations

import os
from collections.abc import Callable


def in_forked_process(function: Callable[[], None]) -> Callable[[], None]:
    """Call a function in every process that is forked from this one; a decorator.

    >>> @in_forked_process
    ... def leave_to_parent():
    ...     _opened.clear()
    """
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no forks
        os.register_at_fork(after_in_child=function)
    return function
