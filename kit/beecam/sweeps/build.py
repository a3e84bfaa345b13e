"""`bc.sweep` and `bc.shot`: build sweeps and shots from a user's arguments."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from beecam._util.checks import attempt, boolean, path_argument, raise_problems
from beecam._util.words import path_names, repeated
from beecam.errors import CheckError, Problem, encodable, shorten
from beecam.shots import weighted_prompts
from beecam.shots.conditions import CONDITIONS, conditions_of, is_input, normalize_condition
from beecam.shots.loras import LORA_ARGUMENTS, adapters_of, is_lora, normalize_loras
from beecam.shots.noise import is_noise
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import BOTH_NOISES, check_values
from beecam.shots.templates.parse import parse, parse_weighted
from beecam.shots.templates.template import AnyTemplate, plain_template, plain_weighted
from beecam.sweeps.axes import Axis, Sample, Zip, is_scalar, make_axis
from beecam.sweeps.layout import shot_from
from beecam.sweeps.sweep import Sweep
from beecam.sweeps.written_axes import WrittenAxes

# Arguments whose values are read from files when a sweep is laid out.
_FILE_ARGUMENTS = (*CONDITIONS, "lora")
_PAIRED_EXAMPLE = 'bc.sweep(bc.zip(prompt=["a bee", "a moth"], seed=[1, 2]))'


def sweep(
    prompt: str | Sequence[Any] | Mapping[str, Any] | Axis | Zip,
    *layout: Axis | Zip | Sample,
    plain: bool = False,
    wildcards: str | os.PathLike[str] | None = None,
    **axes: Any,
) -> Sweep:
    """Lay out a prompt template and axes as a sweep.

    >>> bc.sweep("a {insect} over {place}", insect=["bee", "moth"], place="dunes", seed=range(4))
    Sweep 'a {insect} over {place}': 8 cells, insect(2) x seed(4)
    >>> len(bc.sweep(bc.zip(prompt=["a bee", "a moth"], seed=[3, 8])))
    2
    >>> [cell.shot.prompt for cell in bc.sweep(["a {bee|moth}", "snow"])]
    ['a bee', 'a moth', 'snow']

    Args:
        prompt: A template with `{slots}` and `{choices|written|in place}`; docs/templates.md has
            all that can be written. Or an axis "prompt" of templates, as a list, as
            `{label: template}`, as a bc.Axis, or paired with others in a bc.zip. Each may also be
            several templates with weights, `[("a bee", 0.7), ("a moth", 0.3)]`, whose embeddings
            are mixed. Templates that don't all have the same choices are expanded line by line.
        layout: Axes with labels and notes, `bc.zip(...)`, or `bc.sample(...)`.
        axes: A list (or range, `{label: value}` or bc.Axis) for an axis, a single value for all
            cells: for a slot of the template, for the seed, or for any argument of the pipeline.
            A slot with the name of an argument (`{seed}`) sets both. Axes are multiplied in the
            given order, the last one moving fastest. Negative prompts and the prompts after a
            switch are templates, too; other values are texts that mean themselves.
        plain: Take the prompts as texts that mean themselves, with braces and all.
        wildcards: The folder of text files whose lines `__name__` stands for.

    Returns:
        The sweep. It may have problems: `sweep.check(model)` raises them all at once.
    """
    problems = list(boolean("plain", plain))
    if wildcards is not None:
        problems += path_argument("wildcards", wildcards, "'wildcards'")
    builder = _Builder(problems=problems)
    texts = builder.add_prompt(prompt)
    for part in layout:
        builder.add_part(part)
    for name, value in axes.items():
        builder.add_argument(name, value)
    builder.check_single_prompt(prompt)
    is_plain = plain is True
    templates = tuple(_parse(text, is_plain) for text in texts)
    written = WrittenAxes(builder.groups, builder.constants, builder.problems)
    if not is_plain:
        folder = None if any(p.argument == "wildcards" for p in problems) else wildcards
        templates = written.add(templates, folder)
    return written.drawn(
        Sweep(
            templates=templates,
            groups=tuple(builder.groups),
            constants=builder.constants,
            samples=tuple(builder.samples),
            layout_problems=tuple(builder.problems),
            plain=is_plain,
        )
    )


def shot(prompt: str | Sequence[tuple[str, float]], **arguments: Any) -> Shot:
    """Build one shot; the arguments are those of `bc.sweep`, each a single value.

    >>> bc.shot("a bee over a meadow", seed=7, num_inference_steps=10)
    bc.shot('a bee over a meadow', seed=7, num_inference_steps=10)
    >>> bc.shot([("a bee over dunes", 0.7), ("a moth in snow", 0.3)], seed=4).seed
    4

    Args:
        prompt: A string, or several with weights, whose embeddings are mixed. It means itself:
            slots and choices are filled by `bc.sweep`.
        arguments: Arguments of the shot and of the pipeline.

    Raises:
        CheckError: A value has the wrong type or is out of range for every model.
    """
    problems: list[Problem] = []
    new = attempt(problems, lambda: shot_from(prompt, arguments))
    if new is None:
        # What is wrong with its files is found one by one, and with the rest without them.
        rest = dict(arguments)
        for names, read in ((CONDITIONS, conditions_of), (LORA_ARGUMENTS, adapters_of)):
            given = {name: rest.pop(name) for name in names if name in rest}
            attempt(problems, partial(read, given))
        new = attempt(problems, lambda: shot_from(prompt, rest))
        problems = list(dict.fromkeys(problems))
    if new is None:
        raise CheckError(problems)
    problems += check_values(new)
    if arguments.get("seed") is not None and arguments.get("noise") is not None:
        problems.append(Problem("noise", BOTH_NOISES))
    raise_problems(problems)
    return new


def sweep_of_shots(shots: Sequence[Shot], axis: Axis | None = None) -> Sweep:
    """Lay out existing shots as a sweep of one axis.

    >>> sweep_of_shots([bc.shot("a bee", seed=1), bc.shot("a moth", seed=2)]).axes[0].name
    'shot'

    Args:
        shots: The shot of each cell.
        axis: An axis with a value for each shot; by default they are numbered.
    """
    if axis is None and len(shots) > 1:
        axis = Axis("shot", tuple(range(1, len(shots) + 1)))
    return Sweep(
        templates=tuple(dict.fromkeys(plain_template(s.text) for s in shots)),
        groups=(Zip((axis,)),) if axis else (),
        constants={},
        shots=dict(enumerate(shots)),
    )


def sweep_at(
    shots: Sequence[Shot], axes: Sequence[Axis], coords: Sequence[Mapping[str, int]], title: str
) -> Sweep | None:
    """Lay out existing shots at positions on several axes.

    >>> sweep_at([bc.shot("a bee", seed=4)], sweep.axes, [{"insect": 0, "seed": 4}], "a {insect}")

    Args:
        shots: The shot of each cell.
        axes: The axes, the fastest moving one last.
        coords: The position of each shot on each axis, by the axis' name.
        title: The template under which the sweep is recorded.

    Returns:
        The sweep, or None if a shot has no position on an axis, or two have the same.
    """
    shape = [len(axis) for axis in axes]
    if not axes or any(axis.name not in at for at in coords for axis in axes):
        return None
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    places = [
        sum(at[axis.name] * stride for axis, stride in zip(axes, strides, strict=True))
        for at in coords
    ]
    if len(set(places)) < len(places):
        return None
    return Sweep(
        templates=(plain_template(title),),
        groups=tuple(Zip((axis,)) for axis in axes),
        constants={},
        selected=tuple(places),
        shots=dict(zip(places, shots, strict=True)),
    )


@dataclass
class _Builder:
    """The parts of a sweep, collected from the arguments of `bc.sweep`.

    Attributes:
        groups: The axes; those in one group are paired.
        constants: Arguments for all cells.
        samples: The draws of cells.
        problems: What is wrong with the arguments.
    """

    groups: list[Zip] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add_prompt(self, prompt: Any) -> list[Any]:
        """Add the axis "prompt", if there is one, and return the templates' texts."""
        if isinstance(prompt, str):
            return [prompt]
        if weighted_prompts.is_weighted(prompt):
            self.problems += weighted_prompts.find_problems(prompt)
            return [prompt]
        if is_scalar(prompt) or isinstance(prompt, Sample):
            self.problems.append(_not_a_prompt(prompt))
            return []
        if isinstance(prompt, Zip):
            group = prompt
        else:
            group = Zip((prompt if isinstance(prompt, Axis) else make_axis("prompt", prompt),))
        self.groups.append(group)
        axis = next((axis for axis in group.axes if axis.name == "prompt"), None)
        if axis is None:
            names = ", ".join(axis.name for axis in group.axes)
            self._add_problem(
                "prompt",
                f"prompt: in its place there are axes ({names}), of which none is called prompt. "
                'Write the template first, as in bc.sweep("a {insect}", bc.Axis("insect", [...])).',
            )
            return []
        self.problems += [p for value in axis.values for p in _prompt_problems(value)]
        return [v for v in axis.values if isinstance(v, str) or weighted_prompts.is_weighted(v)]

    def add_part(self, part: Any) -> None:
        """Add an axis, a zip or a sample that comes after the prompt."""
        if isinstance(part, Sample):
            self.samples.append(part)
        elif isinstance(part, (Axis, Zip)):
            axes = (part,) if isinstance(part, Axis) else part.axes
            self.groups.append(Zip(tuple(map(self._read_axis, axes))))
        else:
            self._add_problem(
                "layout",
                f"{shorten(part)}: after the prompt come bc.Axis, bc.zip(...), bc.sample(...) or "
                "named axes such as seed=range(4).",
            )

    def add_argument(self, name: str, value: Any) -> None:
        """Add a named axis, or a value for all cells."""
        if isinstance(value, (Zip, Sample)):
            kind = type(value).__name__.lower()
            self._add_problem(
                name,
                f"{name}=bc.{kind}(...): bc.{kind} has no name; it comes after the prompt, as in "
                f"bc.sweep(prompt, bc.{kind}(...)).",
            )
        elif name in _FILE_ARGUMENTS and value is not None:
            self._add_files(name, value)
        elif is_scalar(value) or (name == "noise" and is_noise(value)):
            self.constants[name] = value
        else:
            self.groups.append(Zip((make_axis(name, value),)))

    def check_single_prompt(self, prompt: Any) -> None:
        """Add a problem if prompts are given both as the first argument and as an axis."""
        names = [axis.name for group in self.groups for axis in group.axes]
        plain = isinstance(prompt, str) or weighted_prompts.is_weighted(prompt)
        if names.count("prompt") + plain > 1:
            self._add_problem(
                "prompt",
                "prompt: it is given twice, as the first argument and as an axis. Put the axis in "
                f"the first place, as in {_PAIRED_EXAMPLE}.",
            )

    def _add_files(self, name: str, value: Any) -> None:
        """Add images, videos or LoRAs, each read once."""
        single = is_lora(value) if name == "lora" else is_input(value, name)
        if not single and not is_scalar(value):
            self.groups.append(Zip((self._read_axis(make_axis(name, value)),)))
            return
        found = attempt(self.problems, partial(_read_files, name, value))
        if found is not None:
            self.constants[name] = found

    def _read_axis(self, axis: Axis) -> Axis:
        """Return an axis with its files read; an axis without files is returned unchanged."""
        if axis.name not in _FILE_ARGUMENTS:
            return axis
        problems: list[Problem] = []
        values = [attempt(problems, partial(_read_files, axis.name, one)) for one in axis.values]
        if problems:
            self.problems += dict.fromkeys(problems)
            # The length is kept, so that no other problem follows from these.
            return Axis(axis.name, tuple(range(len(axis))), axis.labels, axis.notes)
        labelled = axis.labels != make_axis(axis.name, axis.values).labels  # by the user
        labels = axis.labels if labelled else _file_labels(axis.values, values)
        return Axis(axis.name, tuple(values), labels, axis.notes)

    def _add_problem(self, argument: str, message: str) -> None:
        self.problems.append(Problem(argument, message))


def _file_labels(sources: Sequence[Any], values: Sequence[Any]) -> tuple[str, ...]:
    """Return a label for each file: its name, and of files of one name also where they differ.

    Args:
        sources: What the user gave: paths, or anything else.
        values: What was read from it.
    """
    labels = Axis("", tuple(values)).labels
    plain = [str(value) for value in values]
    same = repeated(plain)
    paths = {i: path for i, one in enumerate(sources) if (path := _path_of(one)) is not None}
    for name in same:
        places = [i for i, text in enumerate(plain) if text == name]
        if not all(i in paths for i in places):
            continue  # labelled by digest
        names = path_names([paths[i] for i in places])
        for i, found in zip(places, names, strict=True):
            text = plain[i].replace(encodable(paths[i].stem), encodable(found), 1)
            labels = (*labels[:i], text, *labels[i + 1 :])
    return labels


def _path_of(source: Any) -> Path | None:
    first = source[0] if isinstance(source, tuple) and source else source
    return Path(first) if isinstance(first, (str, os.PathLike)) else None


def _parse(text: Any, plain: bool) -> AnyTemplate:
    if isinstance(text, str):
        return plain_template(text) if plain else parse(text)
    return plain_weighted(text) if plain else parse_weighted(text)


def _read_files(name: str, value: Any) -> Any:
    return normalize_loras(value) if name == "lora" else normalize_condition(name, value)


def _prompt_problems(value: Any) -> Iterable[Problem]:
    if not isinstance(value, (str, tuple, list)):
        return [_not_a_prompt(value)]
    return weighted_prompts.find_problems(value)


def _not_a_prompt(value: Any) -> Problem:
    return Problem("prompt", f"prompt={shorten(value)}: a string, or a list of strings, is needed.")
