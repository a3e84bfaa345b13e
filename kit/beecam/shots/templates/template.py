"""The parts of a prompt template, and how they become a prompt.

`{slot}` takes the value of an axis, `{a|b}` and `__wildcard__` are axes written in place. Two equal
choices in two places are two axes.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from beecam.errors import Problem
from beecam.shots import weighted_prompts
from beecam.shots.weighted_prompts import WeightedPrompts

# Words in capitals that other tools read as commands.
COMMANDS = ("AND", "BREAK", "ADDBASE", "ADDCOL", "ADDCOMM", "ADDROW")
_SPECIAL = re.compile(
    r"[\\{}()\[\]<>|#:$]|_(?=_)|(?<=_)_|-(?=-)|(?<=-)-|/(?=[/*])"
    rf"|(?<![\w\\])(?={'|'.join(COMMANDS)})"
)
_SAMPLER = re.compile(r"\A(\s*)(?=[@~!])")


@dataclass(frozen=True)
class Slot:
    """A placeholder `{name}` for the value of an axis.

    Attributes:
        name: The axis' name.
    """

    name: str


@dataclass(frozen=True)
class Wildcard:
    """An axis written in place, `__name__`, whose values are the lines of a text file.

    Attributes:
        name: The axis' name: the wildcard as it was written.
        pattern: The file's path below the folder, without its suffix; `*` matches any characters.
    """

    name: str
    pattern: str


@dataclass(frozen=True)
class Option:
    """One option of a choice.

    Attributes:
        parts: Text, choices and wildcards.
        weight: How likely it is drawn, relative to the other options.
    """

    parts: tuple[str | Choice | Wildcard, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Choice:
    """An axis written in place, `{a|b}`; an empty option adds no text.

    Attributes:
        name: The axis' name: the options as they were written. A second equal choice in the same
            prompt is another axis, "a|b (2)".
        options: The options.
        low: The smallest number of options in one value.
        high: The largest; None for all options.
        separator: What is between the options of one value.
    """

    name: str
    options: tuple[Option, ...]
    low: int = 1
    high: int | None = 1
    separator: str = ", "


@dataclass(frozen=True)
class Lora:
    """A tag `<lora:name:weight>`, which adds a LoRA and no text.

    Attributes:
        name: The file's name without its suffix.
        weight: The scale of the LoRA.
    """

    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class Switched:
    """Text that changes during the denoising, `[before:after:at]`.

    Attributes:
        before: The text of the first steps.
        after: The text from the switch on.
        at: The number of steps before the switch, or a fraction of the steps.
    """

    before: tuple[Part, ...]
    after: tuple[Part, ...]
    at: float


Part: TypeAlias = str | Slot | Choice | Wildcard | Lora | Switched


@dataclass(frozen=True)
class Template:
    """A parsed prompt template.

    >>> parse("a {insect} over {dunes|a lake}").render({"insect": "bee", "dunes|a lake": "dunes"})
    'a bee over dunes'

    Attributes:
        source: The template as written.
        parts: Literal text and what is filled in, in order.
        problems: Syntax errors; a template with problems renders the parts that are valid.
    """

    source: str
    parts: tuple[Part, ...]
    problems: tuple[Problem, ...] = ()

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Return the names of the slots, each once, in order.

        >>> parse("a {insect} over {place}").slots
        ('insect', 'place')
        """
        return tuple(dict.fromkeys(p.name for p in flatten(self.parts) if isinstance(p, Slot)))

    @cached_property
    def choices(self) -> tuple[Choice | Wildcard, ...]:
        """Return the axes written in place, in order.

        >>> [choice.name for choice in parse("a {bee|moth} in __place__").choices]
        ['bee|moth', '__place__']
        """
        return tuple(p for p in flatten(self.parts) if isinstance(p, (Choice, Wildcard)))

    @cached_property
    def loras(self) -> tuple[Lora, ...]:
        """Return the tags `<lora:...>`, in order.

        >>> parse("a bee <lora:pencil:0.8>").loras
        (Lora(name='pencil', weight=0.8),)
        """
        return tuple(p for p in flatten(self.parts) if isinstance(p, Lora))

    @cached_property
    def switch_at(self) -> float | None:
        """Return where the text changes during the denoising, or None.

        >>> parse("a bee at [dawn:night:0.5]").switch_at
        0.5
        """
        return next((p.at for p in flatten(self.parts) if isinstance(p, Switched)), None)

    def render(self, values: Mapping[str, object], *, after: bool = False) -> str:
        """Return the prompt with slots and choices filled; values are not parsed again.

        >>> parse("a {insect} at [dawn:night:0.5]").render({"insect": "bee"}, after=True)
        'a bee at night'

        Args:
            values: The values of slots and choices, by name.
            after: Return the prompt after the switch.
        """
        return _render(self.parts, values, after)


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
        own = tuple(problem for template, _ in self.parts for problem in template.problems)
        if not any(template.switch_at for template, _ in self.parts):
            return own
        message = (
            "prompt: [from:to:when] can't be used within weighted prompts, since what follows a "
            "switch is a single text; give switch_at= and then_prompt=."
        )
        return (*own, Problem("prompt", message))

    @property
    def slots(self) -> tuple[str, ...]:
        """Return the names of all slots, each once, in order."""
        return tuple(dict.fromkeys(name for template, _ in self.parts for name in template.slots))

    @property
    def choices(self) -> tuple[Choice | Wildcard, ...]:
        """Return the axes written in place, in order."""
        return tuple(choice for template, _ in self.parts for choice in template.choices)

    @property
    def loras(self) -> tuple[Lora, ...]:
        """Return the tags `<lora:...>`, in order."""
        return tuple(lora for template, _ in self.parts for lora in template.loras)

    @property
    def switch_at(self) -> float | None:
        """Return None: weighted prompts have no switch of their own; see `problems`."""
        return None

    def render(self, values: Mapping[str, object], *, after: bool = False) -> WeightedPrompts:
        """Return the weighted prompts with all slots and choices filled."""
        return tuple((part.render(values, after=after), weight) for part, weight in self.parts)


AnyTemplate: TypeAlias = Template | WeightedTemplate


def plain_template(text: str) -> Template:
    """Return the template of a text that means itself.

    >>> plain_template("a {bee|moth}").render({})
    'a {bee|moth}'
    """
    return Template(text, (text,))


def plain_weighted(pairs: Sequence[tuple[str, float]]) -> WeightedTemplate:
    """Return the template of weighted texts that mean themselves.

    >>> plain_weighted([("{a}", 0.7), ("{b}", 0.3)]).render({})
    (('{a}', 0.7), ('{b}', 0.3))
    """
    return WeightedTemplate(tuple((plain_template(text), weight) for text, weight in pairs))


def flatten(parts: Sequence[Part]) -> Iterator[Part]:
    """Yield parts, and those inside of switches; options of choices are not entered.

    >>> list(flatten((Switched(("dawn",), (Slot("light"),), 0.5),)))[1:]
    ['dawn', Slot(name='light')]
    """
    for part in parts:
        yield part
        if isinstance(part, Switched):
            yield from flatten(part.before)
            yield from flatten(part.after)


def escape(text: str) -> str:
    r"""Return a text as it is written in a template, with its special characters escaped.

    >>> escape("{a|b}")
    '\\{a\\|b\\}'
    """
    return _SAMPLER.sub(r"\1\\", _SPECIAL.sub(r"\\\g<0>", text))


def source_of(parts: Sequence[Part]) -> str:
    """Return the source of a template with these parts, in which each choice is decided.

    >>> source_of(("a bee over ", Slot("place")))
    'a bee over {place}'
    """
    return "".join(map(_source, parts))


def decided(template: AnyTemplate, values: Mapping[str, str]) -> AnyTemplate:
    """Return a template with text in place of its choices.

    >>> decided(parse("a {bee|moth} over {place}"), {"bee|moth": "bee"}).source
    'a bee over {place}'

    Args:
        template: The template.
        values: The text of each choice, by its name.
    """
    if isinstance(template, WeightedTemplate):
        new = ((_decided(part, values), weight) for part, weight in template.parts)
        return WeightedTemplate(tuple(new))
    return _decided(template, values)


def lines_of(
    template: AnyTemplate, values: Mapping[str, Sequence[tuple[str, float]]]
) -> Iterator[tuple[AnyTemplate, dict[str, str], float]]:
    """Yield a template for each combination of its choices, with what was chosen and its share.

    >>> [line.source for line, _, _ in lines_of(parse("a {b|c}"), {"b|c": [("b", 3), ("c", 1)]})]
    ['a b', 'a c']

    Args:
        template: The template.
        values: The values of each choice with their weights, by the choice's name.
    """
    names = [choice.name for choice in template.choices]
    totals = [math.fsum(weight for _, weight in values[name]) or 1.0 for name in names]
    for combination in itertools.product(*(values[name] for name in names)):
        chosen = {n: text for n, (text, _) in zip(names, combination, strict=True)}
        shares = (w / total for (_, w), total in zip(combination, totals, strict=True))
        yield decided(template, chosen), chosen, math.prod(shares)


def _decided(template: Template, values: Mapping[str, str]) -> Template:
    if not template.choices:
        return template
    parts = _merged(_fill(template.parts, values))
    return Template(source_of(parts), parts, template.problems)


def _fill(parts: Sequence[Part], values: Mapping[str, str]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, (Choice, Wildcard)):
            yield values[part.name]
        elif isinstance(part, Switched):
            before, after = _merged(_fill(part.before, values)), _merged(_fill(part.after, values))
            yield Switched(before, after, part.at)
        else:
            yield part


def _merged(parts: Iterator[Part]) -> tuple[Part, ...]:
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        elif part != "":
            found.append(part)
    return tuple(found)


def _source(part: Part) -> str:
    if isinstance(part, str):
        return escape(part)
    if isinstance(part, Slot):
        return f"{{{part.name}}}"
    if isinstance(part, Lora):
        return f"<lora:{escape(part.name)}:{part.weight!r}>"
    if isinstance(part, Switched):
        return f"[{source_of(part.before)}:{source_of(part.after)}:{part.at!r}]"
    raise TypeError(part)  # a choice that isn't decided


def _render(parts: Sequence[Part], values: Mapping[str, object], after: bool) -> str:
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Switched):
            texts.append(_render(part.after if after else part.before, values, after))
        elif not isinstance(part, Lora):
            texts.append(str(values[part.name]))
    return "".join(texts)
