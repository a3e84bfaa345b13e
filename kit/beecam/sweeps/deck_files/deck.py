"""A deck: a template with axes and values worth trying, and what each is good for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam._util.checks import boolean, raise_problems
from beecam.errors import CheckError
from beecam.models.capabilities import arguments_of
from beecam.shots.shot import SHOT_ARGUMENTS, Shot, check_values
from beecam.sweeps.axes import Axis, sample
from beecam.sweeps.build import shot, sweep
from beecam.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from beecam.models.model import Model


@dataclass(frozen=True)
class Deck:
    """A template with axes and values worth trying, each with a note for learners.

    >>> deck = bc.deck("first-person flight")
    >>> bc.run(deck.sweep(model, light="at night"), model)

    Attributes:
        name: How it is asked for.
        title: What menus show.
        note: What it is good for, for learners.
        template: The prompt template.
        axes: One for each of its slots, with labels and notes.
        arguments: Suggested for the pipeline: a value each, or a bc.Axis of several.
        argument_notes: For learners, why a value is suggested, by argument.
        seeds: How many seeds it begins with.
        sample: How many cells to draw of all that there are, or None for all.
        path: The file that it was read from.
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
        """Lay it out as a sweep.

        >>> bc.deck("product shot").sweep(model, product=["a watch", "a lamp"], seed=range(2))

        Args:
            model: Leaves out the suggested arguments that this model hasn't, or can't be given.
            every: Lay out all cells, where the deck draws some of them to begin with.
            overrides: Instead of the deck's own axes, arguments and seeds, by name.

        Raises:
            CheckError: `every` is neither True nor False.
        """
        raise_problems(boolean("every", every))
        suggested = self.arguments if model is None else self.arguments_for(model)
        seed = 0 if self.seeds == 1 else range(self.seeds)
        own = {"seed": seed, **{axis.name: axis for axis in self.axes}, **suggested}
        # The seeds move fastest, wherever they are given.
        named = {**own, **overrides}
        named["seed"] = named.pop("seed")
        whole = sweep(self.template, **named)
        total = math.prod(whole.shape)
        if every or self.sample is None or self.sample >= total:
            return whole
        return sweep(self.template, sample(self.sample), **named)

    def arguments_for(self, model: Model) -> dict[str, Any]:
        """Return the suggested arguments that a model has and can be given."""
        return {
            name: value
            for name, value in self.arguments.items()
            if all(_takes(model, name, one) for one in _values(value))
        }


def _values(value: Any) -> tuple[Any, ...]:
    return value.values if isinstance(value, Axis) else (value,)


def _takes(model: Model, name: str, value: Any) -> bool:
    if name not in SHOT_ARGUMENTS and name not in arguments_of(model):
        return False
    try:
        full: Shot = model.resolve(shot("", **{name: value}))
    except CheckError:
        return False
    # What else is wrong, a picture that is missing say, is not the argument's fault.
    return not any(p.argument == name for p in [*check_values(full), *model.check(full)])
