"""The layout of a sweep: its templates, axes and cells."""

from __future__ import annotations

import builtins
import heapq
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, overload

from beecam._util.attributes import FixedAttributes, NearestAttributes
from beecam.errors import Problem
from beecam.shots.conditions import CONDITIONS, conditions_of
from beecam.shots.loras import LORA_ARGUMENTS, adapters_of
from beecam.shots.noise import normalize_noise
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS, switch_of
from beecam.shots.shot import SHOT_ARGUMENTS, Shot
from beecam.shots.shot_list import ShotList
from beecam.shots.templates.parse import TEXT_ARGUMENTS, is_plain, parse
from beecam.shots.templates.template import AnyTemplate, Template
from beecam.sweeps.axes import Axis, Sample, Zip

_MAX_WEIGHED = 300_000
_MAX_TRIES = 20


@dataclass(frozen=True)
class Cell(NearestAttributes):
    """One cell of a sweep.

    >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3))
    >>> sweep[5].values
    {'insect': 'moth', 'seed': 2}

    Attributes:
        index: The cell's index in the sweep.
        coords: Its position on each axis, by the axis' name.
        values: Its value on each axis, by the axis' name.
        shot: The shot to generate.
    """

    index: int
    coords: Mapping[str, int]
    values: Mapping[str, Any]
    shot: Shot


@dataclass(frozen=True, eq=False)
class Layout(FixedAttributes):
    """Templates and axes, and the grid that they span.

    A place is a flat index into the grid, in row-major order (as `numpy.ravel_multi_index`
    returns it); a layout may have cells at some of its places only.

    >>> bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).shape
    (2, 3)

    Attributes:
        templates: The parsed prompt templates.
        groups: The axes that are multiplied; axes in one group are paired.
        constants: Arguments for all cells.
        samples: The draw of cells, if there is one; more than one is a problem.
        layout_problems: Problems of the call of `bc.sweep`.
        selected: The places that have cells, in the cells' order; None for all, or the sample.
        shots: The shot at each place that has a cell, in place of the templates.
        parents: Keys of the clips that the sweep's shots are made from.
        plain: Whether texts mean themselves; otherwise the values of `TEXT_ARGUMENTS` are
            templates, too.
    """

    templates: tuple[AnyTemplate, ...]
    groups: tuple[Zip, ...]
    constants: Mapping[str, Any]
    samples: tuple[Sample, ...] = ()
    layout_problems: tuple[Problem, ...] = ()
    selected: tuple[int, ...] | None = field(default=None, repr=False)
    shots: Mapping[int, Shot] | None = field(default=None, repr=False)
    parents: tuple[str, ...] = ()
    plain: bool = False

    @property
    def template(self) -> str:
        """Return the prompt template as written; several are joined by newlines.

        >>> bc.sweep("a {insect}", insect=["bee", "moth"]).template
        'a {insect}'
        """
        return "\n".join(t.source for t in self.templates)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Return the axes, the fastest moving one last.

        >>> [axis.name for axis in bc.sweep("a {insect}", insect=["bee"], seed=range(3)).axes]
        ['insect', 'seed']
        """
        return tuple(axis for group in self.groups for axis in group.axes)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each group of axes.

        >>> bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).shape
        (2, 3)
        """
        return tuple(min((len(a) for a in group.axes), default=0) for group in self.groups)

    @property
    def places(self) -> tuple[int, Sequence[int]]:
        """Return the number of places in the grid, and the places that have cells.

        >>> bc.sweep("a bee", seed=range(4)).where(seed=[1, 3]).places
        (4, (1, 3))
        """
        return math.prod(self.shape), self._places

    @cached_property
    def used_positions(self) -> Mapping[str, Sequence[int]]:
        """Return the positions on each axis at which the sweep has cells, in ascending order.

        >>> bc.sweep("a {insect}", insect=["bee", "moth"]).where(insect="moth").used_positions
        {'insect': (1,)}
        """
        if self.selected is None and not self.samples:
            return {axis.name: range(length) for axis, _, length in self._strides}
        return {
            axis.name: tuple(sorted({place // stride % length for place in self._places}))
            for axis, stride, length in self._strides
        }

    @property
    def fills(self) -> bool:
        """Return whether cells can be added at empty places; see `beecam.sweeps.expand`."""
        return self.shots is None

    @cached_property
    def outline(self) -> str:
        """Return template, labels and places as text, which with the shots' keys identify a sweep.

        It is cheaper than `Sweep.key`, which serializes every shot.
        """
        axes = [(axis.name, axis.labels) for axis in self.axes]
        return repr((self.template, axes, self.shape, self._places))

    @cached_property
    def argument_names(self) -> frozenset[str]:
        """Return the names of axes, constants and shots that must be arguments of the pipeline."""
        if self.shots is not None:
            return frozenset(name for shot in self.shots.values() for name in shot.arguments)
        names = {*self.constants, *(axis.name for axis in self.axes)}
        slots = {slot for slot in self.slots if slot not in SHOT_ARGUMENTS}
        choices = {choice.name for template in self.templates for choice in template.choices}
        return frozenset(names - slots - choices - {"prompt"})

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Return the names of the slots of all templates, each once.

        >>> bc.sweep("a {insect}", negative_prompt="no {thing}").slots
        ('insect', 'thing')
        """
        every = (*self.templates, *(t for texts in self.texts.values() for t in texts.values()))
        return tuple(dict.fromkeys(slot for template in every for slot in template.slots))

    @cached_property
    def texts(self) -> Mapping[str, Mapping[str, Template]]:
        """Return the templates of `TEXT_ARGUMENTS` that aren't plain, by argument and source."""
        if self.plain or self.shots is not None:
            return {}
        values = {name: (value,) for name, value in self.constants.items()}
        values.update({axis.name: axis.values for axis in self.axes})
        found = {
            name: {
                value: parse(value, name)
                for value in values.get(name, ())
                if isinstance(value, str) and not is_plain(value)
            }
            for name in TEXT_ARGUMENTS
        }
        return {name: texts for name, texts in found.items() if texts}

    @cached_property
    def _places(self) -> Sequence[int]:
        """The places that have cells, in the cells' order."""
        if self.selected is not None:
            return self.selected
        total = math.prod(self.shape)
        if not self.samples:
            return range(total)
        drawn = self.samples[0]
        return sorted(random.Random(drawn.seed).sample(range(total), drawn.n))  # noqa: S311

    def draw(self, weights: Mapping[str, Sequence[float]]) -> tuple[int, ...]:
        """Return the places of the sample, drawn by the weights of values, without repeats.

        Efraimidis and Spirakis, "Weighted random sampling with a reservoir" (2006): each place
        waits for an exponential time at the rate of its weight, and the first ones are drawn.

        >>> bc.sweep("{a|b}", bc.sample(1)).draw({"a|b": (1.0, 1e-9)})
        (0,)

        Args:
            weights: For each axis on which they differ the weights of its values.
        """
        drawn = self.samples[0]
        generator = random.Random(drawn.seed)  # noqa: S311
        axes = [(s, n, weights[a.name]) for a, s, n in self._strides if a.name in weights]
        total = math.prod(self.shape)
        if total <= _MAX_WEIGHED:
            times = [
                (generator.expovariate(_product(w[at // s % n] for s, n, w in axes)), at)
                for at in range(total)
            ]
            return tuple(sorted(at for _, at in heapq.nsmallest(drawn.n, times)))
        # Of more places than that, one after the other, and those that are drawn again left out.
        found: dict[int, None] = {}
        for _ in range(_MAX_TRIES * drawn.n):
            if len(found) == drawn.n:
                break
            at = generator.randrange(total)
            for stride, length, values in axes:
                (position,) = generator.choices(range(length), values)
                at += (position - at // stride % length) * stride
            found[at] = None
        rest = (at for at in iter(lambda: generator.randrange(total), -1) if at not in found)
        found.update(dict.fromkeys(itertools.islice(rest, drawn.n - len(found))))
        return tuple(sorted(found))

    @cached_property
    def _strides(self) -> tuple[tuple[Axis, int, int], ...]:
        """Each axis with its stride (places per step along it) and its length."""
        return tuple(
            (axis, math.prod(self.shape[i + 1 :]), length)
            for i, (group, length) in enumerate(builtins.zip(self.groups, self.shape, strict=True))
            for axis in group.axes
        )

    @cached_property
    def shot_list(self) -> ShotList:
        """The shots of the cells, in order.

        >>> len(bc.sweep("a bee", seed=range(4)).shot_list.bases)
        1
        """
        if self.shots is not None:
            return ShotList.of([self.shots[place] for place in self._places])
        # By the positions on the axes that are arguments: a shot to copy with another prompt.
        alike: dict[tuple[int, ...], Shot] = {}
        noise = self._noise_axis
        if noise is None:
            return ShotList.of([self._shot_at(place, alike) for place in self._places])
        axis, stride, length = noise
        bases: dict[int, Shot] = {}
        numbers, positions = [], []
        known: dict[int, int] = {}
        for place in self._places:
            position = place // stride % length
            rest = place - position * stride  # the place of the first noise
            number = known.get(rest)
            if number is None:
                number = known[rest] = len(known)
                bases[number] = self._shot_at(place, alike)
            numbers.append(number)
            positions.append(position)
        noises = {at: self._noise_of(axis.name, axis.values[at]) for at in set(positions)}
        return ShotList(tuple(bases.values()), numbers, [noises[at] for at in positions])

    @property
    def _noise_axis(self) -> tuple[Axis, int, int] | None:
        """The axis along which nothing but the noise differs, with its stride and its length."""
        if "noise" in self.constants:
            return None
        single = {group.axes[0].name for group in self.groups if len(group.axes) == 1}
        for name in ("noise", "seed"):
            # A slot or a choice of that name is part of a text.
            if name in single and name in self.argument_names and name not in self.slots:
                return next(one for one in self._strides if one[0].name == name)
        return None

    def _noise_of(self, name: str, value: Any) -> Any:
        """Return the noise of a shot with a value of the axis "noise" or "seed"."""
        if name == "seed" or value is None:
            seed = value if name == "seed" else self.constants.get("seed", 0)
            value = ((seed, 1.0),)
            if type(seed) is int:
                return value  # in its normal form
        return normalize_noise(value)

    @cached_property
    def coords(self) -> tuple[dict[str, int], ...]:
        """The position on each axis of each cell, without its shot.

        >>> bc.sweep("a bee", seed=range(3)).coords[2]
        {'seed': 2}
        """
        return tuple(map(self.coords_at, self._places))

    def coords_at(self, place: int) -> dict[str, int]:
        """Return the position on each axis of a place of the grid, by the axis' name.

        >>> bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3)).coords_at(5)
        {'insect': 1, 'seed': 2}
        """
        return {axis.name: place // stride % length for axis, stride, length in self._strides}

    def values_of(self, coords: Mapping[str, int]) -> dict[str, Any]:
        """Return the value on each axis at its positions, by the axis' name.

        >>> bc.sweep("a {insect}", insect=["bee", "moth"]).values_of({"insect": 1})
        {'insect': 'moth'}
        """
        return {axis.name: axis.values[coords[axis.name]] for axis, _, _ in self._strides}

    def _shot_at(self, place: int, alike: dict[tuple[int, ...], Shot]) -> Shot:
        coords = self.coords_at(place)
        template = self.templates[coords.get("prompt", 0)]
        arguments = {**self.constants, **self.values_of(coords)}
        if self.texts or template.switch_at is not None:
            return self._shot(template, arguments)
        settings = tuple(at for name, at in coords.items() if name in self.argument_names)
        if settings not in alike:
            alike[settings] = self._shot(template, arguments)
        return alike[settings].with_prompt(template.render(arguments))

    def _shot(self, template: AnyTemplate, arguments: dict[str, Any]) -> Shot:
        given = {name: value for name, value in arguments.items() if name in self.argument_names}
        for name, texts in self.texts.items():
            if isinstance(value := arguments[name], str) and value in texts:
                given[name] = texts[value].render(arguments)
        if self.texts:
            arguments |= given
        if template.switch_at is not None:
            given["switch_at"] = template.switch_at
            given["then_prompt"] = template.render(arguments, after=True)
        return shot_from(template.render(arguments), given)


class Cells(Sequence[Cell]):
    """The cells of a layout, each made when it is asked for; a slice is a tuple of them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._places = layout.places[1]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Cell, ...]: ...
    def __getitem__(self, index: int | slice) -> Cell | tuple[Cell, ...]:
        """Return one cell, or a tuple of those of a slice.

        >>> bc.sweep("a bee", seed=range(4)).cells[-1].values
        {'seed': 3}
        """
        if isinstance(index, slice):
            return tuple(map(self._cell, range(len(self))[index]))
        if not -len(self) <= index < len(self):
            raise IndexError(f"cell {index}: there are {len(self):,}, counted from 0.")
        return self._cell(range(len(self))[index])

    def __iter__(self) -> Iterator[Cell]:
        return map(self._cell, range(len(self)))

    def _cell(self, index: int) -> Cell:
        layout = self._layout
        coords = layout.coords_at(self._places[index])
        return Cell(index, coords, layout.values_of(coords), layout.shot_list[index])


def shot_from(prompt: Any, arguments: Mapping[str, Any]) -> Shot:
    """Return the shot of a prompt and the arguments of `bc.sweep`, each a single value.

    >>> shot_from("a bee", {"seed": 3, "max_sequence_length": 64})
    bc.shot('a bee', seed=3, max_sequence_length=64)

    Args:
        prompt: The rendered prompt.
        arguments: Arguments of the shot and of the pipeline.
    """
    rest = dict(arguments)
    noise = rest.pop("noise", None)
    seed = rest.pop("seed", 0)
    media = {name: rest.pop(name) for name in CONDITIONS if name in rest}
    adapters = adapters_of({n: rest.pop(n) for n in LORA_ARGUMENTS if n in rest})
    switch = switch_of({n: rest.pop(n) for n in SWITCH_ARGUMENTS if n in rest})
    own = {name: rest.pop(name) for name in (*SHOT_ARGUMENTS, "draft_steps") if name in rest}
    return Shot(
        prompt=prompt,
        noise=((seed, 1.0),) if noise is None else noise,
        extra=rest,
        conditions=conditions_of(media) if media else (),
        adapters=adapters,
        switch=switch,
        **own,
    )


def _product(weights: Iterable[float]) -> float:
    # A rate of 0 would wait forever.
    return max(math.prod(weights), 1e-300)
