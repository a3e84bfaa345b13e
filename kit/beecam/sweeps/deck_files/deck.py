"""A deck: a prompt template with axes and values worth trying, and notes for learners."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import boolean, raise_problems
from beecam.errors import CheckError
from beecam.models.capabilities import arguments_of
from beecam.shots.shot import SHOT_ARGUMENTS, Shot
from beecam.shots.shot_checks import check_values
from beecam.sweeps.axes import Axis, sample
from beecam.sweeps.build import shot, sweep
from beecam.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from beecam.models.model import Model


@dataclass(frozen=True)
class Deck(NearestAttributes):
    """A template with axes and values worth trying, each with a note for learners.

    >>> deck = bc.deck("first-person flight")
    >>> bc.run(deck.sweep(model, light="at night"), model)

    Attributes:
        name: The name for `bc.deck`.
        title: What menus show.
        note: What the deck is for, for learners.
        template: The prompt template.
        axes: An axis for each slot of the template, with labels and notes.
        arguments: Suggested arguments of the pipeline: a value each, or a bc.Axis of several.
        argument_notes: Why a value is suggested, for learners, by argument.
        seeds: The number of seeds to start with.
        sample: The number of cells to draw, or None for all.
        path: The file that the deck was read from.
    """

    name: str
    title: str
    note: str
    template: str
    axes: tuple[Axis, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    argument_notes: Mapping[str, str] = field(default_factory=dict)
    seeds: int = 1
    sample: int | None = None
    path: Path | None = None

    def __repr__(self) -> str:
        axes = " x ".join(f"{axis.name}({len(axis)})" for axis in self.axes) or "no axes"
        return f"Deck {self.name!r}: {self.template!r}, {axes}"

    def sweep(self, model: Model | None = None, *, every: bool = False, **overrides: Any) -> Sweep:
        """Return the deck's sweep.

        >>> bc.deck("product shot").sweep(model, product=["a watch", "a lamp"], seed=range(2))

        Args:
            model: The model to run it on: suggested arguments that it does not take are left out.
            every: Lay out all cells, even if the deck has a sample.
            overrides: Axes, arguments and seeds to use in place of the deck's, by name.

        Raises:
            CheckError: `every` is neither True nor False.
        """
        raise_problems(boolean("every", every))
        suggested = self.arguments if model is None else self.arguments_for(model)
        seed = 0 if self.seeds == 1 else range(self.seeds)
        own = {"seed": seed, **{axis.name: axis for axis in self.axes}, **suggested}
        named = {**own, **overrides}
        # The last axis moves fastest: the cells of one prompt are next to each other.
        named["seed"] = named.pop("seed")
        full = sweep(self.template, **named)
        total = math.prod(full.shape)
        if every or self.sample is None or self.sample >= total:
            return full
        return sweep(self.template, sample(self.sample), **named)

    def arguments_for(self, model: Model) -> dict[str, Any]:
        """Return the suggested arguments that a model takes.

        >>> bc.deck("2D animation").arguments_for(model)
        {'fps': 12}
        """
        return {
            name: value
            for name, value in self.arguments.items()
            if all(_accepts(model, name, one) for one in _values(value))
        }


def _values(value: Any) -> tuple[Any, ...]:
    return value.values if isinstance(value, Axis) else (value,)


def _accepts(model: Model, name: str, value: Any) -> bool:
    if name not in SHOT_ARGUMENTS and name not in arguments_of(model):
        return False
    try:
        resolved: Shot = model.resolve(shot("", **{name: value}))
    except CheckError:
        return False
    # Problems of other arguments, such as an image that is missing, don't count.
    return not any(p.argument == name for p in [*check_values(resolved), *model.check(resolved)])
