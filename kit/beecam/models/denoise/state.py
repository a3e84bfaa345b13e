"""Where a call stands, clip by clip: tensors and small facts to arrays and JSON, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from beecam.errors import ModelError
from beecam.models.model import Checkpoint


def split(parts: dict[str, Any], step: int, batch: int) -> list[Checkpoint]:
    """Take a call's state apart.

    Args:
        parts: Nested dicts and lists of tensors, numbers and texts. In "generators" there is an
            entry for each clip; elsewhere, tensors as long as the call has clips have a row each.
        step: Steps done.
        batch: How many clips the call has.
    """
    states = []
    for place in range(batch):
        arrays: dict[str, Any] = {}
        own = {**parts, "generators": parts["generators"][place]}
        notes = _flat(own, "", place, batch, arrays)
        states.append(Checkpoint(step, batch, place, arrays, {"parts": notes}))
    return states


def join(states: Sequence[Checkpoint]) -> dict[str, Any]:
    """Put clips' states together as `split` takes them.

    Raises:
        ModelError: They are not of the same step of the same kind of call.
    """
    if len({(state.step, repr(state.notes["parts"])) for state in states}) != 1:
        raise ModelError("only clips that stand at the same step can go on in one call.")
    each = [_whole(state.notes["parts"], state.arrays) for state in states]
    generators = [one.pop("generators").tensor for one in each]
    joined: dict[str, Any] = _joined(each)
    return {**joined, "generators": generators}


def _flat(value: Any, name: str, place: int, batch: int, arrays: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _flat(v, f"{name}.{k}", place, batch, arrays) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flat(v, f"{name}.{i}", place, batch, arrays) for i, v in enumerate(value)]
    if hasattr(value, "detach"):
        rows = value.ndim > 0 and len(value) == batch and not name.startswith(".generators")
        own = (value[place : place + 1] if rows else value).detach().cpu()
        arrays[name], kind = _to_numpy(own)
        return {"array": name, "kind": kind, "rows": rows}
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {"array": name, "kind": "numpy", "rows": False}
    raise ModelError(f"a scheduler keeps {type(value).__name__}, which can't be stored.")


def _whole(value: Any, arrays: Any) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return _Rows(_from_numpy(arrays[value["array"]], value["kind"]), value["rows"])
        return {k: _whole(v, arrays) for k, v in value.items()}
    return [_whole(v, arrays) for v in value] if isinstance(value, list) else value


class _Rows:
    """A tensor, and whether it has a row for each clip."""

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
    # NumPy has no bfloat16: its bits travel as whole numbers.
    plain = tensor.view(torch.int16) if kind == "bfloat16" else tensor
    return plain.contiguous().numpy().copy(), kind


def _from_numpy(array: Any, kind: str) -> Any:
    import torch

    if kind == "numpy":
        return array
    tensor = torch.from_numpy(np.array(array))
    return tensor.view(torch.bfloat16) if kind == "bfloat16" else tensor
