"""Functions of a library in the place of others of a library, such as `F.silu = F.relu`."""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from beecam.models.diffusers.introspection import source_of


def is_misplaced(owner: Any, name: str, function: types.FunctionType) -> bool:
    """Return whether a class or a module of a library has another function than its source defines.

    What a source itself assigns or imports is where it should be, and what it doesn't name is
    never called by it.

    >>> is_misplaced(torch.nn.functional, "silu", torch.nn.functional.relu)
    True

    Args:
        owner: The class or module.
        name: The name of the function there.
        function: The function.
    """
    home = sys.modules.get(owner.__module__) if isinstance(owner, type) else owner
    if home is None or name not in _defined(home, inside=isinstance(owner, type)):
        return False
    others = [one for one in _with_wrapped(function) if not _is_of_compiler(one)]
    return bool(others) and not any(_is_defined_as(owner, name, one) for one in others)


@functools.cache
def _defined(home: types.ModuleType, *, inside: bool) -> frozenset[str]:
    """Return the names that a module's source defines, or its classes, and assigns nothing else."""
    source = source_of(home)
    found = re.findall(r"^ +def (\w+)\(" if inside else r"^def (\w+)\(", source, re.MULTILINE)
    assigned = re.findall(r"^ *(\w+)(?:: .*)? = ", source, re.MULTILINE)
    # Functions of C++, in whose places none of Python should be.
    documented = re.findall(r"^(\w+) = _add_docstr\(", source, re.MULTILINE)
    return frozenset(found).difference(assigned) | frozenset(() if inside else documented)


def _is_defined_as(owner: Any, name: str, function: types.FunctionType) -> bool:
    code = function.__code__
    if isinstance(owner, type):
        return code.co_qualname == f"{owner.__qualname__}.{name}"
    return code.co_qualname == name and function.__globals__ is vars(owner)


def _is_of_compiler(function: types.FunctionType) -> bool:
    """Return whether `torch.compile` has put a function there, as it does once it is used."""
    return str(function.__globals__.get("__name__")).startswith("torch._dynamo.")


def _with_wrapped(function: Any) -> Iterator[types.FunctionType]:
    """Yield a function and what it wraps; decorators have a code of their own."""
    while function is not None:
        function = getattr(function, "__func__", function)
        if isinstance(function, types.FunctionType):
            yield function
        function = getattr(function, "__dict__", {}).get("__wrapped__")
