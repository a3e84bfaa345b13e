"""What trainings have stored, read with words for what is damaged."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import torch

# Bytes that are none of torch's are taken for a pickle, which can fail in any of these ways.
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
    """Load what `torch.save` has written.

    Args:
        path: Of the file.
        mmap: Read what is used, when it is used.

    Raises:
        FileNotFoundError: It isn't there.
        ValueError: It is cut off, or something else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except _DAMAGE as error:
        raise ValueError(
            f"{path}: it can't be read ({str(error).splitlines()[0] if str(error) else 'empty'}); "
            "remove it, and it is made again."
        ) from error


def lines(log: Path) -> list[dict[str, Any]]:
    """Return the lines of a training's log, where its last one was cut without that."""
    found = []
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
