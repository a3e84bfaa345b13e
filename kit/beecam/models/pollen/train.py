"""Train pollen: `python -m beecam.models.pollen.train all --minutes 60`.

Stages, each of which can be stopped and goes on where it was:
    render       clips of the world, into FOLDER/clips
    components   principal components of the clips' blocks, and all clips, and their mirror images,
                 as latents
    decoder      latents to clips
    encoder      clips to latents
    transformer  denoiser and text encoder together, by flow matching (arXiv 2210.02747) with
                 caption dropout for classifier-free guidance (arXiv 2207.12598)
    export       FOLDER/weights: what `bc.load()` and diffusers' pipelines load
    all          one after the other
decoder, encoder and transformer need only render and components: they can train beside each other.
How long on two idle cores: 8,000 clips render in 10 minutes as two processes of one thread each
(`MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4000000000` halve it: arrays are handed
out again), a step of the transformer takes 0.6 s, of the decoder 0.07 s, of the encoder 0.04 s.
Side by side each wants OMP_NUM_THREADS=1: threads that wait for each other burn what others could
use.
To go on from weights that were exported, with the checkpoints lost: `--from-weights FOLDER` at
components, decoder, encoder and transformer.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from beecam.models.pollen import captions, codec, data, nets
from beecam.models.pollen.codec import to_clips, to_video
from beecam.models.pollen.components import FILE as COMPONENTS
from beecam.models.pollen.components import Components, fit
from beecam.models.pollen.sampling import picture
from beecam.models.pollen.scene import Scene
from beecam.models.pollen.training import Loop

_FITTED = 1000  # clips from which the components are found
_BATCH = 32
_NO_CAPTION = 0.1
_CONDITIONED = 0.3  # share of the batches that are given frames
_UNIFORM = 0.2
_STAGES = ("render", "components", "decoder", "encoder", "transformer", "export", "all")


def main(arguments: list[str] | None = None) -> None:
    """Run the stage that the command line names."""
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.train", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("stage", choices=_STAGES)
    parser.add_argument("--folder", type=Path, default=Path(".pollen"))
    parser.add_argument("--minutes", type=float, default=30.0, help="how long to train")
    parser.add_argument("--clips", type=int, default=8000, help="how many clips to render")
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


# --- latents -----------------------------------------------------------------------------------


def _render(chosen: argparse.Namespace) -> None:
    shards = data.render_shards(chosen.folder / "clips", chosen.clips, device=chosen.device)
    print(f"{shards} shards of {data.SHARD} clips", flush=True)


def _components(chosen: argparse.Namespace) -> None:
    clips, scenes = data.load(chosen.folder / "clips")
    file = chosen.folder / COMPONENTS
    if chosen.from_weights is not None:
        # Only in the same latent space can what was trained be trained on.
        Components.load(chosen.from_weights).save(file)
    if not file.exists():
        fit(torch.split(clips[:: max(1, len(clips) // _FITTED)], 50)).save(file)
    components = Components.load(file)
    # A mirrored clip is as good a clip, with its pan the other way round.
    latents = torch.cat([components.encode(some).half() for some in (clips, clips.flip(3))])
    truth = [scene.attributes for scene in scenes] + [mirrored(scene) for scene in scenes]
    torch.save({"latents": latents}, chosen.folder / "latents.pt")
    (chosen.folder / "latents.json").write_text(json.dumps(truth))
    few = clips[-codec.HELD_BACK :]
    near = codec.nearness(to_video(components.decode(components.encode(few))), few)
    print(f"{len(latents)} clips of {tuple(latents.shape[1:])}; by components alone {near:.2f} dB",
          flush=True)  # fmt: skip


def mirrored(scene: Scene) -> dict[str, str]:
    """Return the attributes of a scene seen in a mirror."""
    swap = {"pan left": "pan right", "pan right": "pan left"}
    return {**scene.attributes, "camera": swap.get(scene.camera, scene.camera)}


def latents_of(folder: Path) -> Tensor:
    """Return the latents of all clips and of their mirror images, float16.

    Raises:
        FileNotFoundError: There are none.
    """
    path = folder / "latents.pt"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: run the stage `components` first.")
    kept: Tensor = torch.load(path, weights_only=True)["latents"]
    return kept


# --- decoder and encoder -----------------------------------------------------------------------


def _half(half: str, chosen: argparse.Namespace) -> None:
    clips, _ = data.load(chosen.folder / "clips")
    latents = latents_of(chosen.folder)
    model = codec.autoencoder(chosen.from_weights)
    loop = codec.half_loop(half, model, chosen.folder, chosen.device)
    model.to(chosen.device)
    loss = codec.HalfLoss(half, model, clips, latents)
    loop.run(loss, minutes=chosen.minutes, finish=chosen.finish)
    loop.settle()
    few = clips[-codec.HELD_BACK :]
    known = latents[len(clips) - len(few) : len(clips)].float()
    with torch.no_grad():
        if half == "encoder":
            found = model.encode(to_video(few).to(chosen.device)).latent_dist.mean.cpu()
            shares = {"error": round(float(((found - known) ** 2).mean()), 4)}
        else:
            found = model.decode(known.to(chosen.device)).sample
            shares = {"psnr": round(codec.nearness(found, few), 2)}
            picture(torch.stack([few[:8], to_clips(found[:8])], 1).flatten(0, 1),
                    chosen.folder / "decoder.png")  # fmt: skip
    loop.note(step=loop.step, **shares)
    print(f"{half}: step {loop.step}, {shares} on clips it has not seen", flush=True)


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

    def __init__(
        self, latents: Tensor, truth: list[dict[str, str]], clips: Tensor, components: Components,
        batch: int = _BATCH,
    ) -> None:  # fmt: skip
        """Keep what batches are drawn from.

        Args:
            latents: Those of the clips, then those of their mirror images.
            truth: What captions say of each.
            clips: clips x frames x height x width x 3, uint8: single frames are taken from them.
            components: Give the latents of single frames.
            batch: How many clips a step.
        """
        self._latents = latents
        self._truth = truth
        self._clips = clips
        self._components = components
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
        level = _levels(self._batch, g).to(loop.device)
        mixed = (1 - level)[:, None, None] * tokens + level[:, None, None] * noise
        given, stills = _conditions(g, frames)
        times = level[:, None].expand(-1, tokens.shape[1]).clone()
        known = given * height * width
        mixed[:, :known], times[:, :known] = tokens[:, :known], 0.0
        places = self._places(frames, height, width, g, conditioned=bool(given or stills))
        for frame in stills:
            still = self._still(which, frame).to(loop.device)
            mixed = torch.cat([still, mixed], 1)
            times = torch.cat([torch.zeros_like(times[:, : still.shape[1]]), times], 1)
            places["video_coords"] = torch.cat([
                _coordinates(1, height, width, frame), places["video_coords"],
            ], 1)  # fmt: skip
        if "video_coords" in places:
            coordinates = places["video_coords"][None].expand(self._batch, -1, -1)
            places["video_coords"] = coordinates.to(loop.device)
        text = self._captions(which, g)
        timestep = times if given or stills else level[:, None]
        with torch.autocast(loop.device, torch.bfloat16):
            # The pipelines give the text encoder no mask, so that it sees the padding.
            states = loop.modules["text_encoder"](text.input_ids.to(loop.device))[0]
            velocity: Tensor = loop.modules["transformer"](
                hidden_states=mixed, encoder_hidden_states=states, timestep=timestep * 1000,
                encoder_attention_mask=text.attention_mask.bool().to(loop.device),
                num_frames=frames, height=height, width=width, **places,
            ).sample  # fmt: skip
        found = velocity[:, -tokens.shape[1] :].float()
        return ((found - (noise - tokens))[:, known:] ** 2).mean()

    def _still(self, which: Tensor, frame: int) -> Tensor:
        """Return the tokens of one frame of each clip, encoded as a picture is."""
        count = len(self._clips)
        pictures = self._clips[which % count, frame][:, None]
        turned = (which >= count).view(-1, 1, 1, 1, 1)
        pictures = torch.where(turned, pictures.flip(3), pictures)
        return self._components.encode(pictures).flatten(2).transpose(1, 2)

    def _captions(self, which: Tensor, g: torch.Generator) -> Any:
        seed = int(torch.randint(0, 2**31, (1,), generator=g))
        lot = random.Random(seed)  # noqa: S311
        texts = [
            "" if lot.random() < _NO_CAPTION else captions.caption(self._truth[int(i)], lot)
            for i in which
        ]
        # The pipelines pad to TEXT_LENGTH unless told; the text encoder learns to look past less.
        length = lot.choice((nets.TEXT_LENGTH, 64, 48, 48, 48))
        return self._tokenizer(
            texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )

    def _places(
        self, frames: int, height: int, width: int, g: torch.Generator, *, conditioned: bool
    ) -> dict[str, Any]:
        """LTXPipeline scales places in one way, LTXConditionPipeline in another: learn both."""
        if not conditioned and bool(torch.rand(1, generator=g) < 0.85):  # noqa: PLR2004
            scale = (nets.TIME / nets.FPS, nets.SPACE, nets.SPACE)
            return {"rope_interpolation_scale": scale}
        return {"video_coords": _coordinates(frames, height, width)}


def _coordinates(frames: int, height: int, width: int, first: int = 0) -> Tensor:
    """Return where tokens lie as LTXConditionPipeline counts: 3 x tokens; seconds, pixels."""
    t, y, x = torch.meshgrid(*map(torch.arange, (frames, height, width)), indexing="ij")
    seconds = ((t * nets.TIME + 1 - nets.TIME).clamp(min=0) + first) / nets.FPS
    return torch.stack([seconds, y * nets.SPACE, x * nets.SPACE]).flatten(1).float()


def _conditions(g: torch.Generator, frames: int) -> tuple[int, list[int]]:
    """Draw what a batch is given: how many latent frames from the first on, and single frames."""
    roll = float(torch.rand(1, generator=g))
    if roll >= _CONDITIONED:
        return 0, []
    last = (frames - 1) * nets.TIME
    anywhere = int(torch.randint(1, last + 1, (1,), generator=g))
    kinds: list[tuple[int, list[int]]] = [
        (1, []), (1, []), (2, []), (3, []), (3, []), (1, [last]), (0, [last]), (0, [anywhere]),
        (1, [anywhere]),
    ]  # fmt: skip
    return kinds[int(torch.randint(0, len(kinds), (1,), generator=g))]


def _levels(batch: int, g: torch.Generator) -> Tensor:
    """Draw noise levels: logit-normal (arXiv 2403.03206), a fifth of them uniform.

    Sampling begins at 1, where the logit-normal hardly ever is, and where the layout is decided.
    """
    usual = torch.sigmoid(torch.randn(batch, generator=g) + 0.3)
    even = torch.rand(batch, generator=g)
    return torch.where(torch.rand(batch, generator=g) < _UNIFORM, even, usual)


def _transformer(chosen: argparse.Namespace) -> None:
    latents = latents_of(chosen.folder)
    truth = json.loads((chosen.folder / "latents.json").read_text())
    loop = transformer_loop(chosen.folder, chosen.device, chosen.from_weights)
    clips, _ = data.load(chosen.folder / "clips")
    loss = FlowLoss(latents, truth, clips, Components.load(chosen.folder / COMPONENTS),
                    _BATCH if chosen.device == "cpu" else 8 * _BATCH)  # fmt: skip
    loop.run(loss, minutes=chosen.minutes, finish=chosen.finish)
    print(f"transformer: step {loop.step}", flush=True)


def _export(chosen: argparse.Namespace) -> None:
    from beecam.models.pollen.export import export

    export(chosen.folder, chosen.folder / "weights")


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "render": _render, "components": _components, "decoder": partial(_half, "decoder"),
    "encoder": partial(_half, "encoder"), "transformer": _transformer, "export": _export,
}  # fmt: skip


if __name__ == "__main__":
    main()
