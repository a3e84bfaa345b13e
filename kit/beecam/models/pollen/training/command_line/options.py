"""Options of the training's command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from beecam.models.pollen.networks.components import FILE as COMPONENTS
from beecam.models.pollen.training.command_line.arguments import (
    amount,
    check_stage_options,
    count,
    device,
    folder,
    weights_folder,
)
from beecam.models.pollen.training.command_line.stages import STAGES

_HELP = """\
Train pollen: `python -m beecam.models.pollen.training all --minutes 60`.

Without a stage it prints the state of the training and what each stage would do. Stages, each of
which can be stopped and resumes where it was:
    render        clips of the world, into FOLDER/clips; on a CPU one process per core
    components    principal components of the clips' blocks; latents of all clips and of their
                  mirror images, with captions
    decoder       latents to clips
    encoder       clips to latents
    text-encoder  the text encoder alone (see losses/text_encoder.py)
    transformer   the denoiser, by flow matching (arXiv 2210.02747) with caption dropout for
                  classifier-free guidance (arXiv 2207.12598)
    rewards       two networks that recognise what latents show (see rewards/networks.py)
    tune          exported weights, by these rewards (see rewards/tuning.py)
    export        FOLDER/weights, which `bc.load()` and diffusers' pipelines load
    few-steps     a LoRA for 4 steps in place of 20, added to them (see distillation.py)
    all           all but rewards and tune, one after the other, in --minutes altogether

decoder and encoder only need render and components, the transformer text-encoder too: they can be
trained in parallel.
Measured on two cores: 6,000 clips render in 12 minutes; with a core each, a step of the
transformer (32 clips, when it was 256 wide) took 1.1 s, of the decoder (2 clips) 0.12 s, of the
encoder 0.06 s. In parallel each needs OMP_NUM_THREADS=1: threads that wait for each other take
cores from the others; and with MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=4000000000
memory is reused and not cleared each time, which halves rendering time. A GPU needs torch and no
network.

Rare things are taught last: `render --accidents 4000`, `components`, and `transformer --retain`
with --from-weights, which learns accidents and retains everything else (see losses/accidents.py).

To continue from exported weights whose checkpoints are lost: `--from-weights FOLDER` with
components, decoder, encoder, transformer, export and few-steps; rewards and tune require it. To end
a training: `--finish`, which decays the learning rate to zero over --minutes.
"""
# Stages that take an option, for options that not all stages take.
_STAGES_OF = {
    "follow": ("components", "transformer"),
    "accidents": ("render",),
    "retain": ("transformer",),
    "rates": ("transformer", "tune"),
    "mean_with": ("export",),
    "mean_share": ("export",),
    "compile": ("transformer", "tune"),
    "trajectories": ("few-steps", "all"),
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
_MAX_RATES = 10.0
_TUNING_RATES = 0.1


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the parsed options; exit with a message if they are inconsistent.

    >>> parse(["render", "--clips", "8"]).clips
    8
    """
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.training",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common_options(parser)
    _add_stage_options(parser)
    options = parser.parse_args(arguments)
    check_stage_options(parser, options, _STAGES_OF)
    _check(parser, options)
    if options.rates is None:
        options.rates = _TUNING_RATES if options.stage == "tune" else 1.0
    if options.retain is True:
        options.retain = options.from_weights
    return options


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", nargs="?", choices=(*STAGES, "all"))
    parser.add_argument("--folder", type=folder, default=Path(".pollen"), help="of the training")
    parser.add_argument("--minutes", type=amount(), default=30.0, help="training time")
    parser.add_argument(
        "--clips",
        type=count(1),
        help="clips to render (default 8,000), and at most to train on (default all)",
    )
    parser.add_argument(
        "--trajectories", type=count(1), default=3200, help="clips of the teacher for few-steps"
    )
    parser.add_argument(
        "--device", type=device, default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--from-weights", type=weights_folder, help="start from exported weights")


def _add_stage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--follow",
        action="store_true",
        help="components and transformer (for half its minutes): while --clips are still rendered",
    )
    parser.add_argument(
        "--accidents",
        type=count(0),
        default=0,
        help="render: the number of additional clips with accidents",
    )
    parser.add_argument(
        "--retain",
        nargs="?",
        type=weights_folder,
        const=True,
        help="transformer: learn accidents, and for everything else retain the predictions of "
        "these weights with a little guidance (default: of --from-weights)",
    )
    parser.add_argument("--finish", action="store_true", help="decay the learning rate to zero")
    parser.add_argument(
        "--mean-with",
        type=weights_folder,
        metavar="WEIGHTS",
        help="export: a weighted mean of the denoiser's weights and of these, from which it was "
        "fine-tuned (WiSE-FT, arXiv 2109.01903)",
    )
    parser.add_argument(
        "--mean-share",
        type=amount(1),
        default=_MEAN_SHARE,
        help="weight of these in the mean (%(default)s)",
    )
    parser.add_argument(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="the transformer's blocks (default: on a GPU, and from 10 minutes on)",
    )
    parser.add_argument(
        "--rates",
        type=amount(_MAX_RATES),
        help="factor of the learning rates: of transformer (default 1), for example 0.3 to "
        f"fine-tune, and of tune (default {_TUNING_RATES:g})",
    )


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.mean_with is None and options.mean_share != _MEAN_SHARE:
        parser.error("--mean-share: needs --mean-with")
    if options.retain is not None and (options.from_weights is None or options.follow):
        parser.error("--retain: needs --from-weights, and all clips from the start (no --follow)")
    written_here = options.stage == "components" and options.from_weights
    if options.follow and not written_here and not (options.folder / COMPONENTS).exists():
        parser.error(
            f"--follow: {options.folder / COMPONENTS} must exist: run `components` "
            "with --from-weights, or with other clips"
        )
    if options.from_weights is None and options.stage in ("rewards", "tune"):
        parser.error(f"--from-weights: {options.stage} needs the exported weights to tune")
