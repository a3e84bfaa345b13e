"""Axes: named lists of values, and how they are paired or drawn from."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from beecam._util.checks import raise_problems
from beecam.errors import CheckError, Problem, nearest_match, shorten
from beecam.shots import weighted_prompts as blend

MAX_CELLS = 100_000


@dataclass(frozen=True)
class Axis:
    """A named list of values, each with a label and optionally a note for learners.

    >>> bc.Axis("view", ["seen from a drone", "close up"], labels=["drone", "near"])

    Attributes:
        name: A slot of the template, an argument of the pipeline, or "prompt".
        values: What goes into the prompt or the argument; `{label: value}` gives both.
        labels: What headers show; by default the values as text.
        notes: A sentence for learners, or None, for each value.
    """

    name: str
    values: tuple[Any, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Fill labels and notes and hold the three to one length."""
        raise_problems(self._wrong_kinds())
        given: Any = self.values
        if isinstance(given, Mapping):
            object.__setattr__(self, "labels", self.labels or tuple(given))
            given = given.values()
        if isinstance(given, (set, frozenset)):
            # Its own order is another one in each kernel.
            given = sorted(given, key=repr)
        values = tuple(itertools.islice(given, MAX_CELLS + 1))
        object.__setattr__(self, "values", values)
        labels = tuple(str(x) for x in self.labels) or tuple(_label(v) for v in values)
        object.__setattr__(self, "labels", labels)
        notes = tuple(self.notes) or (None,) * len(values)
        object.__setattr__(self, "notes", notes)
        raise_problems(
            Problem(self.name, f"axis {self.name!r} has {len(values)} values but {len(x)} {name}.")
            for name, x in (("labels", labels), ("notes", notes))
            if len(x) != len(values)
        )

    def __len__(self) -> int:
        return len(self.values)

    def _wrong_kinds(self) -> Iterable[Problem]:
        if not isinstance(self.name, str):
            yield Problem(
                "name",
                f"Axis({shorten(self.name)}, ...): the name of a slot or an argument comes "
                "first, "
                'as in bc.Axis("seed", [1, 2]).',
            )
        for name in ("values", "labels", "notes"):
            value = getattr(self, name)
            if is_scalar(value):
                yield Problem(
                    str(self.name),
                    f"Axis({self.name!r}, ...): {name}={shorten(value)} is no list; write "
                    f"{name}=[{shorten(value)}].",
                )


@dataclass(frozen=True)
class Zip:
    """Axes that move together; made by `bc.zip`."""

    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Sample:
    """How many cells to draw from a layout; made by `bc.sample`."""

    n: int
    seed: int


def zip(*axes: Axis, **named: Any) -> Zip:  # noqa: A001  (bc.zip reads like what it is)
    """Pair axes of equal length instead of multiplying them.

    >>> bc.sweep("a {insect} over {place}", bc.zip(insect=["bee", "ladybug"],
    ...                                            place=["a meadow", "dunes"]), seed=range(4))

    Raises:
        CheckError: Something given is no axis and no list.
    """
    problems = [
        Problem(
            "zip",
            f"zip({shorten(part)}): axes are needed, as in "
            'bc.zip(insect=["bee", "moth"], seed=[1, 2]).',
        )
        for part in axes
        if not isinstance(part, Axis)
    ]
    if not axes and not named:
        problems.append(
            Problem(
                "zip",
                'zip(): axes are needed, as in bc.zip(insect=["bee", "moth"], seed=[1, 2]).',
            )
        )
    problems += [
        Problem(
            name,
            f"zip({name}={shorten(value)}): a list is needed, as in "
            f"zip({name}=[{shorten(value)}])."
            f" What is the same for all cells is given to bc.sweep itself.",
        )
        for name, value in named.items()
        if is_scalar(value)
    ]
    raise_problems(problems)
    return Zip((*axes, *(make_axis(name, value) for name, value in named.items())))


def sample(n: int, seed: int | None = 0) -> Sample:
    """Draw `n` cells of a sweep, without repeats and the same ones each time.

    >>> bc.sweep("a {insect}", bc.sample(20, seed=1), insect=insects, seed=range(100))

    Args:
        n: How many.
        seed: Another one draws other cells; None draws others with each call of `bc.sample`.
    """
    return Sample(n, random.randrange(2**32) if seed is None else seed)  # noqa: S311


def is_scalar(value: Any) -> bool:
    """Return whether this is one value, and no list of values."""
    if isinstance(value, (Axis, Zip, Sample)):
        return False
    # An array without dimensions can't be gone through.
    return isinstance(value, (str, bytes)) or (
        not isinstance(value, Iterable) or getattr(value, "ndim", None) == 0
    )


def make_axis(name: str, value: Any) -> Axis:
    """Return an axis of this name with the values of a list, a mapping or another axis."""
    if isinstance(value, Axis):
        return Axis(name, value.values, value.labels, value.notes)
    return Axis(name, value)


def positions(axis: Axis, wanted: Any) -> set[int]:
    """Return where on an axis a value is, or those of a list.

    Raises:
        CheckError: The axis has no such value.
    """
    one = isinstance(wanted, (tuple, list)) and (wanted in axis.values or blend.is_weighted(wanted))
    if is_scalar(wanted) or one:
        wanted = [wanted]
    elif isinstance(wanted, Axis):
        wanted = wanted.values
    found: set[int] = set()
    unknown: list[Any] = []
    try:
        places: Mapping[Any, int] = {value: i for i, value in enumerate(axis.values)}
    except TypeError:  # lists, for example
        places = {}
    for value in wanted:
        try:
            found.add(places[value] if places else axis.values.index(value))
        except (KeyError, TypeError, ValueError):
            unknown.append(value)
    if unknown:
        raise CheckError(_unknown(axis, value) for value in unknown)
    return found


def _unknown(axis: Axis, value: Any) -> Problem:
    form = f"where({axis.name}={shorten(value)}): no such value."
    if value in axis.labels:
        is_label = shorten(axis.values[axis.labels.index(value)])
        return Problem(axis.name, f"{form} It is a label; its value is {is_label}.")
    close = _nearest(value, axis.values)
    hint = "" if close is None else f" Did you mean {shorten(close)}?"
    first = ", ".join(shorten(v) for v in axis.values[:8])
    more = f" and {len(axis) - 8:,} more" if len(axis) > 8 else ""  # noqa: PLR2004
    return Problem(axis.name, f"{form}{hint} There are {first}{more}.")


def _nearest(value: Any, values: tuple[Any, ...]) -> Any:
    if isinstance(value, (int, float)) and all(isinstance(v, (int, float)) for v in values):
        return min(values, key=lambda v: abs(v - value), default=None)
    # Looking for like spellings is slow among very many.
    known = {str(v): v for v in values[:1_000]}
    return known.get(nearest_match(str(value), known) or "")


def _label(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return blend.as_text(value) if blend.is_weighted(value) else str(value)
