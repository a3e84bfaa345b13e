"""Latents by principal components: 144 numbers for each block of 24x24 pixels and 4 frames.

Where an autoencoder learns its latents and how to read them at the same time, small networks on
slow machines stay below what plain principal components keep (measured here after 10,600 joint
steps: 24.7 dB against 27.7 dB). So the components are the latents: they are known at once, and
decoder, encoder and denoiser learn beside each other, not in turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beecam.files import whole
from beecam.models.pollen.networks.architectures import CHANNELS, SPACE, TIME

FILE = "components.safetensors"
_ROUNDS = 8
_SPARE = 32
_TOGETHER = 25
# Components divided by how far they spread would all weigh the same, and a denoiser spends itself
# on the finest. By a power of it the coarse ones, which matter most, stand out from noise longer:
# of 0.7, 0.35 and 0.1 it learnt quickest with 0.35 (docs/training.md).
_EVENNESS = 0.35


@dataclass(frozen=True)
class Components:
    """An orthogonal basis of blocks of pixels.

    Attributes:
        mean: pixels; the mean block, with pixels in the order frames, y, x, rgb.
        basis: pixels x channels, its columns of length 1.
        deviation: channels; what each of them is divided by, the largest first.
    """

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    @classmethod
    def load(cls, path: Path) -> Components:
        """Load them from a file, or from a folder of exported weights."""
        from safetensors.torch import load_file

        kept = load_file(path / FILE if path.is_dir() else path)
        return cls(**{name: kept[name].float() for name in ("mean", "basis", "deviation")})

    def to(self, device: str | torch.device) -> Components:
        """Return them on a device."""
        moved = (part.to(device) for part in (self.mean, self.basis, self.deviation))
        return Components(*moved)

    def same(self, other: Components) -> bool:
        """Return whether others give the same latents, but for what half precision loses."""
        ours, theirs = (
            [part.half() for part in (one.mean, one.basis, one.deviation)] for one in (self, other)
        )
        return all(map(torch.equal, ours, theirs))

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write them into one file."""
        from safetensors.torch import save_file

        kept = {"mean": self.mean, "basis": self.basis, "deviation": self.deviation}
        with whole(path) as file:
            save_file({name: value.to(dtype).contiguous() for name, value in kept.items()}, file)

    def encode(self, clips: Tensor) -> Tensor:
        """Give the latents of clips: channels of mean 0, together of variance 1 over the world.

        Args:
            clips: clips x frames x height x width x 3, uint8; 4k+1 frames, sides multiples of 24.

        Returns:
            clips x channels x frames x height x width.
        """
        return torch.cat([self._encode(part) for part in torch.split(clips, _TOGETHER)])

    def decode(self, latents: Tensor) -> Tensor:
        """Give what the components alone show of latents: clips as `encode` takes them."""
        cells = latents.permute(0, 2, 3, 4, 1) * self.deviation
        found = cells @ self.basis.T + self.mean
        count, frames, high, wide = found.shape[:4]
        video = found.view(count, frames, high, wide, TIME, SPACE, SPACE, 3)
        video = video.permute(0, 1, 4, 2, 5, 3, 6, 7)
        video = video.reshape(count, frames * TIME, high * SPACE, wide * SPACE, 3)
        return ((video[:, TIME - 1 :].clamp(-1, 1) + 1) * 127.5).round().byte()

    def _encode(self, clips: Tensor) -> Tensor:
        cells = (blocks(clips) - self.mean) @ self.basis / self.deviation
        return cells.permute(0, 4, 1, 2, 3).contiguous()


def blocks(clips: Tensor) -> Tensor:
    """Cut clips into blocks; the first frame stands four times, as in a causal autoencoder.

    Args:
        clips: clips x frames x height x width x 3, uint8.

    Returns:
        clips x frames x height x width x pixels, -1 to 1.
    """
    whole = torch.cat([clips[:, :1]] * (TIME - 1) + [clips], 1).float() / 127.5 - 1
    count, frames, height, width, _ = whole.shape
    cut = whole.view(count, frames // TIME, TIME, height // SPACE, SPACE, width // SPACE, SPACE, 3)
    return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def fit(clips: Iterable[Tensor], channels: int = CHANNELS) -> Components:
    """Find the leading components of some clips, by subspace iteration (Halko et al. 2011).

    Args:
        clips: Parts, each clips x frames x height x width x 3, uint8.
        channels: How many components.
    """
    x = torch.cat([blocks(part).flatten(0, 3) for part in clips])
    mean = x.mean(0)
    x -= mean
    g = torch.Generator().manual_seed(0)
    guess = torch.randn(x.shape[1], channels + _SPARE, generator=g)
    for _ in range(_ROUNDS):
        guess = torch.linalg.qr(x.T @ (x @ guess))[0]
    _, spread, turn = torch.linalg.svd(x @ guess, full_matrices=False)
    basis = (guess @ turn.T)[:, :channels]
    # A component's sign is free: the same clips shall give the same latents everywhere.
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    spread = (spread[:channels] / len(x) ** 0.5).clamp(min=1e-4)
    scale = spread**_EVENNESS
    scale = scale * ((spread / scale) ** 2).mean().sqrt()
    return Components(mean, basis * largest.sign(), scale)
