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
_Result = tuple[int, weakref.ref[Any]]


def drop_result(shell: Any, value: object, number: int | None = None) -> None:
    """Drop a value from the results that IPython stores; variables keep it.

    Args:
        shell: The shell.
        value: The value.
        number: Drop it as the result of this execution; None for all that had it.
    """
    results = shell.user_ns.get("_oh", {})
    scopes = (shell.user_ns, shell.user_ns_hidden)
    for found in [number for number, one in list(results.items()) if one is value]:
        if number in (None, found):
            del results[found]
            for scope in scopes:
                scope.pop(f"_{found}", None)
    if any(one is value for one in results.values()):
        return  # another cell has it, too
    for name in _LAST:
        if getattr(shell.displayhook, name, None) is value:
            setattr(shell.displayhook, name, "")
        for scope in scopes:
            # In both, or IPython takes `_` for a variable of the user and updates it no more.
            if scope.get(name) is value:
                scope[name] = ""


class CellResults:
    """Drops the results of a cell's earlier executions, if they are objects of this project.

    An execution that fails drops nothing: the corrected one may use them. Lists and tuples of such
    objects stay, and where the host doesn't say which cell is running, all results stay.
    """

    def __init__(self) -> None:
        # By cell, the number of each execution and its result.
        self._results: dict[str, list[_Result]] = {}
        self._earlier: list[_Result] = []  # of the running cell
        self._depth = 0  # of cells that run cells, which have results of their own
        self._lock = threading.Lock()

    def watch(self, shell: Any) -> None:
        """Watch the cells of a shell, unless it is None or stores no results."""
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
        shell, cell = IPython.get_ipython(), current_cell_id()
        with self._lock:
            # The first time, the cell began before this was watching.
            self._depth = max(0, self._depth - 1)
            result = getattr(execution, "result", None)
            if cell and _is_ours(result):
                stored = shell.user_ns.get("_oh", {}).items()
                number = max((number for number, one in stored if one is result), default=0)
                with contextlib.suppress(TypeError):  # without weak references; none has a model
                    self._results.setdefault(cell, []).append((number, weakref.ref(result)))
            if self._depth:
                return
            earlier, self._earlier = self._earlier, []
            if execution is not None and not execution.success:
                self._results[cell] = [*earlier, *self._results.get(cell, [])]
                return
        for number, reference in earlier:
            if (value := reference()) is not None:
                drop_result(shell, value, number)


def _is_ours(value: object) -> bool:
    return type(value).__module__.partition(".")[0] in ("beecam", "beecam_widgets")


cell_results = CellResults()
