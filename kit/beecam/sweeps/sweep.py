"""Sweeps: a prompt template and axes, laid out as an ordered set of cells."""

from __future__ import annotations

import builtins
import hashlib
import json
import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from beecam._util.checks import function, loaded, need, opened
from beecam.errors import CheckError, Problem, did_you_mean, shorten
from beecam.shots import prompts
from beecam.shots import weighted_prompts as blend
from beecam.shots.conditions import CONDITIONS, conditions_of, is_input, normal
from beecam.shots.loras import LORA_ARGUMENTS, adapters_of, is_lora
from beecam.shots.loras import normal as normal_lora
from beecam.shots.prompt_switch import SWITCH_ARGUMENTS, switch_of
from beecam.shots.shot import BOTH_NOISES, SHOT_ARGUMENTS, Shot, check_values, is_recipe
from beecam.sweeps.axes import Axis, Sample, Zip, is_scalar, make_axis, positions

if TYPE_CHECKING:
    import pandas as pd

    from beecam.clips.library import Library
    from beecam.models.model import Model


# Arguments whose values are files, read when a sweep is laid out.
_READ = (*CONDITIONS, "lora")


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


def sweep(
    prompt: str | Sequence[Any] | Mapping[str, Any] | Axis | Zip,
    *layout: Axis | Zip | Sample,
    **axes: Any,
) -> Sweep:
    """Lay out a prompt template and axes as a sweep.

    >>> bc.sweep("a {insect} over {place}", insect=["bee", "moth"], place="dunes", seed=range(4))
    >>> bc.sweep(bc.zip(prompt=["a bee", "a moth"], seed=[3, 8]))

    Args:
        prompt: A template with `{slots}` and `{in place|variants}`; or an axis "prompt" of them,
            as a list, as `{label: template}`, as a bc.Axis, or paired with others in a bc.zip.
            Each may also be several templates with weights, `[("a bee", 0.7), ("a moth", 0.3)]`,
            of which what the encoder makes is mixed.
        layout: Axes with labels and notes, `bc.zip(...)`, or `bc.sample(...)`.
        axes: A list (or range, `{label: value}` or bc.Axis) for an axis, a single value for all
            cells: for a slot of the template, for the seed, or for any argument of the pipeline.
            A slot that is called like an argument (`{seed}`) gives its value to both.
            Axes are multiplied in the order given, the last one moving fastest.

    Returns:
        The sweep. What is wrong with it is said by `sweep.check(model)`, all at once.
    """
    problems: list[Problem] = []
    groups, texts = _templates(prompt, problems)
    samples = [part for part in layout if isinstance(part, Sample)]
    constants: dict[str, Any] = {}
    for part in layout:
        if isinstance(part, (Axis, Zip)):
            group = Zip((part,)) if isinstance(part, Axis) else part
            groups.append(Zip(tuple(_with_read(axis, problems) for axis in group.axes)))
        elif not isinstance(part, Sample):
            problems.append(
                Problem(
                    "layout",
                    f"{shorten(part)}: after the prompt come bc.Axis, bc.zip(...), "
                    "bc.sample(...) "
                    "or named axes such as seed=range(4).",
                )
            )
    for name, value in axes.items():
        if isinstance(value, (Zip, Sample)):
            kind = type(value).__name__.lower()
            problems.append(
                Problem(
                    name,
                    f"{name}=bc.{kind}(...): bc.{kind} has no name; it comes after the "
                    "prompt, as in "
                    f"bc.sweep(prompt, bc.{kind}(...)).",
                )
            )
        elif name in _READ and value is not None:
            _take_read(name, value, constants, groups, problems)
        elif is_scalar(value) or (name == "noise" and is_recipe(value)):
            constants[name] = value
        else:
            groups.append(Zip((make_axis(name, value),)))
    named = [axis.name for group in groups for axis in group.axes]
    if named.count("prompt") + (isinstance(prompt, str) or blend.is_blend(prompt)) > 1:
        problems.append(
            Problem(
                "prompt",
                "prompt: it is given twice, in its own place and as an axis. Put the axis "
                "in its "
                'place, as in bc.sweep(bc.zip(prompt=["a bee", "a moth"], seed=[1, 2])).',
            )
        )
    parsed = tuple(map(_parsed, texts))
    for variants in dict.fromkeys(v for t in parsed for v in t.variants):
        groups.insert(0, Zip((Axis(variants.name, variants.options),)))
    return Sweep(
        templates=parsed,
        groups=tuple(groups),
        constants=constants,
        samples=tuple(samples),
        layout_problems=tuple(problems),
    )


def _parsed(text: Any) -> prompts.Template | prompts.Blend:
    if isinstance(text, str):
        return prompts.parse(text)
    return prompts.Blend(tuple((prompts.parse(part), weight) for part, weight in text))


def _templates(prompt: Any, problems: list[Problem]) -> tuple[list[Zip], list[Any]]:
    """Return the group that has the axis "prompt", if there is one, and the templates' texts."""
    if isinstance(prompt, str):
        return [], [prompt]
    if blend.is_blend(prompt):
        problems += blend.wrong_with(prompt)
        return [], [prompt]
    if is_scalar(prompt) or isinstance(prompt, Sample):
        problems.append(_no_text(prompt))
        return [], []
    group = (
        prompt
        if isinstance(prompt, Zip)
        else Zip((prompt if isinstance(prompt, Axis) else make_axis("prompt", prompt),))
    )
    found = [axis for axis in group.axes if axis.name == "prompt"]
    if not found:
        names = ", ".join(axis.name for axis in group.axes)
        problems.append(
            Problem(
                "prompt",
                f"prompt: in its place there are axes ({names}), of which none is called "
                "prompt. "
                'Write the template first, as in bc.sweep("a {insect}", bc.Axis("insect", '
                "[...])).",
            )
        )
        return [group], []
    values = found[0].values
    problems += [problem for value in values for problem in _wrong_text(value)]
    return [group], [v for v in values if isinstance(v, str) or blend.is_blend(v)]


def _take_read(
    name: str, value: Any, constants: dict[str, Any], groups: list[Zip], problems: list[Problem]
) -> None:
    """Read pictures, films and LoRAs, once each, as one value for all cells or as an axis."""
    single = is_lora(value) if name == "lora" else is_input(value, name)
    if not single and not is_scalar(value):
        groups.append(Zip((_with_read(make_axis(name, value), problems),)))
        return
    try:
        constants[name] = _read(name, value)
    except CheckError as error:
        problems += error.problems


def _read(name: str, value: Any) -> Any:
    return normal_lora(value) if name == "lora" else normal(name, value)


def _with_read(axis: Axis, problems: list[Problem]) -> Axis:
    """Return an axis of pictures, films or LoRAs with all of them read; any other as it is."""
    if axis.name not in _READ:
        return axis
    values = []
    for value in axis.values:
        try:
            values.append(_read(axis.name, value))
        except CheckError as error:
            problems += error.problems
            return Axis(axis.name, tuple(range(len(axis))), axis.labels, axis.notes)
    named = axis.labels != tuple(map(str, axis.values))  # by whoever made the axis
    return Axis(axis.name, tuple(values), axis.labels if named else (), axis.notes)


def _wrong_text(value: Any) -> Iterable[Problem]:
    single = not isinstance(value, (str, tuple, list))
    return [_no_text(value)] if single else blend.wrong_with(value)


def _no_text(value: Any) -> Problem:
    return Problem("prompt", f"prompt={shorten(value)}: a text, or a list of texts, is needed.")


def shot(prompt: str | Sequence[tuple[str, float]], **arguments: Any) -> Shot:
    """Make one shot; the arguments are those of `bc.sweep`, each a single value.

    >>> bc.shot("a bee over a meadow", seed=7, num_inference_steps=10)
    >>> bc.shot([("a bee over dunes", 0.7), ("a moth in snow", 0.3)], seed=4)

    Args:
        prompt: A text, or several with weights, of which what the encoder makes is mixed.
        arguments: Of the shot, and of the pipeline.

    Raises:
        CheckError: A value is of the wrong kind.
    """
    made = _shot(prompt, arguments)
    problems = list(check_values(made))
    if arguments.get("seed") is not None and arguments.get("noise") is not None:
        problems.append(Problem("noise", BOTH_NOISES))
    need(problems)
    return made


@dataclass(frozen=True, eq=False)
class Sweep:
    """A prompt template and axes, laid out as an ordered set of cells.

    Made by `bc.sweep`. Immutable: `where` returns another sweep.

    Attributes:
        templates: The parsed prompt templates.
        groups: The axes that are multiplied; axes in one group move together.
        constants: Arguments that all cells share.
        samples: How many cells are drawn, if not all; more than one is a problem.
        layout_problems: What is wrong with how it was called.
        kept: The places of the layout that `where` kept, or None for all.
        shots: Shots that are made already, one for each place, instead of the template.
        parents: Keys of the clips that it follows.
    """

    templates: tuple[prompts.Template | prompts.Blend, ...]
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

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong whatever the model is."""
        from beecam.sweeps.layout_checks import layout_problems

        return tuple(layout_problems(self))

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells in order.

        Raises:
            CheckError: The axes can't be laid out.
        """
        if self.problems:
            raise CheckError(self.problems)
        return tuple(self._cell(i, place) for i, place in enumerate(self._places))

    @cached_property
    def key(self) -> str:
        """A digest of the cells' shots and coordinates."""
        data = [[c.shot.to_dict(), dict(c.coords)] for c in self.cells]
        text = json.dumps([self.template, data], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def outline(self) -> str:
        """Template, labels and places: together with the shots' keys it tells sweeps apart.

        Quick where `key` is not, which writes every shot down.
        """
        axes = [(axis.name, axis.labels) for axis in self.axes]
        return repr((self.template, axes, self.shape, self._places))

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

        Raises:
            CheckError: There is no such axis, or it has no such value.
        """
        by_name = {axis.name: axis for axis in self.axes}
        problems: list[Problem] = []
        wanted: dict[str, set[int]] = {}
        for name, value in values.items():
            if name not in by_name:
                there = f"The axes are {', '.join(by_name)}." if by_name else "There are none."
                problems.append(
                    Problem(
                        name,
                        f"where({name}=...): no such axis.{did_you_mean(name, by_name)} {there}",
                    )
                )
                continue
            try:
                wanted[name] = positions(by_name[name], value)
            except CheckError as error:
                problems += error.problems
        if keep is not None:
            problems += function("where", keep, "cell", 'lambda cell: cell.values["seed"] > 2')
        need(problems)
        kept = tuple(
            place
            for cell, place in builtins.zip(self.cells, self._places, strict=True)
            if all(cell.coords[n] in p for n, p in wanted.items()) and (keep is None or keep(cell))
        )
        return replace(self, samples=(), kept=kept)

    @property
    def places(self) -> tuple[int, Sequence[int]]:
        """How many places the layout has, and which of them are cells."""
        return math.prod(self.shape), self._places

    @property
    def fills(self) -> bool:
        """Whether empty places of its layout can be made; see `beecam.sweeps.expand`."""
        return self.shots is None

    def check(self, model: Model) -> None:
        """Find every problem with this model at once, before any compute.

        Raises:
            CheckError: With all problems, each naming the argument and the nearest valid choice.
        """
        from beecam.models.model_set import spread, taken
        from beecam.sweeps.layout_checks import check_sweep

        model = taken(model)
        check_sweep(spread(self, model), model)

    def estimate(self, model: Model, library: Library | None = None) -> Estimate:
        """Say how many cells there are, how many are cached, and how long the others take."""
        from beecam.clips.library import open_library
        from beecam.models.model_set import spread, taken
        from beecam.sweeps.layout_checks import check_sweep

        model = taken(model)
        need([*loaded(model), *opened(library)])
        library = open_library() if library is None else library
        shots = check_sweep(spread(self, model), model)
        have = library.known({shot.key for shot in shots})
        missing = [shot for shot in shots if shot.key not in have]
        each = [library.seconds_for(shot) for shot in missing]
        known = [s for s in each if s is not None]
        total = math.fsum(known) * len(missing) / len(known) if known else None
        return Estimate(len(shots), len(shots) - len(missing), 0.0 if not missing else total)

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame: a row a cell, a column an axis, the prompt and the seed."""
        import pandas as pd

        rows = [{**c.values, "prompt": c.shot.text, "seed": c.shot.seed} for c in self.cells]
        return pd.DataFrame(rows, index=pd.Index([c.index for c in self.cells], name="cell"))

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

    def _cell(self, index: int, place: int) -> Cell:
        coords = {axis.name: place // step % length for axis, step, length in self._steps}
        values = {axis.name: axis.values[coords[axis.name]] for axis, _, _ in self._steps}
        if self.shots is not None:
            return Cell(index, coords, values, self.shots[place])
        template = self.templates[coords.get("prompt", 0)]
        arguments = {**self.constants, **values}
        made = _shot(
            template.render(arguments),
            {name: value for name, value in arguments.items() if name in self.argument_names},
        )
        return Cell(index, coords, values, made)

    @cached_property
    def _steps(self) -> tuple[tuple[Axis, int, int], ...]:
        """Each axis with the number of places for one step along it, and its length."""
        return tuple(
            (axis, math.prod(self.shape[i + 1 :]), length)
            for i, (group, length) in enumerate(builtins.zip(self.groups, self.shape, strict=True))
            for axis in group.axes
        )

    @cached_property
    def argument_names(self) -> frozenset[str]:
        """Names that must be arguments of the pipeline: a shot's own, and those of no slot."""
        if self.shots is not None:
            return frozenset()
        names = {*self.constants, *(axis.name for axis in self.axes)}
        slots = {s for t in self.templates for s in t.slots if s not in SHOT_ARGUMENTS}
        variants = {v.name for t in self.templates for v in t.variants}
        return frozenset(names - slots - variants - {"prompt"})


def _shot(prompt: Any, arguments: Mapping[str, Any]) -> Shot:
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


def of_shots(shots: Sequence[Shot], axis: Axis | None = None) -> Sweep:
    """Lay out shots that are made already, in one row.

    Args:
        shots: What each cell makes.
        axis: Names and labels the cells; by default they are numbered.
    """
    if axis is None and len(shots) > 1:
        axis = Axis("shot", tuple(range(1, len(shots) + 1)))
    return Sweep(
        templates=tuple(dict.fromkeys(prompts.Template(s.text, (s.text,)) for s in shots)),
        groups=(Zip((axis,)),) if axis else (),
        constants={},
        shots=tuple(shots),
    )
