"""What a panel's page is told and what it says: JSON that is checked before anything is done."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from beecam.errors import BeecamError, shorten
from beecam.models.diffusers.arguments import Control
from beecam.shots.noise import MAX_SEED
from beecam.storage.sweep_files import MAX_NAME
from beecam.sweeps.axes import Axis
from beecam_widgets.asking import Asking, objects_in

MAX_TEXT = 4_000
MAX_AXES = 64
MAX_VALUES = 2_000
MAX_SEEDS = 10_000
# All values of all axes together: a trait is no place for more.
MAX_CHARACTERS = 400_000


def page_of(asking: Asking) -> dict[str, Any]:
    """Return what is asked for as JSON data; values that are no JSON by their place and label."""
    objects = list(objects_in(asking))

    def plain(value: Any) -> Any:
        if value is None or isinstance(value, (str, int, float)):
            return value
        return {"object": next(i for i, one in enumerate(objects) if one is value)}

    def axis(value: Axis) -> list[list[Any]]:
        usual = Axis(value.name, value.values).labels
        rows = zip(value.values, value.labels, usual, value.notes, strict=True)
        return [
            [plain(v), label if label != own or isinstance(plain(v), dict) else "", note or ""]
            for v, label, own, note in rows
        ]

    first = asking.seeds[0]
    whole = asking.seeds == tuple(range(first, first + len(asking.seeds)))
    return {
        "template": asking.template,
        "deck": asking.deck,
        "name": asking.name,
        "layout": asking.layout,
        "sample": asking.sample,
        "seeds": {"first": first, "count": len(asking.seeds)} if whole else list(asking.seeds),
        "axes": {name: axis(value) for name, value in asking.axes.items() if len(value)},
        "arguments": {
            name: {"many": axis(value)}
            if isinstance(value, Axis)
            else {
                "one": plain(value),
                **({} if isinstance(plain(value), (str, int, float)) else {"label": str(value)}),
            }
            for name, value in asking.arguments.items()
        },
    }


def asking_from(data: Mapping[str, Any], before: Asking, controls: Mapping[str, Control]) -> Asking:
    """Return what a page asks for.

    Args:
        data: As `page_of` gives it, changed by a person.
        before: What was asked for; has the objects that the page names by their places.
        controls: How texts become values of arguments.

    Raises:
        BeecamError: It is too much, or no data of a panel.
    """
    reader = _Reader(list(objects_in(before)), controls)
    try:
        return reader.asking(data)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BeecamError(f"The panel did not understand its page: {shorten(error)}") from error


class _Reader:
    def __init__(self, objects: Sequence[Any], controls: Mapping[str, Control]) -> None:
        self._objects = objects
        self._controls = controls
        self._characters = 0

    def asking(self, data: Mapping[str, Any]) -> Asking:
        axes, arguments = data["axes"], data["arguments"]
        if len(axes) > MAX_AXES or len(arguments) > MAX_AXES:
            raise BeecamError(f"A panel has at most {MAX_AXES} axes.")
        sample, layout = data["sample"], data["layout"]
        if not (sample is None or (type(sample) is int and 0 < sample <= 10**6)):
            raise ValueError(sample)
        if layout not in ("product", "zip"):
            raise ValueError(layout)
        return Asking(
            template=self._text(data["template"]),
            layout=layout,
            sample=sample,
            axes={self._text(name): self._axis(name, rows) for name, rows in axes.items()},
            seeds=_seeds(data["seeds"]),
            arguments={
                self._text(name): found
                for name, one in arguments.items()
                if (found := self._argument(name, one)) is not None
            },
            deck=self._text(data["deck"]),
            name=self._text(data["name"])[:MAX_NAME],
        )

    def _argument(self, name: str, given: Mapping[str, Any]) -> Any:
        """Return an argument's value or axis; None for one that was cleared."""
        if "many" in given:
            axis = self._axis(name, given["many"])
            return axis if len(axis) else None
        value = self._value(name, given["one"])
        return None if value == "" else value  # a None is one that was cleared, too

    def _axis(self, name: str, rows: Sequence[Any]) -> Axis:
        if len(rows) > MAX_VALUES:
            raise BeecamError(f"{name}: {len(rows):,} values; a panel takes {MAX_VALUES:,}.")
        values = tuple(self._value(name, row[0]) for row in rows)
        usual = Axis(name, values).labels
        labels = tuple(self._text(r[1]) or own for r, own in zip(rows, usual, strict=True))
        return Axis(name, values, labels, tuple(self._text(row[2]) or None for row in rows))

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            at = value["object"]
            if type(at) is not int or at < 0:
                raise ValueError(at)
            return self._objects[at]
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
                f"That is too much text for a panel: {shorten(text)}. A text has at most "
                f"{MAX_TEXT:,} characters, all together {MAX_CHARACTERS:,}; bc.sweep takes more."
            )
        return text


def _seeds(given: Any) -> tuple[int, ...]:
    if isinstance(given, dict):
        first, count = given["first"], given["count"]
        if type(first) is not int or type(count) is not int:
            raise ValueError(given)
        # A page is corrected, where code is told.
        count = min(max(count, 1), MAX_SEEDS)
        first = min(max(first, 0), MAX_SEED - count)
        return tuple(range(first, first + count))
    if not given or len(given) > MAX_SEEDS or not all(type(seed) is int for seed in given):
        raise ValueError(given)
    return tuple(given)
