"""Latents as principal components: 144 numbers for each block of 24x24 pixels and 4 frames.

An autoencoder that learns its latents and how to decode them at the same time reaches, as a small
network on a slow machine, less than plain principal components (measured here after 10,600 joint
steps: 24.7 dB, components 27.7 dB). So the components are the latents: they are available at once,
and decoder, encoder and denoiser are trained in parallel, not one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beecam._util.files import atomic_write
from beecam.models.pollen.networks.shapes import CHANNELS, SPACE, TIME

FILE = "components.safetensors"
_ITERATIONS = 8
_OVERSAMPLING = 32
_BATCH = 25
# Components divided by their full deviation would all have the same weight, and a denoiser would
# spend its capacity on the finest. Divided by a power of it, coarse ones, which matter most, have
# more signal relative to the noise: of 0.7, 0.35 and 0.1, 0.35 trained fastest (docs/training.md).
_WHITENING = 0.35


@dataclass(frozen=True)
class Components:
    """An orthogonal basis of blocks of pixels.

    Attributes:
        mean: The mean block, (pixels,), in the order frames, y, x, rgb.
        basis: (pixels, channels), with columns of length 1.
        deviation: Divisor of each channel, (channels,), the largest first.
    """

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    @classmethod
    def load(cls, path: Path) -> Components:
        """Load components from a file, or from a folder of exported weights."""
        from safetensors.torch import load_file

        stored = load_file(path / FILE if path.is_dir() else path)
        return cls(**{name: stored[name].float() for name in ("mean", "basis", "deviation")})

    def to(self, device: str | torch.device) -> Components:
        """Return the components on a device."""
        moved = (part.to(device) for part in (self.mean, self.basis, self.deviation))
        return Components(*moved)

    def same(self, other: Components) -> bool:
        """Return whether others give the same latents, up to half precision."""
        own, others = (
            [part.half() for part in (one.mean, one.basis, one.deviation)] for one in (self, other)
        )
        return all(map(torch.equal, own, others))

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write the components to a file."""
        from safetensors.torch import save_file

        tensors = {"mean": self.mean, "basis": self.basis, "deviation": self.deviation}
        with atomic_write(path) as file:
            save_file({name: value.to(dtype).contiguous() for name, value in tensors.items()}, file)

    def encode(self, clips: Tensor) -> Tensor:
        """Return the latents of clips: channels of mean 0, together of variance 1 over the world.

        Args:
            clips: (clips, frames, height, width, 3), uint8; 4k+1 frames, sides multiples of 24.

        Returns:
            (clips, channels, frames, height, width).
        """
        return torch.cat([self._encode(part) for part in torch.split(clips, _BATCH)])

    def decode(self, latents: Tensor) -> Tensor:
        """Return the clips that the components alone reconstruct, as `encode` takes them."""
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
    """Return clips cut into blocks; the first frame is repeated, as in a causal autoencoder.

    Args:
        clips: (clips, frames, height, width, 3), uint8.

    Returns:
        (clips, frames, height, width, pixels), -1 to 1.
    """
    padded = torch.cat([clips[:, :1]] * (TIME - 1) + [clips], 1).float() / 127.5 - 1
    count, frames, height, width, _ = padded.shape
    cut = padded.view(count, frames // TIME, TIME, height // SPACE, SPACE, width // SPACE, SPACE, 3)
    return cut.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def fit(clips: Iterable[Tensor], channels: int = CHANNELS) -> Components:
    """Return the leading components of clips, by subspace iteration (Halko et al. 2011).

    Args:
        clips: Batches of (clips, frames, height, width, 3), uint8.
        channels: Number of components.
    """
    x = torch.cat([blocks(part).flatten(0, 3) for part in clips])
    mean = x.mean(0)
    x -= mean
    g = torch.Generator().manual_seed(0)
    guess = torch.randn(x.shape[1], channels + _OVERSAMPLING, generator=g)
    for _ in range(_ITERATIONS):
        guess = torch.linalg.qr(x.T @ (x @ guess))[0]
    _, spread, turn = torch.linalg.svd(x @ guess, full_matrices=False)
    basis = (guess @ turn.T)[:, :channels]
    # The sign of a component is arbitrary: fixed, so that latents are the same on every machine.
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    spread = (spread[:channels] / len(x) ** 0.5).clamp(min=1e-4)
    scale = spread**_WHITENING
    scale = scale * ((spread / scale) ** 2).mean().sqrt()
    return Components(mean, basis * largest.sign(), scale)
