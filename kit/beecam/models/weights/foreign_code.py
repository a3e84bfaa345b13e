"""Digests of code that an owner has put on a pipeline: it is edited and run again in a notebook.

A hook, a derived class or a replaced method counts by what it does, not only by its name.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Iterator
from typing import Any

from beecam.models.batching.owner import is_known, of_library, replaced_methods
from beecam.models.weights.set_values import stored_by_calls

_MAX_DEPTH = 20
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))


def foreign_code(pipe: Any) -> list[str]:
    """Return a digest of each class and function on a pipeline that isn't of a library.

    >>> foreign_code(pollen.pipe)
    []

    Args:
        pipe: A pipeline, while none of its calls runs on itself.
    """
    found = []
    for path, one in _objects(pipe):
        if not is_known(one):
            found.append(f"{path}: {_digest([type(one), one])}")
        for name in replaced_methods(one):
            method = vars(one)[name]
            if not of_library(method):
                found.append(f"{path}.{name}: {_digest(method)}")
    return sorted(found)


def _objects(pipe: Any) -> Iterator[tuple[str, Any]]:
    """Yield what may have code of its owner, by its path: parts, modules, hooks, processors."""
    import torch

    yield "pipe", pipe
    for kind in ("_global_forward_hooks", "_global_forward_pre_hooks"):
        yield from _hooks("all modules", getattr(torch.nn.modules.module, kind, {}))
    for name, part in list(vars(pipe).items()):
        if not isinstance(part, torch.nn.Module):
            if name[0] != "_" and hasattr(part, "__dict__") and not callable(part):
                yield name, part
            continue
        for path, module in part.named_modules(prefix=name):
            yield path, module
            own = vars(module)
            yield from _hooks(path, own["_forward_hooks"])
            yield from _hooks(path, own["_forward_pre_hooks"])
            if own.get("processor") is not None:
                yield f"{path}.processor", own["processor"]


def _hooks(path: str, hooks: Any) -> Iterator[tuple[str, Any]]:
    for i, hook in enumerate(list(hooks.values())):
        if not of_library(hook):
            yield f"{path} hook {i}", _Hook(hook)


class _Hook:
    """A hook, as an object of no library."""

    __module__ = "__main__"

    def __init__(self, function: Any) -> None:
        self.function = function


def _digest(value: Any) -> str:
    return hashlib.sha256(_text(value).encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _text(value: Any, depth: int = 0) -> str:
    """Return what a value does or is, as text; "" for what is deep."""
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list, set, frozenset)):
        each = [_text(one, depth + 1) for one in value]
        return f"({', '.join(each if isinstance(value, (tuple, list)) else sorted(each))})"
    return _text(_parts(value), depth + 1)


def _parts(value: Any) -> list[Any]:
    """Return what code, a function, a class or an object is made of."""
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), value.co_names, value.co_consts]
    if isinstance(value, functools.partial):
        return [value.func, value.args, sorted(value.keywords.items())]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, types.FunctionType):
        return _of_function(value)
    return _of_class(value) if isinstance(value, type) else _of_object(value)


def _of_function(function: types.FunctionType) -> list[Any]:
    if of_library(function):
        return [function.__qualname__]
    # What the function itself assigns is the state of its calls.
    assigned = {one.argval for one in dis.get_instructions(function) if one.opname == "STORE_DEREF"}
    closed = [
        cell.cell_contents
        for name, cell in zip(
            function.__code__.co_freevars, function.__closure__ or (), strict=False
        )
        if name not in assigned and not _is_state(cell)
    ]
    defaults = [function.__defaults__, sorted((function.__kwdefaults__ or {}).items())]
    return [function.__code__, defaults, closed]


def _is_state(cell: Any) -> bool:
    """Return whether what a function closes over may change with each call, such as a list."""
    try:
        return isinstance(cell.cell_contents, (list, dict, set))
    except ValueError:  # not assigned yet
        return True


def _of_class(kind: type) -> list[Any]:
    parts: list[Any] = [kind.__qualname__]
    for one in kind.__mro__:
        if of_library(one) or one is object:
            continue
        for name, value in sorted(vars(one).items()):
            inner = getattr(value, "__func__", getattr(value, "fget", value))
            constant = isinstance(inner, _PLAIN) and not name.startswith("__")
            if constant or isinstance(inner, types.FunctionType):
                parts.append([name, inner])
    return parts


def _of_object(owner: Any) -> list[Any]:
    if isinstance(owner, _Hook):
        return [owner.function]
    if is_known(owner) or not hasattr(owner, "__dict__"):
        return [type(owner).__qualname__]
    state = stored_by_calls(type(owner))
    plain = [
        [name, value]
        for name, value in sorted(vars(owner).items())
        if isinstance(value, (*_PLAIN, tuple)) and name not in state and name[0] != "_"
    ]
    return [type(owner), plain]
