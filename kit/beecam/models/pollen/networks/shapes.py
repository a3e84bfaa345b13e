"""Sizes that pollen's networks share: of clips, latents and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beecam.models.pollen.world.scene import FPS, FRAMES, SIZE

CHANNELS = 144
SPACE, TIME = 24, 4  # pixels a side and frames of a latent cell
CELLS = SIZE // SPACE  # latent cells a side
LATENT_FRAMES = (FRAMES - 1) // TIME + 1
TOKENS = LATENT_FRAMES * CELLS**2
# Positions of the tokens of a clip, as LTXPipeline passes them to the denoiser.
POSITIONS: Mapping[str, Any] = {
    "num_frames": LATENT_FRAMES,
    "height": CELLS,
    "width": CELLS,
    "rope_interpolation_scale": (TIME / FPS, SPACE, SPACE),
}
TEXT_LENGTH = 128
SHORT_TEXT = 48  # tokens of most texts without their padding
TEXT_WIDTH = 128
