"""The JSON form of a SweepForm, and its checked conversion back.

A form with images, videos or LoRAs refers to them by their position in `form.objects()`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from beecam.errors import BeecamError, shorten
from beecam.models.diffusers.arguments import Control
from beecam.shots.noise import MAX_SEED
from beecam.storage.sweep_files import MAX_NAME
from beecam.sweeps.axes import Axis
from beecam_widgets._panel.form import SweepForm

MAX_TEXT = 4_000
MAX_AXES = 64
MAX_VALUES = 2_000
MAX_SEEDS = 10_000
MAX_SAMPLE = 10**6
# For all values of all axes: a synced trait should stay small.
MAX_CHARACTERS = 400_000


def form_to_json(form: SweepForm) -> dict[str, Any]:
    """Return a form as JSON data."""
    objects = list(form.objects())

    def scalar(value: Any) -> Any:
        if value is None or isinstance(value, (str, int, float)):
            return value
        return {"object": next(i for i, one in enumerate(objects) if one is value)}

    def axis(value: Axis) -> list[list[Any]]:
        defaults = Axis(value.name, value.values).labels
        rows = zip(value.values, value.labels, defaults, value.notes, strict=True)
        return [
            [
                scalar(v),
                label if label != default or isinstance(scalar(v), dict) else "",
                note or "",
            ]
            for v, label, default, note in rows
        ]

    def argument(value: Any) -> dict[str, Any]:
        if isinstance(value, Axis):
            return {"values": axis(value)}
        plain = scalar(value)
        label = {} if isinstance(plain, (str, int, float)) else {"label": str(value)}
        return {"value": plain, **label}

    first = form.seeds[0]
    consecutive = form.seeds == tuple(range(first, first + len(form.seeds)))
    return {
        "template": form.template,
        "deck": form.deck,
        "name": form.name,
        "layout": form.layout,
        "sample": form.sample,
        "seeds": {"first": first, "count": len(form.seeds)} if consecutive else list(form.seeds),
        "axes": {name: axis(value) for name, value in form.axes.items() if len(value)},
        "arguments": {name: argument(value) for name, value in form.arguments.items()},
    }


def form_from_json(
    data: Mapping[str, Any], previous: SweepForm, controls: Mapping[str, Control]
) -> SweepForm:
    """Return the form that a front end sent.

    Args:
        data: The JSON data of `form_to_json`, edited by the user.
        previous: The form before the edit; has the objects that `data` refers to.
        controls: The controls that parse the text of arguments, by name.

    Raises:
        BeecamError: The data is too large, or isn't the data of a form.
    """
    reader = _Reader(list(previous.objects()), controls)
    try:
        return replace(reader.form(data), wildcards=previous.wildcards)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BeecamError(
            f"The panel received an edit that it can't read: {shorten(error)}"
        ) from error


class _Reader:
    def __init__(self, objects: Sequence[Any], controls: Mapping[str, Control]) -> None:
        self._objects = objects
        self._controls = controls
        self._characters = 0

    def form(self, data: Mapping[str, Any]) -> SweepForm:
        axes, arguments = data["axes"], data["arguments"]
        if len(axes) > MAX_AXES or len(arguments) > MAX_AXES:
            raise BeecamError(f"A panel has at most {MAX_AXES} axes.")
        sample, layout = data["sample"], data["layout"]
        if not (sample is None or (type(sample) is int and 0 < sample <= MAX_SAMPLE)):
            raise ValueError(sample)
        if layout not in ("product", "zip"):
            raise ValueError(layout)
        return SweepForm(
            template=self._text(data["template"]),
            layout=layout,
            sample=sample,
            axes={self._text(name): self._axis(name, rows) for name, rows in axes.items()},
            seeds=_seeds(data["seeds"]),
            arguments={
                self._text(name): value
                for name, one in arguments.items()
                if (value := self._argument(name, one)) is not None
            },
            deck=self._text(data["deck"]),
            name=self._text(data["name"])[:MAX_NAME],
        )

    def _argument(self, name: str, data: Mapping[str, Any]) -> Any:
        """Return the value or the axis of an argument; None for one that was cleared."""
        if "values" in data:
            axis = self._axis(name, data["values"])
            return axis if len(axis) else None
        value = self._value(name, data["value"])
        return None if value == "" else value

    def _axis(self, name: str, rows: Sequence[Any]) -> Axis:
        if len(rows) > MAX_VALUES:
            raise BeecamError(
                f"{name}: {len(rows):,} values; a panel takes at most {MAX_VALUES:,}."
            )
        values = tuple(self._value(name, row[0]) for row in rows)
        defaults = Axis(name, values).labels
        labels = tuple(self._text(r[1]) or own for r, own in zip(rows, defaults, strict=True))
        return Axis(name, values, labels, tuple(self._text(row[2]) or None for row in rows))

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            index = value["object"]
            if type(index) is not int or index < 0:
                raise ValueError(index)
            return self._objects[index]
        if isinstance(value, str):
            text = self._text(value)
            return self._controls[name].parse(text) if name in self._controls else text
        if value is None:
            return None
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(value)
        return value

    def _text(self, text: Any) -> str:
        if not isinstance(text, str):
            raise TypeError(text)
        self._characters += len(text)
        if len(text) > MAX_TEXT or self._characters > MAX_CHARACTERS:
            raise BeecamError(
                f"Too much text for a panel: {shorten(text)}. One text has at most "
                f"{MAX_TEXT:,} characters, all together {MAX_CHARACTERS:,}; bc.sweep has no limit."
            )
        return text


def _seeds(data: Any) -> tuple[int, ...]:
    if isinstance(data, dict):
        first, count = data["first"], data["count"]
        if type(first) is not int or type(count) is not int:
            raise ValueError(data)
        # Seeds from the front end are clipped to the range; seeds from code raise an error.
        count = min(max(count, 1), MAX_SEEDS)
        first = min(max(first, 0), MAX_SEED - count)
        return tuple(range(first, first + count))
    if not data or len(data) > MAX_SEEDS or not all(type(seed) is int for seed in data):
        raise ValueError(data)
    return tuple(data)
