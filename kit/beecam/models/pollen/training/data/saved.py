"""Files of a training: tensors and logs, with messages for damaged ones."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

from beecam.errors import first_line

# torch.load takes unknown bytes for a pickle, which can fail in any of these ways.
_DAMAGE = (
    RuntimeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    pickle.UnpicklingError,
)


def tensors(path: Path, *, mmap: bool = False) -> Any:
    """Load a file that `torch.save` has written.

    Args:
        path: The file.
        mmap: Read the file lazily.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is truncated, or in another format.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except _DAMAGE as error:
        raise ValueError(
            f"{path}: it can't be read ({first_line(error)}); "
            "remove it, and it will be written again."
        ) from error


def log_lines(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a training's log, without incomplete ones; empty if it doesn't exist."""
    found = []
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
