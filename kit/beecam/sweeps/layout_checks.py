"""Every problem of a sweep at once, before any compute."""

from __future__ import annotations

import keyword
import math
import numbers
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from beecam._util.checks import raise_problems
from beecam.errors import CheckError, Problem, did_you_mean, join_words, shorten
from beecam.models.capabilities import arguments_of
from beecam.models.model import Model, loaded_model
from beecam.shots.shot import BOTH_NOISES, SHOT_ARGUMENTS, Shot, check_values
from beecam.sweeps.axes import MAX_CELLS, Sample
from beecam.sweeps.layout import Cell, Layout


def resolve_cells(
    layout: Layout,
    problems: Sequence[Problem],
    cells: Callable[[], Sequence[Cell]],
    model: Model,
) -> tuple[Shot, ...]:
    """Raise one CheckError with everything that is wrong with a sweep on this model.

    Args:
        layout: The sweep's.
        problems: What is wrong with it whatever the model is.
        cells: Returns the sweep's cells; called if there are no such problems.
        model: Resolves and checks their shots.

    Returns:
        The cells' shots, resolved by the model.

    Raises:
        CheckError: With all problems.
    """
    raise_problems(loaded_model(model))
    found = list(problems)
    arguments = arguments_of(model)
    allowed = (*SHOT_ARGUMENTS, *arguments)
    slots = [slot for template in layout.templates for slot in template.slots]
    unknown = [name for name in sorted(layout.argument_names) if name not in allowed]
    for name in unknown:
        hint = did_you_mean(name, slots, "the slot {{{}}}") or did_you_mean(name, allowed)
        found.append(
            Problem(
                name, f"{name}: not a slot of the template or an argument of {model.name}.{hint}"
            )
        )
    found += [
        Problem(
            slot,
            f"the slot {{{slot}}} has the name of an argument of {model.name}, which it would not "
            f"reach: rename it, for example to {{{slot}_text}}.",
        )
        for slot in dict.fromkeys(slots)
        if slot in arguments
    ]
    shots: list[Shot] = []
    if not problems:
        wrong = _cell_problems(cells(), model, shots)
        found += [p for p in wrong if p.argument not in unknown]
    if found:
        raise CheckError(dict.fromkeys(found))
    return tuple(shots)


def _cell_problems(cells: Sequence[Cell], model: Model, shots: list[Shot]) -> Iterator[Problem]:
    """Yield what is wrong with cells; fill `shots` with the valid ones, resolved."""
    seen: dict[Shot, int] = {}
    for cell in cells:
        if wrong := list(check_values(cell.shot)):
            yield from wrong
            # An invalid shot may not even be hashable.
            continue
        full = model.resolve(cell.shot)
        shots.append(full)
        yield from model.check(full)
        first = seen.setdefault(cell.shot, cell.index)
        if first != cell.index:
            yield Problem(
                "cells",
                f"cells {first} and {cell.index} are the same shot, "
                f"{shorten(cell.shot.text)} with seed {cell.shot.seed}: an axis does not reach "
                "the prompt or an argument.",
            )
            return


def check_layout(layout: Layout) -> Iterator[Problem]:
    """Yield what keeps a sweep from being laid out at all."""
    yield from layout.layout_problems
    for template in layout.templates:
        yield from template.problems
    if not layout.templates and not layout.layout_problems:
        yield Problem("prompt", "prompt=[]: at least one prompt is needed.")
    yield from _axis_problems(layout)
    yield from _slot_problems(layout)
    yield from _value_problems(layout)
    total = math.prod(layout.shape)
    if layout.samples and total:
        yield from _sample_problems(layout.samples, total)
    elif (
        total > MAX_CELLS and layout.kept is None and all(len(a) <= MAX_CELLS for a in layout.axes)
    ):
        yield Problem(
            "axes",
            f"{total:,} cells; at most {MAX_CELLS:,} can be laid out. "
            "Draw some of them with bc.sample(n).",
        )
    if layout.kept == ():
        yield Problem(
            "where",
            "where(...) kept no cell of the sweep: each of its values is there, but no cell "
            "has "
            "all of them, or none passed the function.",
        )


def _sample_problems(samples: tuple[Sample, ...], total: int) -> Iterator[Problem]:
    if len(samples) > 1:
        yield Problem("sample", f"bc.sample is given {len(samples)} times: keep one of them.")
    for sample in samples:
        n, seed = sample.n, sample.seed
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= total:
            near = f" The nearest is {min(max(n, 1), total):,}." if isinstance(n, int) else ""
            yield Problem(
                "sample", f"sample({shorten(n)}): from 1 to {total:,} cells are there.{near}"
            )
        if isinstance(seed, bool) or not isinstance(seed, int):
            yield Problem(
                "sample", f"sample({shorten(n)}, seed={shorten(seed)}): a whole number is needed."
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
        if times > 1 and name != "prompt":  # of which more is said elsewhere
            yield Problem(name, f"{name!r} is given {times} times: keep one axis of that name.")
    if "seed" in counts and "noise" in counts:
        yield Problem("noise", BOTH_NOISES)
    for group in layout.groups:
        lengths = {len(axis) for axis in group.axes}
        if len(lengths) > 1:
            sizes = join_words([f"{axis.name} has {len(axis)}" for axis in group.axes])
            yield Problem("zip", f"bc.zip pairs axes of equal length, but {sizes}.")


def _slot_problems(layout: Layout) -> Iterator[Problem]:
    filled = [*(axis.name for axis in layout.axes), *layout.constants]
    known = {*SHOT_ARGUMENTS}
    for slot in dict.fromkeys(s for t in layout.templates for s in t.slots):
        if slot not in filled:
            spare = [n for n in filled if n not in known]
            # Python refuses class=[...].
            how = f'bc.Axis("{slot}", [...])' if keyword.iskeyword(slot) else f"{slot}=[...]"
            yield Problem(
                slot,
                f"the slot {{{slot}}} is not filled: give {how}."
                f"{did_you_mean(slot, spare, form='{}= to be it')}",
            )


def _value_problems(layout: Layout) -> Iterator[Problem]:
    """Yield what is no word for a slot: it would be put into the prompt as Python writes it."""
    slots = dict.fromkeys(s for t in layout.templates for s in t.slots)
    given = {axis.name: axis.values for axis in layout.axes}
    given.update({name: (value,) for name, value in layout.constants.items()})
    for slot in slots:
        for value in given.get(slot, ()):
            if not _is_word(value):
                near = f" Did you mean {_decoded(value)!r}?" if isinstance(value, bytes) else ""
                yield Problem(
                    slot,
                    f"{slot}={shorten(value)}: the slot {{{slot}}} takes texts and numbers.{near}",
                )


def _is_word(value: object) -> bool:
    if isinstance(value, numbers.Real):
        return not math.isnan(value)
    return isinstance(value, str)


def _decoded(value: bytes) -> str:
    return value.decode(errors="replace")


def _first_repeated(values: tuple[object, ...]) -> tuple[object] | None:
    seen: set[str] = set()
    for value in values:
        text = repr(value)
        if text in seen:
            return (value,)
        seen.add(text)
    return None
