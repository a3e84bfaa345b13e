"""Checkpoints of a batch, clip by clip: tensors and plain values to arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from beecam.errors import CheckError, ModelError, Problem
from beecam.models.model import Checkpoint


def split(parts: dict[str, Any], step: int, batch: int) -> list[Checkpoint]:
    """Return the checkpoint of each clip in a batch.

    Args:
        parts: Nested dicts and lists of tensors, numbers and strings. "generators" has an entry
            per clip; elsewhere, tensors as long as the batch has clips have a row per clip.
        step: Steps done.
        batch: How many clips the batch has.
    """
    checkpoints = []
    for position in range(batch):
        arrays: dict[str, Any] = {}
        own = {**parts, "generators": parts["generators"][position]}
        notes = _flat(own, "", position, batch, arrays)
        checkpoints.append(Checkpoint(step, batch, position, arrays, {"parts": notes}))
    return checkpoints


def join(checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """Return the state of a batch from its clips' checkpoints; the inverse of `split`.

    Raises:
        CheckError: They are not of the same step of the same kind of batch.
    """
    if len({(one.step, repr(one.notes["parts"])) for one in checkpoints}) != 1:
        reason = "starts: only clips that are at the same step can resume in one batch."
        raise CheckError([Problem("starts", reason)])
    each = [_restored(one.notes["parts"], one.arrays) for one in checkpoints]
    generators = [one.pop("generators").tensor for one in each]
    joined: dict[str, Any] = _joined(each)
    return {**joined, "generators": generators}


def _flat(value: Any, name: str, position: int, batch: int, arrays: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _flat(v, f"{name}.{k}", position, batch, arrays) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flat(v, f"{name}.{i}", position, batch, arrays) for i, v in enumerate(value)]
    if hasattr(value, "detach"):
        rows = value.ndim > 0 and len(value) == batch and not name.startswith(".generators")
        own = (value[position : position + 1] if rows else value).detach().cpu()
        arrays[name], kind = _to_numpy(own)
        return {"array": name, "kind": kind, "rows": rows}
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name, "kind": "numpy", "rows": False}
    raise ModelError(f"a scheduler stores {type(value).__name__}, which can't be stored.")


def _restored(value: Any, arrays: Any) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return _Rows(_from_numpy(arrays[value["array"]], value["kind"]), value["rows"])
        return {k: _restored(v, arrays) for k, v in value.items()}
    return [_restored(v, arrays) for v in value] if isinstance(value, list) else value


class _Rows:
    """A tensor, and whether it has a row per clip."""

    def __init__(self, tensor: Any, rows: bool) -> None:
        self.tensor = tensor
        self.rows = rows


def _joined(each: Sequence[Any]) -> Any:
    import torch

    first = each[0]
    if isinstance(first, _Rows):
        return torch.cat([one.tensor for one in each]) if first.rows else first.tensor
    if isinstance(first, dict):
        return {k: _joined([one[k] for one in each]) for k in first}
    if isinstance(first, list):
        return [_joined([one[i] for one in each]) for i in range(len(first))]
    return first


def _to_numpy(tensor: Any) -> tuple[Any, str]:
    import torch

    kind = str(tensor.dtype).removeprefix("torch.")
    # NumPy has no bfloat16: its bits are stored as integers.
    plain = tensor.view(torch.int16) if kind == "bfloat16" else tensor
    return plain.contiguous().numpy().copy(), kind


def _from_numpy(array: Any, kind: str) -> Any:
    import torch

    if kind == "numpy":
        return array
    tensor = torch.from_numpy(np.array(array))
    return tensor.view(torch.bfloat16) if kind == "bfloat16" else tensor
