"""Train pollen: `python -m beecam.models.pollen.training all --minutes 60`.

Without a stage it says what there is and what each stage would do. Stages, each of which can be
stopped and goes on where it was:
    render       clips of the world, into FOLDER/clips; on a CPU one process a core
    components   principal components of the clips' blocks, and all clips, and their mirror images,
                 as latents, with captions
    decoder      latents to clips
    encoder      clips to latents
    reading      the text encoder alone: what captions say (see reading.py)
    transformer  the denoiser, by flow matching (arXiv 2210.02747) with
                 caption dropout for classifier-free guidance (arXiv 2207.12598)
    rewards      two networks that say what is to be seen in latents (see rewards.py)
    tune         exported weights, by these rewards (see tuning.py)
    export       FOLDER/weights: what `bc.load()` and diffusers' pipelines load
    few-steps    a LoRA into them, with which 4 steps do what 20 do (see fewsteps.py)
    all          one after the other but for rewards and tune, in the minutes given for all of them
                 together

decoder and encoder need only render and components, the transformer reading too: they can train
beside each other.
Measured on two cores: 6,000 clips render in 12 minutes; with a core each, a step of the
transformer (32 clips, when it was 256 wide) took 1.1 s, of the decoder (2 clips) 0.12 s, of the
encoder 0.06 s. Side by side each wants OMP_NUM_THREADS=1: threads that wait for each other burn
what others could use; and with MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4000000000
memory is handed out again and not cleared each time, which halves rendering. A GPU needs torch and
no network.

What comes seldom is taught last: `render --odd 4000`, `components`, and `transformer --hold` with
--from-weights, which learns accidents and holds all else (see holding.py).

To go on from weights that were exported, with the checkpoints lost: `--from-weights FOLDER` at
components, decoder, encoder, transformer, export and few-steps; rewards and tune need it. To end
well: `--finish`, which lets the learning rate fall to zero over the minutes given.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks import autoencoder as codec
from beecam.models.pollen.networks import text_encoder as reading
from beecam.models.pollen.networks.autoencoder import to_clips, to_video
from beecam.models.pollen.networks.components import FILE as COMPONENTS
from beecam.models.pollen.networks.components import Components, fit
from beecam.models.pollen.networks.pipeline import load_pipeline, picture
from beecam.models.pollen.training import distillation as fewsteps
from beecam.models.pollen.training.command_line.arguments import (
    amount,
    count,
    device,
    folder,
    only_of,
    weights_folder,
)
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.data import saved as stored
from beecam.models.pollen.training.losses import accidents as holding
from beecam.models.pollen.training.losses.accidents import HoldingLoss
from beecam.models.pollen.training.losses.flow import BATCH, GPU_BATCH, FlowLoss, transformer_loop
from beecam.models.pollen.training.optimization.loop import LOG_EVERY, Loop
from beecam.models.pollen.training.rewards import rewards, tuning

_FITTED = 1000  # clips from which the components are found
_TEACHING = 0.4  # share of the time of few-steps in which the teacher walks
_CLIPS = 8000
# Stages that have a use for an option, of those that not all have.
_ONLY_OF = {
    "follow": ("components", "transformer"),
    "odd": ("render",),
    "hold": ("transformer",),
    "rates": ("transformer", "tune"),
    "mean_with": ("export",),
    "mean_share": ("export",),
    "compile": ("transformer", "tune"),
    "walks": ("few-steps", "all"),
    "finish": ("decoder", "encoder", "transformer", "tune"),
    "from_weights": (
        "components",
        "decoder",
        "encoder",
        "transformer",
        "rewards",
        "tune",
        "export",
        "few-steps",
        "all",
    ),
}
_MEAN_SHARE = 0.25
_NO_NEWS = 300.0  # seconds
_FOLLOWED = 0.35  # minutes after which it is looked whether clips have come meanwhile
_GROWN = 2  # times as many clips are taken in: to load all again takes seconds
_RATES_AT_MOST = 10.0
_WORTH_COMPILING = 10.0  # minutes; to compile takes two
_TUNING_RATES = 0.1
# Of the time that is left when each begins; to export takes no training.
_SHARES = {
    "decoder": 0.25,
    "encoder": 0.12,
    "reading": 0.04,
    "transformer": 0.75,
    "export": 0.0,
    "few-steps": 0.9,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the stage that the command line names."""
    chosen = _chosen(arguments)
    if chosen.device != "cpu":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")  # bfloat16 is used for most of it anyway
    print(
        f"{chosen.stage or 'plan'} in {chosen.folder} on {chosen.device}, "
        f"{torch.get_num_threads()} threads",
        flush=True,
    )
    if chosen.stage is None:
        print("\n".join(_plan(chosen)))
    elif chosen.stage == "all":
        _all(chosen)
    else:
        STAGES[chosen.stage](chosen)


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", nargs="?", choices=(*STAGES, "all"))
    parser.add_argument("--folder", type=folder, default=Path(".pollen"))
    parser.add_argument("--minutes", type=amount(), default=30.0, help="how long to train")
    parser.add_argument(
        "--clips",
        type=count(1),
        help="how many to render (8,000 if it isn't said), and at most to learn from (all)",
    )
    parser.add_argument(
        "--walks", type=count(1), default=3200, help="clips that few-steps learns from"
    )
    parser.add_argument(
        "--device", type=device, default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="components and transformer (for half its minutes): while --clips are still rendered",
    )
    parser.add_argument("--odd", type=count(0), default=0, help="render: clips with accidents too")
    parser.add_argument(
        "--hold",
        nargs="?",
        type=weights_folder,
        const=True,
        help="transformer: learn accidents, and hold all else to what these weights say of it with "
        "a little guidance (--from-weights, if no others are named)",
    )
    parser.add_argument("--finish", action="store_true", help="let the learning rate fall to zero")
    parser.add_argument("--from-weights", type=weights_folder, help="start from exported weights")
    parser.add_argument(
        "--mean-with",
        type=weights_folder,
        metavar="WEIGHTS",
        help="export: a weighted mean of the denoiser's weights and of these, from which it was "
        "taught further (WiSE-FT, arXiv 2109.01903)",
    )
    parser.add_argument(
        "--mean-share",
        type=amount(1),
        default=_MEAN_SHARE,
        help="of these in the mean (%(default)s)",
    )
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help=f"the transformer's blocks (left out: on a GPU, and from {_WORTH_COMPILING:g} minutes "
        "on)",
    )
    parser.add_argument(
        "--rates",
        type=amount(_RATES_AT_MOST),
        help="of the transformer: times the learning rates (1); 0.3, say, where it is nearly "
        f"there; of tune: likewise ({_TUNING_RATES:g})",
    )
    return parser


def _chosen(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line, and end with a sentence where it can't be done."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    only_of(parser, chosen, _ONLY_OF)
    if chosen.rates is None:
        chosen.rates = _TUNING_RATES if chosen.stage == "tune" else 1.0
    if chosen.mean_with is None and chosen.mean_share != _MEAN_SHARE:
        parser.error("--mean-share: needs --mean-with")
    if chosen.hold is not None and (chosen.from_weights is None or chosen.follow):
        parser.error("--hold: needs --from-weights, and all clips before it begins (no --follow)")
    if chosen.hold is True:
        chosen.hold = chosen.from_weights
    made_here = chosen.stage == "components" and chosen.from_weights
    if chosen.follow and not made_here and not (chosen.folder / COMPONENTS).exists():
        parser.error(
            f"--follow: {chosen.folder / COMPONENTS} must be there: run `components` "
            "with --from-weights, or with other clips"
        )
    start = chosen.from_weights
    if start is None and chosen.stage in ("rewards", "tune"):
        parser.error(f"--from-weights: {chosen.stage} needs the exported weights that are tuned")
    return chosen


def _plan(chosen: argparse.Namespace) -> Iterator[str]:
    """Say what there is, and what each stage would do."""
    folder = chosen.folder
    there = data.SHARD * len(list((folder / "clips").glob("clips-*.pt")))
    yield f"render       {there:,} of {chosen.clips or _CLIPS:,} clips are there"
    yield f"components   {latents.count(folder):,} clips have latents; takes two minutes for 6,000"
    parts = ("decoder", "encoder", "reading", "transformer", "rewards", tuning.NAME, "few-steps")
    for part in parts:
        # The LoRA of each set of weights has a training of its own.
        logs = [folder / f"{part}.jsonl", *(folder / "walks").glob(f"*/{part}.jsonl")]
        if part == "rewards":
            logs = [folder / rewards.FOLDER / "motion.jsonl"]
        step = steps_of(max(logs, key=lambda log: log.stat().st_mtime if log.exists() else 0.0))
        state = f"step {step:,} of its training" if step else "no step yet"
        yield f"{part:12} {state}; would train for {chosen.minutes:g} minutes"
    exported = folder / "weights" / "model_index.json"
    yield f"export       {'there' if exported.exists() else 'not there yet'}; takes a minute"


def steps_of(log: Path) -> int:
    """Return the last step that a training's log has."""
    return max((int(line.get("step", 0)) for line in stored.lines(log)), default=0)


def _all(chosen: argparse.Namespace) -> None:
    """Do all stages, and end in the time that is given for all of them."""
    until = time.monotonic() + 60 * chosen.minutes
    _render(chosen)
    _components(chosen)
    chosen.finish = True
    for stage, share in _SHARES.items():
        left = (until - time.monotonic()) / 60
        chosen.minutes = max(0.01, left * share)
        print(f"{stage} for {chosen.minutes:.1f} minutes", flush=True)
        STAGES[stage](chosen)


# --- latents -----------------------------------------------------------------------------------


def _render(chosen: argparse.Namespace) -> None:
    shards = data.render_there(chosen.folder / "clips", chosen.clips or _CLIPS, chosen.device)
    print(f"{shards} shards of {data.SHARD} clips", flush=True)
    if chosen.odd:
        more = data.render_there(
            chosen.folder / holding.FOLDER / "clips",
            chosen.odd,
            chosen.device,
            first=holding.FIRST,
            odd=True,
        )
        print(f"{more} shards of {data.SHARD} clips with accidents", flush=True)


def _components(chosen: argparse.Namespace) -> None:
    file = chosen.folder / COMPONENTS
    if chosen.from_weights is not None:
        # Only in the same latent space can what was trained be trained on.
        given = Components.load(chosen.from_weights / COMPONENTS)
        if file.exists() and not given.same(Components.load(file)):
            kept = [
                f"{part}.pt"
                for part in ("decoder", "encoder", "transformer", tuning.NAME)
                if (chosen.folder / f"{part}.pt").exists()
            ]
            if kept:
                raise ValueError(
                    f"--from-weights {chosen.from_weights}: {chosen.folder} has {', '.join(kept)} "
                    "of other components; move them away, or take another --folder."
                )
        given.save(file)
    if not file.exists():
        clips, _ = data.load(chosen.folder / "clips")
        fit(torch.split(clips[:: max(1, len(clips) // _FITTED)], 50)).save(file)
    components = Components.load(file).to(chosen.device)
    odd = chosen.folder / holding.FOLDER
    if (odd / "clips").exists():
        components.save(odd / COMPONENTS)
        latents.write(odd, components)
    many, since = latents.write(chosen.folder, components), time.monotonic()
    while chosen.follow and many * data.SHARD < (chosen.clips or _CLIPS):
        time.sleep(1)
        before, many = many, latents.write(chosen.folder, components)
        since = time.monotonic() if many > before else since
        if time.monotonic() - since > _NO_NEWS:
            raise RuntimeError(
                f"no new clips in {chosen.folder / 'clips'} for {_NO_NEWS / 60:.0f} minutes: is "
                "`render` still running, with the same --clips?"
            )
    last = sorted((chosen.folder / "clips").glob("clips-*.pt"))[-1:]
    if not last:
        raise FileNotFoundError(
            f"{chosen.folder / 'clips'} has no clips-*.pt: run the stage `render` first."
        )
    few = data.load_shards(last)[0][-codec.HELD_BACK :].to(chosen.device)
    near = codec.nearness(to_video(components.decode(components.encode(few))).cpu(), few.cpu())
    print(f"by components alone {near:.2f} dB", flush=True)


def _check_space(chosen: argparse.Namespace) -> None:
    """Refuse weights, to start from or to hold to, of other latents than the folder's."""
    for name in ("from_weights", "hold", "mean_with"):
        weights = getattr(chosen, name)
        if weights is None:
            continue
        file = chosen.folder / COMPONENTS
        if not file.exists():
            raise FileNotFoundError(
                f"{file} is not there: run the stage `components` with --from-weights {weights}."
            )
        if not Components.load(weights / COMPONENTS).same(Components.load(file)):
            raise ValueError(
                f"--{name.replace('_', '-')} {weights}: {chosen.folder} has latents of other "
                "components; run `components` there with the same --from-weights, or take another "
                "--folder."
            )


def _say_where(loop: Loop, chosen: argparse.Namespace) -> None:
    if loop.step and chosen.from_weights is not None:
        print(
            f"{loop.path.stem}: goes on from step {loop.step:,} of {loop.path}, wherever that "
            f"began; without that file it starts from {chosen.from_weights}",
            flush=True,
        )


# --- decoder and encoder -----------------------------------------------------------------------


def _half(half: str, chosen: argparse.Namespace) -> None:
    _check_space(chosen)
    there = latents.load(chosen.folder, chosen.clips)
    model = codec.autoencoder(chosen.from_weights)
    loop = codec.half_loop(half, model, chosen.folder, chosen.device)
    _say_where(loop, chosen)
    model.to(chosen.device)
    loss = codec.HalfLoss(half, model, there)
    loop.run(loss, minutes=chosen.minutes, finish=chosen.finish)
    loop.settle()
    few = there.clips[-codec.HELD_BACK :]
    known = there.latents[len(there.clips) - len(few) : len(there.clips)].float()
    with torch.no_grad():
        if half == "encoder":
            found = model.encode(to_video(few).to(chosen.device)).latent_dist.mean.cpu()
            shares = {"error": round(float(((found - known) ** 2).mean()), 4)}
        else:
            found = model.decode(known.to(chosen.device)).sample
            shares = {"psnr": round(codec.nearness(found, few), 2)}
            picture(
                torch.stack([few[:8], to_clips(found[:8])], 1).flatten(0, 1),
                chosen.folder / "decoder.png",
            )
    loop.note(step=loop.step, **shares)
    print(f"{half}: step {loop.step}, {shares} on clips it has not seen", flush=True)


# --- transformer -------------------------------------------------------------------------------


def _reading(chosen: argparse.Namespace) -> None:
    if chosen.from_weights is not None:
        print("reading: the text encoder of the weights stays as it is", flush=True)
        return
    loop = reading.loop(chosen.folder, chosen.device)
    if loop.step and (chosen.folder / "transformer.pt").exists():
        print("reading: the transformer has learnt from it, so that it stays as it is", flush=True)
        return
    loop.run(reading.ReadingLoss(), minutes=chosen.minutes, finish=True)
    print(f"reading: step {loop.step}", flush=True)


def _transformer(chosen: argparse.Namespace) -> None:
    _check_space(chosen)
    loop = transformer_loop(chosen.folder, chosen.device, chosen.from_weights, chosen.rates)
    _say_where(loop, chosen)
    reader = reading.encoder(chosen.folder, chosen.from_weights).to(chosen.device)
    _compiled(loop, chosen)
    if chosen.hold is not None:
        loop.run(_holding(chosen, reader, loop), minutes=chosen.minutes, finish=chosen.finish)
        print(f"transformer: step {loop.step}", flush=True)
        return
    wanted = chosen.clips or _CLIPS
    there = latents.load(chosen.folder, chosen.clips)
    until = time.monotonic() + 60 * chosen.minutes
    middle = until - 60 * chosen.minutes / 2  # what comes later than that is left out
    loss, many = _flow(there, chosen, reader, loop), len(there.clips)
    while chosen.follow and many < wanted and time.monotonic() < middle and not loop.finishing:
        left = (middle - time.monotonic()) / 60
        loop.run(loss, minutes=min(left, _FOLLOWED))
        last = time.monotonic() >= middle
        if latents.count(chosen.folder) >= (many + 1 if last else min(wanted, _GROWN * many)):
            del loss, there  # two of them would not fit everywhere
            there = latents.load(chosen.folder, chosen.clips)
            loss, many = _flow(there, chosen, reader, loop), len(there.clips)
    del there
    loop.run(loss, minutes=max(0.0, (until - time.monotonic()) / 60), finish=chosen.finish)
    print(f"transformer: step {loop.step}", flush=True)


def _compiled(loop: Loop, chosen: argparse.Namespace) -> None:
    worth = chosen.device != "cpu" or chosen.minutes >= _WORTH_COMPILING
    if worth if chosen.compile is None else chosen.compile:
        # A quarter quicker on a CPU. To go on to the same bits it must be on in all calls, or none.
        network: Any = loop.modules["transformer"]
        # One code for texts and given frames of any length, or which is made would depend on what
        # came first; and for all blocks, of which the first would be given bfloat16 and the others
        # float32.
        network.proj_in.register_forward_hook(lambda _, __, found: found.float())
        network.compile_repeated_blocks(dynamic=True)


def _flow(there: latents.Known, chosen: argparse.Namespace, reader: Any, loop: Loop) -> FlowLoss:
    print(f"transformer: step {loop.step}, {len(there.clips):,} clips", flush=True)
    components = Components.load(chosen.folder / COMPONENTS)
    batch = BATCH if chosen.device == "cpu" else GPU_BATCH
    return FlowLoss(there, components, reader, batch=batch)


def _holding(chosen: argparse.Namespace, reader: Any, loop: Loop) -> HoldingLoss:
    both = holding.load(chosen.folder, chosen.clips)
    print(
        f"transformer: step {loop.step}, {both.usual:,} clips and "
        f"{len(both.known.clips) - both.usual:,} with accidents",
        flush=True,
    )
    components = Components.load(chosen.folder / COMPONENTS)
    before = nets.transformer(chosen.hold).to(chosen.device)
    batch = holding.BATCH if chosen.device == "cpu" else holding.GPU_BATCH
    return HoldingLoss(both, before, components, reader, batch=batch)


# --- tuning ------------------------------------------------------------------------------------


def _rewards(chosen: argparse.Namespace) -> None:
    reader = reading.encoder(chosen.folder, chosen.from_weights)
    rewards.train(
        chosen.folder / rewards.FOLDER,
        chosen.from_weights,
        reader,
        clips=chosen.clips or rewards.CLIPS,
        minutes=chosen.minutes,
        device=chosen.device,
    )


def _tune(chosen: argparse.Namespace) -> None:
    start = chosen.from_weights
    _check_space(chosen)
    components = Components.load(start)
    reader = reading.encoder(chosen.folder, start).to(chosen.device)
    seen = rewards.load(chosen.folder / rewards.FOLDER, start, reader, chosen.device)
    known = latents.load(chosen.folder, chosen.clips)
    loop = tuning.tuning_loop(chosen.folder, start, chosen.rates, seen.expected, chosen.device)
    _compiled(loop, chosen)
    usual = FlowLoss(known, components, reader, batch=tuning.batch(chosen.device))
    tuned = tuning.Tuning(reader, seen)

    def loss(loop: Loop) -> torch.Tensor:
        if loop.step % LOG_EVERY == LOG_EVERY - 1:
            loop.note(**tuned.told(loop))
        return usual(loop) + tuning.SHARE * tuned(loop)

    loop.run(loss, minutes=chosen.minutes, finish=chosen.finish)
    print(f"tune: step {loop.step}, {tuned.told(loop)} by what it is tuned by", flush=True)


def _export(chosen: argparse.Namespace) -> None:
    from beecam.models.pollen.training.export import export

    _check_space(chosen)
    mean = None if chosen.mean_with is None else (chosen.mean_with, chosen.mean_share)
    export(chosen.folder, chosen.folder / "weights", chosen.from_weights, chosen.device, mean=mean)


def _few_steps(chosen: argparse.Namespace) -> None:
    weights = chosen.folder / "weights"
    pipe = load_pipeline(weights).to(chosen.device)
    # What other weights have taught is no lesson for these.
    walks = chosen.folder / "walks" / fewsteps.digest(weights)
    seconds = 60 * chosen.minutes
    checkpoint = walks / "few-steps.pt"
    if not checkpoint.exists():
        # What has begun to learn from some lessons goes on with the same.
        many = fewsteps.teach(pipe, walks, chosen.walks, _TEACHING * seconds)
        print(f"few-steps: {many} clips of the teacher", flush=True)
    loop = fewsteps.student_loop(pipe, checkpoint, chosen.device, chosen.from_weights)
    loop.run(fewsteps.Lessons(pipe, walks), minutes=(1 - _TEACHING) * chosen.minutes, finish=True)
    loop.settle()
    fewsteps.save(pipe, weights)
    print(f"few-steps: step {loop.step}", flush=True)


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "render": _render,
    "components": _components,
    "decoder": partial(_half, "decoder"),
    "encoder": partial(_half, "encoder"),
    "reading": _reading,
    "transformer": _transformer,
    "rewards": _rewards,
    "tune": _tune,
    "export": _export,
    "few-steps": _few_steps,
}
