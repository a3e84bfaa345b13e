"""Prompt templates: `{slot}` takes the value of an axis, `{a|b}` is an axis written in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from beecam.errors import Problem, shorten
from beecam.shots import weighted_prompts
from beecam.shots.weighted_prompts import WeightedPrompts

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Slot:
    """A placeholder `{name}` for the value of an axis.

    Attributes:
        name: The axis' name.
    """

    name: str


@dataclass(frozen=True)
class Variants:
    """An axis written in place, `{a|b}`; an empty variant adds no text.

    Attributes:
        options: The axis' values.
    """

    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the axis' name: its options, as they were written."""
        return "|".join(self.options)


@dataclass(frozen=True)
class Template:
    """A parsed prompt template.

    >>> parse("a {insect} over {dunes|a lake}").render({"insect": "bee", "dunes|a lake": "dunes"})
    'a bee over dunes'

    Attributes:
        source: The template as written.
        parts: Literal text, slots and variants, in order.
        problems: Syntax errors; a template with problems renders the parts that are valid.
    """

    source: str
    parts: tuple[str | Slot | Variants, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        """Return the names of the slots, each once, in order.

        >>> parse("a {insect} over {place}").slots
        ('insect', 'place')
        """
        return tuple(dict.fromkeys(p.name for p in self.parts if isinstance(p, Slot)))

    @property
    def variants(self) -> tuple[Variants, ...]:
        """Return the axes written in place, each once, in order.

        >>> parse("a {bee|moth}").variants
        (Variants(options=('bee', 'moth')),)
        """
        return tuple(dict.fromkeys(p for p in self.parts if isinstance(p, Variants)))

    def render(self, values: Mapping[str, object]) -> str:
        """Return the prompt with slots and variants filled; values are not parsed again.

        >>> parse("a {insect}").render({"insect": "bee"})
        'a bee'
        """
        return "".join(p if isinstance(p, str) else str(values[p.name]) for p in self.parts)


@dataclass(frozen=True)
class WeightedTemplate:
    """Several templates with weights, which together are one prompt.

    >>> WeightedTemplate(((parse("a {insect}"), 0.7), (parse("snow"), 0.3))).slots
    ('insect',)

    Attributes:
        parts: Templates with their weights.
    """

    parts: tuple[tuple[Template, float], ...]

    @property
    def source(self) -> str:
        """Return the templates as written, with their weights, in one line."""
        return weighted_prompts.as_text(
            [(template.source, weight) for template, weight in self.parts]
        )

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return the syntax errors of all templates."""
        return tuple(problem for template, _ in self.parts for problem in template.problems)

    @property
    def slots(self) -> tuple[str, ...]:
        """Return the names of all slots, each once, in order."""
        return tuple(dict.fromkeys(name for template, _ in self.parts for name in template.slots))

    @property
    def variants(self) -> tuple[Variants, ...]:
        """Return the axes written in place, each once, in order."""
        return tuple(dict.fromkeys(v for template, _ in self.parts for v in template.variants))

    def render(self, values: Mapping[str, object]) -> WeightedPrompts:
        """Return the weighted prompts with all slots and variants filled."""
        return tuple((template.render(values), weight) for template, weight in self.parts)


def parse(source: str) -> Template:
    """Parse a template; `{{` and `}}` are literal braces. Never raises: see `Template.problems`.

    >>> parse("a {insect} over {dunes|a lake}").parts
    ('a ', Slot(name='insect'), ' over ', Variants(options=('dunes', 'a lake')))
    """
    parts: list[str | Slot | Variants] = []
    problems: list[Problem] = []
    literal: list[str] = []
    at = 0
    while at < len(source):
        char = source[at]
        if source[at : at + 2] in ("{{", "}}"):
            literal.append(char)
            at += 2
        elif char == "{":
            end = source.find("}", at)
            if end < 0:
                problems.append(_unbalanced(source, at, "is never closed; write {{ for a brace"))
                break
            parts.append("".join(literal))
            literal = []
            parsed = _parse_braces(source[at + 1 : end], source, at, problems)
            if parsed is not None:
                parts.append(parsed)
            at = end + 1
        elif char == "}":
            problems.append(_unbalanced(source, at, "closes nothing; write }} for a brace"))
            at += 1
        else:
            literal.append(char)
            at += 1
    parts.append("".join(literal))
    return Template(source, tuple(part for part in parts if part != ""), tuple(problems))


def _parse_braces(
    body: str, source: str, at: int, problems: list[Problem]
) -> Slot | Variants | None:
    if "{" in body:
        problems.append(_unbalanced(source, at, "holds another brace; slots can't be nested"))
        return None
    if "|" in body:
        return Variants(tuple(option.strip() for option in body.split("|")))
    name = body.strip()
    if not _NAME.fullmatch(name):
        problems.append(
            Problem(
                "prompt",
                f"prompt: {{{body}}} at character {at}: a slot is a name as in {{insect}}, "
                "variants are written {a|b}, and {{ is a plain brace.",
            )
        )
        return None
    if name == "prompt":
        problems.append(
            Problem(
                "prompt",
                f"prompt: {{prompt}} at character {at}: a slot can't be called prompt, which is "
                "the template itself; rename it, for example to {subject}.",
            )
        )
        return None
    return Slot(name)


def _unbalanced(source: str, at: int, why: str) -> Problem:
    excerpt = shorten(source[max(0, at - 12) : at + 20])
    return Problem("prompt", f"prompt: the brace at character {at}, near {excerpt}, {why}.")
