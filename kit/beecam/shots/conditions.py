"""Conditions: images and videos that a model gets besides the prompt, identified by content."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from beecam._util.checks import attempt, raise_problems
from beecam._util.digests import parse_digest
from beecam._util.plain import as_integer
from beecam.errors import CheckError, Problem, shorten
from beecam.shots.inputs import (
    VIDEO_NDIM,
    Input,
    is_clip,
    is_image,
    ndim_of,
    parse_rate,
    read_media,
)

# The conditions of a shot; the names are those of diffusers' arguments.
CONDITIONS = ("image", "last_image", "keyframes", "video", "mask", "reference_images")
_VIDEOS = ("video", "mask")


@dataclass(frozen=True)
class Condition:
    """An image or a video with its role in a shot.

    >>> bc.shot("a bee", image="bee.png").conditions[0].name
    'image'

    Attributes:
        name: The role: one of `CONDITIONS`.
        input: The pixels.
        frame: For a keyframe, the index of the first frame of the clip that it sets; negative
            indices count from the end.
    """

    name: str
    input: Input
    frame: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, with the digest in place of the pixels.

        >>> bc.shot("a bee", image="bee.png").conditions[0].to_dict()
        {'name': 'image', 'digest': '3f9c2a0b5d6e7f8091a2b3c4d5e6f708'}
        """
        data: dict[str, Any] = {"name": self.name, "digest": self.input.digest}
        if self.input.count != 1:
            data["count"] = self.input.count
        if self.frame is not None:
            data["frame"] = self.frame
        if self.input.fps is not None:
            data["fps"] = self.input.fps
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Condition:
        """Return the condition of `to_dict()`; a library finds its pixels.

        >>> Condition.from_dict({"name": "image", "digest": "0" * 32}).input.digest[:6]
        '000000'

        Raises:
            BeecamError: The digest is not one; it names a file, and the data may come from others.
                Or the rate is not a number.
        """
        source = Input(
            parse_digest(data["digest"]),
            int(data.get("count", 1)),
            fps=parse_rate(data.get("fps")),
        )
        return cls(str(data["name"]), source, data.get("frame"))


def is_input(value: Any, name: str = "image") -> bool:
    """Return whether this is one value for the condition `name`, not a list of values.

    >>> is_input("bee.png"), is_input(["bee.png", "moth.png"])
    (True, False)

    Args:
        value: What the user provided for the condition.
        name: One of `CONDITIONS`; a list of images is one value for "video".
    """
    if name == "keyframes":
        return isinstance(value, Mapping) and all(as_integer(k) is not None for k in value)
    if name == "reference_images" and isinstance(value, (list, tuple)):
        return all(is_input(one) for one in value)
    if isinstance(value, (str, os.PathLike, Input)) or is_image(value) or is_clip(value):
        return True
    if ndim_of(value) == VIDEO_NDIM:
        return name in _VIDEOS
    # A list of images is a video for these, and an axis of images for the others.
    return (
        name in _VIDEOS
        and isinstance(value, (list, tuple))
        and len(value) > 1
        and all(is_image(one) for one in value)
    )


def normalize_condition(name: str, value: Any) -> Any:
    """Read one value of a condition.

    >>> normalize_condition("image", "bee.png")
    Input bee (an image of 640x480, 3f9c2a)

    Args:
        name: One of `CONDITIONS`.
        value: A source as in `read_media`; for "keyframes" a mapping of frame indices to
            sources, for "reference_images" one source or a list.

    Returns:
        An Input; {frame: Input} for keyframes, a tuple of Inputs for reference images, None for
        None.

    Raises:
        CheckError: The value can't be read, or is a video where an image is needed.
    """
    if value is None:
        return None
    try:
        if name == "keyframes":
            return _keyframes(value)
        if name == "reference_images":
            sources = value if isinstance(value, (list, tuple)) else [value]
            return _read_all(sources)
        media = read_media(value)
    except CheckError as error:
        raise CheckError(
            Problem(name, f"{name}={problem.message}") for problem in error.problems
        ) from None
    if name not in _VIDEOS and media.count != 1:
        is_file = isinstance(value, (str, os.PathLike))
        # The name of a medium has no suffix.
        written = Path(value).name if is_file else str(media)
        video = "; video= takes a video" if is_file else ""
        message = (
            f"{name}={shorten(written)}: it has {media.count} frames; one image is needed, "
            f"such as clip.frames()[-1]{video}."
        )
        raise CheckError([Problem(name, message)])
    return media


def conditions_of(values: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return a shot's conditions from the arguments in `CONDITIONS`.

    >>> [one.name for one in conditions_of({"image": "bee.png", "last_image": "moth.png"})]
    ['image', 'last_image']

    Raises:
        CheckError: A value can't be read.
    """
    conditions: list[Condition] = []
    problems: list[Problem] = []
    for name in CONDITIONS:
        value = attempt(problems, partial(normalize_condition, name, values.get(name)))
        if value is None:
            continue
        if isinstance(value, Mapping):
            conditions += [Condition(name, one, frame) for frame, one in sorted(value.items())]
        elif isinstance(value, tuple):
            conditions += [Condition(name, one) for one in value]
        else:
            conditions.append(Condition(name, value))
    raise_problems(problems)
    return tuple(conditions)


def sort_conditions(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return conditions in the order of `CONDITIONS`, so that equal shots have equal keys.

    >>> first, last = bc.shot("a bee", image="bee.png", last_image="moth.png").conditions
    >>> sort_conditions([last, first]) == (first, last)
    True
    """
    order = {name: i for i, name in enumerate(CONDITIONS)}
    return tuple(sorted(conditions, key=lambda one: order.get(one.name, len(order))))


def conditions_code(conditions: Iterable[Condition]) -> list[str]:
    """Return the arguments of `bc.shot` that take these conditions from a library, as code.

    >>> conditions_code(bc.shot("a bee", image="bee.png").conditions)
    ["image=library.inputs['3f9c2a0b5d6e']"]
    """
    by_name: dict[str, list[str]] = {}
    for one in conditions:
        text = f"library.inputs[{one.input.digest[:12]!r}]"
        if one.input.fps is not None:
            text = f"bc.read_media({text}, fps={one.input.fps!r})"
        by_name.setdefault(one.name, []).append(
            text if one.frame is None else f"{one.frame}: {text}"
        )
    code = []
    for name, values in by_name.items():
        if name == "keyframes":
            code.append(f"{name}={{{', '.join(values)}}}")
        else:
            code.append(f"{name}=" + (f"[{', '.join(values)}]" if len(values) > 1 else values[0]))
    return code


def _keyframes(value: Any) -> dict[int, Input]:
    frames = [as_integer(key) for key in value] if isinstance(value, Mapping) else []
    if not frames or None in frames:
        message = (
            f"{shorten(value)}: a mapping of frame indices to images is needed, as in "
            '{0: "first.png", -1: "last.png"}.'
        )
        raise CheckError([Problem("keyframes", message)])
    return dict(zip(map(int, value), _read_all(value.values()), strict=True))


def _read_all(sources: Iterable[Any]) -> tuple[Input, ...]:
    """Read images, and report all that can't be read at once."""
    problems: list[Problem] = []
    found = [attempt(problems, partial(read_media, one)) for one in sources]
    raise_problems(problems)
    return tuple(one for one in found if one is not None)
