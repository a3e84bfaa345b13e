"""Which frames of a source are read, and how many pixels a source may have.

All sources follow the rules of this module, whether files, arrays, PIL images or clips. A limit is
compared with the size and the number of frames that are asked for before anything is decoded.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beecam.errors import MediaError
from beecam.media.types import Frames

MEGAPIXEL = 1_000_000
MAX_FRAME = 64  # megapixels
MAX_TOTAL = 256  # megapixels of all frames: 768 MB as RGB
# Two frames that are days apart are millions at a regular rate: their times alone take gigabytes.
MAX_FRAMES = 200_000
# Frames per second of a source whose frames have different durations; more are rounded to it.
_MAX_IRREGULAR = 60.0
_SAME_RATE = 1e-3  # relative
# Relative to a frame: at 240 per second, times that a file rounds to milliseconds differ by 0.12.
_SAME_DURATION = 0.15


@dataclass(frozen=True)
class Selection:
    """The part of a source that is read.

    Attributes:
        start: Where to begin, in seconds.
        num_frames: The maximum number of frames, or None for all.
        fps: Frames per second, or None for those of the source. Of a source of another rate the
            frames nearest in time are read, so that it plays at its own speed.
        max_side: The maximum of width and height; larger frames are scaled down. None for no
            maximum.
    """

    start: float = 0.0
    num_frames: int | None = None
    fps: float | None = None
    max_side: int | None = None

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height of frames of a size after scaling.

        >>> Selection(max_side=960).scaled(1920, 1080)
        (960, 540)
        """
        scale = (self.max_side or max(width, height)) / max(width, height, 1)
        if scale >= 1:
            return width, height
        return max(1, round(width * scale)), max(1, round(height * scale))


ALL = Selection()


@dataclass(frozen=True)
class Rhythm:
    """When the frames of a source are shown.

    Attributes:
        count: The number of frames at a regular rate.
        rate: The rate in frames per second, or None where it isn't known.
        starts: For frames of different durations, when each begins, in seconds from the first.
    """

    count: int
    rate: float | None
    starts: tuple[float, ...] | None = None

    def moments(self, selection: Selection) -> list[float]:
        """Return the moments to read, counted in frames of the source.

        >>> Rhythm(5, 30.0).moments(Selection(fps=15))
        [0.0, 2.0, 4.0]

        Raises:
            MediaError: The source has no rate, or ends before the selection begins.
        """
        if selection.start and self.rate is None:
            raise MediaError(f"start={selection.start:g}: it has no frames per second; set fps=.")
        first = selection.start * (self.rate or 0.0)
        if first > self.count - 1:
            length = self.count / (self.rate or 1.0)
            raise MediaError(f"start={selection.start:g}: it ends after {length:.2f} seconds.")
        step = 1.0
        if self.rate and selection.fps and not same_rate(self.rate, selection.fps):
            step = self.rate / selection.fps
        count = int((self.count - 1 - first) / step + 1e-6) + 1
        count = min(count, selection.num_frames or count)
        check_frames(count)
        return [first + i * step for i in range(count)]

    def indices(self, selection: Selection) -> list[int]:
        """Return the indices of the frames to read.

        >>> Rhythm(5, 8.0).indices(Selection(fps=16, num_frames=4))
        [0, 1, 1, 2]
        """
        nearest = [min(self.count - 1, int(at + 0.5)) for at in self.moments(selection)]
        if self.starts is None or not self.rate:
            return nearest
        return [bisect.bisect_right(self.starts, (i + 0.5) / self.rate) - 1 for i in nearest]

    def selected_rate(self, selection: Selection) -> float | None:
        """Return the rate of the frames that are read, or None where it isn't known."""
        if self.rate and selection.fps and same_rate(self.rate, selection.fps):
            return self.rate
        return selection.fps or self.rate


def rhythm_of(starts: Sequence[float], end: float, known_rate: float | None = None) -> Rhythm:
    """Return the rhythm of frames that begin at these times.

    Frames of different durations are repeated at a regular rate, that of the shortest one.

    >>> rhythm_of([0.0, 0.1, 0.2], 0.3).rate
    10.0
    >>> rhythm_of([0.0, 0.1, 0.4], 0.5).count
    5

    Args:
        starts: In seconds, ascending.
        end: When the last frame ends.
        known_rate: The rate that the file states; used if the times agree with it.
    """
    count, first = len(starts), starts[0]
    duration = end - first
    if count < 2 or duration <= 0:  # noqa: PLR2004
        return Rhythm(count, known_rate if count > 1 else None)
    mean = (starts[-1] - first) / (count - 1)
    tolerance = _SAME_DURATION * mean
    regular = all(abs(at - first - i * mean) < tolerance for i, at in enumerate(starts))
    if regular and abs(duration - count * mean) < tolerance:
        near = known_rate is not None and abs(known_rate * mean - 1) < 0.02  # noqa: PLR2004
        return Rhythm(count, known_rate if near else round(1 / mean, 6))
    ends = [*starts[1:], end]
    shortest = min(b - a for a, b in zip(starts, ends, strict=True) if b > a)
    rate = min(_MAX_IRREGULAR, round(1 / shortest, 6))
    relative = tuple(at - first for at in starts)
    return Rhythm(max(1, round(duration * rate)), rate, relative)


def resize(frame: Frames, size: tuple[int, int]) -> Frames:
    """Return a frame at another width and height.

    >>> resize(np.zeros((8, 8, 3), np.uint8), (4, 2)).shape
    (2, 4, 3)
    """
    from PIL import Image

    if frame.shape[1::-1] == size:
        return frame
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def same_rate(one: float, other: float) -> bool:
    """Return whether two rates differ by less than a frame in a minute or so.

    >>> same_rate(24, 24000 / 1001)
    True
    """
    return abs(one - other) <= _SAME_RATE * max(one, other)


def check_frames(count: int) -> None:
    """Raise a MediaError for so many frames that not even their list should be made."""
    if count > MAX_FRAMES:
        raise MediaError(
            f"{count:,} frames: at most {MAX_FRAMES:,} are read. {_ADVICE} num_frames=."
        )


def check_size(
    width: int,
    height: int,
    count: int = 1,
    *,
    decoded: tuple[int, int] | None = None,
    max_frame: int = MAX_FRAME,
) -> None:
    """Raise a MediaError if frames have more pixels than may be read.

    >>> check_size(1920, 1080, 3_600)
    Traceback (most recent call last):
    beecam.errors.MediaError: 3,600 frames of 1920x1080 are 7,465 megapixels; ...

    Args:
        width: Of the frames that are kept.
        height: Of the frames that are kept.
        count: The number of frames that are kept.
        decoded: Width and height of the frames in the file if those that are kept are scaled down.
        max_frame: The maximum of a frame in the file, in megapixels.
    """
    wide, high = decoded or (width, height)
    if wide * high > max_frame * MEGAPIXEL:
        raise MediaError(
            f"its frames of {wide}x{high} are {wide * high / MEGAPIXEL:,.0f} megapixels; at most "
            f"{max_frame} are read. Scale it down first."
        )
    total = width * height * count / MEGAPIXEL
    if total > MAX_TOTAL:
        fitting = min(MAX_FRAMES, int(MAX_TOTAL * MEGAPIXEL / (width * height)))
        side = int(max(width, height) * (MAX_TOTAL / total) ** 0.5)
        raise MediaError(
            f"{count:,} frames of {width}x{height} are {total:,.0f} megapixels; at most "
            f"{MAX_TOTAL} are read. {_ADVICE} num_frames={fitting} or max_side={side}."
        )


_ADVICE = "Read the part that is needed, as in bc.read_media(..., start=3, fps=16), with"
