"""`bc.sweep` and `bc.shot`: from what a user writes to sweeps and shots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beecam._util.checks import raise_problems
from beecam.errors import CheckError, Problem, shorten
from beecam.shots import prompts, weighted_prompts
from beecam.shots.conditions import CONDITIONS, is_input, normalize_condition
from beecam.shots.loras import is_lora, normalize_loras
from beecam.shots.shot import BOTH_NOISES, Shot, check_values, is_noise
from beecam.sweeps.axes import Axis, Sample, Zip, is_scalar, make_axis
from beecam.sweeps.layout import shot_from
from beecam.sweeps.sweep import Sweep

# Arguments whose values are files, read when a sweep is laid out.
_READ = (*CONDITIONS, "lora")


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
        elif is_scalar(value) or (name == "noise" and is_noise(value)):
            constants[name] = value
        else:
            groups.append(Zip((make_axis(name, value),)))
    named = [axis.name for group in groups for axis in group.axes]
    if (
        named.count("prompt") + (isinstance(prompt, str) or weighted_prompts.is_weighted(prompt))
        > 1
    ):
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


def _parsed(text: Any) -> prompts.Template | prompts.WeightedTemplate:
    if isinstance(text, str):
        return prompts.parse(text)
    return prompts.WeightedTemplate(tuple((prompts.parse(part), weight) for part, weight in text))


def _templates(prompt: Any, problems: list[Problem]) -> tuple[list[Zip], list[Any]]:
    """Return the group that has the axis "prompt", if there is one, and the templates' texts."""
    if isinstance(prompt, str):
        return [], [prompt]
    if weighted_prompts.is_weighted(prompt):
        problems += weighted_prompts.find_problems(prompt)
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
    return [group], [v for v in values if isinstance(v, str) or weighted_prompts.is_weighted(v)]


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
    return normalize_loras(value) if name == "lora" else normalize_condition(name, value)


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
    return [_no_text(value)] if single else weighted_prompts.find_problems(value)


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
    made = shot_from(prompt, arguments)
    problems = list(check_values(made))
    if arguments.get("seed") is not None and arguments.get("noise") is not None:
        problems.append(Problem("noise", BOTH_NOISES))
    raise_problems(problems)
    return made


def sweep_of_shots(shots: Sequence[Shot], axis: Axis | None = None) -> Sweep:
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
