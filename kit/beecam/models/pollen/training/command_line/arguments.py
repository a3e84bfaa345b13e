"""Argument types of the command lines of training and evaluation."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import torch


def count(minimum: int) -> Callable[[str], int]:
    """Return an argument type: integers of at least `minimum`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{text!r} must be an integer, {minimum} or more")
        return number

    return read


def amount(maximum: float = math.inf) -> Callable[[str], float]:
    """Return an argument type: numbers greater than 0 and at most `maximum`."""
    limit = f" and at most {maximum:g}" if maximum < math.inf else ""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number <= maximum or number == math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} must be a number greater than 0{limit}")
        return number

    return read


def folder(text: str) -> Path:
    """Return a folder, which need not exist; raise if it or a parent is a file."""
    path = Path(text)
    for one in (path, *path.parents):
        if one.exists() and not one.is_dir():
            raise argparse.ArgumentTypeError(f"{str(one)!r} is a file; a folder is needed")
    return path


def weights_folder(text: str) -> Path:
    """Return a folder with a pipeline, as the stage `export` of the training writes it."""
    path = Path(text)
    if not (path / "model_index.json").exists():
        raise argparse.ArgumentTypeError(
            f"{text}: it has no model_index.json, so it isn't a folder of exported weights"
        )
    return path


def existing_file(text: str) -> Path:
    """Return a file that exists."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{text}: the file does not exist")
    return path


def file_to_write(text: str) -> Path:
    """Return the path of a file to write, which need not exist."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: it is a folder; a file name is needed")
    folder(str(path.parent))
    return path


def device(text: str) -> str:
    """Return an available torch device."""
    available = ["cpu"]
    if torch.cuda.is_available():
        available += ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count()))]
    if text not in available:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an available device; choose from {', '.join(available)}"
        )
    return text


def check_stage_options(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    stages: Mapping[str, Collection[str]],
) -> None:
    """Exit with a message if an option was given to a stage that doesn't take it.

    Args:
        parser: The parser.
        options: The parsed options, with the stage.
        stages: For each option the stages that take it.
    """
    for name, takers in stages.items():
        if getattr(options, name) != parser.get_default(name) and options.stage not in takers:
            parser.error(f"--{name.replace('_', '-')}: only for {', '.join(takers)}")
