"""Frames and sound: the arrays that a clip is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from beecam._util.attributes import NearestAttributes

Frames = npt.NDArray[np.uint8]
"""The frames of a clip: array of shape `(frames, height, width, 3)`, RGB, uint8."""


class FrameSequence(Protocol):
    """Frames that are taken in order: an array, or a video of which one frame is in memory.

    Attributes:
        shape: The number of frames, their height and width, and 3.
    """

    @property
    def shape(self) -> tuple[int, ...]:  # noqa: D102  (above)
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True)
class Media(NearestAttributes):
    """An image or a video that was read.

    Attributes:
        frames: Array of shape `(frames, height, width, 3)`, RGB, uint8; one frame for an image.
        fps: Frames per second; None for an image, and where it isn't known.
    """

    frames: Frames = field(repr=False)
    fps: float | None = None


@dataclass(frozen=True)
class Sound(NearestAttributes):
    """The audio of a clip.

    >>> clip.sound().samples.shape
    (2, 48000)

    Attributes:
        samples: Array of shape `(channels, samples)`, float32 from -1 to 1.
        rate: Samples per second.
    """

    samples: npt.NDArray[np.float32] = field(repr=False)
    rate: int
