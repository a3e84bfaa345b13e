"""Python code for the values of a sweep form."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from beecam.shots.inputs import Input
from beecam.sweeps.axes import Axis, Sample, Zip

_COLUMNS = 80


def code_of(value: Any, keyword: str = "") -> str:
    """Return a value as Python code.

    Args:
        value: A scalar, a list, a range, an axis, or another argument of `bc.sweep`.
        keyword: The keyword that the value is passed to, if any: an axis of that name needs no
            `bc.Axis(...)` then.
    """
    if isinstance(value, Axis):
        return _axis_code(value, bare=bool(keyword) and value.name == keyword)
    if isinstance(value, list):
        return call_code("", [code_of(one) for one in value], "[]")
    if isinstance(value, range) and not value.start:
        return f"range({value.stop})"
    return string_code(value) if isinstance(value, str) else _object_code(value)


def call_code(function: str, arguments: Sequence[str], brackets: str = "()") -> str:
    """Return a call, a list or a dict, on one line if that is short enough.

    Args:
        function: Name of the function; "" for a list or a dict.
        arguments: The code of each argument.
        brackets: The opening and the closing bracket.
    """
    line = f"{function}{brackets[0]}{', '.join(arguments)}{brackets[1]}"
    if len(line) <= _COLUMNS and "\n" not in line:
        return line
    indented = textwrap.indent(",\n".join(arguments), "    ")
    return f"{function}{brackets[0]}\n{indented},\n{brackets[1]}"


def string_code(text: str) -> str:
    """Return a string literal, in double quotes where that needs no escapes."""
    literal = repr(text)
    return literal if '"' in text or literal.startswith('"') else f'"{literal[1:-1]}"'


def is_plain(axis: Axis) -> bool:
    """Return whether an axis has no notes and only default labels."""
    return not any(axis.notes) and axis.labels == Axis(axis.name, axis.values).labels


def _object_code(value: Any) -> str:
    if isinstance(value, Zip):
        return call_code("bc.zip", [code_of(axis) for axis in value.axes])
    if isinstance(value, Sample):
        return f"bc.sample({value.n}, seed={value.seed})"
    if isinstance(value, Input):
        stored = f"library.inputs[{string_code(value.digest[:12])}]"
        return stored if value.fps is None else f"bc.read_media({stored}, fps={value.fps!r})"
    return repr(value)


def _axis_code(axis: Axis, *, bare: bool) -> str:
    values = code_of(list(axis.values))
    if bare and is_plain(axis):
        return values
    if bare and not any(axis.notes) and len({*axis.labels}) == len(axis):
        pairs = zip(axis.labels, axis.values, strict=True)
        items = [f"{string_code(label)}: {code_of(value)}" for label, value in pairs]
        return call_code("", items, "{}")
    arguments = [string_code(axis.name), values]
    if axis.labels != Axis(axis.name, axis.values).labels:
        arguments.append(f"labels={code_of(list(axis.labels))}")
    if any(axis.notes):
        arguments.append(f"notes={code_of(list(axis.notes))}")
    return call_code("bc.Axis", arguments)
