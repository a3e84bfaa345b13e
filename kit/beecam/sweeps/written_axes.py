"""Axes written in templates: choices and wildcards, and LoRAs by their tags."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from beecam.errors import CheckError, Problem, join_words, shorten
from beecam.shots.loras import Loras, find_lora
from beecam.shots.templates.choices import values_of
from beecam.shots.templates.parse import TEXT_ARGUMENTS, parse
from beecam.shots.templates.template import AnyTemplate, Template, lines_of
from beecam.shots.templates.wildcards import WildcardFolder
from beecam.sweeps.axes import MAX_CELLS, Axis, Zip
from beecam.sweeps.sweep import Sweep

_Values = Mapping[str, Sequence[tuple[str, float]]]


@dataclass
class WrittenAxes:
    """Adds the axes that templates hold to the parts of a sweep.

    Choices that all prompts have are axes of their own. If only some have them, or in a negative
    prompt, each line is expanded: the axis of the texts holds every combination.

    Attributes:
        groups: The axes; they are changed in place.
        constants: Arguments for all cells; they are changed in place.
        problems: What is wrong; problems are appended.
        weights: How likely a sample draws each value of an axis, by the axis' name.
    """

    groups: list[Zip]
    constants: dict[str, Any]
    problems: list[Problem]
    weights: dict[str, list[float]] = field(default_factory=dict)

    def add(
        self, templates: tuple[AnyTemplate, ...], wildcards: str | os.PathLike[str] | None
    ) -> tuple[AnyTemplate, ...]:
        """Add the axes of the prompts and of the other texts, and return the prompts' templates.

        Args:
            templates: The template of each value of the axis "prompt", or of the only prompt.
            wildcards: The folder of wildcards, or None.
        """
        folder = WildcardFolder(wildcards)
        for name in TEXT_ARGUMENTS:
            self._expand_argument(name, folder)
        self._add_loras(templates)
        values = self._values(templates, folder)
        if not values:
            return templates
        lines = [{choice.name for choice in template.choices} for template in templates]
        if any(line != lines[0] for line in lines):
            if any(problem.argument == "prompt" for problem in self.problems):
                return templates  # not every value of the axis has a template
            return self._expand("prompt", templates, values)
        self.groups[:0] = [
            Zip((self._axis(name, [text for text, _ in rows], [weight for _, weight in rows]),))
            for name, rows in values.items()
        ]
        return templates

    def drawn(self, sweep: Sweep) -> Sweep:
        """Return a sweep whose sample is drawn by the weights, if there are any.

        Without a sample a sweep has each value once, and weights have no effect.
        """
        uneven = {name: one for name, one in self.weights.items() if len(set(one)) > 1}
        if not uneven or not sweep.samples or sweep.problems:
            return sweep
        return replace(sweep, samples=(), selected=sweep.draw(uneven))

    def _values(self, templates: Sequence[AnyTemplate], folder: WildcardFolder) -> _Values | None:
        """Return the values of all choices; None if there are problems."""
        found: dict[str, list[tuple[str, float]]] = {}
        known = len(self.problems)
        for choice in dict.fromkeys(c for template in templates for c in template.choices):
            try:
                found[choice.name] = values_of(choice, folder)
            except CheckError as error:
                self.problems += error.problems
        failed = len(self.problems) > known or any(template.problems for template in templates)
        return None if failed else found

    def _axis(self, name: str, values: Sequence[Any], weights: list[float], **more: Any) -> Axis:
        self.weights[name] = weights
        return Axis(name, tuple(values), **more)

    def _expand_argument(self, name: str, folder: WildcardFolder) -> None:
        """Expand the choices of a text argument, line by line."""
        axes = [axis for group in self.groups for axis in group.axes if axis.name == name]
        texts = axes[0].values if axes else (self.constants.get(name),)
        # Another value, such as None, stays the source of a template that is never rendered.
        lines = [parse(t, name) if isinstance(t, str) else Template(t, ()) for t in texts]
        values = self._values(lines, folder)
        if not values:
            return
        if not axes:
            self.groups.append(Zip((Axis(name, (self.constants.pop(name),)),)))
        self._expand(name, lines, values)

    def _expand(
        self, name: str, templates: Sequence[AnyTemplate], values: _Values
    ) -> tuple[AnyTemplate, ...]:
        """Put the lines of templates in place of the values of their axis, and return the lines."""
        at, group = next(
            (i, group)
            for i, group in enumerate(self.groups)
            if any(axis.name == name for axis in group.axes)
        )
        counts = [math.prod(len(values[c.name]) for c in t.choices) for t in templates]
        if len(group.axes) > 1:
            others = join_words([axis.name for axis in group.axes if axis.name != name])
            choice = next(c.name for t in templates for c in t.choices)
            why = f"it is paired with {others}, so that each {name} is one text"
            self._add_problem(name, f"{shorten(choice)} makes several texts of one, but {why}.")
        elif sum(counts) > MAX_CELLS:
            self._add_problem(name, f"{sum(counts):,} texts; at most {MAX_CELLS:,} can be made.")
        else:
            rows = list(_rows(group.axes[0], templates, values))
            lines, labels, notes, weights = map(list, zip(*rows, strict=True))
            axis = self._axis(
                name, list(map(_value, lines)), weights, labels=tuple(labels), notes=tuple(notes)
            )
            self.groups[at] = Zip((axis,))
            return tuple(lines)
        return tuple(templates)

    def _add_loras(self, templates: Sequence[AnyTemplate]) -> None:
        """Set `lora=` by the tags of the prompts."""
        every = list(dict.fromkeys(template.loras for template in templates))
        given = {*self.constants, *(axis.name for group in self.groups for axis in group.axes)}
        if every in ([], [()]):
            return
        if len(every) > 1:
            self._add_problem(
                "lora",
                "the prompts have different tags <lora:...>: pair them, as in "
                'bc.sweep(bc.zip(prompt=[...], lora=[None, "pencil.safetensors"])).',
            )
        elif "lora" in given:
            self._add_problem("lora", "the prompt has a tag <lora:...>, too: keep one of the two.")
        else:
            try:
                self.constants["lora"] = Loras(find_lora(tag.name, tag.weight) for tag in every[0])
            except CheckError as error:
                self.problems += error.problems

    def _add_problem(self, argument: str, message: str) -> None:
        self.problems.append(Problem(argument, f"{argument}: {message}"))


def _rows(
    axis: Axis, templates: Sequence[AnyTemplate], values: _Values
) -> Iterator[tuple[AnyTemplate, str, str | None, float]]:
    """Yield each line with its label, its note and its weight; lines of a text share its weight."""
    defaults = Axis(axis.name, axis.values).labels
    for template, label, default, note in zip(
        templates, axis.labels, defaults, axis.notes, strict=True
    ):
        for line, chosen, share in lines_of(template, values):
            own = ", ".join([label, *chosen.values()])
            unlabelled = label == default and chosen
            yield line, Axis("", (_value(line),)).labels[0] if unlabelled else own, note, share


def _value(template: AnyTemplate) -> Any:
    """Return the value of an axis of texts for a template."""
    if isinstance(template, Template):
        return template.source
    return tuple((part.source, weight) for part, weight in template.parts)
