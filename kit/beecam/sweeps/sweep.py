"""Sweeps: a prompt template and axes, laid out as an ordered set of cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

from beecam._util.checks import callable_argument, integer, raise_problems
from beecam._util.indexing import indices_of
from beecam._util.plain import as_integer
from beecam.errors import CheckError, Problem, did_you_mean, shorten
from beecam.models.model import Model, Note
from beecam.models.model_set import ModelSet, as_model
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.sweeps.axes import Axis, Zip, positions
from beecam.sweeps.layout import Cell, Cells, Layout
from beecam.sweeps.layout_checks import check_layout, notes_on, resolve_cells
from beecam.sweeps.summary import describe_cells, sweep_html

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Sweep(Layout):
    """A prompt template and axes, laid out as an ordered set of cells.

    Built by `bc.sweep`. Immutable: slices and `where` return another sweep.

    >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(4))
    >>> len(sweep), sweep[5].values
    (8, {'insect': 'moth', 'seed': 1})
    """

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """Return the problems that do not depend on the model.

        >>> [problem.argument for problem in bc.sweep("a {insect}").problems]
        ['insect']
        """
        return tuple(check_layout(self))

    @cached_property
    def cells(self) -> Cells:
        """Return the cells, in order; each is made when it is asked for.

        >>> [cell.shot.prompt for cell in bc.sweep("a {bee|moth}").cells]
        ['a bee', 'a moth']

        Raises:
            CheckError: The sweep has problems.
        """
        if self.problems:
            raise CheckError(self.problems)
        return Cells(self)

    @cached_property
    def key(self) -> str:
        """Return a digest of the cells' shots and coordinates: 16 hexadecimal digits.

        >>> len(bc.sweep("a bee", seed=range(4)).key)
        16
        """
        data = [[c.shot.to_dict(), dict(c.coords)] for c in self.cells]
        text = json.dumps([self.template, data], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool]) -> Sweep: ...
    def __getitem__(self, index: Any) -> Cell | Sweep:
        """Return one cell, or a sweep of those that a slice, a list of indices or a mask selects.

        >>> sweep[0].shot.prompt
        'a bee'
        >>> len(sweep[:4]), len(sweep[[0, 2]])
        (4, 2)

        Raises:
            IndexError: The index is out of range, or the mask has another length.
            CheckError: The index is of another type, or selects a cell twice.
        """
        at = as_integer(index)
        if at is not None:
            if not -len(self) <= at < len(self):
                raise IndexError(self._explain_missing(at))
            return self.cells[at]
        problem = Problem(
            "index",
            f"sweep[{shorten(index)}]: a number, a slice, a list of different numbers or a mask is "
            'needed, as in sweep[0], sweep[:4] or sweep[[0, 2]]; sweep.where(insect="bee") selects '
            "by axis.",
        )
        selected = indices_of(index, len(self), "cell", self._explain_missing, problem)
        if len(set(selected)) < len(selected):
            raise CheckError([problem])
        return replace(self, samples=(), selected=tuple(self._places[i] for i in selected))

    def _explain_missing(self, index: int) -> str:
        return f"cell {index}: there are {len(self):,}, counted from 0."

    def __repr__(self) -> str:
        if self.problems:
            return f"Sweep {shorten(self.template, 200)} with problems: {CheckError(self.problems)}"
        return f"Sweep {shorten(self.template, 200)}: {describe_cells(self)}"

    def _repr_html_(self) -> str | None:
        # Without HTML a notebook shows the repr, which lists the problems.
        return None if self.problems else sweep_html(self, self.cells)

    def where(self, keep: Callable[[Cell], bool] | None = None, **values: Any) -> Sweep:
        """Return a sweep with some of the cells.

        >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(4))
        >>> sweep.where(insect="bee").where(lambda cell: cell.values["seed"] % 2)
        Sweep 'a {insect}': 2 cells, seed(2), insect='bee'

        Args:
            keep: Called with each cell; returns whether to keep it.
            values: For an axis the value to keep, or a list of values.

        Raises:
            CheckError: An axis or a value does not exist.
        """
        by_name = {axis.name: axis for axis in self.axes}
        problems: list[Problem] = []
        allowed: dict[str, set[int]] = {}
        for name, value in values.items():
            if name not in by_name:
                names = f"The axes are {', '.join(by_name)}." if by_name else "It has no axes."
                problems.append(
                    Problem(
                        name,
                        f"where({name}=...): no such axis.{did_you_mean(name, by_name)} {names}",
                    )
                )
                continue
            try:
                allowed[name] = positions(by_name[name], value)
            except CheckError as error:
                problems += error.problems
        if keep is not None:
            problems += callable_argument(
                "where", keep, "cell", 'lambda cell: cell.values["seed"] > 2'
            )
        raise_problems(problems)
        tests = [(s, n, allowed[a.name]) for a, s, n in self._strides if a.name in allowed]
        cells = self.cells
        selected = [
            index
            for index, place in enumerate(self._places)
            if all(place // stride % length in found for stride, length, found in tests)
        ]
        if keep is not None:
            selected = [index for index in selected if keep(cells[index])]
        return replace(self, samples=(), selected=tuple(self._places[i] for i in selected))

    def check(self, model: Model | Sequence[Model] | Mapping[str, Model]) -> list[Note]:
        """Raise all problems that a model has with the sweep, before any compute.

        >>> for note in bc.sweep("a zebra over a medow").check(model):
        ...     print(note)
        prompt: pollen ignores 'zebra', 'medow'; the nearest that it knows: 'meadow' for...

        Args:
            model: A model, a list of models, or a mapping of labels to models.

        Returns:
            Notes on what doesn't reach the model: words that it doesn't know or that are cut off,
            arguments without effect, cells that make equal clips for it, and values that look
            like templates. They don't prevent the sweep.

        Raises:
            CheckError: With all problems, each naming the argument and the nearest valid choice.
        """
        used = as_model(model)
        return notes_on(self, used, self.across(used).resolved_shots(used))

    def resolve(self, model: Model | Sequence[Model] | Mapping[str, Model]) -> tuple[Shot, ...]:
        """Return the cells' shots with the model's defaults filled in.

        Of several models, each has a shot of each cell, in the order of `across`.

        >>> frames = model.generate(bc.sweep("a bee", seed=range(2)).resolve(model))

        Args:
            model: A model, a list of models, or a mapping of labels to models. Of a model set, each
                cell must name its model.

        Raises:
            CheckError: With all problems.
        """
        used = as_model(model)
        sweep = self if used is model else self.across(used)
        return tuple(sweep.resolved_shots(used))

    def resolved_shots(self, model: Model) -> ShotList:
        """Return what `resolve` does as a list that holds few shots for very many cells.

        >>> len(bc.sweep("a bee", seed=range(9)).resolved_shots(model).bases)
        1

        Args:
            model: A model; of a model set, each cell must name its model.

        Raises:
            CheckError: With all problems.
        """
        return resolve_cells(self, self.problems, model)

    def across(self, model: Model) -> Sweep:
        """Return the sweep with an axis "model" before all others, if `model` is a model set.

        The first axis varies slowest, so that a run uses one model after the other.

        >>> models = as_model({"plain": plain, "pencil": pencil})
        >>> [axis.name for axis in bc.sweep("a bee", seed=range(2)).across(models).axes]
        ['model', 'seed']

        Args:
            model: A model, for which the sweep is returned unchanged, or a model set.
        """
        if not isinstance(model, ModelSet) or any(axis.name == "model" for axis in self.axes):
            return self
        labels = tuple(model.by_label)
        if self.problems:
            return self
        total, places = self.places
        shots = self.shots and {
            i * total + place: shot.replace(model=label)
            for i, label in enumerate(labels)
            for place, shot in self.shots.items()
        }
        return replace(
            self,
            groups=(Zip((Axis("model", labels),)), *self.groups),
            samples=(),
            shots=shots,
            selected=tuple(i * total + place for i in range(len(labels)) for place in places),
        )

    def to_frame(self, limit: int | None = None) -> pd.DataFrame:
        """Return a data frame with a row per cell: its value on each axis, prompt and seed.

        >>> sweep = bc.sweep("a {insect}", insect=["bee", "moth"])
        >>> sweep.to_frame()["prompt"].tolist()
        ['a bee', 'a moth']

        Args:
            limit: The maximum number of rows; None for all.

        Raises:
            CheckError: The sweep has problems, or the limit is not an integer.
        """
        import pandas as pd

        raise_problems(integer("limit", limit, 0, or_none=True))
        cells = self.cells[:limit]
        columns: dict[str, list[Any]] = {
            axis.name: [c.values[axis.name] for c in cells] for axis in self.axes
        }
        columns["prompt"] = [c.shot.text for c in cells]
        columns["seed"] = [c.shot.seed for c in cells]
        return pd.DataFrame(columns, index=pd.RangeIndex(len(cells), name="cell"))
