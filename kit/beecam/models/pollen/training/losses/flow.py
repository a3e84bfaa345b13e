"""The denoiser's loss: flow matching on latents with captions and given frames."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data.latents import Known
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world import captions

BATCH, GPU_BATCH = 32, 512
_GPU_RATES = 2.0  # times the learning rates, with 16 times as many clips a step
_NO_CAPTION = 0.1
# With given frames oftener: else guidance takes what a caption says of them for what it adds to
# them, and their colours come back too strong.
_NO_CAPTION_GIVEN = 0.3
_ODD = 0.35  # share of the clips that are drawn from those with an accident
_HALF = 0.5
_GIVEN_NOISE = 0.15  # of what is given, which LTXConditionPipeline adds times the level squared
_UNIFORM = 0.2
_LONG_TEXTS = 0.2  # share of the batches with texts that are padded as far as the pipelines do


class FlowLoss:
    """Flow matching on latents with captions, in just the way that the pipelines call the model.

    Attributes:
        conditioned: Share of the batches that are given frames.
    """

    conditioned = 0.2

    def __init__(
        self, known: Known, components: Components, reader: Any, *, batch: int = BATCH
    ) -> None:
        """Keep what batches are drawn from, on the reader's device.

        Args:
            known: Clips, from which single frames are taken, their latents and captions.
            components: Give the latents of single frames.
            reader: The text encoder, which has learnt to read and stays as it is.
            batch: How many clips a step.
        """
        device = next(reader.parameters()).device
        self._latents = known.latents.to(device)
        self._clips = known.clips.to(device)
        self._texts = known.texts.to(device)
        self._odd = known.odd
        self._nothing = no_text().to(device)
        self._components = components.to(device)
        self._reader = reader
        self._batch = batch

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        which, odd = (one.to(loop.device) for one in self._drawn(g))
        clean = self._latents[which].float()
        frames, height, width = clean.shape[2:]
        tokens = clean.flatten(2).transpose(1, 2)
        lots = loop.lots()
        noise = torch.randn(tokens.shape, generator=lots, device=loop.device)
        level = levels(self._batch, g).to(loop.device)
        mixed = (1 - level)[:, None, None] * tokens + level[:, None, None] * noise
        given, stills = conditions(g, frames, self.conditioned)
        times = level[:, None].expand(-1, tokens.shape[1]).clone()
        known = given * height * width
        mixed[:, :known], times[:, :known] = tokens[:, :known], 0.0
        # A picture alone is given by LTXImageToVideoPipeline, all else by LTXConditionPipeline.
        others = (
            bool(stills) or given > 1 or (given == 1 and float(torch.rand(1, generator=g)) < _HALF)
        )
        places = self._places(frames, height, width, g, conditioned=others)
        if others:
            known_noise = _GIVEN_NOISE * level[:, None, None] ** 2
            given_noise = torch.randn(mixed[:, :known].shape, generator=lots, device=loop.device)
            mixed[:, :known] += known_noise * given_noise
        for frame in stills:
            still = self._still(which, frame)
            still_noise = torch.randn(still.shape, generator=lots, device=loop.device)
            still = still + known_noise * still_noise
            mixed = torch.cat([still, mixed], 1)
            times = torch.cat([torch.zeros_like(times[:, : still.shape[1]]), times], 1)
            places["video_coords"] = torch.cat(
                [coordinates(1, height, width, frame), places["video_coords"]], 1
            )
        if "video_coords" in places:
            shared = places["video_coords"][None].expand(self._batch, -1, -1)
            places["video_coords"] = shared.to(loop.device)
        with torch.no_grad(), autocast(loop.device), attention(loop.device):
            # The pipelines give the text encoder no mask, so that it sees the padding.
            silent = _NO_CAPTION_GIVEN if given or stills else _NO_CAPTION
            ids, length = self._captions(which, odd, g, silent), self._length(g)
            states = self._reader(ids)[0][:, :length]
        asked = {
            "hidden_states": mixed,
            "encoder_hidden_states": states,
            "encoder_attention_mask": ids[:, :length] != 0,
            "timestep": (times if given or stills else level[:, None]) * 1000,
            "num_frames": frames,
            "height": height,
            "width": width,
            **places,
        }
        found = velocity(loop.modules["transformer"], asked, loop.device)[:, -tokens.shape[1] :]
        wanted = noise - tokens
        if not given and not stills:
            wanted = self._held(wanted, odd, asked, loop.device)
        return ((found - wanted)[:, known:] ** 2).mean()

    def _held(self, wanted: Tensor, odd: Tensor, asked: Mapping[str, Any], device: str) -> Tensor:
        """Return what is to be said of clips without given frames, where data says `wanted`."""
        del odd, asked, device
        return wanted

    def _still(self, which: Tensor, frame: int) -> Tensor:
        """Return the tokens of one frame of each clip, encoded as a picture is."""
        count = len(self._clips)
        pictures = self._clips[which % count, frame][:, None]
        turned = (which >= count).view(-1, 1, 1, 1, 1)
        pictures = torch.where(turned, pictures.flip(3), pictures)
        return self._components.encode(pictures).flatten(2).transpose(1, 2)

    def _drawn(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw clips, and say which of them were drawn for their accident.

        These are more than in the world, and all of them have captions: what is learnt without a
        caption, which guidance leads away from, has accidents at the world's rate. That makes up
        for what guidance takes from them, since they fit their captions less well.
        """
        which = torch.randint(0, len(self._latents), (self._batch,), generator=g)
        odd = torch.rand(self._batch, generator=g) < _ODD
        if not len(self._odd):
            return which, torch.zeros_like(odd)
        other = self._odd[torch.randint(0, len(self._odd), (self._batch,), generator=g)]
        return torch.where(odd, other, which), odd

    def _captions(
        self, which: Tensor, odd: Tensor, g: torch.Generator, silent: float = _NO_CAPTION
    ) -> Tensor:
        """Draw one of each clip's captions, or none: clips x TEXT_LENGTH, padded with 0."""
        one = torch.randint(0, self._texts.shape[1], (self._batch,), generator=g).to(which.device)
        left_out = torch.rand(self._batch, generator=g).to(which.device) < silent
        ids = torch.where((left_out & ~odd)[:, None], self._nothing, self._texts[which, one])
        return ids.long()

    def _length(self, g: torch.Generator) -> int:
        """Draw how many tokens are left: all are read, as by the pipelines; beecam cuts padding."""
        return (
            nets.TEXT_LENGTH if float(torch.rand(1, generator=g)) < _LONG_TEXTS else nets.SHORT_TEXT
        )

    def _places(
        self, frames: int, height: int, width: int, g: torch.Generator, *, conditioned: bool
    ) -> dict[str, Any]:
        """LTXPipeline scales places in one way, LTXConditionPipeline in another: learn both."""
        if not conditioned and bool(torch.rand(1, generator=g) < 0.85):  # noqa: PLR2004
            return {"rope_interpolation_scale": nets.PLACES["rope_interpolation_scale"]}
        return {"video_coords": coordinates(frames, height, width)}


def velocity(network: Any, asked: Mapping[str, Any], device: str) -> Tensor:
    """Let a denoiser say where tokens go: clips x tokens x channels, in float32."""
    with autocast(device), attention(device):
        found: Tensor = network(**asked).sample
    return found.float()


def transformer_loop(
    folder: Path,
    device: str = "cpu",
    start: Path | None = None,
    rates: float = 1.0,
    *,
    name: str = "transformer",
    beside: Mapping[str, nn.Module] | None = None,
) -> Loop:
    """Make or resume the training of the denoiser.

    Args:
        folder: Of the training.
        device: Where to train.
        start: Exported weights to start from.
        rates: Times the learning rates.
        name: Of the checkpoint.
        beside: What else its checkpoint keeps.
    """
    more = rates * (1 if device == "cpu" else _GPU_RATES)
    loop = Loop(
        {"transformer": nets.transformer(start), **(beside or {})},
        folder / f"{name}.pt",
        rate=more * 4e-4,
        betas=(0.9, 0.99),
        decay=0.998,
        matrices=more * 1.2e-3,
        device=device,
    )
    loop.resume()
    return loop


def no_text() -> Tensor:
    """Return the tokens of a text without words."""
    found: Tensor = (
        nets.tokenizer(captions.vocabulary())(
            "", padding="max_length", max_length=nets.TEXT_LENGTH, return_tensors="pt"
        )
        .input_ids[0]
        .short()
    )
    return found


def attention(device: str) -> contextlib.AbstractContextManager[None]:
    """Choose how attention is computed: on a CPU the fused kernel's way back takes four times."""
    if device != "cpu":
        return contextlib.nullcontext()
    # Else the plain kernel computes in float32.
    torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(enabled=True)
    return sdpa_kernel(SDPBackend.MATH)


def coordinates(frames: int, height: int, width: int, first: int = 0) -> Tensor:
    """Return where tokens lie as LTXConditionPipeline counts: 3 x tokens; seconds, pixels."""
    t, y, x = torch.meshgrid(*map(torch.arange, (frames, height, width)), indexing="ij")
    seconds = ((t * nets.TIME + 1 - nets.TIME).clamp(min=0) + first) / nets.FPS
    return torch.stack([seconds, y * nets.SPACE, x * nets.SPACE]).flatten(1).float()


def conditions(g: torch.Generator, frames: int, share: float) -> tuple[int, list[int]]:
    """Draw what a batch is given: how many latent frames from the first on, and single frames."""
    if float(torch.rand(1, generator=g)) >= share:
        return 0, []
    last = (frames - 1) * nets.TIME
    anywhere = int(torch.randint(1, last + 1, (1,), generator=g))
    kinds: list[tuple[int, list[int]]] = [
        (1, []),
        (2, []),
        (3, []),
        (3, []),
        (1, [last]),
        (0, [last]),
        (0, [anywhere]),
        (0, [anywhere]),
        (1, [anywhere]),
    ]
    return kinds[int(torch.randint(0, len(kinds), (1,), generator=g))]


def levels(batch: int, g: torch.Generator) -> Tensor:
    """Draw noise levels: logit-normal (arXiv 2403.03206), a fifth of them uniform.

    High ones are drawn often: there texts decide on layout, light and place, and a few wrong ones
    of the first steps can't be mended by later ones.
    """
    usual = torch.sigmoid(1.2 * torch.randn(batch, generator=g) + 1.0)
    even = torch.rand(batch, generator=g)
    return torch.where(torch.rand(batch, generator=g) < _UNIFORM, even, usual)
