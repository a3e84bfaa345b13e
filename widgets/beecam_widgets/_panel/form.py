"""SweepForm: the inputs of a panel as one value, and the sweep and the code that they give."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import beecam as bc
from beecam.shots.templates.parse import TEXT_ARGUMENTS, parse
from beecam.shots.templates.template import Template, escape
from beecam.sweeps.axes import Axis, Sample, Zip
from beecam.sweeps.deck_files.deck import Deck
from beecam.sweeps.sweep import Sweep
from beecam_widgets._panel.form_code import call_code, code_of, is_plain, string_code


@dataclass(frozen=True)
class SweepForm:
    """The inputs of a panel: a prompt template, the axes of its slots, seeds and arguments.

    >>> form = SweepForm("a {insect}", axes={"insect": bc.Axis("insect", ("bee", "moth"))})
    >>> form.sweep().shape
    (2,)

    Attributes:
        template: The prompt template.
        axes: Axes by name of slot; also those of former slots, whose values return with the slot.
        seeds: One or several seeds.
        arguments: Arguments of the model: a value each, or a bc.Axis for several.
        layout: "product" for all combinations; "zip" pairs all axes but the seeds.
        sample: The number of cells to sample, or None for all.
        deck: Name of the deck that the form was filled from, or "".
        name: Name of the sweep in the library; "" uses the template.
        wildcards: The folder of text files whose lines `__name__` stands for, or "".
    """

    template: str = ""
    axes: Mapping[str, Axis] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "product"
    sample: int | None = None
    deck: str = ""
    name: str = ""
    wildcards: str = ""

    @classmethod
    def from_sweep(cls, sweep: Sweep, name: str = "", wildcards: str = "") -> SweepForm | None:
        """Return the form of an existing sweep, or None if no form gives the same shots.

        Args:
            sweep: The sweep.
            name: Its name, if that isn't the default one.
            wildcards: The folder of wildcards.
        """
        if sweep.shots is not None or len(sweep.templates) != 1 or len(sweep.samples) > 1:
            return None
        parsed = sweep.templates[0]
        if not isinstance(parsed, Template):
            return None
        choices = {one.name for one in parsed.choices}
        arguments: dict[str, Any] = dict(sweep.constants)
        arguments.update({axis.name: axis for axis in sweep.axes if axis.name not in choices})
        if parsed.loras:
            arguments.pop("lora", None)  # the tags in the template give it
        if sweep.plain:
            arguments.update(_escaped(arguments))
        seeds = arguments.pop("seed", 0)
        values = seeds.values if isinstance(seeds, Axis) else (seeds,)
        if not all(type(seed) is int for seed in values):
            return None
        axes = {n: _to_axis(n, arguments.pop(n)) for n in parsed.slots if n in arguments}
        form = cls(
            template=escape(parsed.source) if sweep.plain else parsed.source,
            wildcards=wildcards,
            axes=axes,
            seeds=tuple(values),
            arguments=arguments,
            name=name,
            layout="zip" if any(len(group.axes) > 1 for group in sweep.groups) else "product",
            sample=sweep.samples[0].n if sweep.samples else None,
        )
        result = form.sweep()
        if result.problems or {c.shot for c in result.cells} != {c.shot for c in sweep.cells}:
            return None
        return form

    @property
    def slots(self) -> tuple[str, ...]:
        """The slots of the template that need values; `{seed}` takes those of the seeds."""
        return tuple(s for s in parse(self.template).slots if s != "seed")

    @property
    def active_axes(self) -> dict[str, Axis]:
        """The axis of each current slot, in the template's order; it may be empty."""
        return {slot: self.axes.get(slot, Axis(slot, ())) for slot in self.slots}

    def sweep(self) -> Sweep:
        """Return the sweep; `sweep.check(model)` reports what is wrong with it."""
        layout, keywords = self._sweep_arguments()
        return bc.sweep(self.template, *layout, wildcards=self.wildcards or None, **keywords)

    def code(self, *, preamble: Sequence[str] = (), library: str = "") -> str:
        """Return Python code that runs the same sweep.

        Args:
            preamble: Lines that come first, such as the one that loads the model.
            library: The value of `library=`; "" leaves the argument out.
        """
        layout, keywords = self._sweep_arguments()
        arguments = [code_of(part) for part in layout]
        if self.wildcards and parse(self.template).choices:
            keywords["wildcards"] = self.wildcards
        arguments += [f"{name}={code_of(value, name)}" for name, value in keywords.items()]
        sweep = call_code("bc.sweep", [string_code(self.template), *arguments])
        more = f", library={library}" if library else ""
        more += f", name={string_code(self.name)}" if self.name else ""
        return "\n".join([*preamble, f"sweep = {sweep}", f"run = bc.run(sweep, model{more})"])

    def with_deck(self, deck: Deck, arguments: Mapping[str, Any]) -> SweepForm:
        """Return the form filled from a deck.

        Args:
            deck: The deck.
            arguments: Those of the deck's arguments that the model accepts.
        """
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

    def objects(self) -> Iterator[Any]:
        """Yield the values that JSON can't represent: images, videos, LoRAs."""
        for value in (*self.axes.values(), *self.arguments.values()):
            for one in value.values if isinstance(value, Axis) else (value,):
                if not (one is None or isinstance(one, (str, int, float))):
                    yield one

    def _sweep_arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of `bc.sweep` after the template, positional and by keyword."""
        keywords: dict[str, Any] = {
            name: _unwrap_single(axis) for name, axis in self.active_axes.items() if len(axis)
        }
        keywords.update({n: v for n, v in self.arguments.items() if n not in keywords})
        layout: list[Any] = []
        if self.layout == "zip":
            paired = [n for n, v in keywords.items() if isinstance(v, Axis) and len(v) > 1]
            if len(paired) > 1:
                layout.append(Zip(tuple(keywords.pop(name) for name in paired)))
        # Python rejects class=[...].
        invalid = [n for n in keywords if keyword.iskeyword(n) or not n.isidentifier()]
        layout += [_to_axis(name, keywords.pop(name)) for name in invalid]
        keywords["seed"] = self.seeds[0] if len(self.seeds) == 1 else _to_range(self.seeds)
        if self.sample is not None and self.sample < self._count_cells(layout, keywords):
            layout.append(Sample(self.sample, 0))
        return layout, keywords

    def _count_cells(self, layout: Sequence[Any], keywords: Mapping[str, Any]) -> int:
        every = bc.sweep(self.template, *layout, wildcards=self.wildcards or None, **keywords)
        return math.prod(every.shape)


def _escaped(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the arguments that are templates, for texts that mean themselves."""
    for name in TEXT_ARGUMENTS:
        value = arguments.get(name)
        if isinstance(value, str):
            yield name, escape(value)
        elif isinstance(value, Axis):
            texts = tuple(escape(v) if isinstance(v, str) else v for v in value.values)
            yield name, Axis(name, texts, value.labels, value.notes)


def _to_axis(name: str, value: Any) -> Axis:
    return value if isinstance(value, Axis) else Axis(name, (value,))


def _unwrap_single(axis: Axis) -> Any:
    """Return the value of a plain axis with one value, which would only take room in a grid."""
    return axis.values[0] if len(axis) == 1 and is_plain(axis) else axis


def _to_range(seeds: tuple[int, ...]) -> range | list[int]:
    consecutive = range(seeds[0], seeds[0] + len(seeds))
    return consecutive if tuple(consecutive) == seeds else list(seeds)
