"""What a pipeline does when it is called without a negative prompt.

Most encode "", some a text of their own, and some leave out a part of the computation, which no
text does. This is read off the source of the class; where that isn't plain, the pipeline is called
without a negative prompt, as its user would call it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

_NAME = "negative_prompt"


def unset_negative_prompt(kind: type, parameters: Mapping[str, inspect.Parameter]) -> str | None:
    """Return the text with which a pipeline does what it does without a negative prompt.

    Args:
        kind: The pipeline's class.
        parameters: The parameters of its call.

    Returns:
        The text; "" if it takes no negative prompt; None if it isn't known to be that of a text.
    """
    parameter = parameters.get(_NAME)
    if parameter is None:
        return ""
    if isinstance(parameter.default, str):
        return parameter.default
    for method in (kind.__call__, getattr(kind, "encode_prompt", None)):
        if method is None:
            return None
        found = _meanings(kind, inspect.unwrap(method))
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _meanings(kind: type, method: Callable[..., Any]) -> set[str | None]:
    """Return the texts that a method uses for None; None among them for anything else."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, TypeError, SyntaxError):
        return {None}
    found: set[str | None] = set()
    understood: set[int] = set()

    def text(node: ast.expr) -> str | None:
        return _text(kind, method, node)

    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or) and _is_it(node.values[0]):
            found.add(text(node.values[1]))
        elif isinstance(node, ast.IfExp) and (unset := _compares(node.test)) is not None:
            understood.add(id(node.test))
            found.add(text(node.body if unset else node.orelse))
        elif isinstance(node, ast.If) and _compares(node.test):
            first = node.body[0]
            understood.add(id(node.test))
            found.add(text(first.value) if isinstance(first, ast.Assign) else None)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.expr)
            and _compares(node) is not None
            and id(node) not in understood
        ):
            found.add(None)
    return found


def _is_it(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == _NAME


def _compares(node: ast.expr) -> bool | None:
    """Return True for `negative_prompt is None`, False for `is not None`, None for others."""
    if not (isinstance(node, ast.Compare) and _is_it(node.left)):
        return None
    other = node.comparators[0]
    if not (isinstance(other, ast.Constant) and other.value is None):
        return None
    return isinstance(node.ops[0], ast.Is)


def _text(kind: type, method: Callable[..., Any], node: ast.expr) -> str | None:
    if isinstance(node, ast.BinOp) and isinstance(node.left, ast.List) and node.left.elts:
        return _text(kind, method, node.left.elts[0])  # [""] * batch_size
    value: Any = None
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Name):
        value = getattr(method, "__globals__", {}).get(node.id)
    elif isinstance(node, ast.Attribute):
        value = getattr(kind, node.attr, None)
    return value if isinstance(value, str) else None
