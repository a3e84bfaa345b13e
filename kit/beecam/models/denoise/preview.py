"""Previews: a linear map from predicted latents to small frames.

A linear map is nearly free (a matrix product per step). Applied to the predicted result and not to
the noisy latents, it shows the clip from the first steps on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from beecam.media.types import Frames

FILE = "preview.safetensors"
_RIDGE = 1e-3


class PreviewMap:
    """An affine map from one latent cell to `frames` x `patch` x `patch` RGB pixels.

    Attributes:
        weight: Tensor of shape `(channels, frames * patch * patch * 3)`; None until fitted.
        bias: Tensor of shape `(frames * patch * patch * 3,)`.
        patch: Pixels per side of a latent cell.
        frames_per_cell: Frames per latent cell. The first latent frame of a causal autoencoder
            is one frame, which the last of these represents.
    """

    def __init__(
        self, weight: Any = None, bias: Any = None, patch: int = 1, frames: int = 1
    ) -> None:
        self.weight = weight
        self.bias = bias
        self.patch = patch
        self.frames_per_cell = frames

    @property
    def ready(self) -> bool:
        """Whether it was loaded or fitted."""
        return self.weight is not None

    @classmethod
    def load(cls, folder: Path) -> PreviewMap:
        """Load the map that ships with a model, or an empty one if none does."""
        from safetensors import safe_open

        path = folder / FILE
        if not path.exists():
            return cls()
        with safe_open(path, "pt") as file:
            facts = file.metadata()
            return cls(
                file.get_tensor("weight").float(),
                file.get_tensor("bias").float(),
                int(facts["patch"]),
                int(facts["frames"]),
            )

    def frames(self, latents: Any) -> list[Frames]:
        """Return small frames of latents.

        Args:
            latents: Tensor of shape `(clips, channels, frames, height, width)`.
        """
        import torch

        batch, _, cells, height, width = latents.shape
        patch, each = self.patch, self.frames_per_cell
        weight = self.weight.to(latents.device)
        flat = latents.float().permute(0, 2, 3, 4, 1) @ weight + self.bias.to(latents.device)
        pixels = flat.view(batch, cells, height, width, each, patch, patch, 3)
        pixels = pixels.permute(0, 1, 4, 2, 5, 3, 6, 7)
        video = pixels.reshape(batch, cells * each, height * patch, width * patch, 3)
        clips = video[:, each - 1 :].clamp(0, 1).mul(255).round().to(torch.uint8)
        return list(clips.cpu().numpy())

    def fit(self, latents: Any, clips: Sequence[Frames], patch: int = 1, frames: int = 1) -> None:
        """Fit by least squares on decoded clips; latents that are not finite are skipped.

        Args:
            latents: What the clips were decoded from: tensor of shape
                `(clips, channels, frames, height, width)`.
            clips: For each clip a uint8 array of shape `(frames, height, width, 3)`. With more
                than one frame per latent cell, `1 + frames * (cells - 1)` frames.
            patch: Pixels per side to show for each latent cell.
            frames: Frames to show for each latent cell.
        """
        import torch

        if not torch.isfinite(latents).all():
            return
        target = torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 255
        if frames > 1:
            # The first latent frame is one frame, all others are as many as are shown.
            latents, target = latents[:, :, 1:], target[:, :, 1:]
        batch, _, cells, height, width = latents.shape
        small = torch.nn.functional.adaptive_avg_pool3d(
            target, (cells * frames, height * patch, width * patch)
        )
        y = small.view(batch, 3, cells, frames, height, patch, width, patch)
        y = y.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4).flatten(0, 3)
        x = latents.float().cpu().permute(0, 2, 3, 4, 1).flatten(0, 3)
        design = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
        ridge = _RIDGE * len(x) * torch.eye(design.shape[1], dtype=x.dtype)
        solved = torch.linalg.solve(design.T @ design + ridge, design.T @ y)
        self.weight, self.bias = solved[:-1], solved[-1]
        self.patch, self.frames_per_cell = patch, frames

    def save(self, folder: Path) -> None:
        """Write the map next to a model's weights, in half precision; `load` reads it back."""
        from safetensors.torch import save_file

        save_file(
            {"weight": self.weight.half().contiguous(), "bias": self.bias.half().contiguous()},
            folder / FILE,
            metadata={"patch": str(self.patch), "frames": str(self.frames_per_cell)},
        )
