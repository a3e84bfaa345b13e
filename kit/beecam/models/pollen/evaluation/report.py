"""Draw the images of pollen's card: `python -m beecam.models.pollen.evaluation.report`.

Draws the scores of the evaluation beside their targets, with the loss curve of the training (the
one that ships, or with --curve that of --folder); and a contact sheet of random captions, each with
the first clip that pollen generates from it.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import textwrap
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from beecam.models.pollen.evaluation.table import SCORES, TARGETS
from beecam.models.pollen.networks.pipeline import WEIGHTS, generate, load_pipeline
from beecam.models.pollen.training.command_line.arguments import (
    existing_file,
    file_to_write,
    folder,
    weights_folder,
)
from beecam.models.pollen.training.data import saved
from beecam.models.pollen.world import captions
from beecam.models.pollen.world.splits import UNSEEN, scenes

CURVE = Path(__file__).parent / "curve.json"
_POINTS = 200
_COLUMNS, _ROWS = 6, 8
_SHOWN = 3  # frames of each clip


def main(arguments: list[str] | None = None) -> None:
    """Draw both images."""
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.evaluation.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=folder, default=Path(".pollen"), help="of the training")
    parser.add_argument("--weights", type=weights_folder, default=WEIGHTS)
    parser.add_argument("--scores", type=existing_file, default=SCORES)
    parser.add_argument(
        "--curve", type=file_to_write, help="draw the curve of --folder, and write it to this file"
    )
    parser.add_argument("--images", type=folder, default=Path("docs/pictures"))
    options = parser.parse_args(arguments)
    try:
        scores = json.loads(options.scores.read_text())
    except ValueError:
        parser.error(f"--scores {options.scores}: it isn't a file of the evaluation's scores")
    curve = json.loads(CURVE.read_text())
    if options.curve is not None:
        log = options.folder / "transformer.jsonl"
        curve = curve_of(log)
        if not curve:
            parser.error(
                f"--curve: {log} has no steps; --folder must be the folder of the training"
            )
        options.curve.write_text(json.dumps(curve) + "\n")
    options.images.mkdir(parents=True, exist_ok=True)
    draw_scores(scores, curve, options.images / "pollen_scores.png")
    draw_captions(options.weights, options.images / "pollen_captions.jpg")
    print(f"pollen_scores.png and pollen_captions.jpg in {options.images}")


def curve_of(log: Path) -> list[dict[str, float]]:
    """Return the loss curve of a training, with some 200 points.

    Args:
        log: The log of its loop.

    Returns:
        Points with a step and its loss.
    """
    # Steps that were repeated after an interruption are there twice: the last ones count.
    losses = {one["step"]: round(one["loss"], 4) for one in saved.log_lines(log) if "loss" in one}
    points = [{"step": step, "loss": losses[step]} for step in sorted(losses)]
    every = max(1, len(points) // _POINTS)
    return points[every - 1 :: every]


def draw_scores(
    scores: Mapping[str, Any], curve: Sequence[Mapping[str, float]], path: Path
) -> None:
    """Draw shares with their intervals and targets, accidents, and the loss curve.

    Args:
        scores: As `score` returns them.
        curve: As `curve_of` returns it.
        path: Image file to write.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 6.4), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=[1.6, 1])
        _draw_attributes(figure.add_subplot(grid[0, :]), scores)
        _draw_accidents(figure.add_subplot(grid[1, 0]), scores)
        _draw_curve(figure.add_subplot(grid[1, 1]), curve)
        figure.savefig(path, dpi=110)


def _draw_attributes(axes: Any, scores: Mapping[str, Any]) -> None:
    columns = (
        ("seen", "seen combinations", "#d98b00"),
        ("held_out", "held out", "#3b6fb6"),
        ("any_words", "any words", "#5a9a5a"),
        ("few_steps", "in 4 steps", "#8d5aa8"),
    )
    rows = [row for row in columns if row[0] in scores]
    for i, (key, label, colour) in enumerate(rows):
        found = [scores[key][name] for name in TARGETS]
        positions = [j + (i - (len(rows) - 1) / 2) * 0.19 for j in range(len(found))]
        shares = [100 * one["share"] for one in found]
        errors = [
            [100 * (one["share"] - one["low"]) for one in found],
            [100 * (one["high"] - one["share"]) for one in found],
        ]
        axes.bar(positions, shares, 0.17, yerr=errors, color=colour, label=label, ecolor="#555")
    for j, target in enumerate(TARGETS.values()):
        axes.plot(
            [j - 0.45, j + 0.45],
            [100 * target] * 2,
            color="black",
            lw=1.4,
            label="target" if j == 0 else None,
        )
    axes.set_xticks(range(len(TARGETS)), list(TARGETS))
    axes.set_ylim(0, 102)
    axes.set_ylabel("% of clips as asked for")
    axes.legend(loc="lower center", ncols=5, bbox_to_anchor=(0.5, 1.0), frameon=False)


def _draw_accidents(axes: Any, scores: Mapping[str, Any]) -> None:
    kinds = scores["accidents"]
    for i, (side, label, colour) in enumerate(
        (("generated", "pollen", "#d98b00"), ("rendered", "its world", "#888888"))
    ):
        found = [kind[side] for kind in kinds.values()]
        positions = [j + (i - 0.5) * 0.38 for j in range(len(found))]
        shares = [100 * one["share"] for one in found]
        errors = [
            [100 * (one["share"] - one["low"]) for one in found],
            [100 * (one["high"] - one["share"]) for one in found],
        ]
        axes.bar(positions, shares, 0.36, yerr=errors, color=colour, label=label, ecolor="#555")
    axes.set_xticks(range(len(kinds)), [name.replace(" ", "\n") for name in kinds], fontsize=8)
    axes.set_ylabel("% of clips with an accident")
    axes.legend(loc="upper left", frameon=False)


def _draw_curve(axes: Any, curve: Sequence[Mapping[str, float]]) -> None:
    axes.plot([one["step"] for one in curve], [one["loss"] for one in curve], color="#3b6fb6")
    axes.set_xlabel("steps of the denoiser's training")
    axes.set_ylabel("loss")
    if curve:
        axes.set_ylim(min(one["loss"] for one in curve) * 0.95, 1.5)


def draw_captions(weights: Path, path: Path) -> None:
    """Draw a sheet of random captions, with one generated clip of each."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rng = random.Random(48)
    chosen = list(islice(scenes(UNSEEN * 5), _COLUMNS * _ROWS))
    texts = [captions.caption(scene.attributes, rng) for scene in chosen]
    # Any unknown word is the same token.
    texts = [re.sub(rf"\b{captions.UNKNOWN}\b", "wibbly", text) for text in texts]
    clips = generate(load_pipeline(weights), texts, first_seed=30_000)
    indices = torch.linspace(0, clips.shape[1] - 1, _SHOWN).round().long()
    strips = clips[:, indices].permute(0, 2, 1, 3, 4).flatten(2, 3).numpy()
    with mpl.rc_context({"font.size": 6.2}):
        figure = Figure(figsize=(15, 9.6), layout="constrained")
        for axes, strip, text in zip(
            figure.subplots(_ROWS, _COLUMNS).flat, strips, texts, strict=True
        ):
            axes.imshow(strip, interpolation="nearest")
            axes.set_axis_off()
            axes.set_title("\n".join(textwrap.wrap(text, 44)[:3]), pad=2)
        figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})


if __name__ == "__main__":
    main()
