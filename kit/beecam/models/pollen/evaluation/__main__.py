"""Evaluate pollen: `python -m beecam.models.pollen.evaluation`.

Classifiers that were trained on rendered clips only classify clips generated from captions. They
are measured themselves, on rendered clips that they have not seen. Prints a table and writes the
scores as JSON, with 95 % intervals (Wilson's).

Stages: `classifiers` trains the classifiers, `score` (the default) uses them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from beecam.models.pollen.evaluation import classifiers as files
from beecam.models.pollen.evaluation.score import score, score_classifiers
from beecam.models.pollen.evaluation.table import table
from beecam.models.pollen.networks.classifier import (
    ACCIDENT_FRAMES,
    MOTION,
    MOTION_FRAMES,
    MOTION_PIXELS,
    STILL,
    STILL_FRAMES,
    VALUES,
    Classifier,
    reduce_for_motion,
    select_frames,
)
from beecam.models.pollen.networks.pipeline import WEIGHTS
from beecam.models.pollen.training.command_line.arguments import (
    check_stage_options,
    count,
    device,
    existing_file,
    file_to_write,
    folder,
    weights_folder,
)
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.world.splits import UNSEEN

# Stages that take an option, for options that not all stages take.
_STAGES_OF = {
    "only": ("classifiers",),
    "from_classifiers": ("classifiers",),
    "stills": ("classifiers",),
    "moving": ("classifiers",),
    "accidents": ("classifiers",),
    "random": ("classifiers",),
    "classifiers": ("score",),
    "weights": ("score",),
    "clips": ("score",),
    "steps": ("score",),
    "json": ("score",),
}
# Further clips of a kind: which classifiers use them, their first seed, and how they are rendered.
_FURTHER_CLIPS: Mapping[str, tuple[Sequence[str], int, Mapping[str, int]]] = {
    "stills": (STILL, UNSEEN // 2, {"frames": STILL_FRAMES}),
    "moving": ((MOTION,), UNSEEN // 4, {"frames": MOTION_FRAMES, "size": MOTION_PIXELS}),
    "random": (("accident",), UNSEEN // 32, {"frames": ACCIDENT_FRAMES}),
    "accidents": (("accident",), UNSEEN // 8, {"frames": ACCIDENT_FRAMES, "accidents": True}),
}


def main(arguments: list[str] | None = None) -> None:
    """Train the classifiers, or score a set of weights.

    >>> main(["score", "--clips", "1000"])  # doctest: +SKIP
    """
    options = _parse(arguments)
    if options.device != "cpu":
        torch.backends.cudnn.benchmark = True
    if options.stage == "classifiers":
        _train_classifiers(options)
        return
    scores = score(
        options.weights,
        options.clips,
        options.steps,
        options.folder,
        device=options.device,
        file=options.classifiers,
    )
    print(table(scores))
    target = options.json or options.folder / "scores.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(scores, indent=1) + "\n")


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the parsed options; exit with a message if they are inconsistent."""
    parser = argparse.ArgumentParser(
        prog="python -m beecam.models.pollen.evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("stage", nargs="?", default="score", choices=["classifiers", "score"])
    add("--folder", type=folder, default=Path(".pollen"), help="of the training")
    add("--weights", type=weights_folder, default=WEIGHTS)
    add("--clips", type=count(8), default=240, help="clips to generate and classify")
    add("--stills", type=count(0), default=8000, help="further clips of few frames to train on")
    add("--moving", type=count(0), default=16000, help="further small clips")
    add("--random", type=count(0), default=6000, help="further random clips")
    add("--accidents", type=count(0), default=6000, help="further clips with accidents")
    add(
        "--classifiers",
        type=existing_file,
        default=files.FILE,
        help="score with those of this file",
    )
    add("--from-classifiers", type=existing_file, help="fine-tune the classifiers of this file")
    add(
        "--only",
        nargs="+",
        choices=list(VALUES),
        metavar="CLASSIFIER",
        help="train these classifiers only; a file of all is written with --from-classifiers, "
        "which has the others",
    )
    add("--steps", type=count(1), default=20)
    add("--device", type=device, default="cuda" if torch.cuda.is_available() else "cpu")
    add("--json", type=file_to_write, help="where to write the scores")
    options = parser.parse_args(arguments)
    check_stage_options(parser, options, _STAGES_OF)
    return options


def _train_classifiers(options: argparse.Namespace) -> None:
    others = files.load(options.from_classifiers) if options.from_classifiers else {}
    trained = {
        name: _train_classifier(name, options, others.get(name)) for name in options.only or VALUES
    }
    every = {**others, **trained}
    if len(every) == len(VALUES):
        file = options.folder / files.FILE.name
        files.save(every, file)
        print(f"{file}: score with --classifiers, or put it beside this program", flush=True)
    else:
        print(
            "run it without --only, with the same other options, to write all classifiers to a "
            "file",
            flush=True,
        )
    for name, (right, clips) in score_classifiers(trained, 300).items():
        print(f"{name}: {right} of {clips} unseen rendered clips", flush=True)


def _train_classifier(
    name: str, options: argparse.Namespace, start: Classifier | None
) -> Classifier:
    """Train one classifier, on further clips rendered just as far as it sees them."""
    folder, device = options.folder, options.device
    clips, scenes = clip_files.load(folder / "clips")
    clips = reduce_for_motion(clips) if name == MOTION else select_frames(clips, name)
    for kind, (users, first, how) in _FURTHER_CLIPS.items():
        number = getattr(options, kind)
        if name in users and number:
            clip_files.render_parallel(folder / kind, number, device, first=first, **how)
            more, more_scenes = clip_files.load(folder / kind)
            clips = torch.cat([clips, select_frames(more, name)])
            scenes += more_scenes
    return files.train_classifier(name, clips, scenes, folder, device, start=start)


if __name__ == "__main__":
    main()
