"""A digest of code and of the values that it is made of: what a function or a class does.

Counted are constants, defaults, what a function closes over, and what it reads of its own module,
such as a factor that a notebook sets. What code changes itself is the state of its calls: names and
attributes that it assigns, and lists, dictionaries and sets.
"""

from __future__ import annotations

import dis
import functools
import hashlib
import types
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from beecam.models.batching.owner import FUNCTIONS, is_known, of_library
from beecam.models.revision.sampled import Sample, is_numbers, tensors_of
from beecam.models.revision.stored import stored_by_calls

_MAX_DEPTH = 20
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))
_CACHE = type(functools.lru_cache(repr))
_LOADED_FROM = ("name_or_path", "_name_or_path")
_ASSIGNING = ("STORE_DEREF", "STORE_GLOBAL")


def code_digest(value: Any, own: Collection[int] | None = None) -> str:
    """Return 12 hexadecimal digits for what a function, a class or an object does.

    >>> code_digest(lambda x: x) == code_digest(lambda x: x)
    True

    Args:
        value: The function, class or object.
        own: The ids of the pipeline's own modules, whose weights count elsewhere; those of other
            networks that code uses count here. None for no weights.
    """
    text = _Text(own).of(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class _Text:
    """What values do or are, as text; each function and class once."""

    def __init__(self, own: Collection[int] | None) -> None:
        self._own = own
        self._seen: dict[int, Any] = {}  # by their ids, and so not freed
        self._assigned: set[str] = set()  # attributes that functions assign

    def of(self, value: Any, depth: int = 0) -> str:
        """Return a text; "" for what is deep."""
        if depth > _MAX_DEPTH:
            return ""
        if isinstance(value, _PLAIN):
            return repr(value)
        if is_numbers(value):
            return repr(Sample(value))
        if isinstance(value, (tuple, list, set, frozenset)):
            each = [self.of(one, depth + 1) for one in value]
            return f"({', '.join(each if isinstance(value, (tuple, list)) else sorted(each))})"
        if not isinstance(value, types.MethodType):  # each access makes another
            if id(value) in self._seen:
                return str(getattr(value, "__qualname__", type(value).__qualname__))
            self._seen[id(value)] = value
        return self.of(self._parts(value), depth + 1)

    def _parts(self, value: Any) -> list[Any]:
        """Return what code, a function, a class or an object is made of."""
        if isinstance(value, types.CodeType):
            return [value.co_code.hex(), value.co_names, value.co_consts]
        if isinstance(value, functools.partial):
            return [value.func, value.args, sorted(value.keywords.items())]
        if isinstance(value, types.MethodType):
            return [value.__func__, value.__self__]
        if isinstance(value, types.FunctionType):
            return self._of_function(value)
        if isinstance(value, _CACHE):
            return [value.__wrapped__]
        return _of_class(value) if isinstance(value, type) else self._of_object(value)

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        if of_library(function):
            return [function.__qualname__]
        names = _names(function.__code__)
        if function.__name__ != "__init__":  # what that sets isn't the state of calls
            self._assigned |= names.attributes
        closed = [
            cell.cell_contents
            for name, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=False
            )
            if name not in names.assigned and not _is_state(cell)
        ]
        defaults = [function.__defaults__, sorted((function.__kwdefaults__ or {}).items())]
        return [function.__code__, defaults, closed, _of_module(function, names.read)]

    def _of_object(self, owner: Any) -> list[Any]:
        if self._own is not None and hasattr(owner, "state_dict") and id(owner) not in self._own:
            return [self._of_attributes(owner), sorted(tensors_of(owner).items())]
        return self._of_attributes(owner)

    def _of_attributes(self, owner: Any) -> list[Any]:
        if is_known(owner) or not hasattr(owner, "__dict__"):
            return [getattr(owner, "__qualname__", type(owner).__qualname__)]
        state = stored_by_calls(type(owner)) | self._assigned
        plain = [
            [name, value]
            for name, value in sorted(vars(owner).items())
            if (_is_constant(value) or isinstance(value, FUNCTIONS))
            and name not in state
            and name not in _LOADED_FROM
        ]
        return [type(owner), plain]


class _Names(NamedTuple):
    """The names that a function's code uses, with those of the functions inside."""

    assigned: frozenset[str]  # of its module, or closed over
    attributes: frozenset[str]  # which it assigns
    read: frozenset[str]


@functools.lru_cache(maxsize=20_000)  # each run asks for those of all classes of its pipeline
def _names(code: types.CodeType) -> _Names:
    codes = list(_codes(code))
    stored = [(one.opname, one.argval) for each in codes for one in dis.get_instructions(each)]
    assigned = frozenset(name for operation, name in stored if operation in _ASSIGNING)
    attributes = frozenset(name for operation, name in stored if operation == "STORE_ATTR")
    read = frozenset(name for each in codes for name in each.co_names)
    return _Names(assigned, attributes, read - assigned)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code of a function and of those inside."""
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _codes(one)


def _is_constant(value: Any) -> bool:
    return isinstance(value, (*_PLAIN, tuple)) or (is_numbers(value))


def _of_module(function: types.FunctionType, read: Collection[str]) -> list[Any]:
    """Return what a function reads of its own module; what that imports is known by its name."""
    module = function.__globals__
    here = module.get("__name__")
    found = [[name, module[name]] for name in sorted(read) if name in module]
    return [
        [name, value]
        for name, value in found
        if _is_constant(value)
        or here in (getattr(value, "__module__", None), type(value).__module__)
    ]


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
