"""Frames and sound: the arrays that a clip is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
"""One clip: frames x height x width x 3, RGB."""


@dataclass(frozen=True)
class Sound:
    """What is heard with a clip.

    Attributes:
        samples: channels x samples, from -1 to 1, float32.
        rate: Samples a second.
    """

    samples: npt.NDArray[np.float32] = field(repr=False)
    rate: int
