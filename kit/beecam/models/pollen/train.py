"""Train pollen: `python -m beecam.models.pollen.train all --minutes 60`.

Stages, each of which can be stopped and goes on where it was:
    render       clips of the world, into FOLDER/clips
    autoencoder  clips to latents and back
    encode       all clips, and their mirror images, as latents
    transformer  denoiser and text encoder together, by flow matching (arXiv 2210.02747) with
                 caption dropout for classifier-free guidance (arXiv 2207.12598)
    export       FOLDER/weights: what `bc.load()` and diffusers' pipelines load
    all          one after the other, the minutes shared between the two trainings
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen import captions, data, nets
from beecam.models.pollen.scene import Scene
from beecam.models.pollen.training import Loop

HELD_BACK = 64  # clips at the end that are only measured on
_AE_BATCH, _AE_FRAMES = 4, 9
_EDGES = 1.0
_BATCH = 32
_NO_CAPTION = 0.1
_STAGES = ("render", "autoencoder", "encode", "transformer", "export", "all")


def main(arguments: list[str] | None = None) -> None:
    """Run the stage that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.train", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("stage", choices=_STAGES)
    parser.add_argument("--folder", type=Path, default=Path(".pollen"))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train")
    parser.add_argument("--clips", type=int, default=4000, help="how many clips to render")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--finish", action="store_true", help="let the learning rate fall to zero")
    parser.add_argument("--from-weights", type=Path, help="start from exported weights")
    chosen = parser.parse_args(arguments)
    stages = _STAGES[:-1] if chosen.stage == "all" else (chosen.stage,)
    print(
        f"{chosen.stage} in {chosen.folder} on {chosen.device}, {torch.get_num_threads()} threads, "
        f"{chosen.minutes:g} minutes for each training", flush=True,
    )  # fmt: skip
    for stage in stages:
        STAGES[stage](chosen)


# --- autoencoder -------------------------------------------------------------------------------


def _render(chosen: argparse.Namespace) -> None:
    shards = data.render_shards(chosen.folder / "clips", chosen.clips, device=chosen.device)
    print(f"{shards} shards of {data.SHARD} clips", flush=True)


def autoencoder_loop(folder: Path, device: str, start: Path | None = None) -> Loop:
    """Make or resume the training of the autoencoder."""
    model = nets.autoencoder()
    if start is not None:
        model = type(model).from_pretrained(start / "vae", torch_dtype=torch.float32)
    loop = Loop({"autoencoder": model}, folder / "autoencoder.pt", rate=1.5e-3, betas=(0.9, 0.95),
                decay=0.99, device=device)  # fmt: skip
    loop.resume()
    return loop


def autoencoder_loss(loop: Loop, clips: Tensor) -> Tensor:
    """Return the squared error of some clips' reconstruction, and of its slopes.

    Args:
        loop: The training.
        clips: clips x frames x height x width x 3, uint8.
    """
    g = loop.generator
    batch = _AE_BATCH if loop.device == "cpu" else 16 * _AE_BATCH
    which = torch.randint(0, len(clips), (batch,), generator=g)
    first = int(torch.randint(0, clips.shape[1] - _AE_FRAMES + 1, (1,), generator=g))
    x = to_video(clips[which, first : first + _AE_FRAMES]).to(loop.device)
    if bool(torch.rand(1, generator=g) < 0.5):  # noqa: PLR2004
        x = x.flip(4)
    model: Any = loop.modules["autoencoder"]
    with torch.autocast(loop.device, torch.bfloat16):
        y: Tensor = model.decode(model.encode(x).latent_dist.mean).sample
    error = y.float() - x
    # What is left of the error after the first minutes is at edges, and with it the insects: the
    # error's own slopes weigh fine detail more.
    across, down = error.diff(dim=4), error.diff(dim=3)
    return (error**2).mean() + _EDGES * ((across**2).mean() + (down**2).mean())


def _autoencoder(chosen: argparse.Namespace) -> None:
    clips, _ = data.load(chosen.folder / "clips")
    loop = autoencoder_loop(chosen.folder, chosen.device, chosen.from_weights)
    seen = clips[:-HELD_BACK]
    loop.run(lambda run: autoencoder_loss(run, seen), minutes=chosen.minutes, finish=chosen.finish)
    _strip(loop, clips[-8:], chosen.folder / "autoencoder.png")


def to_video(clips: Tensor) -> Tensor:
    """uint8 clips x frames x height x width x 3 to clips x 3 x frames x height x width, -1 to 1."""
    return clips.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_clips(video: Tensor) -> Tensor:
    """Undo `to_video`."""
    return ((video.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).cpu()


def _strip(loop: Loop, clips: Tensor, path: Path) -> None:
    """Write clips above their reconstructions, and note how near they are."""
    with torch.no_grad():
        model: Any = loop.modules["autoencoder"]
        x = to_video(clips).to(loop.device)
        y = model.decode(model.encode(x).latent_dist.mean).sample
    error = ((y.clamp(-1, 1) - x) ** 2).mean((1, 2, 3, 4))
    psnr = float((-10 * torch.log10(error / 4)).mean())
    loop.note(step=loop.step, psnr=psnr)
    print(f"autoencoder: step {loop.step}, {psnr:.2f} dB", flush=True)
    pairs = torch.stack([clips, to_clips(y)], 1).flatten(0, 1)
    picture(pairs, path)


def picture(clips: Tensor, path: Path, columns: int = 2) -> None:
    """Write five frames of each clip side by side, to look at."""
    from PIL import Image

    places = torch.linspace(0, clips.shape[1] - 1, 5).round().long()
    rows = clips[:, places].permute(0, 2, 1, 3, 4).flatten(2, 3)
    blocks = rows.chunk(columns)
    high = max(len(block) for block in blocks)
    full = torch.zeros(columns, high, *rows.shape[1:], dtype=torch.uint8)
    for i, block in enumerate(blocks):
        full[i, : len(block)] = block
    sheet = full.flatten(1, 2).permute(1, 0, 2, 3).flatten(1, 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet.numpy()).save(path)


# --- latents -----------------------------------------------------------------------------------


def encode_clips(model: Any, clips: Tensor, device: str) -> Tensor:
    """Encode clips: clips x channels x frames x height x width, as the autoencoder gives them."""
    with torch.no_grad():
        return torch.cat([
            model.encode(to_video(clips[i : i + 16]).to(device)).latent_dist.mean.cpu()
            for i in range(0, len(clips), 16)
        ])  # fmt: skip


def _encode(chosen: argparse.Namespace) -> None:
    clips, scenes = data.load(chosen.folder / "clips")
    loop = autoencoder_loop(chosen.folder, chosen.device)
    loop.settle()
    model = loop.modules["autoencoder"].eval()
    # A mirrored clip is as good a clip, with its pan the other way round.
    both = [encode_clips(model, some, chosen.device) for some in (clips, clips.flip(3))]
    latents = torch.cat(both)
    mean, deviation = latents.mean((0, 2, 3, 4)), latents.std((0, 2, 3, 4))
    truth = [scene.attributes for scene in scenes] + [mirrored(scene) for scene in scenes]
    normal = (latents - mean.view(1, -1, 1, 1, 1)) / deviation.view(1, -1, 1, 1, 1)
    torch.save({"latents": normal.half(), "mean": mean, "deviation": deviation},
               chosen.folder / "latents.pt")  # fmt: skip
    (chosen.folder / "latents.json").write_text(json.dumps(truth))
    print(f"{len(latents)} clips of {tuple(latents.shape[1:])}", flush=True)


def mirrored(scene: Scene) -> dict[str, str]:
    """Return the attributes of a scene seen in a mirror."""
    swap = {"pan left": "pan right", "pan right": "pan left"}
    return {**scene.attributes, "camera": swap.get(scene.camera, scene.camera)}


# --- transformer -------------------------------------------------------------------------------


def transformer_loop(folder: Path, device: str, start: Path | None = None) -> Loop:
    """Make or resume the training of denoiser and text encoder."""
    words = len(nets.tokenizer(captions.vocabulary()))
    modules = {"transformer": nets.transformer(), "text_encoder": nets.text_encoder(words)}
    if start is not None:
        modules = {
            name: type(module).from_pretrained(start / name, torch_dtype=torch.float32)
            for name, module in modules.items()
        }
    loop = Loop(modules, folder / "transformer.pt", rate=6e-4, betas=(0.9, 0.99), decay=0.998,
                device=device)  # fmt: skip
    loop.resume()
    return loop


class FlowLoss:
    """Flow matching on latents with captions, in just the way that the pipelines call the model."""

    def __init__(self, latents: Tensor, truth: list[dict[str, str]], batch: int = _BATCH) -> None:
        self._latents = latents
        self._truth = truth
        self._batch = batch
        self._tokenizer = nets.tokenizer(captions.vocabulary())

    def __call__(self, loop: Loop) -> Tensor:
        """Draw a batch and return its loss."""
        g = loop.generator
        which = torch.randint(0, len(self._latents), (self._batch,), generator=g)
        clean = self._latents[which].float().to(loop.device)
        frames, height, width = clean.shape[2:]
        tokens = clean.flatten(2).transpose(1, 2)
        noise = torch.randn(tokens.shape, generator=g).to(loop.device)
        level = torch.sigmoid(torch.randn(self._batch, generator=g) + 0.3).to(loop.device)
        mixed = (1 - level)[:, None, None] * tokens + level[:, None, None] * noise
        text = self._captions(which, g)
        with torch.autocast(loop.device, torch.bfloat16):
            # The pipelines give the text encoder no mask, so that it sees the padding.
            states = loop.modules["text_encoder"](text.input_ids.to(loop.device))[0]
            velocity: Tensor = loop.modules["transformer"](
                hidden_states=mixed, encoder_hidden_states=states, timestep=level * 1000,
                encoder_attention_mask=text.attention_mask.bool().to(loop.device),
                num_frames=frames, height=height, width=width,
                **self._places(frames, height, width, g, loop.device),
            ).sample  # fmt: skip
        return ((velocity.float() - (noise - tokens)) ** 2).mean()

    def _captions(self, which: Tensor, g: torch.Generator) -> Any:
        seed = int(torch.randint(0, 2**31, (1,), generator=g))
        lot = random.Random(seed)  # noqa: S311
        texts = [
            "" if lot.random() < _NO_CAPTION else captions.caption(self._truth[int(i)], lot)
            for i in which
        ]
        # Padding to several lengths, so that the text encoder learns to look past any of them.
        length = lot.choice((32, 32, 32, 48, nets.TEXT_LENGTH))
        return self._tokenizer(
            texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )

    def _places(
        self, frames: int, height: int, width: int, g: torch.Generator, device: str
    ) -> dict[str, Any]:
        """LTXPipeline scales places in one way, LTXConditionPipeline in another: learn both."""
        if bool(torch.rand(1, generator=g) < 0.8):  # noqa: PLR2004
            scale = (nets.TIME / nets.FPS, nets.SPACE, nets.SPACE)
            return {"rope_interpolation_scale": scale}
        t, y, x = torch.meshgrid(*map(torch.arange, (frames, height, width)), indexing="ij")
        seconds = (t * nets.TIME + 1 - nets.TIME).clamp(min=0) / nets.FPS
        places = torch.stack([seconds, y * nets.SPACE, x * nets.SPACE]).flatten(1).float()
        return {"video_coords": places[None].expand(self._batch, -1, -1).to(device)}


def _transformer(chosen: argparse.Namespace) -> None:
    kept = torch.load(chosen.folder / "latents.pt", weights_only=True)
    truth = json.loads((chosen.folder / "latents.json").read_text())
    loop = transformer_loop(chosen.folder, chosen.device, chosen.from_weights)
    loss = FlowLoss(kept["latents"], truth, _BATCH if chosen.device == "cpu" else 8 * _BATCH)
    loop.run(loss, minutes=chosen.minutes, finish=chosen.finish)
    print(f"transformer: step {loop.step}", flush=True)


def _export(chosen: argparse.Namespace) -> None:
    from beecam.models.pollen.export import export

    export(chosen.folder, chosen.folder / "weights")


STAGES = {
    "render": _render, "autoencoder": _autoencoder, "encode": _encode,
    "transformer": _transformer, "export": _export,
}  # fmt: skip


if __name__ == "__main__":
    main()
