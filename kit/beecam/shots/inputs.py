"""Inputs: images and videos for a model, read by one function, identified by their pixels."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from beecam._util.checks import integer, number, raise_problems, string, why_no_path
from beecam._util.digests import DIGEST_LENGTH
from beecam._util.plain import as_number
from beecam.errors import BeecamError, CheckError, MediaError, Problem, encodable, shorten
from beecam.media.formats import read_any
from beecam.media.images import read_pil
from beecam.media.selection import ALL, Rhythm, Selection, check_size, resize, same_rate
from beecam.media.types import Media

if TYPE_CHECKING:
    from beecam.media.types import Frames

_IMAGE_NDIM, VIDEO_NDIM = 3, 4
_MAX_RATE = 10_000
_RATE = f"frames per second, over 0 and at most {_MAX_RATE:,}, are needed."
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
        fps: Frames per second of a video; a model takes the frames of its own rate from it. None
            for an image, and for a video whose frames a model takes as they are.
        from_fps: The rate before `at_rate`, for messages.
    """

    digest: str
    count: int = 1
    name: str = ""
    fps: float | None = None
    from_fps: float | None = None
    # Lists, as a frozen dataclass can't be assigned to: the pixels, once they are read, and the
    # function that reads them.
    _loaded: list[Frames] = field(default_factory=list, repr=False)
    _reader: list[Callable[[], Frames]] = field(default_factory=list, repr=False)
    _at_rates: dict[tuple[str, float], Input] = field(default_factory=dict, repr=False)

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

    @classmethod
    def of(cls, frames: Frames, *, name: str = "", fps: float | None = None) -> Input:
        """Return the input with these pixels.

        >>> Input.of(np.zeros((1, 8, 8, 3), np.uint8)).count
        1
        """
        return cls(digest_of(frames), len(frames), name, fps, _loaded=[frames])

    def set_reader(self, read_media: Callable[[], Frames]) -> None:
        """Set the function that reads the pixels when they are needed."""
        self._reader[:] = [read_media]

    def at_rate(self, fps: float) -> Input:
        """Return a video as a model of another rate sees it, so that it plays at its own speed.

        The result has the frames that are nearest in time, and no rate any more.

        >>> bc.read_media("bee.mp4").at_rate(16).count
        41

        Raises:
            CheckError: It would have too many pixels.
            MediaError: The pixels are missing.
        """
        if self.fps is None:
            return self
        key = (self.name, fps)
        if key not in self._at_rates:
            if same_rate(self.fps, fps):
                found = replace(self, fps=None)
            else:
                frames = _selected(self.frames, self.fps, Selection(fps=fps)).frames
                found = replace(Input.of(frames, name=self.name), from_fps=self.fps)
            self._at_rates[key] = found
        return self._at_rates[key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and (other.digest, other.fps) == (self.digest, self.fps)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __str__(self) -> str:
        return self.name or self.digest[:6]

    def __repr__(self) -> str:
        kind = "an image" if self.count == 1 else f"a video of {self.count} frames"
        kind += f" at {self.fps:g} fps" if self.fps else ""
        size = "x".join(map(str, self._loaded[0].shape[2:0:-1])) if self._loaded else "?"
        return f"Input {self} ({kind} of {size}, {self.digest[:6]})"


def parse_rate(value: Any) -> float | None:
    """Return a rate that was read from a file, if it is one; None for None.

    >>> parse_rate(16)
    16.0

    Raises:
        BeecamError: The value is neither None nor a positive number.
    """
    found = None if value is None else as_number(value)
    if value is not None and (found is None or not 0 < found <= _MAX_RATE):
        raise BeecamError(f"fps={shorten(value)}: a positive number is needed.")
    return found


def read_media(
    source: Any,
    *,
    name: str = "",
    start: float = 0.0,
    num_frames: int | None = None,
    fps: float | None = None,
    max_side: int | None = None,
) -> Input:
    """Read an image or a video for a model.

    `image=`, `video=` and so on take the same sources; `read_media` is for setting a name, for
    reading a part of a source, or for reading a source once for many sweeps.

    A video keeps its rate. A model takes the frames that its own rate needs from it, so that a
    video of 30 frames per second plays at its own speed in a clip of 16.

    Images and frames are upright, as EXIF data or a rotation tag says. Transparent pixels are put
    on white. Frames of more than 64 megapixels (32 of WebP and AVIF, 16 of JPEG 2000), of more than
    256 megapixels in total (123 frames of 1920x1080), and animations of more than 10,000 frames are
    refused before they are decoded: read a part, or smaller frames.

    >>> meadow = bc.read_media("meadow.png", name="meadow")
    >>> bc.sweep("a bee lands", image=meadow, seed=range(4))
    >>> flight = bc.read_media("flight.mp4", start=12, num_frames=81, fps=16, max_side=832)

    Args:
        source: A file's path (PNG, JPEG, WebP, AVIF, GIF, TIFF, BMP, PPM, JPEG 2000; mp4, mov,
            Matroska, WebM, AVI, MPEG, FLV, Ogg), a PIL image, an array of shape (height, width, 3)
            for an image or (frames, height, width, 3) for a video (integers from 0 to 255, or
            floats from 0 to 1), a list of images, or a clip.
        name: What axes show; by default the file's name.
        start: Where in a video to begin, in seconds.
        num_frames: The maximum number of frames to read.
        fps: Frames per second of the result; of a video of another rate the frames nearest in
            time are read. An array or a list, which has no rate, gets this one.
        max_side: The maximum of width and height; larger frames are scaled down.

    Raises:
        CheckError: The source is none of these, can't be read, or is too large.
    """
    raise_problems(
        [
            *string("name", name),
            *number("start", start, "seconds, 0 or more, are needed.", low=0),
            *integer("num_frames", num_frames, 1, or_none=True),
            *(() if fps is None else number("fps", fps, _RATE, above=0, high=_MAX_RATE)),
            *integer("max_side", max_side, 1, or_none=True),
        ]
    )
    selection = Selection(start, num_frames, fps, max_side)
    if isinstance(source, Input):
        if selection == ALL:
            return replace(source, name=name) if name else source
        found, default_name = _selected(source.frames, source.fps, selection), source.name
    else:
        found, default_name = _media_and_name(source, selection)
    frames = np.ascontiguousarray(found.frames)
    frames.setflags(write=False)
    rate = None if found.fps is None or len(frames) == 1 else float(found.fps)
    return Input.of(frames, name=encodable(name or default_name), fps=rate)


def digest_of(frames: Frames) -> str:
    """Return a digest of pixels and their shape: 32 hexadecimal digits.

    >>> len(digest_of(np.zeros((1, 8, 8, 3), np.uint8)))
    32
    """
    digest = hashlib.sha256(repr(frames.shape).encode())
    # Not `tobytes`, which is a copy.
    digest.update(np.ascontiguousarray(frames).reshape(-1).data)
    return digest.hexdigest()[:DIGEST_LENGTH]


def _media_and_name(source: Any, selection: Selection) -> tuple[Media, str]:
    if isinstance(source, str) and not source.strip():
        _refuse(f"{source!r}: {_SOURCES} is needed.")  # not the current folder
    try:
        if isinstance(source, (str, os.PathLike)):
            if why := why_no_path(source):
                _refuse(f"{shorten(str(source))}: {why}")
            path = _existing_file(Path(source).expanduser())
            return read_any(path, selection), path.stem
        if is_clip(source):
            return _selected(source.frames(), source.shot.fps, selection), source.key[:8]
        if hasattr(source, "convert"):  # a PIL image
            name = Path(str(getattr(source, "filename", "") or "")).stem
            return read_pil(source, selection), name
    except MediaError as error:
        what = repr(str(source)) if isinstance(source, (str, os.PathLike)) else shorten(source)
        _refuse(f"{what}: {error}")
    if isinstance(source, (list, tuple)) and source and all(map(is_image, source)):
        images = [_media_and_name(one, ALL)[0].frames for one in source]
        if len({one.shape for one in images}) > 1:
            _refuse(f"{len(images)} images of different sizes are not a video.")
        return _selected(np.concatenate(images), None, selection), ""
    if ndim_of(source) not in (_IMAGE_NDIM, VIDEO_NDIM):
        _refuse(f"{shorten(source)}: {_SOURCES} is needed.")
    return _selected(_pixels(source), None, selection), ""


def _selected(frames: Frames, fps: float | None, selection: Selection) -> Media:
    """Return a part of frames that are in memory, by the rules for files."""
    rhythm = Rhythm(len(frames), fps or selection.fps)
    height, width = frames.shape[1:3]
    size = selection.scaled(width, height)
    try:
        indices = rhythm.indices(selection)
        check_size(*size, len(indices), decoded=(width, height))
    except MediaError as error:
        _refuse(f"an array of shape {frames.shape}: {error}")
    if indices != list(range(len(frames))):
        frames = frames[indices]
    if size != (width, height):
        frames = np.stack([resize(frame, size) for frame in frames])
    return Media(frames, rhythm.selected_rate(selection))


def _pixels(source: Any) -> Frames:
    if hasattr(source, "detach"):
        source = source.detach().cpu()
        # numpy has no bfloat16.
        source = source.float() if source.is_floating_point() else source
    array = np.asarray(source)
    if array.shape[-1] != 3 or 0 in array.shape:  # noqa: PLR2004
        _refuse(f"an array of shape {array.shape}: the last dimension must be 3, for RGB.")
    array = array[None] if array.ndim == _IMAGE_NDIM else array
    if array.dtype.kind not in "uifb":
        _refuse(f"an array of {array.dtype}: integers or floats are needed.")
    if array.dtype.kind in "fb":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            _refuse("an array of floats: pixels must be from 0 to 1.")
        array = np.round(array.astype(np.promote_types(array.dtype, np.float32)) * 255)
    elif array.min() < 0 or array.max() > 255:  # noqa: PLR2004
        _refuse("an array of integers: pixels must be from 0 to 255.")
    return array.astype(np.uint8)


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        if path.parts[:1] in (("http:",), ("https:",)):
            # Path has merged the two slashes of the URL.
            url = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
            _refuse(f"{url!r}: a file on this machine is needed; download it first.")
        if path.is_dir():
            _refuse(f"{str(path)!r}: it is a folder; a file is needed.")
        if path.exists():
            _refuse(f"{str(path)!r}: it is a device or a pipe; a regular file is needed.")
        siblings = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, siblings, 1)
        hint = f" Did you mean {str(path.with_name(nearest[0]))!r}?" if nearest else ""
        _refuse(f"{str(path)!r}: the file does not exist.{hint}")
    return path


def _refuse(message: str) -> NoReturn:
    raise CheckError([Problem("read_media", message)])


def is_image(value: Any) -> bool:
    """Return whether this is a PIL image, or an array in the shape of an image."""
    return hasattr(value, "convert") or ndim_of(value) == _IMAGE_NDIM


def is_clip(value: Any) -> bool:
    """Return whether this is a clip of a library."""
    return hasattr(value, "shot") and callable(getattr(value, "frames", None))


def ndim_of(value: Any) -> int | None:
    """Return the number of dimensions of an array, or None for anything else."""
    ndim = getattr(value, "ndim", None)
    return ndim if isinstance(ndim, int) else None
