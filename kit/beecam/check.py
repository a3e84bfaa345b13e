"""Every problem of a sweep at once, before any compute."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from beecam.errors import CheckError, Problem, did_you_mean, listing, shorten
from beecam.shot import SHOT_ARGUMENTS, Shot, check_values
from beecam.sweep import MAX_CELLS, Sweep

if TYPE_CHECKING:
    from beecam.models.base import Model


def check_sweep(sweep: Sweep, model: Model) -> None:
    """Raise one CheckError with all that is wrong with this sweep on this model."""
    problems = list(sweep.problems)
    allowed = (*SHOT_ARGUMENTS, *model.arguments)
    slots = [slot for template in sweep.templates for slot in template.slots]
    unknown = [name for name in sorted(sweep.argument_names) if name not in allowed]
    for name in unknown:
        hint = did_you_mean(name, slots, "the slot {{{}}}") or did_you_mean(name, allowed)
        problems.append(Problem(
            name, f"{name}: no slot of the template and no argument of {model.name}.{hint}"
        ))  # fmt: skip
    if not sweep.problems:
        problems += [p for p in _cell_problems(sweep, model) if p.argument not in unknown]
    if problems:
        raise CheckError(dict.fromkeys(problems))


def _cell_problems(sweep: Sweep, model: Model) -> Iterator[Problem]:
    seen: dict[Shot, int] = {}
    for cell in sweep.cells:
        wrong = list(check_values(cell.shot))
        yield from wrong or model.check(cell.shot)
        try:
            first = seen.setdefault(cell.shot, cell.index)
        except TypeError:  # an unhashable extra argument: the model's check names it
            continue
        if first != cell.index:
            yield Problem("cells", (
                f"cells {first} and {cell.index} are the same shot, "
                f"{shorten(cell.shot.prompt)} with seed {cell.shot.seed}: an axis does not reach "
                "the prompt or an argument."
            ))  # fmt: skip
            return


def layout_problems(sweep: Sweep) -> Iterator[Problem]:
    """Yield what keeps a sweep from being laid out at all."""
    yield from sweep.layout_problems
    for template in sweep.templates:
        yield from template.problems
    if not sweep.templates and not sweep.layout_problems:
        yield Problem("prompt", "prompt=[]: at least one prompt is needed.")
    yield from _axis_problems(sweep)
    yield from _slot_problems(sweep)
    total = math.prod(sweep.shape)
    if sweep.sample is not None:
        n = sweep.sample.n
        if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= total:
            yield Problem("sample", f"sample({shorten(n)}): from 1 to {total:,} cells are there.")
    elif total > MAX_CELLS and sweep.kept is None and all(len(a) <= MAX_CELLS for a in sweep.axes):
        yield Problem("axes", (
            f"{total:,} cells; at most {MAX_CELLS:,} can be laid out. "
            "Draw some of them with bc.sample(n)."
        ))  # fmt: skip
    if sweep.kept == ():
        yield Problem("where", "where(...) kept no cell of the sweep.")


def _axis_problems(sweep: Sweep) -> Iterator[Problem]:
    for axis in sweep.axes:
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
    counts = Counter([axis.name for axis in sweep.axes] + list(sweep.constants))
    for name, times in counts.items():
        if times > 1:
            yield Problem(name, f"{name!r} is given {times} times: keep one axis of that name.")
    if "seed" in counts and "noise" in counts:
        yield Problem("noise", "seed and noise both say which noise to use: keep one of them.")
    for group in sweep.groups:
        lengths = {len(axis) for axis in group.axes}
        if len(lengths) > 1:
            sizes = listing([f"{axis.name} has {len(axis)}" for axis in group.axes])
            yield Problem("zip", f"bc.zip pairs axes of equal length, but {sizes}.")


def _slot_problems(sweep: Sweep) -> Iterator[Problem]:
    filled = [*(axis.name for axis in sweep.axes), *sweep.constants]
    known = {*SHOT_ARGUMENTS}
    for slot in dict.fromkeys(s for t in sweep.templates for s in t.slots):
        if slot not in filled:
            spare = [n for n in filled if n not in known]
            yield Problem(slot, (
                f"the slot {{{slot}}} is not filled: give {slot}=[...]."
                f"{did_you_mean(slot, spare, form='{}= to be it')}"
            ))  # fmt: skip


def _first_repeated(values: tuple[object, ...]) -> tuple[object] | None:
    seen: set[str] = set()
    for value in values:
        text = repr(value)
        if text in seen:
            return (value,)
        seen.add(text)
    return None
