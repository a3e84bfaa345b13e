"""The state of a training, and what each stage would do."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from beecam.models.pollen.training.command_line.stages import DEFAULT_CLIPS
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents, saved
from beecam.models.pollen.training.rewards import rewards, tuning


def plan(options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each stage.

    Args:
        options: As the command line's parser returns them.
    """
    folder = options.folder
    rendered = clip_files.SHARD * len(list((folder / "clips").glob("clips-*.pt")))
    yield f"render        {rendered:,} of {options.clips or DEFAULT_CLIPS:,} clips exist"
    yield (
        f"components    {latents.count(folder):,} clips have latents; takes two minutes for 6,000"
    )
    stages = (
        "decoder",
        "encoder",
        "text-encoder",
        "transformer",
        "rewards",
        tuning.NAME,
        "few-steps",
    )
    for stage in stages:
        step = last_step(_log_of(folder, stage))
        state = f"step {step:,} of its training" if step else "no step yet"
        yield f"{stage:13} {state}; would train for {options.minutes:g} minutes"
    exported = folder / "weights" / "model_index.json"
    yield f"export        {'exists' if exported.exists() else 'does not exist yet'}; takes a minute"


def _log_of(folder: Path, stage: str) -> Path:
    """Return the latest log of a stage; the LoRA of each set of weights has one of its own."""
    if stage == "rewards":
        return folder / rewards.FOLDER / "motion.jsonl"
    name = f"{stage.replace('text-encoder', 'text_encoder')}.jsonl"
    logs = [folder / name, *(folder / "trajectories").glob(f"*/{name}")]
    return max(logs, key=lambda log: log.stat().st_mtime if log.exists() else 0.0)


def last_step(log: Path) -> int:
    """Return the last step in a training's log, 0 if there is none."""
    return max((int(line.get("step", 0)) for line in saved.log_lines(log)), default=0)
