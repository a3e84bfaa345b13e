"""Few steps: a LoRA with which 4 steps without guidance do what 20 guided ones do.

Guidance is distilled as by Meng et al. (arXiv 2210.03142) and steps as in progressive distillation
(Salimans and Ho, arXiv 2202.00512), both at once: the teacher walks its 20 guided steps, and the
student learns the straight way over each five of them, from where the teacher was. Noise leads to
the same clip, so that what a few steps show is what many will.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from beecam.files import whole
from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world import captions

TEACHER_STEPS, STEPS = 20, 4
GUIDANCE = 3.0
FOLDER = "few_steps"
SHARD = 128
_RANK = 16
_BATCH = 32
_GPU_BATCH = 256
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2", "proj_in", "proj_out")


def digest(weights: Path) -> str:
    """Return a name for exported weights by their denoiser and how it is led."""
    files = [
        *sorted((weights / "transformer").glob("*.safetensors")),
        weights / "scheduler" / "scheduler_config.json",
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def teach(pipe: Any, folder: Path, many: int, seconds: float = float("inf")) -> int:
    """Let the teacher walk, and keep where it was: shards of SHARD clips, those that aren't there.

    Args:
        pipe: The teacher, an LTXPipeline.
        folder: Keeps the shards.
        many: How many clips in all, rounded up to whole shards.
        seconds: Begin no shard after so long.

    Returns:
        How many clips there are.
    """
    until = time.monotonic() + seconds
    for shard in range(-(-many // SHARD)):
        path = folder / f"walks-{shard:05d}.pt"
        if path.exists():
            continue
        if time.monotonic() > until:
            break
        texts = list(islice(_texts(shard), SHARD))
        kept = {"states": walk(pipe, texts, shard).half(), "texts": texts}
        with whole(path) as file:
            torch.save(kept, file)
    return SHARD * len(list(folder.glob("walks-*.pt")))


def _texts(shard: int) -> Iterator[str]:
    """Yield captions of scenes that no training has seen, as a person would say them."""
    lot = random.Random(shard)  # noqa: S311
    for scene in data.scenes(data.UNSEEN * 8 + shard * SHARD * 10):
        yield captions.caption(scene.attributes, lot)


def walk(pipe: Any, texts: list[str], seed: int) -> Tensor:
    """Return where the teacher is before each of the student's steps, and at its end.

    Args:
        pipe: An LTXPipeline.
        texts: One for each clip.
        seed: Of the noise.

    Returns:
        clips x (STEPS + 1) x tokens x channels.
    """
    every = TEACHER_STEPS // STEPS
    states: list[Tensor] = []

    def keep(_: Any, step: int, __: Any, found: dict[str, Any]) -> dict[str, Any]:
        if (step + 1) % every == 0:
            states.append(found["latents"].float().cpu())
        return {}

    noise = torch.randn(
        len(texts), nets.TOKENS, nets.CHANNELS, generator=torch.Generator().manual_seed(seed)
    )
    with autocast(pipe.device.type):
        pipe(
            prompt=texts,
            width=nets.SIZE,
            height=nets.SIZE,
            num_frames=nets.FRAMES,
            frame_rate=nets.FPS,
            num_inference_steps=TEACHER_STEPS,
            guidance_scale=GUIDANCE,
            latents=noise,
            output_type="latent",
            callback_on_step_end=keep,
            max_sequence_length=nets.SHORT_TEXT,
        )
    return torch.stack([noise, *states], 1)


class Lessons:
    """The squared error of the student over each of its steps."""

    def __init__(self, pipe: Any, folder: Path) -> None:
        """Load what the teacher has left.

        Args:
            pipe: The student, with its LoRA in the transformer.
            folder: Of the shards.

        Raises:
            FileNotFoundError: There are none.
        """
        paths = sorted(folder.glob("walks-*.pt"))
        if not paths:
            raise FileNotFoundError(
                f"{folder} has no walks-*.pt: run the stage `few-steps` first, which writes them."
            )
        kept = [stored.tensors(path) for path in paths]
        self._states = torch.cat([one["states"] for one in kept]).to(pipe.device)
        self._texts = pipe.tokenizer(
            [text for one in kept for text in one["texts"]],
            padding="max_length",
            max_length=nets.SHORT_TEXT,
            truncation=True,
            return_tensors="pt",
        ).input_ids.to(pipe.device)
        self._pipe = pipe
        scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        scheduler.set_timesteps(sigmas=[1 - i / STEPS for i in range(STEPS)])
        self._sigmas = scheduler.sigmas

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        batch = _BATCH if loop.device == "cpu" else _GPU_BATCH
        which = torch.randint(0, len(self._texts), (batch,), generator=g)
        step = torch.randint(0, STEPS, (batch,), generator=g)
        there = which.to(loop.device), step.to(loop.device)
        before, after = (self._states[there[0], there[1] + more].float() for more in (0, 1))
        apart = (self._sigmas[step] - self._sigmas[step + 1]).view(-1, 1, 1).to(loop.device)
        wanted = (before - after) / apart
        pipe = self._pipe
        ids = self._texts[there[0]]
        with autocast(loop.device):
            with torch.no_grad():
                words = pipe.text_encoder(ids)[0]
            found = pipe.transformer(
                hidden_states=before,
                encoder_hidden_states=words,
                timestep=(self._sigmas[step] * 1000).to(loop.device),
                encoder_attention_mask=ids != 0,
                **nets.PLACES,
            ).sample
        error: Tensor = ((found.float() - wanted) ** 2).mean()
        return error


def student_loop(pipe: Any, path: Path, device: str, start: Path | None = None) -> Loop:
    """Make or resume the training of the LoRA, in a pipeline's transformer.

    Args:
        pipe: The pipeline; its transformer gets the LoRA, and is frozen but for it.
        path: Of the checkpoint.
        device: Where to train.
        start: Exported weights whose LoRA is where it begins.
    """
    from peft import LoraConfig
    from peft.utils import set_peft_model_state_dict

    torch.manual_seed(0)
    network = pipe.transformer
    network.requires_grad_(requires_grad=False)
    network.add_adapter(LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=list(_TARGETS)))
    if start is not None and (file := next((start / FOLDER).glob("*.safetensors"), None)):
        from safetensors.torch import load_file

        kept = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
        set_peft_model_state_dict(network, kept, adapter_name="default")
    pipe.to(device)
    trained = nn.ParameterList([p.float() for p in network.parameters() if p.requires_grad])
    loop = Loop(
        {"few_steps": trained}, path, rate=2e-3, betas=(0.9, 0.99), decay=0.99, device=device
    )
    loop.resume()
    return loop


def save(pipe: Any, target: Path) -> None:
    """Write the LoRA beside exported weights, in half precision, as diffusers loads it."""
    from diffusers import LTXPipeline
    from peft.utils import get_peft_model_state_dict

    kept = get_peft_model_state_dict(pipe.transformer)
    LTXPipeline.save_lora_weights(
        target / FOLDER, transformer_lora_layers={n: v.half() for n, v in kept.items()}
    )
