"""Stages of the training, each a function of the command line's options."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from beecam.models.pollen.networks.autoencoder import build_autoencoder, psnr, to_clips, to_video
from beecam.models.pollen.networks.components import FILE as COMPONENTS
from beecam.models.pollen.networks.components import Components, fit
from beecam.models.pollen.networks.pipeline import load_pipeline, save_contact_sheet
from beecam.models.pollen.networks.transformer import build_transformer
from beecam.models.pollen.training import distillation
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.export import export
from beecam.models.pollen.training.losses import accidents, autoencoder, text_encoder
from beecam.models.pollen.training.losses.accidents import AccidentLoss
from beecam.models.pollen.training.losses.flow import (
    BATCH,
    GPU_BATCH,
    FlowLoss,
    transformer_loop,
)
from beecam.models.pollen.training.optimization.loop import LOG_EVERY, Loop
from beecam.models.pollen.training.rewards import rewards, tuning

DEFAULT_CLIPS = 8000
_FITTED_CLIPS = 1000  # from which the components are computed
_TEACHING = 0.4  # share of the time of few-steps in which the teacher writes trajectories
_TIMEOUT = 300.0  # seconds without new clips
_FOLLOW_MINUTES = 0.35  # between checks for new clips
_GROWTH = 2  # factor of the clips at which they are reloaded, which takes seconds
_WORTH_COMPILING = 10.0  # minutes; compiling takes two
# Shares of the time that is left when each stage begins; exporting takes no training.
_SHARES = {
    "decoder": 0.25,
    "encoder": 0.12,
    "text-encoder": 0.04,
    "transformer": 0.75,
    "export": 0.0,
    "few-steps": 0.9,
}


def run_all(options: argparse.Namespace) -> None:
    """Run all stages but rewards and tune, in the minutes for all of them together."""
    until = time.monotonic() + 60 * options.minutes
    _render(options)
    _components(options)
    options.finish = True
    for stage, share in _SHARES.items():
        left = (until - time.monotonic()) / 60
        options.minutes = max(0.01, left * share)
        print(f"{stage} for {options.minutes:.1f} minutes", flush=True)
        STAGES[stage](options)


# --- clips and latents -------------------------------------------------------------------------


def _render(options: argparse.Namespace) -> None:
    shards = clip_files.render_parallel(
        options.folder / "clips", options.clips or DEFAULT_CLIPS, options.device
    )
    print(f"{shards} shards of {clip_files.SHARD} clips", flush=True)
    if options.accidents:
        more = clip_files.render_parallel(
            options.folder / accidents.FOLDER / "clips",
            options.accidents,
            options.device,
            first=accidents.FIRST,
            accidents=True,
        )
        print(f"{more} shards of {clip_files.SHARD} clips with accidents", flush=True)


def _components(options: argparse.Namespace) -> None:
    file = options.folder / COMPONENTS
    if options.from_weights is not None:
        _take_components(options)
    if not file.exists():
        clips, _ = clip_files.load(options.folder / "clips")
        fit(torch.split(clips[:: max(1, len(clips) // _FITTED_CLIPS)], 50)).save(file)
    components = Components.load(file).to(options.device)
    with_accidents = options.folder / accidents.FOLDER
    if (with_accidents / "clips").exists():
        components.save(with_accidents / COMPONENTS)
        latents.write(with_accidents, components)
    shards, since = latents.write(options.folder, components), time.monotonic()
    while options.follow and shards * clip_files.SHARD < (options.clips or DEFAULT_CLIPS):
        time.sleep(1)
        before, shards = shards, latents.write(options.folder, components)
        since = time.monotonic() if shards > before else since
        if time.monotonic() - since > _TIMEOUT:
            raise RuntimeError(
                f"no new clips in {options.folder / 'clips'} for {_TIMEOUT / 60:.0f} minutes: is "
                "`render` still running, with the same --clips?"
            )
    last = sorted((options.folder / "clips").glob("clips-*.pt"))[-1:]
    if not last:
        raise FileNotFoundError(
            f"{options.folder / 'clips'} has no clips-*.pt: run the stage `render` first."
        )
    few = clip_files.load_shards(last)[0][-autoencoder.HELD_BACK :].to(options.device)
    decoded = to_video(components.decode(components.encode(few)))
    print(f"components alone: {psnr(decoded.cpu(), few.cpu()):.2f} dB", flush=True)


def _take_components(options: argparse.Namespace) -> None:
    """Copy the components of exported weights: training continues in the same latent space only."""
    file = options.folder / COMPONENTS
    components = Components.load(options.from_weights / COMPONENTS)
    if file.exists() and not components.same(Components.load(file)):
        trained = [
            f"{part}.pt"
            for part in ("decoder", "encoder", "transformer", tuning.NAME)
            if (options.folder / f"{part}.pt").exists()
        ]
        if trained:
            raise ValueError(
                f"--from-weights {options.from_weights}: {options.folder} has "
                f"{', '.join(trained)} of other components; move them away, or use another "
                "--folder."
            )
    components.save(file)


def _check_latent_space(options: argparse.Namespace) -> None:
    """Raise if weights of the options have other components than the folder."""
    for name in ("from_weights", "retain", "mean_with"):
        weights = getattr(options, name)
        if weights is None:
            continue
        file = options.folder / COMPONENTS
        if not file.exists():
            raise FileNotFoundError(
                f"{file} does not exist: run the stage `components` with --from-weights {weights}."
            )
        if not Components.load(weights / COMPONENTS).same(Components.load(file)):
            raise ValueError(
                f"--{name.replace('_', '-')} {weights}: {options.folder} has latents of other "
                "components; run `components` there with the same --from-weights, or use another "
                "--folder."
            )


def _report_resumed(loop: Loop, options: argparse.Namespace) -> None:
    if loop.step and options.from_weights is not None:
        print(
            f"{loop.path.stem}: resumes from step {loop.step:,} of {loop.path}, whatever that "
            f"started from; without that file it starts from {options.from_weights}",
            flush=True,
        )


# --- autoencoder and text encoder --------------------------------------------------------------


def _half(half: str, options: argparse.Namespace) -> None:
    _check_latent_space(options)
    data = latents.load(options.folder, options.clips)
    model = build_autoencoder(options.from_weights)
    loop = autoencoder.half_loop(half, model, options.folder, options.device)
    _report_resumed(loop, options)
    model.to(options.device)
    loss = autoencoder.HalfLoss(half, model, data)
    loop.run(loss, minutes=options.minutes, finish=options.finish)
    loop.use_average()
    few = data.clips[-autoencoder.HELD_BACK :]
    known = data.latents[len(data.clips) - len(few) : len(data.clips)].float()
    with torch.no_grad():
        if half == "encoder":
            found = model.encode(to_video(few).to(options.device)).latent_dist.mean.cpu()
            measured = {"error": round(float(((found - known) ** 2).mean()), 4)}
        else:
            found = model.decode(known.to(options.device)).sample
            measured = {"psnr": round(psnr(found, few), 2)}
            save_contact_sheet(
                torch.stack([few[:8], to_clips(found[:8])], 1).flatten(0, 1),
                options.folder / "decoder.png",
            )
    loop.log(step=loop.step, **measured)
    print(f"{half}: step {loop.step}, {measured} on unseen clips", flush=True)


def _text_encoder(options: argparse.Namespace) -> None:
    if options.from_weights is not None:
        print("text-encoder: that of the weights is not changed", flush=True)
        return
    loop = text_encoder.text_encoder_loop(options.folder, options.device)
    if loop.step and (options.folder / "transformer.pt").exists():
        print("text-encoder: the transformer was trained with it, so it is not changed", flush=True)
        return
    loop.run(text_encoder.TextEncoderLoss(), minutes=options.minutes, finish=True)
    print(f"text-encoder: step {loop.step}", flush=True)


# --- denoiser ----------------------------------------------------------------------------------


def _transformer(options: argparse.Namespace) -> None:
    _check_latent_space(options)
    loop = transformer_loop(options.folder, options.device, options.from_weights, options.rates)
    _report_resumed(loop, options)
    encoder = text_encoder.trained_text_encoder(options.folder, options.from_weights)
    encoder = encoder.to(options.device)
    _compile(loop, options)
    if options.retain is not None:
        loss = _accident_loss(options, encoder, loop)
        loop.run(loss, minutes=options.minutes, finish=options.finish)
    else:
        _train_on_flow(options, encoder, loop)
    print(f"transformer: step {loop.step}", flush=True)


def _train_on_flow(options: argparse.Namespace, encoder: Any, loop: Loop) -> None:
    """Train by flow matching; with --follow, reload the clips as they are rendered."""
    clip_count = options.clips or DEFAULT_CLIPS
    data = latents.load(options.folder, options.clips)
    until = time.monotonic() + 60 * options.minutes
    middle = until - 60 * options.minutes / 2  # later clips are left out
    loss, clips = _flow_loss(data, options, encoder, loop), len(data.clips)
    while (
        options.follow and clips < clip_count and time.monotonic() < middle and not loop.finishing
    ):
        left = (middle - time.monotonic()) / 60
        loop.run(loss, minutes=min(left, _FOLLOW_MINUTES))
        last = time.monotonic() >= middle
        if latents.count(options.folder) >= (
            clips + 1 if last else min(clip_count, _GROWTH * clips)
        ):
            del loss, data  # two of them may not fit into memory
            data = latents.load(options.folder, options.clips)
            loss, clips = _flow_loss(data, options, encoder, loop), len(data.clips)
    del data
    loop.run(loss, minutes=max(0.0, (until - time.monotonic()) / 60), finish=options.finish)


def _compile(loop: Loop, options: argparse.Namespace) -> None:
    worth = options.device != "cpu" or options.minutes >= _WORTH_COMPILING
    if worth if options.compile is None else options.compile:
        # A quarter faster on a CPU. It resumes to the same bits if all calls compile, or none.
        network: Any = loop.modules["transformer"]
        # Dynamic, so that the code doesn't depend on which lengths of texts and conditions came
        # first; and in float32 for all blocks, of which the first would get bfloat16.
        network.proj_in.register_forward_hook(lambda _, __, found: found.float())
        network.compile_repeated_blocks(dynamic=True)


def _flow_loss(
    data: latents.TrainingData, options: argparse.Namespace, encoder: Any, loop: Loop
) -> FlowLoss:
    print(f"transformer: step {loop.step}, {len(data.clips):,} clips", flush=True)
    components = Components.load(options.folder / COMPONENTS)
    batch = BATCH if options.device == "cpu" else GPU_BATCH
    return FlowLoss(data, components, encoder, batch=batch)


def _accident_loss(options: argparse.Namespace, encoder: Any, loop: Loop) -> AccidentLoss:
    both = accidents.load(options.folder, options.clips)
    print(
        f"transformer: step {loop.step}, {both.random_clips:,} clips and "
        f"{len(both.data.clips) - both.random_clips:,} with accidents",
        flush=True,
    )
    components = Components.load(options.folder / COMPONENTS)
    before = build_transformer(options.retain).to(options.device)
    batch = accidents.BATCH if options.device == "cpu" else accidents.GPU_BATCH
    return AccidentLoss(both, before, components, encoder, batch=batch)


# --- tuning ------------------------------------------------------------------------------------


def _rewards(options: argparse.Namespace) -> None:
    rewards.train(
        options.folder / rewards.FOLDER,
        options.from_weights,
        text_encoder.trained_text_encoder(options.folder, options.from_weights),
        clips=options.clips or rewards.CLIPS,
        minutes=options.minutes,
        device=options.device,
    )


def _tune(options: argparse.Namespace) -> None:
    start = options.from_weights
    _check_latent_space(options)
    components = Components.load(start)
    encoder = text_encoder.trained_text_encoder(options.folder, start).to(options.device)
    networks = rewards.load(options.folder / rewards.FOLDER, start, encoder, options.device)
    data = latents.load(options.folder, options.clips)
    loop = tuning.tuning_loop(
        options.folder, start, options.rates, networks.expected, options.device
    )
    _compile(loop, options)
    flow = FlowLoss(data, components, encoder, batch=tuning.batch(options.device))
    reward = tuning.RewardLoss(encoder, networks)

    def loss(loop: Loop) -> torch.Tensor:
        if loop.step % LOG_EVERY == LOG_EVERY - 1:
            loop.log(**reward.statistics(loop))
        return flow(loop) + tuning.WEIGHT * reward(loop)

    loop.run(loss, minutes=options.minutes, finish=options.finish)
    print(f"tune: step {loop.step}, {reward.statistics(loop)} by the rewards", flush=True)


# --- export and distillation -------------------------------------------------------------------


def _export(options: argparse.Namespace) -> None:
    _check_latent_space(options)
    mean = None if options.mean_with is None else (options.mean_with, options.mean_share)
    target = options.folder / "weights"
    export(options.folder, target, options.from_weights, options.device, mean=mean)


def _few_steps(options: argparse.Namespace) -> None:
    weights = options.folder / "weights"
    pipe = load_pipeline(weights).to(options.device)
    # Trajectories of other weights don't fit these.
    folder = options.folder / "trajectories" / distillation.digest(weights)
    seconds = 60 * options.minutes
    checkpoint = folder / "few-steps.pt"
    if not checkpoint.exists():
        # A student that has begun continues with the same trajectories.
        clips = distillation.write_trajectories(
            pipe, folder, options.trajectories, _TEACHING * seconds
        )
        print(f"few-steps: {clips} clips of the teacher", flush=True)
    loop = distillation.student_loop(pipe, checkpoint, options.device, options.from_weights)
    loss = distillation.DistillationLoss(pipe, folder)
    loop.run(loss, minutes=(1 - _TEACHING) * options.minutes, finish=True)
    loop.use_average()
    distillation.save(pipe, weights)
    print(f"few-steps: step {loop.step}", flush=True)


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "render": _render,
    "components": _components,
    "decoder": partial(_half, "decoder"),
    "encoder": partial(_half, "encoder"),
    "text-encoder": _text_encoder,
    "transformer": _transformer,
    "rewards": _rewards,
    "tune": _tune,
    "export": _export,
    "few-steps": _few_steps,
}
