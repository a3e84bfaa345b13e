"""Distillation: a LoRA for 4 steps without guidance in place of 20 guided ones.

Guidance is distilled as by Meng et al. (arXiv 2210.03142) and steps as in progressive distillation
(Salimans and Ho, arXiv 2202.00512), both at once: the teacher does its 20 guided steps, and the
student learns the mean velocity of each five of them, from the teacher's states. The same noise
gives the same clip, so that few steps are a preview of many.
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

from beecam._util.files import atomic_write
from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.precision import autocast
from beecam.models.pollen.training.data import saved
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.scene import FPS, FRAMES, SIZE
from beecam.models.pollen.world.splits import UNSEEN, scenes

TEACHER_STEPS, STEPS = 20, 4
GUIDANCE = 3.0
FOLDER = "few_steps"
SHARD = 128
_RANK = 16
_BATCH = 32
_GPU_BATCH = 256
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "net.0.proj", "net.2", "proj_in", "proj_out")


def digest(weights: Path) -> str:
    """Return a digest of exported weights: of their denoiser and its scheduler."""
    files = [
        *sorted((weights / "transformer").glob("*.safetensors")),
        weights / "scheduler" / "scheduler_config.json",
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def write_trajectories(pipe: Any, folder: Path, clips: int, seconds: float = float("inf")) -> int:
    """Write trajectories of the teacher, in shards of SHARD clips; existing shards are skipped.

    Args:
        pipe: The teacher, an LTXPipeline.
        folder: Folder of the shards.
        clips: Number of clips, rounded up to full shards.
        seconds: Time after which no further shard is begun.

    Returns:
        The number of clips in the folder.
    """
    until = time.monotonic() + seconds
    for shard in range(-(-clips // SHARD)):
        path = folder / f"trajectories-{shard:05d}.pt"
        if path.exists():
            continue
        if time.monotonic() > until:
            break
        texts = list(islice(_texts(shard), SHARD))
        states = trajectory(pipe, texts, shard).half()
        with atomic_write(path) as file:
            torch.save({"states": states, "texts": texts}, file)
    return SHARD * len(list(folder.glob("trajectories-*.pt")))


def _texts(shard: int) -> Iterator[str]:
    """Yield random captions of scenes that no training has seen."""
    rng = random.Random(shard)
    for scene in scenes(UNSEEN * 8 + shard * SHARD * 10):
        yield captions.caption(scene.attributes, rng)


def trajectory(pipe: Any, texts: list[str], seed: int) -> Tensor:
    """Return the teacher's latents before each of the student's steps, and at the end.

    Args:
        pipe: An LTXPipeline.
        texts: One prompt per clip.
        seed: Seed of the noise.

    Returns:
        (clips, STEPS + 1, tokens, channels).
    """
    every = TEACHER_STEPS // STEPS
    states: list[Tensor] = []

    def record(_: Any, step: int, __: Any, found: dict[str, Any]) -> dict[str, Any]:
        if (step + 1) % every == 0:
            states.append(found["latents"].float().cpu())
        return {}

    noise = torch.randn(
        len(texts), shapes.TOKENS, shapes.CHANNELS, generator=torch.Generator().manual_seed(seed)
    )
    with autocast(pipe.device.type):
        pipe(
            prompt=texts,
            width=SIZE,
            height=SIZE,
            num_frames=FRAMES,
            frame_rate=FPS,
            num_inference_steps=TEACHER_STEPS,
            guidance_scale=GUIDANCE,
            latents=noise,
            output_type="latent",
            callback_on_step_end=record,
            max_sequence_length=shapes.SHORT_TEXT,
        )
    return torch.stack([noise, *states], 1)


class DistillationLoss:
    """The squared error of the student over each of its steps."""

    def __init__(self, pipe: Any, folder: Path) -> None:
        """Load the trajectories of the teacher.

        Args:
            pipe: The student, with its LoRA in the transformer.
            folder: Folder of the shards.

        Raises:
            FileNotFoundError: The folder has no shards.
        """
        paths = sorted(folder.glob("trajectories-*.pt"))
        if not paths:
            raise FileNotFoundError(
                f"{folder} has no trajectories-*.pt: run the stage `few-steps` first."
            )
        shards = [saved.tensors(path) for path in paths]
        self._states = torch.cat([one["states"] for one in shards]).to(pipe.device)
        self._texts = pipe.tokenizer(
            [text for one in shards for text in one["texts"]],
            padding="max_length",
            max_length=shapes.SHORT_TEXT,
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
        clip = torch.randint(0, len(self._texts), (batch,), generator=g)
        step = torch.randint(0, STEPS, (batch,), generator=g)
        at_clip, at_step = clip.to(loop.device), step.to(loop.device)
        before, after = (self._states[at_clip, at_step + i].float() for i in (0, 1))
        interval = (self._sigmas[step] - self._sigmas[step + 1]).view(-1, 1, 1).to(loop.device)
        target = (before - after) / interval
        pipe = self._pipe
        ids = self._texts[at_clip]
        with autocast(loop.device):
            with torch.no_grad():
                states = pipe.text_encoder(ids)[0]
            found = pipe.transformer(
                hidden_states=before,
                encoder_hidden_states=states,
                timestep=(self._sigmas[step] * 1000).to(loop.device),
                encoder_attention_mask=ids != 0,
                **shapes.POSITIONS,
            ).sample
        error: Tensor = ((found.float() - target) ** 2).mean()
        return error


def student_loop(pipe: Any, path: Path, device: str, start: Path | None = None) -> Loop:
    """Return the training of the LoRA in a pipeline's transformer, resumed if it has a checkpoint.

    Args:
        pipe: The pipeline; its transformer gets the LoRA and is frozen otherwise.
        path: File of the checkpoint.
        device: Device to train on.
        start: Exported weights whose LoRA it starts from.
    """
    from peft import LoraConfig
    from peft.utils import set_peft_model_state_dict

    torch.manual_seed(0)
    network = pipe.transformer
    network.requires_grad_(requires_grad=False)
    network.add_adapter(LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=list(_TARGETS)))
    if start is not None and (file := next((start / FOLDER).glob("*.safetensors"), None)):
        from safetensors.torch import load_file

        lora = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
        set_peft_model_state_dict(network, lora, adapter_name="default")
    pipe.to(device)
    trained = nn.ParameterList([p.float() for p in network.parameters() if p.requires_grad])
    loop = Loop(
        {"few_steps": trained}, path, rate=2e-3, betas=(0.9, 0.99), decay=0.99, device=device
    )
    loop.resume()
    return loop


def save(pipe: Any, target: Path) -> None:
    """Write the LoRA into exported weights, in half precision, as diffusers loads it."""
    from diffusers import LTXPipeline
    from peft.utils import get_peft_model_state_dict

    lora = get_peft_model_state_dict(pipe.transformer)
    LTXPipeline.save_lora_weights(
        target / FOLDER, transformer_lora_layers={n: v.half() for n, v in lora.items()}
    )
