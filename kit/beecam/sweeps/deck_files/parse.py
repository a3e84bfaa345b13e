"""Parse decks from YAML files.

The files may come from other people, so that only strings and numbers are allowed, and their
counts are limited. YAML nodes are walked rather than constructed as objects: no tag is executed,
and each problem names its line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from beecam._util.plain_files import read_named
from beecam.errors import DeckError, did_you_mean, shorten
from beecam.shots.conditions import CONDITIONS
from beecam.shots.shot import MAX_PROMPT
from beecam.shots.templates.parse import parse
from beecam.shots.templates.template import Choice, Wildcard
from beecam.sweeps.axes import Axis
from beecam.sweeps.deck_files.deck import Deck

MAX_BYTES = 64_000
_MAX_DEPTH = 16
MAX_AXES = 12
MAX_VALUES = 200
_MAX_NAME, _MAX_TITLE, _MAX_NOTE, _MAX_VALUE, _MAX_LABEL = 80, 120, 1_000, 500, 120
_MAX_SEEDS, _MAX_SAMPLE = 1_000, 10_000
_MAX_PROBLEMS = 10

_KEYS = ("name", "title", "note", "template", "axes", "arguments", "seeds", "sample")
_VALUE_KEYS = ("value", "label", "note")
_REQUIRED_KEYS = ("name", "template")
# A deck from someone else must not read files of the user's; the others have keys of their own.
_FORBIDDEN_ARGUMENTS = (*CONDITIONS, "lora", "prompt", "model", "noise", "seed")


def read_deck(path: Path) -> Deck:
    """Return the deck of a YAML file.

    >>> read_deck(Path("lessons/insects.yaml")).name
    'insects'

    Raises:
        DeckError: With the file's problems, each with file, line and key.
    """
    reader = _Reader(path)
    root = reader.root()
    if root is None and not reader.problems:
        reader.problems.append(f"{path}, line 1: the deck: it is empty.")
    deck = None if root is None else reader.deck(root)
    if reader.problems:
        more = len(reader.problems) - _MAX_PROBLEMS
        lines = reader.problems[:_MAX_PROBLEMS] + (
            [f"and {more} more problems."] if more > 0 else []
        )
        raise DeckError("\n".join(lines))
    assert deck is not None
    return deck


class _Reader:
    """Walks the YAML nodes of one file, and collects its problems.

    Attributes:
        problems: A message each.
    """

    def __init__(self, path: Path) -> None:
        self.problems: list[str] = []
        self._path = path
        self._loader: Any = None

    def root(self) -> yaml.Node | None:
        """Return the file's top node, or None after adding a problem."""
        try:
            with read_named(self._path) as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            self.problems.append(f"{self._path}: it can't be read: {error.strerror or error}.")
            return None
        if len(data) > MAX_BYTES:
            self.problems.append(
                f"{self._path}: a deck has at most {MAX_BYTES:,} bytes; shorten it."
            )
            return None
        try:
            text = data.decode("utf-8-sig")
            self._loader = yaml.SafeLoader(text)
            if problem := _find_unsupported(text):
                self.problems.append(f"{self._path}: {problem}")
                return None
            return self._loader.get_single_node()  # type: ignore[no-any-return]
        except UnicodeDecodeError:
            self.problems.append(f"{self._path}: it is not UTF-8 text; save it as UTF-8.")
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark is not None else ""
            why = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
            self.problems.append(
                f"{self._path}{line}: {why}. Put strings that contain : # {{ or quotes in quotes."
            )
        return None

    def deck(self, root: yaml.Node) -> Deck | None:
        """Return the deck; its problems are added to `problems`."""
        parts = self._mapping(root, "the deck", _KEYS)
        for name in _REQUIRED_KEYS:
            if name not in parts and not self.problems:
                self._add_problem(
                    root, name, f"it is missing; a deck needs {' and '.join(_REQUIRED_KEYS)}"
                )
        template = self._text(parts, "template", MAX_PROMPT)
        axes = self._axes(parts.get("axes"))
        if "template" in parts:
            self._check_template(parts["template"], template, axes)
        name = self._text(parts, "name", _MAX_NAME).strip()
        if "name" in parts and self._scalar(parts["name"]) == "":
            self._add_problem(parts["name"], "name", "it is empty")
        arguments, notes = self._arguments(parts.get("arguments"))
        return Deck(
            name=name,
            title=self._text(parts, "title", _MAX_TITLE).strip() or name.capitalize(),
            note=" ".join(self._text(parts, "note", _MAX_NOTE).split()),
            template=template,
            axes=tuple(axes),
            arguments=arguments,
            argument_notes=notes,
            seeds=self._integer(parts, "seeds", _MAX_SEEDS) or 1,
            sample=self._integer(parts, "sample", _MAX_SAMPLE),
            path=self._path,
        )

    # --- parts ---------------------------------------------------------------------------------

    def _check_template(self, node: yaml.Node, template: str, axes: list[Axis]) -> None:
        parsed = parse(template)
        for problem in parsed.problems:
            self._add_problem(node, "template", str(problem).removeprefix("prompt: "))
        if parsed.loras or _has_wildcard(parsed.choices):
            why = "tags <lora:...> and __wildcards__ read files; a deck can't, write values out"
            self._add_problem(node, "template", why)
        names = [axis.name for axis in axes]
        for slot in parsed.slots:
            if slot not in names and slot != "seed":
                hint = did_you_mean(slot, names)
                self._add_problem(node, "template", f"no axis for its slot {{{slot}}}.{hint}")
        for name in names:
            if name not in parsed.slots:
                hint = did_you_mean(name, parsed.slots, "{{{}}}")
                self._add_problem(node, "axes", f"the template has no slot {{{name}}}.{hint}")

    def _axes(self, node: yaml.Node | None) -> list[Axis]:
        parts = {} if node is None else self._mapping(node, "axes", None)
        if len(parts) > MAX_AXES and node is not None:
            self._add_problem(node, "axes", f"{len(parts)} axes; at most {MAX_AXES} are allowed")
            return []
        return [
            axis
            for name, values in parts.items()
            if (axis := self._axis(name, values, f"axes: {name}", _is_text_or_number)) is not None
        ]

    def _arguments(self, node: yaml.Node | None) -> tuple[dict[str, Any], dict[str, str]]:
        found: dict[str, Any] = {}
        notes: dict[str, str] = {}
        for name, value in ({} if node is None else self._mapping(node, "arguments", None)).items():
            key = f"arguments: {name}"
            if name in _FORBIDDEN_ARGUMENTS:
                where = "use the key seeds" if name == "seed" else "a deck can't set it"
                self._add_problem(value, key, f"not allowed here: {where}")
            elif isinstance(value, yaml.SequenceNode):
                axis = self._axis(name, value, key, _is_plain)
                if axis is not None:
                    found[name] = axis
            else:
                for one, _, note in self._value(value, key, _is_plain):
                    found[name] = one
                    notes.update({name: note} if note else {})
        return found, notes

    def _axis(
        self, name: str, node: yaml.Node, key: str, allowed: Callable[[Any], bool]
    ) -> Axis | None:
        if not self._is(node, yaml.SequenceNode):
            self._add_problem(node, key, "a list of values is needed, each on a line after a dash")
            return None
        nodes = node.value
        if not 1 <= len(nodes) <= MAX_VALUES:
            self._add_problem(node, key, f"{len(nodes)} values; from 1 to {MAX_VALUES} are allowed")
            return None
        rows = [(*row, one) for one in nodes for row in self._value(one, key, allowed)]
        seen: set[str] = set()
        for value, _, _, one in rows:
            if repr(value) in seen:
                self._add_problem(one, key, f"the value {shorten(value)} occurs twice")
            seen.add(repr(value))
        if not rows:
            return None
        values, labels, notes, _ = zip(*rows, strict=True)
        return Axis(
            name, values, tuple(b or f"{v}" for v, b in zip(values, labels, strict=True)), notes
        )

    def _value(
        self, node: yaml.Node, key: str, allowed: Callable[[Any], bool]
    ) -> Iterator[tuple[Any, str | None, str | None]]:
        """Yield a value with its label and note; nothing after adding a problem."""
        label = note = None
        if isinstance(node, yaml.MappingNode):
            parts = self._mapping(node, key, _VALUE_KEYS)
            if "value" not in parts:
                self._add_problem(node, key, "value: is missing")
                return
            label = self._text(parts, "label", _MAX_LABEL).strip() or None
            note = " ".join(self._text(parts, "note", _MAX_NOTE).split()) or None
            node = parts["value"]
        value = self._scalar(node)
        if not allowed(value):
            what = "a string or a number" + (", true or false" if allowed is _is_plain else "")
            quotes = (
                f"; in quotes it is a string: '{node.value}'"
                if self._is(node, yaml.ScalarNode)
                else ""
            )
            self._add_problem(node, key, f"{what} is needed{quotes}")
        elif isinstance(value, str) and len(value) > _MAX_VALUE:
            self._add_problem(
                node, key, f"{len(value):,} characters; at most {_MAX_VALUE} are allowed"
            )
        else:
            yield value, label, note

    # --- nodes ---------------------------------------------------------------------------------

    def _mapping(
        self, node: yaml.Node, key: str, known: tuple[str, ...] | None
    ) -> dict[str, yaml.Node]:
        if not self._is(node, yaml.MappingNode):
            example = f"{known[0]}: ..." if known else "name: ..."
            self._add_problem(node, key, f"keys with values are needed, as in {example}")
            return {}
        found: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            name = self._scalar(name_node)
            if not isinstance(name, str):
                self._add_problem(name_node, key, "a key that is not a string; put it in quotes")
            elif known is not None and name not in known:
                hint = did_you_mean(name, known)
                self._add_problem(
                    name_node, name, f"not a key of {key}.{hint} The keys are {', '.join(known)}"
                )
            elif known is None and not name.isidentifier():
                self._add_problem(
                    name_node, key, f"{shorten(name)}: a name as in {{insect}} is needed"
                )
            elif name in found:
                self._add_problem(name_node, name, "it is given twice")
            else:
                found[name] = value
        return found

    def _text(self, parts: dict[str, yaml.Node], key: str, limit: int) -> str:
        if key not in parts:
            return ""
        value = self._scalar(parts[key])
        if not isinstance(value, str):
            self._add_problem(parts[key], key, "a string is needed; put it in quotes")
            return ""
        if len(value) > limit:
            self._add_problem(
                parts[key], key, f"{len(value):,} characters; at most {limit:,} are allowed"
            )
            return ""
        return value

    def _integer(self, parts: dict[str, yaml.Node], key: str, limit: int) -> int | None:
        if key not in parts:
            return None
        value = self._scalar(parts[key])
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
            self._add_problem(parts[key], key, f"an integer from 1 to {limit:,} is needed")
            return None
        return value

    def _scalar(self, node: yaml.Node) -> Any:
        """Return a scalar's value; of any other node the node itself, which no check accepts."""
        if not self._is(node, yaml.ScalarNode):
            return node
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            return node

    @staticmethod
    def _is(node: yaml.Node, kind: type[yaml.Node]) -> bool:
        """Return whether a node is of a kind, and has one of YAML's own tags."""
        return (
            isinstance(node, kind)
            and node.tag.startswith("tag:yaml.org,2002:")
            and ("python" not in node.tag)
        )

    def _add_problem(self, node: yaml.Node, key: str, why: str) -> None:
        end = "" if why.endswith((".", "?")) else "."
        self.problems.append(f"{self._path}, line {node.start_mark.line + 1}: {key}: {why}{end}")


def _has_wildcard(parts: Iterable[Any]) -> bool:
    """Return whether choices, or what is nested in them, name files."""
    return any(
        isinstance(part, Wildcard)
        or (isinstance(part, Choice) and any(_has_wildcard(o.parts) for o in part.options))
        for part in parts
    )


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, str) or (_is_plain(value) and not isinstance(value, bool))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


def _find_unsupported(text: str) -> str | None:
    """Return a message on YAML that decks can't use, without building nodes of deep nesting."""
    depth = 0
    for event in yaml.parse(text):
        if isinstance(event, yaml.AliasEvent):
            return "aliases (*name) are not supported; write the value out."
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            return "lists within lists within lists; a deck is not nested."
    return None
