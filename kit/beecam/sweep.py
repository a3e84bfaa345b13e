"""Sweeps: a prompt template and axes, laid out as an ordered set of cells."""

from __future__ import annotations

import builtins
import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from beecam import prompts
from beecam.errors import CheckError, Problem, did_you_mean, shorten
from beecam.shot import SHOT_ARGUMENTS, Shot, check_values

if TYPE_CHECKING:
    import pandas as pd

    from beecam.library import Library
    from beecam.models.base import Model

MAX_CELLS = 100_000


@dataclass(frozen=True)
class Axis:
    """A named list of values, each with a label and optionally a note for learners.

    >>> bc.Axis("view", ["seen from a drone", "close up"], labels=["drone", "near"])

    Attributes:
        name: A slot of the template or an argument of the pipeline.
        values: What goes into the prompt or the argument.
        labels: What headers show; by default the values as text.
        notes: A sentence for learners, or None, for each value.
    """

    name: str
    values: tuple[Any, ...]
    labels: tuple[str, ...] = ()
    notes: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Fill labels and notes and hold the three to one length."""
        values = tuple(itertools.islice(self.values, MAX_CELLS + 1))
        object.__setattr__(self, "values", values)
        labels = tuple(str(x) for x in self.labels) or tuple(_label(v) for v in values)
        object.__setattr__(self, "labels", labels)
        notes = tuple(self.notes) or (None,) * len(values)
        object.__setattr__(self, "notes", notes)
        for name, given in (("labels", labels), ("notes", notes)):
            if len(given) != len(values):
                raise CheckError([Problem(
                    self.name,
                    f"axis {self.name!r} has {len(values)} values but {len(given)} {name}.",
                )])  # fmt: skip

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Zip:
    """Axes that move together; made by `bc.zip`."""

    axes: tuple[Axis, ...]


@dataclass(frozen=True)
class Sample:
    """How many cells to draw from a layout; made by `bc.sample`."""

    n: int
    seed: int


@dataclass(frozen=True)
class Cell:
    """One place of a sweep.

    Attributes:
        index: Its place in the sweep's order.
        coords: Its position on each axis, by the axis' name.
        values: Its value on each axis, by the axis' name.
        shot: What is made there.
    """

    index: int
    coords: Mapping[str, int]
    values: Mapping[str, Any]
    shot: Shot


@dataclass(frozen=True)
class Estimate:
    """What a sweep will cost.

    Attributes:
        cells: How many clips it has.
        cached: How many of them the library holds already.
        seconds: Time for the others from measured timings, or None when nothing was measured yet.
    """

    cells: int
    cached: int
    seconds: float | None

    def __str__(self) -> str:
        left = self.cells - self.cached
        time = "not measured yet" if self.seconds is None else f"about {self.seconds:.0f} s"
        return f"{self.cells} cells, {self.cached} in the library, {left} to make: {time}"


def zip(*axes: Axis, **named: Any) -> Zip:  # noqa: A001  (bc.zip reads like what it is)
    """Pair axes of equal length instead of multiplying them.

    >>> bc.sweep("a {insect} over {place}", bc.zip(insect=["bee", "ladybug"],
    ...                                            place=["a meadow", "dunes"]), seed=range(4))
    """
    return Zip((*axes, *(_axis(name, value) for name, value in named.items())))


def sample(n: int, seed: int = 0) -> Sample:
    """Draw `n` cells of a sweep, without repeats and the same ones each time.

    >>> bc.sweep("a {insect}", bc.sample(20, seed=1), insect=insects, seed=range(100))
    """
    return Sample(n, seed)


def sweep(prompt: str | Sequence[str], *layout: Axis | Zip | Sample, **axes: Any) -> Sweep:
    """Lay out a prompt template and axes as a sweep.

    >>> bc.sweep("a {insect} over {place}", insect=["bee", "moth"], place="dunes", seed=range(4))

    Args:
        prompt: A template with `{slots}` and `{in place|variants}`, or several: an axis "prompt".
        layout: Axes with labels and notes, `bc.zip(...)`, or `bc.sample(...)`.
        axes: A list (or range, or `{label: value}`) for an axis, a single value for all cells:
            for a slot of the template, for the seed, or for any argument of the pipeline.
            Axes are multiplied in the order given, the last one moving fastest.

    Returns:
        The sweep. What is wrong with it is said by `sweep.check(model)`, all at once.
    """
    groups: list[Zip] = []
    problems: list[Problem] = []
    templates = [prompt] if isinstance(prompt, str) else _texts(prompt, problems)
    drawn: Sample | None = None
    constants: dict[str, Any] = {}
    if not isinstance(prompt, str) and not problems:
        groups.append(Zip((Axis("prompt", tuple(templates)),)))
    for part in layout:
        if isinstance(part, Sample):
            drawn = part
        elif isinstance(part, (Axis, Zip)):
            groups.append(Zip((part,)) if isinstance(part, Axis) else part)
        else:
            problems.append(Problem("layout", (
                f"{shorten(part)}: after the prompt come bc.Axis, bc.zip(...), bc.sample(...) "
                "or named axes such as seed=range(4)."
            )))  # fmt: skip
    for name, value in axes.items():
        if _is_scalar(value) and name != "noise":
            constants[name] = value
        else:
            groups.append(Zip((_axis(name, value),)))
    parsed = tuple(prompts.parse(text) for text in templates)
    for variants in dict.fromkeys(v for t in parsed for v in t.variants):
        groups.insert(0, Zip((Axis(variants.name, variants.options),)))
    return Sweep(
        templates=parsed, groups=tuple(groups), constants=constants, sample=drawn,
        layout_problems=tuple(problems),
    )  # fmt: skip


def _texts(prompt: Any, problems: list[Problem]) -> list[str]:
    given = list(prompt) if isinstance(prompt, Iterable) else [prompt]
    templates = [text for text in given if isinstance(text, str)]
    if wrong := [text for text in given if not isinstance(text, str)]:
        problems.append(Problem(
            "prompt", f"prompt={shorten(wrong[0])}: a text, or a list of texts, is needed."
        ))  # fmt: skip
    return templates


def shot(prompt: str, **arguments: Any) -> Shot:
    """Make one shot; the arguments are those of `bc.sweep`, each a single value.

    >>> bc.shot("a bee over a meadow", seed=7, num_inference_steps=10)

    Raises:
        CheckError: A value is of the wrong kind.
    """
    made = _shot(prompt, arguments)
    if problems := list(check_values(made)):
        raise CheckError(problems)
    return made


@dataclass(frozen=True, eq=False)
class Sweep:
    """A prompt template and axes, laid out as an ordered set of cells.

    Made by `bc.sweep`. Immutable: `where` returns another sweep.

    Attributes:
        templates: The parsed prompt templates.
        groups: The axes that are multiplied; axes in one group move together.
        constants: Arguments that all cells share.
        sample: How many cells are drawn, if not all.
        layout_problems: What is wrong with how it was called.
        kept: The places of the layout that `where` kept, or None for all.
        shots: Shots that are made already, one for each place, instead of the template.
        parents: Keys of the clips that it follows.
    """

    templates: tuple[prompts.Template, ...]
    groups: tuple[Zip, ...]
    constants: Mapping[str, Any]
    sample: Sample | None = None
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

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each group of axes."""
        return tuple(min((len(a) for a in group.axes), default=0) for group in self.groups)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong whatever the model is."""
        from beecam.check import layout_problems

        return tuple(layout_problems(self))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells in order.

        Raises:
            CheckError: The axes can't be laid out.
        """
        if self.problems:
            raise CheckError(self.problems)
        return tuple(self._cell(i, place) for i, place in enumerate(self._places()))

    @cached_property
    def key(self) -> str:
        """A digest of the cells' shots and coordinates."""
        data = [[c.shot.to_dict(), dict(c.coords)] for c in self.cells]
        text = json.dumps([self.template, data], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.cells)

    def __repr__(self) -> str:
        if self.problems:
            return f"Sweep that can't be laid out. {CheckError(self.problems)}"
        axes = " x ".join(f"{a.name}({len(a)})" for a in self.axes) or "one cell"
        return f"Sweep {self.template!r}: {len(self)} cells, {axes}"

    def where(self, keep: Callable[[Cell], bool] | None = None, **values: Any) -> Sweep:
        """Keep some cells.

        >>> sweep.where(insect=["bee", "moth"]).where(lambda cell: cell.values["seed"] % 2)

        Args:
            keep: Called with each cell.
            values: For an axis the value to keep, or a list of them.
        """
        names = [axis.name for axis in self.axes]
        unknown = [name for name in values if name not in names]
        if unknown:
            raise CheckError(
                Problem(n, f"where({n}=...): no such axis.{did_you_mean(n, names)} The axes are "
                        f"{', '.join(names)}.")
                for n in unknown
            )  # fmt: skip
        wanted = {n: [v] if _is_scalar(v) else list(v) for n, v in values.items()}
        places = self._places()
        kept = tuple(
            place
            for cell, place in builtins.zip(self.cells, places, strict=True)
            if all(cell.values[n] in v for n, v in wanted.items()) and (keep is None or keep(cell))
        )
        return replace(self, sample=None, kept=kept)

    def check(self, model: Model) -> None:
        """Find every problem with this model at once, before any compute.

        Raises:
            CheckError: With all problems, each naming the argument and the nearest valid choice.
        """
        from beecam.check import check_sweep

        check_sweep(self, model)

    def estimate(self, model: Model, library: Library | None = None) -> Estimate:
        """Say how many cells there are, how many are cached, and how long the others take."""
        from beecam.library import open_library

        self.check(model)
        library = open_library() if library is None else library
        shots = [model.resolve(cell.shot) for cell in self.cells]
        have = library.known({shot.key for shot in shots})
        missing = [shot for shot in shots if shot.key not in have]
        each = [library.seconds_for(shot) for shot in missing]
        known = [s for s in each if s is not None]
        total = math.fsum(known) * len(missing) / len(known) if known else None
        return Estimate(len(shots), len(shots) - len(missing), 0.0 if not missing else total)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row a cell, a column an axis, the prompt and the seed."""
        import pandas as pd

        rows = [{**c.values, "prompt": c.shot.prompt, "seed": c.shot.seed} for c in self.cells]
        return pd.DataFrame(rows, index=pd.Index([c.index for c in self.cells], name="cell"))

    def _places(self) -> Sequence[int]:
        """Which places of the layout become cells, in order."""
        if self.kept is not None:
            return self.kept
        total = math.prod(self.shape)
        if self.sample is None:
            return range(total)
        return sorted(random.Random(self.sample.seed).sample(range(total), self.sample.n))  # noqa: S311

    def _cell(self, index: int, place: int) -> Cell:
        coords: dict[str, int] = {}
        rest = place
        for group, length in reversed([*builtins.zip(self.groups, self.shape, strict=True)]):
            rest, position = divmod(rest, length)
            coords.update({axis.name: position for axis in group.axes})
        coords = {axis.name: coords[axis.name] for axis in self.axes}
        values = {axis.name: axis.values[coords[axis.name]] for axis in self.axes}
        if self.shots is not None:
            return Cell(index, coords, values, self.shots[place])
        template = self.templates[coords.get("prompt", 0)]
        arguments = {**self.constants, **values}
        made = _shot(template.render(arguments), {
            name: value for name, value in arguments.items() if name in self.argument_names
        })  # fmt: skip
        return Cell(index, coords, values, made)

    @cached_property
    def argument_names(self) -> frozenset[str]:
        """Names that are no slot of a template and so must be arguments of the pipeline."""
        if self.shots is not None:
            return frozenset()
        names = {*self.constants, *(axis.name for axis in self.axes)}
        slots = {slot for t in self.templates for slot in t.slots}
        variants = {v.name for t in self.templates for v in t.variants}
        return frozenset(names - slots - variants - {"prompt"})


def _shot(prompt: str, arguments: Mapping[str, Any]) -> Shot:
    given = dict(arguments)
    noise = given.pop("noise", None)
    seed = given.pop("seed", 0)
    own = {name: given.pop(name) for name in SHOT_ARGUMENTS if name in given}
    return Shot(prompt=prompt, noise=((seed, 1.0),) if noise is None else noise, extra=given, **own)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or not isinstance(value, Iterable)


def _axis(name: str, value: Any) -> Axis:
    if isinstance(value, Axis):
        return Axis(name, value.values, value.labels, value.notes)
    if isinstance(value, Mapping):
        return Axis(name, tuple(value.values()), tuple(str(label) for label in value))
    return Axis(name, tuple(itertools.islice(value, MAX_CELLS + 1)))


def _label(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def of_shots(shots: Sequence[Shot], axis: Axis | None = None) -> Sweep:
    """Lay out shots that are made already, in one row.

    Args:
        shots: What each cell makes.
        axis: Names and labels the cells; by default they are numbered.
    """
    if axis is None and len(shots) > 1:
        axis = Axis("shot", tuple(range(1, len(shots) + 1)))
    return Sweep(
        templates=tuple(dict.fromkeys(prompts.Template(s.prompt, (s.prompt,)) for s in shots)),
        groups=(Zip((axis,)),) if axis else (),
        constants={},
        shots=tuple(shots),
    )
