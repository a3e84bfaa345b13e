"""Conditions: images and videos that a model gets besides the prompt, identified by content."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from beecam._util.checks import raise_problems, string
from beecam._util.digests import DIGEST_LENGTH, parse_digest
from beecam._util.plain import as_integer
from beecam.errors import CheckError, MediaError, Problem, shorten
from beecam.media import formats

if TYPE_CHECKING:
    from beecam.media.types import Frames

# The conditions of a shot; the names are those of diffusers' arguments.
CONDITIONS = ("image", "last_image", "keyframes", "video", "mask", "reference_images")
_VIDEOS = ("video", "mask")
_IMAGE_NDIM, _VIDEO_NDIM = 3, 4
_SOURCES = (
    "a file's path, a PIL image, an array of shape (height, width, 3), or (frames, height, width, "
    "3) for a video, or a clip"
)


@dataclass(frozen=True, eq=False)
class Input:
    """An image or a video for a model; two with the same pixels are equal.

    >>> bc.read_media("bee.png")
    Input bee (an image of 640x480, 3f9c2a)

    Attributes:
        digest: A digest of the pixels, by which a shot refers to them.
        count: The number of frames; 1 for an image.
        name: What axes show.
    """

    digest: str
    count: int = 1
    name: str = ""
    # Lists, as a frozen dataclass can't be assigned to: the pixels, once they are read, and the
    # function that reads them.
    _loaded: list[Frames] = field(default_factory=list, repr=False)
    _reader: list[Callable[[], Frames]] = field(default_factory=list, repr=False)

    @property
    def frames(self) -> Frames:
        """Return the pixels: RGB, uint8, of shape (frames, height, width, 3).

        >>> bc.read_media("bee.png").frames.shape
        (1, 480, 640, 3)

        Raises:
            MediaError: The pixels are neither in this process nor in the clip's library.
        """
        if not self._loaded:
            if not self._reader:
                raise MediaError(
                    f"the input {self.digest[:6]} isn't here: open the library of the clip that "
                    "was generated with it, as in library[key].shot."
                )
            pixels = self._reader[0]()
            if digest_of(pixels) != self.digest:
                raise MediaError(f"the input {self.digest[:6]} is damaged in its library.")
            self._loaded.append(pixels)
        return self._loaded[0]

    def set_reader(self, read_media: Callable[[], Frames]) -> None:
        """Set the function that reads the pixels when they are needed."""
        self._reader[:] = [read_media]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return self.name or self.digest[:6]

    def __repr__(self) -> str:
        kind = "an image" if self.count == 1 else f"a video of {self.count} frames"
        size = "x".join(map(str, self._loaded[0].shape[2:0:-1])) if self._loaded else "?"
        return f"Input {self} ({kind} of {size}, {self.digest[:6]})"


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
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Condition:
        """Return the condition of `to_dict()`; a library finds its pixels.

        >>> Condition.from_dict({"name": "image", "digest": "0" * 32}).input.digest[:6]
        '000000'

        Raises:
            BeecamError: The digest is not one; it names a file, and the data may come from others.
        """
        source = Input(parse_digest(data["digest"]), int(data.get("count", 1)))
        return cls(str(data["name"]), source, data.get("frame"))


def read_media(source: Any, *, name: str = "") -> Input:
    """Read an image or a video for a model.

    `image=`, `video=` and so on take the same sources; `read_media` is for setting a name, or
    for reading a source once for many sweeps.

    >>> meadow = bc.read_media("meadow.png", name="meadow")
    >>> bc.sweep("a bee lands", image=meadow, seed=range(4))

    Args:
        source: A file's path, a PIL image, an array of shape (height, width, 3) for an image or
            (frames, height, width, 3) for a video (integers from 0 to 255, or floats from 0 to
            1), a list of images, or a clip.
        name: What axes show; by default the file's name.

    Raises:
        CheckError: The source is none of these, or can't be read.
    """
    raise_problems(string("name", name))
    if isinstance(source, Input):
        return replace(source, name=name) if name else source
    frames, default_name = _frames_and_name(source)
    frames = np.ascontiguousarray(frames)
    frames.setflags(write=False)
    return Input(digest_of(frames), len(frames), name or default_name, [frames])


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
    if isinstance(value, (str, os.PathLike, Input)) or _is_image(value) or _is_clip(value):
        return True
    if _ndim(value) == _VIDEO_NDIM:
        return name in _VIDEOS
    # A list of images is a video for these, and an axis of images for the others.
    return (
        name in _VIDEOS
        and isinstance(value, (list, tuple))
        and len(value) > 1
        and all(_is_image(one) for one in value)
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
            return tuple(read_media(one) for one in sources)
        media = read_media(value)
    except CheckError as error:
        raise CheckError(
            Problem(name, f"{name}={problem.message}") for problem in error.problems
        ) from None
    if name not in _VIDEOS and media.count != 1:
        message = (
            f"{name}={shorten(str(media))}: it has {media.count} frames; one image is needed, "
            "such as clip.frames()[-1]."
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
    for name in CONDITIONS:
        value = normalize_condition(name, values.get(name))
        if value is None:
            continue
        if isinstance(value, Mapping):
            conditions += [Condition(name, one, frame) for frame, one in sorted(value.items())]
        elif isinstance(value, tuple):
            conditions += [Condition(name, one) for one in value]
        else:
            conditions.append(Condition(name, value))
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


def digest_of(frames: Frames) -> str:
    """Return a digest of pixels and their shape: 32 hexadecimal digits.

    >>> len(digest_of(np.zeros((1, 8, 8, 3), np.uint8)))
    32
    """
    digest = hashlib.sha256(repr(frames.shape).encode())
    digest.update(np.ascontiguousarray(frames).tobytes())
    return digest.hexdigest()[:DIGEST_LENGTH]


def _keyframes(value: Any) -> dict[int, Input]:
    frames = [as_integer(key) for key in value] if isinstance(value, Mapping) else []
    if not frames or None in frames:
        message = (
            f"{shorten(value)}: a mapping of frame indices to images is needed, as in "
            '{0: "first.png", -1: "last.png"}.'
        )
        raise CheckError([Problem("keyframes", message)])
    return {int(frame): read_media(one) for frame, one in value.items()}


def _frames_and_name(source: Any) -> tuple[Frames, str]:
    if isinstance(source, (str, os.PathLike)):
        return _read_file(Path(source).expanduser())
    if _is_clip(source):
        return source.frames(), source.key[:8]
    if isinstance(source, (list, tuple)) and source and all(map(_is_image, source)):
        images = [_frames_and_name(one)[0] for one in source]
        if len({one.shape for one in images}) > 1:
            _refuse(f"{len(images)} images of different sizes are not a video.")
        return np.concatenate(images), ""
    if hasattr(source, "convert"):  # a PIL image
        return np.asarray(source.convert("RGB"))[None], Path(getattr(source, "filename", "")).stem
    if _ndim(source) not in (_IMAGE_NDIM, _VIDEO_NDIM):
        _refuse(f"{shorten(source)}: {_SOURCES} is needed.")
    return _pixels(source), ""


def _pixels(source: Any) -> Frames:
    array = np.asarray(source.detach().cpu() if hasattr(source, "detach") else source)
    if array.shape[-1] != 3 or 0 in array.shape:  # noqa: PLR2004
        _refuse(f"an array of shape {array.shape}: the last dimension must be 3, for RGB.")
    array = array[None] if array.ndim == _IMAGE_NDIM else array
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            _refuse("an array of floats: pixels must be from 0 to 1.")
        array = np.round(array * 255)
    elif array.min() < 0 or array.max() > 255:  # noqa: PLR2004
        _refuse("an array of integers: pixels must be from 0 to 255.")
    return array.astype(np.uint8)


def _read_file(path: Path) -> tuple[Frames, str]:
    if not path.is_file():
        if path.parts[:1] in (("http:",), ("https:",)):
            # Path has merged the two slashes of the URL.
            url = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
            _refuse(f"{url!r}: a file on this machine is needed; download it first.")
        if path.is_dir():
            _refuse(f"{str(path)!r}: it is a folder; a file is needed.")
        siblings = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, siblings, 1)
        hint = f" Did you mean {str(path.with_name(nearest[0]))!r}?" if nearest else ""
        _refuse(f"{str(path)!r}: the file does not exist.{hint}")
    try:
        return formats.read_any(path), path.stem
    except MediaError as error:
        _refuse(f"{str(path)!r}: {error}")


def _refuse(message: str) -> NoReturn:
    raise CheckError([Problem("read_media", message)])


def _is_image(value: Any) -> bool:
    return hasattr(value, "convert") or _ndim(value) == _IMAGE_NDIM


def _is_clip(value: Any) -> bool:
    return hasattr(value, "shot") and callable(getattr(value, "frames", None))


def _ndim(value: Any) -> int | None:
    ndim = getattr(value, "ndim", None)
    return ndim if isinstance(ndim, int) else None
