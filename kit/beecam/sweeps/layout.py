"""The layout of a sweep: which cells there are, and what each of them is."""

from __future__ import annotations

import builtins
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from beecam.errors import Problem
from beecam.shots import prompts
from beecam.shots.conditions import CONDITIONS, conditions_of
from beecam.shots.loras import LORA_ARGUMENTS, adapters_of
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS, switch_of
from beecam.shots.shot import SHOT_ARGUMENTS, Shot
from beecam.sweeps.axes import Axis, Sample, Zip


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep.

    >>> sweep[5].values
    {'insect': 'moth', 'seed': 2}

    Attributes:
        index: Its index in the sweep's order.
        coords: Its position on each axis, by the axis' name.
        values: Its value on each axis, by the axis' name.
        shot: The shot that is generated there.
    """

    index: int
    coords: Mapping[str, int]
    values: Mapping[str, Any]
    shot: Shot


@dataclass(frozen=True, eq=False)
class Layout:
    """Templates and axes, and the places that they span.

    Attributes:
        templates: The parsed prompt templates.
        groups: The axes that are multiplied; axes in one group move together.
        constants: Arguments that all cells share.
        samples: How many cells are drawn, if not all; more than one is a problem.
        layout_problems: What is wrong with how the sweep was called.
        kept: The places of the layout that `where` kept, or None for all.
        shots: Finished shots, one for each place, instead of the template.
        parents: Keys of the clips that the sweep follows.
    """

    templates: tuple[prompts.Template | prompts.WeightedTemplate, ...]
    groups: tuple[Zip, ...]
    constants: Mapping[str, Any]
    samples: tuple[Sample, ...] = ()
    layout_problems: tuple[Problem, ...] = ()
    kept: tuple[int, ...] | None = field(default=None, repr=False)
    shots: tuple[Shot, ...] | None = field(default=None, repr=False)
    parents: tuple[str, ...] = ()

    @property
    def template(self) -> str:
        """The prompt template as it was written; several are joined by lines."""
        return "\n".join(t.source for t in self.templates)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes, the fastest moving one last."""
        return tuple(axis for group in self.groups for axis in group.axes)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Length of each group of axes."""
        return tuple(min((len(a) for a in group.axes), default=0) for group in self.groups)

    @property
    def places(self) -> tuple[int, Sequence[int]]:
        """How many places the layout has, and which of them are cells."""
        return math.prod(self.shape), self._places

    @property
    def fills(self) -> bool:
        """Whether empty places of its layout can be made; see `beecam.sweeps.expand`."""
        return self.shots is None

    @property
    def outline(self) -> str:
        """Template, labels and places: together with the shots' keys it tells sweeps apart.

        Quick where `key` is not, which writes every shot down.
        """
        axes = [(axis.name, axis.labels) for axis in self.axes]
        return repr((self.template, axes, self.shape, self._places))

    @cached_property
    def argument_names(self) -> frozenset[str]:
        """Names that must be arguments of the pipeline: a shot's own, and those of no slot."""
        if self.shots is not None:
            return frozenset()
        names = {*self.constants, *(axis.name for axis in self.axes)}
        slots = {s for t in self.templates for s in t.slots if s not in SHOT_ARGUMENTS}
        variants = {v.name for t in self.templates for v in t.variants}
        return frozenset(names - slots - variants - {"prompt"})

    @cached_property
    def _places(self) -> Sequence[int]:
        """Which places of the layout become cells, in order."""
        if self.kept is not None:
            return self.kept
        total = math.prod(self.shape)
        if not self.samples:
            return range(total)
        drawn = self.samples[0]
        return sorted(random.Random(drawn.seed).sample(range(total), drawn.n))  # noqa: S311

    @cached_property
    def _steps(self) -> tuple[tuple[Axis, int, int], ...]:
        """Each axis with the number of places for one step along it, and its length."""
        return tuple(
            (axis, math.prod(self.shape[i + 1 :]), length)
            for i, (group, length) in enumerate(builtins.zip(self.groups, self.shape, strict=True))
            for axis in group.axes
        )

    def _cell(self, index: int, place: int) -> Cell:
        coords = {axis.name: place // step % length for axis, step, length in self._steps}
        values = {axis.name: axis.values[coords[axis.name]] for axis, _, _ in self._steps}
        if self.shots is not None:
            return Cell(index, coords, values, self.shots[place])
        template = self.templates[coords.get("prompt", 0)]
        arguments = {**self.constants, **values}
        made = shot_from(
            template.render(arguments),
            {name: value for name, value in arguments.items() if name in self.argument_names},
        )
        return Cell(index, coords, values, made)


def shot_from(prompt: Any, arguments: Mapping[str, Any]) -> Shot:
    """Return the shot of a prompt and the arguments of `bc.sweep`, each a single value."""
    given = dict(arguments)
    noise = given.pop("noise", None)
    seed = given.pop("seed", 0)
    if inputs := {name: given.pop(name) for name in CONDITIONS if name in given}:
        given_inputs = conditions_of(inputs)
    else:
        given_inputs = ()
    adapters = adapters_of({n: given.pop(n) for n in LORA_ARGUMENTS if n in given})
    switch = switch_of({n: given.pop(n) for n in SWITCH_ARGUMENTS if n in given})
    own = {name: given.pop(name) for name in SHOT_ARGUMENTS if name in given}
    return Shot(
        prompt=prompt,
        noise=((seed, 1.0),) if noise is None else noise,
        extra=given,
        conditions=given_inputs,
        adapters=adapters,
        switch=switch,
        **own,
    )
