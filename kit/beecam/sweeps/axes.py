"""Axes: named lists of values, and how they are paired or drawn from."""

from __future__ import annotations

import builtins
import itertools
import numbers
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from beecam._util.attributes import NearestAttributes
from beecam._util.checks import integer, raise_problems, string
from beecam._util.plain import as_integer
from beecam._util.words import count_of, number_text, repeated
from beecam.errors import CheckError, Problem, nearest_match, shorten
from beecam.shots import weighted_prompts

MAX_CELLS = 100_000
_MAX_LISTED = 8  # values in a message


@dataclass(frozen=True)
class Axis(NearestAttributes):
    """A named list of values, each with a label and optionally a note for learners.

    >>> view = bc.Axis("view", ["seen from a drone", "close up"], labels=["drone", "near"])
    >>> bc.sweep("a bee, {view}", view)

    Attributes:
        name: A slot of the template, an argument of the pipeline, or "prompt".
        values: The values of the slot or argument; a mapping `{label: value}` sets both.
        labels: What headers show; by default the values as text, such that different values have
            different ones.
        notes: For each value a sentence for learners, or None.
    """

    name: str
    values: tuple[Any, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Fill in labels and notes, and check that all three have the same length."""
        raise_problems(self._type_problems())
        source: Any = self.values
        if isinstance(source, Mapping):
            object.__setattr__(self, "labels", self.labels or tuple(source))
            source = source.values()
        if isinstance(source, (set, frozenset)):
            # The order of a set differs from process to process.
            source = sorted(source, key=repr)
        values = tuple(itertools.islice(source, MAX_CELLS + 1))
        object.__setattr__(self, "values", values)
        labels = tuple(str(x) for x in self.labels) or _labels(values)
        object.__setattr__(self, "labels", labels)
        count = count_of(len(values), "value")
        notes = tuple(self.notes) or (None,) * len(values)
        object.__setattr__(self, "notes", notes)
        raise_problems(
            Problem(self.name, f"axis {self.name!r} has {count} but {len(x)} {name}.")
            for name, x in (("labels", labels), ("notes", notes))
            if len(x) != len(values)
        )
        raise_problems(p for n in notes for p in string(f"{self.name}: notes", n, or_none=True))

    def __len__(self) -> int:
        return len(self.values)

    def _type_problems(self) -> Iterable[Problem]:
        if not isinstance(self.name, str):
            yield Problem(
                "name",
                f"Axis({shorten(self.name)}, ...): the name of a slot or an argument comes first, "
                'as in bc.Axis("seed", [1, 2]).',
            )
        for name in ("values", "labels", "notes"):
            value = getattr(self, name)
            if is_scalar(value):
                yield Problem(
                    str(self.name),
                    f"Axis({self.name!r}, ...): {name}={shorten(value)} is not a list; write "
                    f"{name}=[{shorten(value)}].",
                )


@dataclass(frozen=True)
class Zip(NearestAttributes):
    """Axes that are paired; returned by `bc.zip`.

    Attributes:
        axes: The axes; their first values make one cell, their second values the next.
    """

    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Sample(NearestAttributes):
    """How many cells to draw at random; returned by `bc.sample`.

    Attributes:
        n: The number of cells.
        seed: The seed of the draw.
    """

    n: int
    seed: int


def zip(*axes: Axis, **named: Any) -> Zip:  # noqa: A001  (bc.zip reads like what it is)
    """Pair axes of equal length instead of multiplying them.

    >>> bc.sweep("a {insect} over {place}", bc.zip(insect=["bee", "ladybug"],
    ...                                            place=["a meadow", "dunes"]), seed=range(4))

    Args:
        axes: Axes with labels and notes.
        named: For each axis a list of values, by its name.

    Raises:
        CheckError: An argument is not an axis or a list, or there is none.
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
            " A value for all cells is an argument of bc.sweep itself.",
        )
        for name, value in named.items()
        if is_scalar(value)
    ]
    raise_problems(problems)
    return Zip((*axes, *(make_axis(name, value) for name, value in named.items())))


def sample(n: int, seed: int | None = 0) -> Sample:
    """Draw `n` cells of a sweep at random, without repeats.

    >>> bc.sweep("a {insect}", bc.sample(20, seed=1), insect=insects, seed=range(100))

    Args:
        n: The number of cells.
        seed: The seed of the draw: equal seeds draw the same cells. None draws other cells with
            each call of `bc.sample`.

    Raises:
        CheckError: An argument is not an integer, or `n` is less than 1.
    """
    drawn = random.randrange(2**32) if seed is None else as_integer(seed)  # noqa: S311
    problems = list(integer("n", n, 1))
    if drawn is None:
        problems.append(Problem("seed", f"seed={shorten(seed)}: an integer or None is needed."))
    raise_problems(problems)
    assert drawn is not None
    return Sample(int(n), drawn)


def is_scalar(value: Any) -> bool:
    """Return whether this is one value, not a list of values.

    >>> is_scalar("bee"), is_scalar(["bee", "moth"])
    (True, False)
    """
    if isinstance(value, (Axis, Zip, Sample)):
        return False
    # An array of dimension 0 is an Iterable, but can't be iterated over.
    return isinstance(value, (str, bytes)) or (
        not isinstance(value, Iterable) or getattr(value, "ndim", None) == 0
    )


def make_axis(name: str, value: Any) -> Axis:
    """Return an axis with the values of a list, a mapping or another axis.

    >>> make_axis("seed", range(3)).values
    (0, 1, 2)

    Args:
        name: The axis' name.
        value: The values; of another axis also the labels and notes.
    """
    if isinstance(value, Axis):
        return Axis(name, value.values, value.labels, value.notes)
    return Axis(name, value)


def values_at(axes: Iterable[Axis], coords: Mapping[str, int]) -> dict[str, Any]:
    """Return the values at some positions, by the axis' name.

    >>> values_at([bc.Axis("seed", (3, 8)), bc.Axis("fps", (8,))], {"seed": 1})
    {'seed': 8}

    Args:
        axes: The axes.
        coords: The position on each axis, by its name; axes that it lacks are left out.
    """
    return {axis.name: axis.values[coords[axis.name]] for axis in axes if axis.name in coords}


def labels_at(axes: Iterable[Axis], coords: Mapping[str, int]) -> dict[str, str]:
    """Return the labels at some positions, by the axis' name; see `values_at`.

    >>> labels_at([bc.Axis("seed", (3, 8))], {"seed": 1})
    {'seed': '8'}
    """
    return {axis.name: axis.labels[coords[axis.name]] for axis in axes if axis.name in coords}


def positions(axis: Axis, values: Any) -> set[int]:
    """Return the positions of a value, or of each value of a list, on an axis.

    >>> positions(bc.Axis("insect", ["bee", "moth", "fly"]), ["bee", "fly"])
    {0, 2}

    Args:
        axis: The axis.
        values: A value, a list of values, or another axis.

    Raises:
        CheckError: The axis does not have one of the values.
    """
    if is_scalar(values) or _is_one_value(axis, values):
        values = [values]
    elif isinstance(values, Axis):
        values = values.values
    found: set[int] = set()
    unknown: list[Any] = []
    try:
        lookup: Mapping[Any, int] = {value: i for i, value in enumerate(axis.values)}
    except TypeError:  # values that can't be hashed, such as lists
        lookup = {}
    for value in values:
        try:
            found.add(lookup[value] if lookup else axis.values.index(value))
        except (KeyError, TypeError, ValueError):
            unknown.append(value)
    if unknown:
        raise CheckError(_unknown_value(axis, value) for value in unknown)
    return found


def _is_one_value(axis: Axis, values: Any) -> bool:
    return isinstance(values, (tuple, list)) and (
        values in axis.values or weighted_prompts.is_weighted(values)
    )


def _unknown_value(axis: Axis, value: Any) -> Problem:
    message = f"where({axis.name}={shorten(value)}): no such value."
    if value in axis.labels:
        labelled = shorten(axis.values[axis.labels.index(value)])
        return Problem(axis.name, f"{message} It is a label; its value is {labelled}.")
    nearest = _nearest(value, axis.values)
    hint = "" if nearest is None else f" Did you mean {shorten(nearest)}?"
    first = ", ".join(shorten(v) for v in axis.values[:_MAX_LISTED])
    rest = len(axis) - _MAX_LISTED
    more = f" and {rest:,} more" if rest > 0 else ""
    return Problem(axis.name, f"{message}{hint} The values are {first}{more}.")


def _nearest(value: Any, values: tuple[Any, ...]) -> Any:
    if isinstance(value, (int, float)) and all(isinstance(v, (int, float)) for v in values):
        return min(values, key=lambda v: abs(v - value), default=None)
    # difflib is slow among many values.
    spellings = {str(v): v for v in values[:1_000]}
    return spellings.get(nearest_match(str(value), spellings) or "")


def _labels(values: tuple[Any, ...]) -> tuple[str, ...]:
    """Return a label for each value: what is sent, and different ones for different values."""
    labels = [_label(value) for value in values]
    for again in (_with_digest, repr):
        same = repeated(labels)
        if not same:
            break
        labels = [
            again(value) if label in same else label
            for value, label in builtins.zip(values, labels, strict=True)
        ]
    return tuple(labels)


def _label(value: Any) -> str:
    if type(value) in (int, str):  # most values of long axes
        return str(value)
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral):
        return number_text(float(value))
    return weighted_prompts.as_text(value) if weighted_prompts.is_weighted(value) else str(value)


def _with_digest(value: Any) -> str:
    """Return the label of a file with its digest, as files in two folders may have one name."""
    parts = value if isinstance(value, tuple) else (value,)
    digests = [str(one.digest)[:6] for one in parts if hasattr(one, "digest")]
    return f"{_label(value)} ({' + '.join(digests)})" if digests else repr(value)
