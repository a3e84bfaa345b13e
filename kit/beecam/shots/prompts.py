"""Prompt templates: `{slot}` takes an axis' value, `{a|b}` is an axis written in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from beecam.errors import Problem, shorten
from beecam.shots import weighted_prompts as blend
from beecam.shots.weighted_prompts import WeightedPrompts

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Slot:
    """`{name}`: where an axis' value goes."""

    name: str


@dataclass(frozen=True)
class Variants:
    """`{a|b}`: an axis of its own; an empty variant leaves the place empty."""

    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """The axis' name: its options, as they were written."""
        return "|".join(self.options)


@dataclass(frozen=True)
class Template:
    """A parsed prompt template.

    >>> parse("a {insect} over {dunes|a lake}").render({"insect": "bee", "dunes|a lake": "dunes"})
    'a bee over dunes'

    Attributes:
        source: The text as written.
        parts: Texts, slots and variants in their order.
        problems: What is wrong with it; a template with problems renders what it can.
    """

    source: str
    parts: tuple[str | Slot | Variants, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots, each once, in order."""
        return tuple(dict.fromkeys(p.name for p in self.parts if isinstance(p, Slot)))

    @property
    def variants(self) -> tuple[Variants, ...]:
        """The axes written in place, each once, in order."""
        return tuple(dict.fromkeys(p for p in self.parts if isinstance(p, Variants)))

    def render(self, values: Mapping[str, object]) -> str:
        """Fill slots and variants; values are text and are not parsed again."""
        out = [p if isinstance(p, str) else str(values[p.name]) for p in self.parts]
        return "".join(out)


@dataclass(frozen=True)
class WeightedTemplate:
    """Several templates with weights, which are one prompt together.

    Attributes:
        parts: Templates with their weights.
    """

    parts: tuple[tuple[Template, float], ...]

    @property
    def source(self) -> str:
        """All of them as they were written, in one line."""
        return blend.as_text([(template.source, weight) for template, weight in self.parts])

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with any of them."""
        return tuple(problem for template, _ in self.parts for problem in template.problems)

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots of all, each once, in order."""
        return tuple(dict.fromkeys(name for template, _ in self.parts for name in template.slots))

    @property
    def variants(self) -> tuple[Variants, ...]:
        """The axes written in place, each once, in order."""
        return tuple(dict.fromkeys(v for template, _ in self.parts for v in template.variants))

    def render(self, values: Mapping[str, object]) -> WeightedPrompts:
        """Fill slots and variants of all."""
        return tuple((template.render(values), weight) for template, weight in self.parts)


def parse(source: str) -> Template:
    """Parse a template; `{{` and `}}` stand for braces. Never raises: see `Template.problems`."""
    parts: list[str | Slot | Variants] = []
    problems: list[Problem] = []
    text: list[str] = []
    at = 0
    while at < len(source):
        char = source[at]
        if source[at : at + 2] in ("{{", "}}"):
            text.append(char)
            at += 2
        elif char == "{":
            end = source.find("}", at)
            if end < 0:
                problems.append(_unbalanced(source, at, "is never closed; write {{ for a brace"))
                break
            parts.append("".join(text))
            text = []
            parsed = _parse_braces(source[at + 1 : end], source, at, problems)
            if parsed is not None:
                parts.append(parsed)
            at = end + 1
        elif char == "}":
            problems.append(_unbalanced(source, at, "closes nothing; write }} for a brace"))
            at += 1
        else:
            text.append(char)
            at += 1
    parts.append("".join(text))
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
                f"prompt: {{prompt}} at character {at}: a slot can't be called prompt, "
                f"which is the "
                "template itself; call it {subject}, say.",
            )
        )
        return None
    return Slot(name)


def _unbalanced(source: str, at: int, why: str) -> Problem:
    near = shorten(source[max(0, at - 12) : at + 20])
    return Problem("prompt", f"prompt: the brace at character {at}, near {near}, {why}.")
