"""Checks of a model itself, before it is used: members that are missing, or of another type."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from beecam.errors import Problem, encodable, join_words, shorten
from beecam.models.batching.batch_size import BatchPolicy
from beecam.models.capabilities import (
    SupportsDrafts,
    SupportsPreparation,
    SupportsSpeed,
    SupportsVocabulary,
)
from beecam.models.model import Model

_STRINGS = ("name", "revision")
_METHODS = ("check", "resolve", "batch_key", "generate")
# Attributes that a model may have beyond its methods, with the types that are allowed.
_ATTRIBUTES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "batching": ((BatchPolicy,), "a bc.BatchPolicy is needed, as in bc.BatchPolicy(4)"),
    "takes": (
        (tuple, list, set, frozenset),
        'names of inputs are needed, as in takes = ("image",)',
    ),
    "arguments": ((Mapping,), "a dict of arguments with their defaults is needed"),
    "license": ((str, type(None)), "a string or None is needed"),
    "source": ((str, type(None)), "a string or None is needed"),
}
# Methods that a model may have, with the arguments that they are called with.
_MORE_METHODS: Mapping[str, Any] = {
    "refresh": lambda self: self,
    "has_changed": lambda self: self,
    "for_single_clips": lambda self: self,
    "batch_keys": lambda self, shots: (self, shots),
}


@dataclass(frozen=True)
class _Capability:
    """What a model needs for one capability.

    Attributes:
        name: The capability in words.
        protocol: Its protocol.
        methods: Its methods.
        properties: Its properties.
        keywords: Arguments of `generate` that only a model with the capability has.
    """

    name: str
    protocol: type
    methods: tuple[str, ...]
    properties: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


_CAPABILITIES = (
    _Capability("drafts", SupportsDrafts, ("steps", "generate"), keywords=("starts", "pad_to")),
    _Capability("speeds", SupportsSpeed, ("at_speed", "few_step_variant", "generates"), ("speed",)),
    _Capability("preparation", SupportsPreparation, ("prepare", "release")),
    _Capability("a vocabulary", SupportsVocabulary, ("notes", "known_words")),
)


def loaded_model(model: Any) -> Iterator[Problem]:
    """Yield the problems of a model: missing members, wrong types, a part of a capability.

    >>> class Half:
    ...     def generate(self, shots): ...
    >>> for problem in loaded_model(Half()):
    ...     print(problem)
    model=<Half object>: it has no name, revision, check, resolve and no batch_key; a model needs
    name, revision, check, resolve, batch_key and generate.
    """
    members = (*_STRINGS, *_METHODS)
    missing = [name for name in members if not hasattr(model, name)]
    own = sum(name not in missing for name in _METHODS)
    if not own or (own < len(_METHODS) - 1 and "generate" in missing):
        yield Problem(
            "model",
            f"model={shorten(model)}: a loaded model is needed, from bc.load() or bc.wrap(pipe); "
            f"a class of your own needs {join_words(members)}, as in docs/own_model.md.",
        )
        return
    if isinstance(model, type):
        yield Problem("model", f"model={model.__name__}: a class; pass {model.__name__}().")
        return
    if missing:
        yield Problem(
            "model",
            f"model={shorten(model)}: it has no {join_words(missing, 'and no')}; a model needs "
            f"{join_words(members)}.",
        )
        return
    for reason in (*_wrong_members(model), *_wrong_attributes(model), *_partial(model)):
        yield Problem("model", f"model={shorten(model)}: {reason}.")


def _wrong_members(model: Any) -> Iterator[str]:
    for name in _STRINGS:
        value = getattr(model, name)
        if not isinstance(value, str):
            yield f"its {name} is {shorten(value)}; a string is needed"
        elif encodable(value) != value:
            yield f"its {name} is {value!a}, which can't be stored as text"
    for name in _METHODS:
        if reason := _misfit(model, name, getattr(Model, name)):
            yield f"{reason}; {_form(name, getattr(Model, name))} is needed"


def _wrong_attributes(model: Any) -> Iterator[str]:
    for name, (types, needed) in _ATTRIBUTES.items():
        value = getattr(model, name, inspect.Parameter.empty)
        if value is not inspect.Parameter.empty and not isinstance(value, types):
            yield f"its {name} is {shorten(value)}; {needed}"
    for name, wanted in _MORE_METHODS.items():
        if hasattr(model, name) and (reason := _misfit(model, name, wanted)):
            yield f"{reason}; {_form(name, wanted)} is needed"


def _partial(model: Any) -> Iterator[str]:
    """Yield a reason for each capability of which a model has a part."""
    for capability in _CAPABILITIES:
        offered = _offered(model, capability)
        if not offered:
            continue
        protocol = capability.protocol
        reasons = [f"it has no {n}" for n in capability.properties if not hasattr(model, n)]
        reasons += [
            reason
            for name in capability.methods
            if (reason := _misfit(model, name, getattr(protocol, name)))
        ]
        if reasons:
            needed = [_form(name, getattr(protocol, name)) for name in capability.methods]
            yield (
                f"with its {join_words(offered)} it offers {capability.name}, but "
                f"{join_words(reasons)}; that needs {join_words([*capability.properties, *needed])}"
            )


def _offered(model: Any, capability: _Capability) -> list[str]:
    """Return what a model has that only a capability explains."""
    methods = [name for name in capability.methods if name not in _METHODS]
    found = [f"{name}()" for name in methods if callable(getattr(model, name, None))]
    signature = _signature(model.generate)
    taken = signature.parameters if signature else ()
    return found + [f"generate({name}=)" for name in capability.keywords if name in taken]


def _misfit(model: Any, name: str, wanted: Any) -> str | None:
    """Return why a model's method can't be called as another one is; None if it can.

    Args:
        model: The model.
        name: The method's name.
        wanted: A function with `self` and the arguments that it is called with.
    """
    if not hasattr(model, name):
        return f"it has no {name}"
    method = getattr(model, name)
    if not callable(method):
        return f"its {name} is {shorten(method)}, not a method"
    signature = _signature(method)
    _, *parameters = inspect.signature(wanted).parameters.values()
    keywords = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
    try:
        if signature is not None:
            signature.bind(*[None] * (len(parameters) - len(keywords)), **keywords)
    except TypeError as error:
        return f"its {name} takes other arguments ({error})"
    return None


def _signature(method: Any) -> inspect.Signature | None:
    """Return a method's signature; None where Python can't tell it."""
    try:
        return inspect.signature(method)
    except (TypeError, ValueError):
        return None


def _form(name: str, function: Any) -> str:
    """Return a method as a call with its arguments, as messages show it."""
    _, *parameters = inspect.signature(function).parameters.values()
    each = [f"{p.name}=" if p.kind is p.KEYWORD_ONLY else p.name for p in parameters]
    return f"{name}({', '.join(each)})"
