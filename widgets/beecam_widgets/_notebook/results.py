"""The results of cells that IPython stores, in `Out` and in `_`, `_5` and the like.

It keeps every result until the kernel ends, and a run keeps its model: a cell that ends in `run`
and is run again would leave the weights of each earlier model in memory.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Any

import IPython

from beecam_widgets._notebook.outputs import current_cell_id

_LAST = ("_", "__", "___")


def drop_result(shell: Any, value: object) -> None:
    """Drop a value from the results that IPython stores; variables keep it."""
    names, hook = shell.user_ns, shell.displayhook
    results = names.get("_oh", {})
    for number in [number for number, one in list(results.items()) if one is value]:
        del results[number]
        for scope in (names, shell.user_ns_hidden):
            scope.pop(f"_{number}", None)
    for name in _LAST:
        if getattr(hook, name, None) is value:
            setattr(hook, name, "")
        for scope in (names, shell.user_ns_hidden):
            # In both, or IPython takes `_` for a variable of the user and updates it no more.
            if scope.get(name) is value:
                scope[name] = ""


class CellResults:
    """Drops the results of a cell's earlier executions, if they are objects of this project.

    Where the host doesn't say which cell is running, all results stay.
    """

    def __init__(self) -> None:
        self._results: dict[str, list[weakref.ref[Any]]] = {}
        self._earlier: list[weakref.ref[Any]] = []  # of the running cell
        self._depth = 0  # of cells that run cells, which have results of their own
        self._lock = threading.Lock()

    def watch(self, shell: Any) -> None:
        """Begin; without a shell, or in one that stores no results, nothing happens."""
        if shell is None or not hasattr(shell, "displayhook"):
            return
        shell.events.register("pre_run_cell", self._before_cell)
        shell.events.register("post_run_cell", self._after_cell)

    def _before_cell(self, *_: object) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1 and (cell := current_cell_id()):
                self._earlier = self._results.pop(cell, [])

    def _after_cell(self, execution: Any = None) -> None:
        with self._lock:
            # The first time, the cell began before this was watching.
            self._depth = max(0, self._depth - 1)
            result = getattr(execution, "result", None)
            if (cell := current_cell_id()) and _is_ours(result):
                with contextlib.suppress(TypeError):  # tuples can't be referenced, nor hold models
                    self._results.setdefault(cell, []).append(weakref.ref(result))
            if self._depth:
                return
            earlier, self._earlier = self._earlier, []
            kept = [one() for one in self._results.get(cell, [])]
        for value in (one() for one in earlier):
            if value is not None and not any(value is one for one in kept):
                drop_result(IPython.get_ipython(), value)


def _is_ours(value: object) -> bool:
    return type(value).__module__.partition(".")[0] in ("beecam", "beecam_widgets")


cell_results = CellResults()
