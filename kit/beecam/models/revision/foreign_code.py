"""Digests of code that an owner has put on a pipeline: it is edited and run again in a notebook.

A hook, a derived class or a replaced method counts by what it does, not only by its name. So does
code that an owner has put into a library, as a method of a known class or a function that
its module calls.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from beecam.models.batching.device import networks
from beecam.models.batching.owner import FUNCTIONS, is_known, of_library, replaced_methods
from beecam.models.diffusers.introspection import source_of
from beecam.models.revision.code_digest import code_digest
from beecam.models.revision.misplaced import is_misplaced
from beecam.models.revision.sampled import is_numbers


def foreign_code(pipe: Any, others: Sequence[type] = ()) -> list[str]:
    """Return a digest of each class and function on a pipeline that isn't of a library.

    >>> foreign_code(pollen.pipe)
    []

    Args:
        pipe: A pipeline, while none of its calls runs on itself.
        others: Other classes of pipelines that work with its parts.
    """
    import torch

    own = {id(module) for part in networks(pipe).values() for module in part.modules()}
    found: list[str] = []
    kinds: set[type] = set(others)
    for path, one in _objects(pipe):
        if not is_numbers(one):
            kinds.add(type(one))
        if not is_known(one):
            # Values of tensors count elsewhere.
            content = type(one) if is_numbers(one) else [type(one), one]
            found.append(f"{path}: {code_digest(content, own)}")
        for name in replaced_methods(one):
            method = vars(one)[name]
            # A method of a library may be another one, or of another object.
            if not of_library(method) or isinstance(method, types.MethodType):
                found.append(f"{path}.{name}: {code_digest(method, own)}")
    owners: dict[Any, None] = {torch.nn.functional: None}
    owners |= dict.fromkeys(one for kind in kinds for one in kind.__mro__ if of_library(one))
    for owner in owners:
        for name, value in list(vars(owner).items()):
            function = value.fget if isinstance(value, property) else value
            function = getattr(function, "__func__", function)
            if isinstance(function, types.FunctionType) and _is_put(owner, name, function):
                found.append(f"{owner.__name__}.{name}: {_digest(function)}")
    return sorted([*found, *_in_modules(owners)])


def _in_modules(owners: Iterable[Any]) -> Iterator[str]:
    """Yield a digest of each function that was put into a module of diffusers' classes."""
    homes = {one.__module__ for one in owners if isinstance(one, type)}
    for home in homes:
        module = sys.modules.get(home)
        if module is None or not home.startswith("diffusers."):
            continue
        for name, function in list(vars(module).items()):
            if not isinstance(function, types.FunctionType) or not _is_put(module, name, function):
                continue
            # What a module imports from other packages is its own choice.
            file = getattr(sys.modules.get(function.__module__), "__file__", None) or ""
            if of_library(function) or not file.startswith(_installed()):
                yield f"{home}.{name}: {_digest(function)}"


def _digest(function: types.FunctionType) -> str:
    """Return what distinguishes a function: its code, or the name of a library's."""
    home = f"{function.__module__}." if of_library(function) else ""
    return home + code_digest(function)


def _is_put(owner: Any, name: str, function: types.FunctionType) -> bool:
    """Return whether a function was put into a class or a module of a library."""
    if not _is_foreign(function):
        return is_misplaced(owner, name, function)
    return isinstance(owner, type) or _reads(owner, name)


def _reads(module: types.ModuleType, name: str) -> bool:
    """Return whether a module's own code has a name; without it, what is put there is never called.

    `torch.compile` leaves functions in the modules of what it has compiled, by names of its own.
    """
    source = source_of(module)
    return not source or name in source


@functools.cache
def _installed() -> str:
    """Return the folder of installed packages."""
    import torch

    return str(Path(torch.__file__).parents[1])


def _is_foreign(function: types.FunctionType) -> bool:
    """Return whether a function on a library isn't the library's."""
    home = function.__module__ or ""
    return not of_library(function) and home.partition(".")[0] not in _OF_PYTHON


_OF_PYTHON = sys.stdlib_module_names - {"__main__"}


def _objects(pipe: Any) -> Iterator[tuple[str, Any]]:
    """Yield what may have code of its owner, by its path: parts, modules, hooks, tensors."""
    import torch

    yield "pipe", pipe
    for kind in ("_global_forward_hooks", "_global_forward_pre_hooks"):
        yield from _hooks("all modules", getattr(torch.nn.modules.module, kind, {}))
    for name, part in list(vars(pipe).items()):
        if not isinstance(part, torch.nn.Module):
            if name[0] != "_" and hasattr(part, "__dict__") and not isinstance(part, FUNCTIONS):
                yield name, part
            continue
        for path, module in part.named_modules(prefix=name):
            yield path, module
            own = vars(module)
            yield from _hooks(path, own["_forward_hooks"])
            yield from _hooks(path, own["_forward_pre_hooks"])
            if own.get("processor") is not None:
                yield f"{path}.processor", own["processor"]
            for weight, tensor in (*own["_parameters"].items(), *own["_buffers"].items()):
                if tensor is not None and not is_known(tensor):
                    yield f"{path}.{weight}", tensor


def _hooks(path: str, hooks: Any) -> Iterator[tuple[str, Any]]:
    for i, hook in enumerate(list(hooks.values())):
        if not of_library(hook):
            yield f"{path} hook {i}", hook
