"""What a panel asks for: a template, axes, seeds and arguments; the sweep and the code of it."""

from __future__ import annotations

import keyword
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import beecam as bc
from beecam.shots import prompts
from beecam.shots.conditions import Input
from beecam.sweeps.axes import Axis, Sample, Zip
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.sweep import Sweep

_COLUMNS = 80


@dataclass(frozen=True)
class Asking:
    """What a panel asks for.

    Attributes:
        template: The prompt template.
        axes: The values of its slots, by name; also of slots that were there before, whose values
            come back with them.
        seeds: One or several.
        arguments: Of the model: a value each, or a bc.Axis of several.
        layout: "product" for all combinations; "zip" pairs all axes but the seeds.
        sample: How many cells to draw, or None for all.
        deck: Name of the deck that it began with, or "".
        name: How the sweep is found again, or "" to be called like its template.
    """

    template: str = ""
    axes: Mapping[str, Axis] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "product"
    sample: int | None = None
    deck: str = ""
    name: str = ""

    @property
    def slots(self) -> tuple[str, ...]:
        """The template's slots that need values; `{seed}` takes those of the seeds."""
        return tuple(s for s in prompts.parse(self.template).slots if s != "seed")

    @property
    def active(self) -> dict[str, Axis]:
        """The axes of the slots that are there, in the template's order; empty ones, too."""
        return {slot: self.axes.get(slot, Axis(slot, ())) for slot in self.slots}

    def sweep(self) -> Sweep:
        """Lay it out; what is wrong with it is said by `sweep.check(model)`."""
        layout, named = self._parts()
        return bc.sweep(self.template, *layout, **named)

    def code(self, *, before: Sequence[str] = (), library: str = "") -> str:
        """Return the Python lines that make and run the same sweep.

        Args:
            before: Lines that come first, such as how the model was loaded.
            library: What comes after `library=`, or "" for the usual one.
        """
        layout, named = self._parts()
        given = [_code(part) for part in layout]
        given += [f"{name}={_code(value, name)}" for name, value in named.items()]
        made = _call("bc.sweep", [_quoted(self.template), *given])
        more = f", library={library}" if library else ""
        more += f", name={_quoted(self.name)}" if self.name else ""
        return "\n".join([*before, f"sweep = {made}", f"run = bc.run(sweep, model{more})"])

    def _parts(self) -> tuple[list[Any], dict[str, Any]]:
        """Return what `bc.sweep` is given beside the template, in order and by name."""
        given: dict[str, Any] = {
            name: _one_or_axis(axis) for name, axis in self.active.items() if len(axis)
        }
        given.update({n: v for n, v in self.arguments.items() if n not in given})
        layout: list[Any] = []
        if self.layout == "zip":
            pairs = [n for n, v in given.items() if isinstance(v, Axis) and len(v) > 1]
            if len(pairs) > 1:
                layout.append(Zip(tuple(given.pop(name) for name in pairs)))
        # Python refuses class=[...].
        for name in [n for n in given if keyword.iskeyword(n) or not n.isidentifier()]:
            value = given.pop(name)
            layout.append(value if isinstance(value, Axis) else Axis(name, (value,)))
        given["seed"] = self.seeds[0] if len(self.seeds) == 1 else _run_of(self.seeds)
        if self.sample is not None and self.sample < self._cells(layout, given):
            layout.append(Sample(self.sample, 0))
        return layout, given

    def _cells(self, layout: Sequence[Any], given: Mapping[str, Any]) -> int:
        parsed = prompts.parse(self.template)
        sizes = [len(one.axes[0]) if isinstance(one, Zip) else len(one) for one in layout]
        sizes += [len(v) for v in given.values() if isinstance(v, (Axis, range, list))]
        return math.prod([*sizes, *(len(one.options) for one in parsed.variants)])

    # --- from elsewhere ------------------------------------------------------------------------

    def with_deck(self, deck: Deck, arguments: Mapping[str, Any]) -> Asking:
        """Return what a deck asks for, with those of its arguments that the model can be given."""
        return replace(
            self,
            template=deck.template,
            deck=deck.name,
            sample=deck.sample,
            layout="product",
            axes={**self.axes, **{axis.name: axis for axis in deck.axes}},
            seeds=tuple(range(self.seeds[0], self.seeds[0] + deck.seeds)),
            name="",
            arguments=dict(arguments),
        )


def asking_of(sweep: Sweep, name: str = "") -> Asking | None:
    """Return what a panel asks for to make the same shots, or None where no panel can ask so."""
    if sweep.shots is not None or len(sweep.templates) != 1 or len(sweep.samples) > 1:
        return None
    parsed = sweep.templates[0]
    written = {one.name for one in parsed.variants}
    given: dict[str, Any] = dict(sweep.constants)
    given.update({axis.name: axis for axis in sweep.axes if axis.name not in written})
    seeds = given.pop("seed", 0)
    values = seeds.values if isinstance(seeds, Axis) else (seeds,)
    if not all(type(seed) is int for seed in values):
        return None
    axes = {n: _axis(n, given.pop(n)) for n in parsed.slots if n in given}
    made = Asking(
        template=parsed.source,
        axes=axes,
        seeds=tuple(values),
        arguments=given,
        name=name,
        layout="zip" if any(len(group.axes) > 1 for group in sweep.groups) else "product",
        sample=sweep.samples[0].n if sweep.samples else None,
    )
    again = made.sweep()
    if again.problems or {c.shot for c in again.cells} != {c.shot for c in sweep.cells}:
        return None
    return made


def _axis(name: str, value: Any) -> Axis:
    return value if isinstance(value, Axis) else Axis(name, (value,))


def _one_or_axis(axis: Axis) -> Any:
    """Return a single plain value as it is: an axis of one only takes room in a grid."""
    return axis.values[0] if len(axis) == 1 and _is_plain(axis) else axis


def _is_plain(axis: Axis) -> bool:
    return not any(axis.notes) and axis.labels == Axis(axis.name, axis.values).labels


def _run_of(seeds: tuple[int, ...]) -> Any:
    whole = range(seeds[0], seeds[0] + len(seeds))
    return whole if tuple(whole) == seeds else list(seeds)


def _code(value: Any, name: str = "") -> str:
    """Return a value as Python writes it; `name` is the keyword that it is given to."""
    if isinstance(value, Axis):
        return _axis_code(value, bare=bool(name) and value.name == name)
    if isinstance(value, list):
        return _call("", [_code(one) for one in value], "[]")
    if isinstance(value, range) and not value.start:
        return f"range({value.stop})"
    return _quoted(value) if isinstance(value, str) else _part_code(value)


def _part_code(value: Any) -> str:
    """Return what stands for no text, number or list."""
    if isinstance(value, Zip):
        return _call("bc.zip", [_code(axis) for axis in value.axes])
    if isinstance(value, Sample):
        return f"bc.sample({value.n}, seed={value.seed})"
    if isinstance(value, Input):
        return f"library.inputs[{_quoted(value.digest[:12])}]"
    return repr(value)


def _axis_code(axis: Axis, *, bare: bool) -> str:
    values = _code(list(axis.values))
    if bare and _is_plain(axis):
        return values
    if bare and not any(axis.notes) and len({*axis.labels}) == len(axis):
        pairs = zip(axis.labels, axis.values, strict=True)
        return _call("", [f"{_quoted(label)}: {_code(value)}" for label, value in pairs], "{}")
    parts = [_quoted(axis.name), values]
    if axis.labels != Axis(axis.name, axis.values).labels:
        parts.append(f"labels={_code(list(axis.labels))}")
    if any(axis.notes):
        parts.append(f"notes={_code(list(axis.notes))}")
    return _call("bc.Axis", parts)


def _call(function: str, parts: Sequence[str], brackets: str = "()") -> str:
    """Return a call, or a list or a dict, in one line where that is short."""
    line = f"{function}{brackets[0]}{', '.join(parts)}{brackets[1]}"
    if len(line) <= _COLUMNS and "\n" not in line:
        return line
    inside = textwrap.indent(",\n".join(parts), "    ")
    return f"{function}{brackets[0]}\n{inside},\n{brackets[1]}"


def _quoted(text: str) -> str:
    plain = repr(text)
    return plain if '"' in text or plain.startswith('"') else f'"{plain[1:-1]}"'


def objects_in(asking: Asking) -> Iterator[Any]:
    """Yield the values that a page can't hold: pictures, films, LoRAs."""
    for value in (*asking.axes.values(), *asking.arguments.values()):
        for one in value.values if isinstance(value, Axis) else (value,):
            if not (one is None or isinstance(one, (str, int, float))):
                yield one
