"""Checks of sweeps: all problems at once, before any compute."""

from __future__ import annotations

import keyword
import math
import numbers
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from beecam._util.checks import raise_problems
from beecam._util.collector import collection_paused
from beecam.errors import CheckError, Problem, did_you_mean, join_words, nearest_match, shorten
from beecam.models.capabilities import arguments_of, filled_in_by, notes_of
from beecam.models.model import Model, Note
from beecam.models.model_checks import loaded_model
from beecam.models.resolving import resolve_shots
from beecam.shots.conditions import CONDITIONS
from beecam.shots.shot import SHOT_ARGUMENTS, Shot
from beecam.shots.shot_checks import BOTH_NOISES
from beecam.shots.shot_list import ShotList
from beecam.shots.templates.parse import is_plain, parse
from beecam.shots.templates.template import Template, WeightedTemplate
from beecam.sweeps.axes import MAX_CELLS, Sample
from beecam.sweeps.layout import Layout

_MAX_TRIED = 100  # values of a slot
_EMPTY = (
    "the selection is empty: no cell has all of the values of where(...), none passed its "
    "function, or the slice or list selects none."
)


@collection_paused()
def resolve_cells(layout: Layout, problems: Sequence[Problem], model: Model) -> ShotList:
    """Return the shots of a sweep's cells, resolved by a model.

    >>> sweep = bc.sweep("a bee", seed=range(3))
    >>> len(resolve_cells(sweep, sweep.problems, model))
    3

    Args:
        layout: The sweep's layout.
        problems: Its problems for every model; without any, its shots are checked.
        model: Resolves and checks the shots.

    Raises:
        CheckError: With all problems of the sweep and of its shots.
    """
    raise_problems(loaded_model(model))
    found = list(problems)
    if layout.selected == ():
        found.append(Problem("sweep", _EMPTY))
    arguments = arguments_of(model)
    allowed = (*SHOT_ARGUMENTS, *arguments)
    slots = layout.slots
    unknown = [name for name in sorted(layout.argument_names) if name not in allowed]
    filled_in = filled_in_by(model)
    for name in unknown:
        if name in filled_in:
            message = f"{name}: set by beecam, not by a sweep; {filled_in[name]}."
            found.append(Problem(name, message))
            continue
        slot = did_you_mean(name, slots, "the slot {{{}}}")
        hint = slot or did_you_mean(name, ("prompt", *allowed))
        where = "" if layout.shots is not None else "a slot of the template or "
        message = f"{name}: not {where}an argument of {model.name}.{hint}"
        found.append(Problem(name, message))
    found += [
        Problem(
            slot,
            f"the slot {{{slot}}} has the name of an argument of {model.name}, which it would not "
            f"reach: rename it, for example to {{{slot}_text}}.",
        )
        for slot in slots
        if slot in arguments
    ]
    shots = ShotList((), (), ())
    if not problems:
        shots, more = resolve_shots(model, layout.shot_list)
        found += [p for p in more if p.argument not in unknown]
    elif _only_files_are_missing(layout, problems):
        # What depends on a file, such as the task, isn't known.
        more = resolve_shots(model, layout.shot_list)[1]
        found += [p for p in more if p.argument in ("seed", *SHOT_ARGUMENTS)]
    if found:
        raise CheckError(dict.fromkeys(found))
    return shots


def _only_files_are_missing(layout: Layout, problems: Sequence[Problem]) -> bool:
    """Return whether a layout has all but files for all of its cells, which can't be read."""
    names = {problem.argument for problem in problems}
    return names <= {*CONDITIONS, "lora"} and names.isdisjoint(axis.name for axis in layout.axes)


def check_layout(layout: Layout) -> Iterator[Problem]:
    """Yield the problems of a sweep that do not depend on the model.

    >>> [problem.argument for problem in check_layout(bc.sweep("a {insect}"))]
    ['insect']
    """
    yield from layout.layout_problems
    yield from _template_problems(layout)
    if not layout.templates and not layout.layout_problems:
        yield Problem("prompt", "prompt=[]: at least one prompt is needed.")
    yield from _axis_problems(layout)
    yield from _slot_problems(layout)
    yield from _value_problems(layout)
    total = math.prod(layout.shape)
    if layout.samples and total:
        yield from _sample_problems(layout.samples, total)
    elif (
        total > MAX_CELLS
        and layout.selected is None
        and all(len(a) <= MAX_CELLS for a in layout.axes)
    ):
        yield Problem(
            "axes",
            f"{total:,} cells; at most {MAX_CELLS:,} can be laid out. "
            "Draw some of them with bc.sample(n).",
        )


@collection_paused()
def notes_on(layout: Layout, model: Model, shots: Sequence[Shot]) -> list[Note]:
    """Return the notes on a layout and on its resolved shots, each once."""
    return list(dict.fromkeys([*note_values(layout), *notes_of(model, shots)]))


def note_values(layout: Layout) -> Iterator[Note]:
    """Yield notes on values of slots that would be syntax in a template.

    Values mean themselves, so that any text can be one; other tools would fill their
    braces, which stay braces here.

    >>> [note.argument for note in note_values(bc.sweep("a {insect}", insect="{bee|moth}"))]
    ['insect']
    """
    if layout.plain:
        return
    given = {name: (value,) for name, value in layout.constants.items()}
    given.update({axis.name: axis.values for axis in layout.axes})
    for slot in layout.slots:
        texts = (v for v in given.get(slot, ()) if isinstance(v, str) and slot not in layout.texts)
        odd = [text for text in texts if not is_plain(text)]
        if odd:
            more = f", and {len(odd) - 1:,} more values," if len(odd) > 1 else ""
            yield Note(
                slot,
                f"{slot}={shorten(odd[0])}{more}: the values of a slot are texts that mean "
                "themselves; write choices, weights and tags in the template.",
            )
        values = [v for v in given.get(slot, ()) if str(v) not in odd][:_MAX_TRIED]
        yield from _note_filled(layout.templates, slot, values)


def _note_filled(
    templates: Iterable[Template | WeightedTemplate], slot: str, values: Sequence[Any]
) -> Iterator[Note]:
    """Yield a note if a value makes syntax together with its template, as 1.4 in `(bee:{w})`."""
    for template in templates:
        if not isinstance(template, Template) or slot not in template.slots or template.problems:
            continue
        for value in values:
            filled = str(value).join(_slot(slot).split(template.source))
            problem = next(iter(parse(filled).problems), None)
            if problem is not None:
                reason = str(problem).removeprefix("prompt: ")
                yield Note(slot, f"{slot}={shorten(value)} in {shorten(template.source)}: {reason}")
                return


def _slot(name: str) -> re.Pattern[str]:
    return re.compile(rf"\{{\s*{re.escape(name)}\s*\}}")


def _template_problems(layout: Layout) -> Iterator[Problem]:
    names = {axis.name for axis in layout.axes}
    for template in layout.templates:
        yield from template.problems
        for choice in template.choices:
            # In a damaged record; after another problem no axis was made.
            if choice.name not in names and not (template.problems or layout.layout_problems):
                message = f"prompt: the sweep has no axis {shorten(choice.name)} of its template."
                yield Problem("prompt", message)
    for name, texts in layout.texts.items():
        for text in texts.values():
            yield from text.problems
            if text.switch_at is not None or text.loras:
                yield Problem(
                    name,
                    f"{name}={shorten(text.source)}: a switch is written in the prompt, or as "
                    "switch_at= with then_prompt= and then_negative_prompt=; a LoRA in the prompt, "
                    "or as lora=.",
                )
    switches = [t.source for t in layout.templates if t.switch_at is not None]
    given = [n for n in ("switch_at", "then_prompt") if n in names or n in layout.constants]
    for name in given if switches else ():
        yield Problem(
            name,
            f"{name}: the prompt {shorten(switches[0])} has a switch of its own: keep one of the "
            "two.",
        )


def _sample_problems(samples: tuple[Sample, ...], total: int) -> Iterator[Problem]:
    if len(samples) > 1:
        yield Problem("sample", f"bc.sample is given {len(samples)} times: keep one of them.")
    for sample in samples:
        if sample.n > total:
            yield Problem(
                "sample",
                f"sample({sample.n}): from 1 to {total:,} cells can be drawn. The nearest is "
                f"{total:,}.",
            )


def _axis_problems(layout: Layout) -> Iterator[Problem]:
    for axis in layout.axes:
        if len(axis) == 0:
            yield Problem(axis.name, f"axis {axis.name!r} is empty: give it at least one value.")
        elif len(axis) > MAX_CELLS:
            yield Problem(
                axis.name, f"axis {axis.name!r} has over {MAX_CELLS:,} values; give it fewer."
            )
        repeated = _first_repeated(axis.values)
        if repeated is not None:
            yield Problem(
                axis.name, f"axis {axis.name!r} has the value {shorten(repeated[0])} twice."
            )
    counts = Counter([axis.name for axis in layout.axes] + list(layout.constants))
    for name, times in counts.items():
        if times > 1 and name != "prompt":  # `bc.sweep` reports a second prompt itself
            yield Problem(name, f"{name!r} is given {times} times: keep one axis of that name.")
    if "seed" in counts and "noise" in counts:
        yield Problem("noise", BOTH_NOISES)
    for group in layout.groups:
        lengths = {len(axis) for axis in group.axes}
        if len(lengths) > 1:
            sizes = join_words([f"{axis.name} has {len(axis)}" for axis in group.axes])
            yield Problem("zip", f"bc.zip pairs axes of equal length, but {sizes}.")


def _slot_problems(layout: Layout) -> Iterator[Problem]:
    names = [*(axis.name for axis in layout.axes), *layout.constants]
    candidates = [n for n in names if n not in SHOT_ARGUMENTS and n not in layout.slots]
    for slot in layout.slots:
        if slot not in names:
            # class=[...] is a syntax error.
            how = f'bc.Axis("{slot}", [...])' if keyword.iskeyword(slot) else f"{slot}=[...]"
            yield Problem(
                slot,
                f"the slot {{{slot}}} is not filled: give {how}.{_renamed(slot, candidates)}",
            )


def _renamed(slot: str, candidates: Sequence[str]) -> str:
    """Return which argument was probably meant for a slot; either of the two may be misspelled."""
    match = nearest_match(slot, candidates)
    return f" {match}= fills no slot: use one name for both." if match else ""


def _value_problems(layout: Layout) -> Iterator[Problem]:
    """Yield values of slots that would appear in the prompt as a Python repr."""
    values = {axis.name: axis.values for axis in layout.axes}
    values.update({name: (value,) for name, value in layout.constants.items()})
    for slot in layout.slots:
        for value in values.get(slot, ()):
            if not _is_text_or_number(value):
                hint = (
                    f" Did you mean {value.decode(errors='replace')!r}?"
                    if isinstance(value, bytes)
                    else ""
                )
                yield Problem(
                    slot,
                    f"{slot}={shorten(value)}: the slot {{{slot}}} takes strings and "
                    f"numbers.{hint}",
                )


def _is_text_or_number(value: object) -> bool:
    if isinstance(value, numbers.Real):
        return not math.isnan(value)
    return isinstance(value, str)


def _first_repeated(values: tuple[object, ...]) -> tuple[object] | None:
    seen: set[str] = set()
    for value in values:
        text = repr(value)
        if text in seen:
            return (value,)
        seen.add(text)
    return None
