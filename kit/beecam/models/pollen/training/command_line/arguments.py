"""What the command lines of the training programs have in common."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch


def count(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers that are not below `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, {least} or more")
        return number

    return read


def amount(most: float = math.inf) -> Callable[[str], float]:
    """Return a reader of numbers over 0 that are not above `most`."""
    limit = f" and at most {most:g}" if most < math.inf else ""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= most or number == math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} must be a number over 0{limit}")
        return number

    return read


def folder(text: str) -> Path:
    """Read a folder, which need not be there, but must not be a file."""
    path = Path(text)
    for there in (path, *path.parents):
        if there.exists() and not there.is_dir():
            raise argparse.ArgumentTypeError(f"{str(there)!r} is a file; a folder is needed")
    return path


def weights_folder(text: str) -> Path:
    """Read a folder with a pipeline, as the stage `export` of the training writes it."""
    path = Path(text)
    if not (path / "model_index.json").exists():
        raise argparse.ArgumentTypeError(
            f"{text}: it has no model_index.json, so no exported weights"
        )
    return path


def existing_file(text: str) -> Path:
    """Read a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: there is no such file")
    return path


def file_to_write(text: str) -> Path:
    """Read the name of a file, which need not be there."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: it is a folder; a file's name is needed")
    folder(str(path.parent))
    return path


def device(text: str) -> str:
    """Read a device of torch's that is there."""
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if text not in there:
        raise argparse.ArgumentTypeError(f"{text!r} is no device here; there is {', '.join(there)}")
    return text


def only_of(
    parser: argparse.ArgumentParser,
    chosen: argparse.Namespace,
    stages: Mapping[str, Collection[str]],
) -> None:
    """End the program where an option was given to a stage that has no use for it."""
    for name, those in stages.items():
        if getattr(chosen, name) != parser.get_default(name) and chosen.stage not in those:
            parser.error(f"--{name.replace('_', '-')}: only of {', '.join(those)}")
