"""Inputs: pictures and films that a model is given beside the prompt, known by their content."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from beecam.errors import CheckError, MediaError, Problem, shorten
from beecam.media import formats

if TYPE_CHECKING:
    from beecam.media.types import Frames

# What a shot may be given beside texts and numbers; the names are diffusers' own.
CONDITIONS = ("image", "last_image", "keyframes", "video", "mask", "reference_images")
_FILMS = ("video", "mask")
_DIGITS = 32
_IMAGE, _FILM = 3, 4  # dimensions
_FORMS = (
    "a file's path, a PIL image, an array of height x width x 3 (or frames x height x width x 3 "
    "for a film), or a clip"
)


@dataclass(frozen=True, eq=False)
class Input:
    """A picture or a film that a model is given; two of the same pixels are equal.

    >>> bc.read("bee.png")
    Input bee (a picture of 640x480, 3f9c2a)

    Attributes:
        digest: Of its pixels; how a shot names it.
        count: How many frames it has; 1 for a picture.
        name: What axes show.
    """

    digest: str
    count: int = 1
    name: str = ""
    _found: list[Frames] = field(default_factory=list, repr=False)
    _read: list[Callable[[], Frames]] = field(default_factory=list, repr=False)

    @property
    def frames(self) -> Frames:
        """Its pixels: frames x height x width x 3, RGB, uint8.

        Raises:
            MediaError: They are not in this process and not in the clip's library.
        """
        if not self._found:
            if not self._read:
                raise MediaError(
                    f"the input {self.digest[:6]} isn't here: open the library of the clip that "
                    "was made with it, as in library[key].shot."
                )
            made = self._read[0]()
            if digest_of(made) != self.digest:
                raise MediaError(f"the input {self.digest[:6]} is damaged in its library.")
            self._found.append(made)
        return self._found[0]

    def found_by(self, read_media: Callable[[], Frames]) -> None:
        """Say how its pixels are read when they are needed."""
        self._read[:] = [read_media]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return self.name or self.digest[:6]

    def __repr__(self) -> str:
        kind = "a picture" if self.count == 1 else f"a film of {self.count} frames"
        size = "x".join(map(str, self._found[0].shape[2:0:-1])) if self._found else "?"
        return f"Input {self} ({kind} of {size}, {self.digest[:6]})"


@dataclass(frozen=True)
class Condition:
    """One picture or film with its part in a shot.

    Attributes:
        name: One of `CONDITIONS`.
        input: The pixels.
        frame: Of a keyframe: which frame of the clip it is, or begins at; negative from the end.
    """

    name: str
    input: Input
    frame: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON data; the pixels by their digest."""
        data: dict[str, Any] = {"name": self.name, "digest": self.input.digest}
        if self.input.count != 1:
            data["count"] = self.input.count
        if self.frame is not None:
            data["frame"] = self.frame
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Condition:
        """Rebuild a condition; its pixels are found by a library."""
        made = Input(str(data["digest"]), int(data.get("count", 1)))
        return cls(str(data["name"]), made, data.get("frame"))


def read_media(source: Any, *, name: str = "") -> Input:
    """Read a picture or a film that models shall be given.

    What is given to `image=`, `video=` and so on is read in the same way; this is for giving it
    a name, or for reading it once for many sweeps.

    >>> bc.sweep("a bee lands", image=bc.read("meadow.png", name="meadow"), seed=range(4))

    Args:
        source: A file's path, a PIL image, an array (height x width x 3 for a picture, frames x
            height x width x 3 for a film; whole numbers from 0 to 255, or fractions from 0 to 1),
            a list of pictures, or a clip.
        name: What axes show; by default the file's name.

    Raises:
        CheckError: It is none of these, or can't be read.
    """
    if isinstance(source, Input):
        return source
    frames, called = _frames_and_name(source)
    frames = np.ascontiguousarray(frames)
    frames.setflags(write=False)
    return Input(digest_of(frames), len(frames), name or called, [frames])


def is_input(value: Any, name: str = "image") -> bool:
    """Return whether this is one value for the condition `name`, and no list of values."""
    if name == "keyframes":
        return isinstance(value, Mapping) and all(isinstance(k, int) for k in value)
    if name == "reference_images" and isinstance(value, (list, tuple)):
        return all(is_input(one) for one in value)
    if isinstance(value, (str, os.PathLike, Input)) or _is_image(value) or _is_clip(value):
        return True
    if _dimensions(value) == _FILM:
        return name in _FILMS
    # A film as a list of its frames; a list of pictures is an axis elsewhere.
    return (
        name in _FILMS
        and isinstance(value, (list, tuple))
        and len(value) > 1
        and all(_is_image(one) for one in value)
    )


def normalize_condition(name: str, value: Any) -> Any:
    """Read one value of a condition: an Input, a tuple of them, or {frame: Input}.

    Raises:
        CheckError: With what is wrong.
    """
    if value is None:
        return None
    try:
        if name == "keyframes":
            return _keyframes(value)
        if name == "reference_images":
            many = value if isinstance(value, (list, tuple)) else [value]
            return tuple(read_media(one) for one in many)
        found = read_media(value)
    except CheckError as error:
        raise CheckError(
            Problem(name, f"{name}={problem.message}") for problem in error.problems
        ) from None
    if name not in _FILMS and found.count != 1:
        raise CheckError(
            [
                Problem(
                    name,
                    f"{name}={shorten(str(found))}: it has {found.count} frames; one "
                    "picture is needed, "
                    "such as clip.frames()[-1].",
                )
            ]
        )
    return found


def conditions_of(values: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Return a shot's conditions from what was given to the names in `CONDITIONS`."""
    made: list[Condition] = []
    for name in CONDITIONS:
        value = normalize_condition(name, values.get(name))
        if value is None:
            continue
        if isinstance(value, Mapping):
            made += [Condition(name, one, frame) for frame, one in sorted(value.items())]
        elif isinstance(value, tuple):
            made += [Condition(name, one) for one in value]
        else:
            made.append(Condition(name, value))
    return tuple(made)


def conditions_code(conditions: Iterable[Condition]) -> list[str]:
    """Return the arguments of `bc.shot` that give these inputs from a library."""
    parts: dict[str, list[str]] = {}
    for one in conditions:
        text = f"library.inputs[{one.input.digest[:12]!r}]"
        parts.setdefault(one.name, []).append(text if one.frame is None else f"{one.frame}: {text}")
    code = []
    for name, texts in parts.items():
        if name == "keyframes":
            code.append(f"{name}={{{', '.join(texts)}}}")
        else:
            code.append(f"{name}=" + (f"[{', '.join(texts)}]" if len(texts) > 1 else texts[0]))
    return code


def digest_of(frames: Frames) -> str:
    """Return a digest of pixels and their layout."""
    found = hashlib.sha256(repr(frames.shape).encode())
    found.update(np.ascontiguousarray(frames).tobytes())
    return found.hexdigest()[:_DIGITS]


def _keyframes(value: Any) -> dict[int, Input]:
    if not isinstance(value, Mapping) or not value or not all(type(k) is int for k in value):
        raise CheckError(
            [
                Problem(
                    "keyframes",
                    f"{shorten(value)}: which frame is which picture is needed, as in "
                    '{0: "first.png", -1: "last.png"}.',
                )
            ]
        )
    return {frame: read_media(one) for frame, one in value.items()}


def _frames_and_name(source: Any) -> tuple[Frames, str]:
    if isinstance(source, (str, os.PathLike)):
        return _read(Path(source).expanduser())
    if _is_clip(source):
        return source.frames(), source.key[:8]
    if isinstance(source, (list, tuple)) and source and all(map(_is_image, source)):
        each = [_frames_and_name(one)[0] for one in source]
        if len({one.shape for one in each}) > 1:
            _refuse(f"{len(each)} pictures of different sizes are no film.")
        return np.concatenate(each), ""
    if hasattr(source, "convert"):  # a PIL image
        return np.asarray(source.convert("RGB"))[None], Path(getattr(source, "filename", "")).stem
    if _dimensions(source) not in (_IMAGE, _FILM):
        _refuse(f"{shorten(source)}: {_FORMS} is needed.")
    return _pixels(source), ""


def _pixels(source: Any) -> Frames:
    array = np.asarray(source.detach().cpu() if hasattr(source, "detach") else source)
    if array.shape[-1] != 3 or 0 in array.shape:  # noqa: PLR2004
        _refuse(f"an array of shape {array.shape}: the last dimension is the three colours.")
    array = array[None] if array.ndim == _IMAGE else array
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            _refuse("an array of fractions: they go from 0 to 1 in pictures.")
        array = np.round(array * 255)
    elif array.min() < 0 or array.max() > 255:  # noqa: PLR2004
        _refuse("an array of whole numbers: they go from 0 to 255 in pictures.")
    return array.astype(np.uint8)


def _read(path: Path) -> tuple[Frames, str]:
    if not path.is_file():
        if path.parts[:1] in (("http:",), ("https:",)):
            # A path has only one of the two slashes left.
            address = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
            _refuse(f"{address!r}: a file on this machine is needed; download it first.")
        if path.is_dir():
            _refuse(f"{str(path)!r}: it is a folder; a file is needed.")
        near = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
        close = difflib.get_close_matches(path.name, near, 1)
        hint = f" Did you mean {str(path.with_name(close[0]))!r}?" if close else ""
        _refuse(f"{str(path)!r}: there is no such file.{hint}")
    try:
        return formats.read_any(path), path.stem
    except MediaError as error:
        _refuse(f"{str(path)!r}: {error}")


def _refuse(message: str) -> NoReturn:
    raise CheckError([Problem("read", message)])


def _is_image(value: Any) -> bool:
    return hasattr(value, "convert") or _dimensions(value) == _IMAGE


def _is_clip(value: Any) -> bool:
    return hasattr(value, "shot") and callable(getattr(value, "frames", None))


def _dimensions(value: Any) -> int | None:
    found = getattr(value, "ndim", None)
    return found if isinstance(found, int) else None
