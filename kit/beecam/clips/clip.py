"""Clips: the generated videos, with their shots, facts and ratings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from beecam._util import checks
from beecam._util.attributes import FixedAttributes
from beecam._util.files import translate_write_errors
from beecam._util.plain_files import read_bytes
from beecam.errors import CheckError, LibraryError, MediaError, Problem, did_you_mean, shorten
from beecam.export.notebook import clip_html
from beecam.export.still import frame_bytes
from beecam.media import formats, mp4, sheets
from beecam.media.types import Frames, Sound
from beecam.models.capabilities import generate, refresh
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.shots.shot import Shot
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis

if TYPE_CHECKING:
    from PIL.Image import Image

# How a clip's files start.
_MP4, _JPEG = re.compile(rb"....ftyp", re.DOTALL), re.compile(rb"\xff\xd8")

_Media = TypeVar("_Media")


class Clip(FixedAttributes):
    """A generated video: frames on disk, facts measured on them, and a rating.

    Shot and facts never change and are read once. Stars, rejection and tags are read from the
    library each time, because another notebook may have changed them.

    >>> clip = run[3]
    >>> clip.stars = 4
    >>> clip["insect"]
    'bee'
    >>> clip.frames().shape
    (17, 96, 96, 3)

    Attributes:
        library: The library that it is in.
        key: The digest of its shot.
        values: Its value on each axis of the sweep that it was taken from, by the axis' name;
            empty for a clip from the library's own list.
    """

    library: ClipStore
    key: str
    values: Mapping[str, Any]

    def __init__(
        self,
        library: ClipStore,
        key: str,
        values: Mapping[str, Any] | None = None,
        *,
        axes: Iterable[Axis] = (),
    ) -> None:
        """Refer to a clip in a library.

        Args:
            library: The library.
            key: The digest of its shot.
            values: Its value on each axis, by the axis' name.
            axes: All axes of the set that it was taken from.
        """
        self.library = library
        self.key = key
        self.values = dict(values or {})
        self._axes = tuple(axes)

    @cached_property
    def _row(self) -> dict[str, Any]:
        return self.library.row(self.key)

    @property
    def shot(self) -> Shot:
        """The shot: everything that determines the clip."""
        shot: Shot = self._row["shot"]
        return shot

    @property
    def prompt(self) -> str:
        """The prompt, in one line."""
        return self.shot.text

    @property
    def seed(self) -> int:
        """The seed, or that with the largest weight."""
        return self.shot.seed

    def __getitem__(self, axis: str) -> Any:
        """Return the clip's value on an axis of its sweep.

        >>> run[3]["insect"]
        'bee'

        Raises:
            KeyError: The clip has no such axis.
        """
        if axis in self.values:
            return self.values[axis]
        if any(one.name == axis for one in self._axes):
            raise KeyError(
                f"clip[{axis!r}]: this clip has no value on that axis, which only other clips of "
                "its set have; clip.prompt, clip.seed and clip.shot say how it was generated."
            )
        hint = (
            f"no such axis; its axes are {', '.join(self.values)}.{did_you_mean(axis, self.values)}"
            if self.values
            else "this clip has no axes here; run.clips and library.sweep(name).clips have them."
        )
        raise KeyError(f"clip[{axis!r}]: {hint}")

    @property
    def facts(self) -> dict[str, Any]:
        """The facts measured on it: frames, height, width, seconds, batch, digest and more.

        >>> clip.facts["seconds"]
        0.42
        """
        return dict(self._row["facts"])

    @property
    def parents(self) -> tuple[str, ...]:
        """The keys of the clips that it was derived from."""
        return tuple(self._row["parents"])

    @property
    def created(self) -> float:
        """When it was generated, in seconds since 1970."""
        return float(self._row["created"])

    @property
    def stars(self) -> int:
        """The rating, from 0 to 5; setting it writes to the library.

        >>> clip.stars = 4

        Raises:
            CheckError: The value is not an integer from 0 to 5.
        """
        return int(self.library.row(self.key)["stars"])

    @stars.setter
    def stars(self, value: int) -> None:
        checks.raise_problems(checks.integer("stars", value, 0, 5))
        self.library.rate(self.key, stars=value)

    @property
    def rejected(self) -> bool:
        """Whether it is rejected; setting it writes to the library.

        >>> clip.rejected = True

        Raises:
            CheckError: The value is not a bool.
        """
        return bool(self.library.row(self.key)["rejected"])

    @rejected.setter
    def rejected(self, value: bool) -> None:
        checks.raise_problems(checks.boolean("rejected", value))
        self.library.rate(self.key, rejected=value)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags; setting them writes to the library.

        >>> clip.tags = ["keep", "low flight"]

        Raises:
            CheckError: The value is not a list of strings.
        """
        return tuple(self.library.row(self.key)["tags"])

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        self.library.tag(self.key, value)

    @property
    def path(self) -> Path:
        """The H.264 file, with the shot inside."""
        return self.library.mp4_path(self.key)

    def mp4_bytes(self) -> bytes:
        """Return the content of the H.264 file, with the shot inside.

        >>> len(clip.mp4_bytes())
        21873

        Raises:
            MediaError: The file is missing.
        """
        return self._read(self.path, _MP4, mp4.MAX_BYTES)

    def sheet_bytes(self) -> bytes:
        """Return one JPEG with the frames side by side; `facts["sheet"]` has its layout.

        >>> PIL.Image.open(io.BytesIO(clip.sheet_bytes())).size
        (1632, 96)

        Raises:
            MediaError: The file is missing.
        """
        return self._read(self.library.sheet_path(self.key), _JPEG, sheets.MAX_BYTES)

    def sound(self) -> Sound | None:
        """Read the audio from the mp4; None for a silent clip.

        >>> clip.sound().rate
        24000

        Raises:
            MediaError: The file is missing or damaged.
        """
        return self._decode(mp4.read_sound)

    def frames(self) -> Frames:
        """Read the frames from the mp4.

        >>> clip.frames().shape
        (17, 96, 96, 3)

        Returns:
            Array of shape `(frames, height, width, 3)`, RGB, uint8.

        Raises:
            MediaError: The file is missing or damaged.
        """
        return self._decode(mp4.read_mp4)

    def image(self, frame: int = 0) -> Image:
        """Return one frame as a PIL image.

        >>> clip.image(-1).save("last.png")

        Args:
            frame: The index of the frame, from 0; negative from the end.

        Raises:
            CheckError: The clip has no such frame.
            MediaError: The file is missing or damaged.
        """
        from PIL import Image

        frames = self.frames()
        checks.raise_problems(checks.integer("frame", frame, -len(frames), len(frames) - 1))
        return Image.fromarray(frames[frame])

    def save(self, path: str | Path, *, frame: int | None = None) -> Path:
        """Write the clip to a file; the suffix decides the format.

        >>> clip.save("bee.mp4")
        >>> clip.save("bee.gif")
        >>> clip.save("last.png", frame=-1)

        Args:
            path: `.mp4` (with the shot inside), `.gif`, `.webp`, or `.png` or `.jpg` for one
                frame. An existing file is replaced.
            frame: The index of the frame for `.png` and `.jpg`; by default the first.

        Returns:
            The file's path.

        Raises:
            CheckError: The suffix is not one of these, the path can't be a file, or the clip has
                no such frame.
            MediaError: The clip's file is missing or damaged.
            BeecamError: The file can't be written there.
        """
        problems = [
            *checks.writable_file("path", path, "bee.gif"),
            *checks.suffix("path", path, (".mp4", *formats.ANIMATED, *formats.STILL)),
        ]
        checks.raise_problems(problems)
        target = Path(path).expanduser()
        suffix = target.suffix.lower()
        if frame is not None and suffix not in formats.STILL:
            message = f"frame={shorten(frame)}: {suffix} files have all frames; leave it out."
            raise CheckError([Problem("frame", message)])
        write: Callable[[Path], None]
        if suffix == ".mp4":
            write = partial(formats.write_bytes, data=self.mp4_bytes())
        elif suffix in formats.ANIMATED:
            fps = self.shot.fps or 8
            write = partial(formats.write_animation, frames=self.frames(), fps=fps)
        else:
            write = partial(formats.write_image, image=self.image(0 if frame is None else frame))
        with translate_write_errors(target):
            write(target)
        return target

    def regenerate(self, model: Model) -> Frames:
        """Generate the clip again with the same bits, in a batch of the recorded size.

        Sums are split between threads by the size of the batch, so that the last bits of a clip
        depend on that size and sometimes on the position in the batch, but not on the other clips.

        >>> (clip.regenerate(model) == frames).all()
        True

        Returns:
            The frames as the model returns them, before the mp4: array of shape
            `(frames, height, width, 3)`.

        Raises:
            CheckError: The argument is not a loaded model.
            LibraryError: Another model generated the clip.
        """
        checks.raise_problems(loaded_model(model))
        refresh(model)
        if model.resolve(self.shot.replace(model=None, revision=None)).key != self.key:
            raise LibraryError(
                f"clip {self.key[:8]} was generated by {self.shot.model} {self.shot.revision}; "
                f"this is {model.name} {model.revision}, which would generate another one."
            )
        facts = self.facts
        batch, position = int(facts.get("batch", 1)), int(facts.get("position", 0))
        return generate(model, [self.shot] * batch)[position].frames

    def _decode(self, read: Callable[[Path], _Media]) -> _Media:
        """Decode the mp4. Only a library's own file is safe to delete: its shot is in the row."""
        try:
            return read(self.path)
        except MediaError as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError):
                raise MediaError(self._missing(self.path)) from error
            if isinstance(cause, OSError) and cause.errno in mp4.NOT_DAMAGED:
                raise
            raise MediaError(
                f"{error} Delete it and run its sweep again, which generates only what is missing."
            ) from error

    def _read(self, path: Path, start: re.Pattern[bytes], most: int) -> bytes:
        try:
            data = read_bytes(path, most)
        except FileNotFoundError as error:
            raise MediaError(self._missing(path)) from error
        except OSError as error:
            raise MediaError(f"{path} can't be read: {error.strerror}.") from error
        if not start.match(data):  # pages and notebooks hold a copy of it
            raise MediaError(f"{path} can't be read: it is damaged.")
        return data

    def _missing(self, path: Path) -> str:
        return (
            f"the media file {path} of clip {self.key[:8]} is missing; run its sweep again, "
            "which generates only what is missing."
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and (self.key, self.library.folder) == (
            other.key,
            other.library.folder,
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Clip {self.key[:8]}: {self.prompt!r}, seed {self.seed}"

    def _repr_html_(self) -> str:
        return clip_html(self)

    def _repr_jpeg_(self) -> bytes | None:
        return frame_bytes(self) or None
