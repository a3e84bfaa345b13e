"""Digests of a pipeline's weights and configuration, fast to compute."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

from beecam.models.batching.device import networks
from beecam.models.batching.owner import OwnerState, for_texts
from beecam.models.revision.processors import processor_content
from beecam.models.revision.sampled import tensors_of
from beecam.models.revision.stored import stored_by_calls
from beecam.models.weights.lora import PREFIX

_SAMPLES = 1024
_MAX_COMPLETE = 300_000  # values
_DIGITS = 16


def fingerprint(pipe: Any, set_up: Sequence[str] = ()) -> str:
    """Return 16 hexadecimal digits for a pipeline.

    Reads small tensors completely, and 1,024 evenly spaced values of each large one, so that a
    model of many gigabytes takes well under a second. Two checkpoints that agree in all of those
    are the same in practice; a change by hand to a few values of a large tensor may go unnoticed.

    Args:
        pipe: A loaded diffusers pipeline.
        set_up: What else changes its pixels, such as a cache.
    """
    digest = hashlib.sha256(type(pipe).__name__.encode())
    if set_up:
        digest.update(json.dumps(list(set_up)).encode())
    set_by_calls = stored_by_calls(type(pipe))
    for name, part in sorted(pipe.components.items()):
        _update(digest, name, part, set_by_calls)
    return digest.hexdigest()[:_DIGITS]


def text_fingerprint(pipe: Any, set_up: Sequence[str] = ()) -> str | None:
    """Return 16 hexadecimal digits for everything that can affect the encoding of a text.

    Includes tokenizers. None where weights can't be read, as in sequential offload: two encoders
    of one shape can't be distinguished then.

    Args:
        pipe: A loaded diffusers pipeline.
        set_up: What else changes its pixels; that of parts for texts counts.
    """
    digest = hashlib.sha256(type(pipe).__name__.encode())
    if for_it := [one for one in set_up if for_texts(one)]:
        digest.update(json.dumps(for_it).encode())
    set_by_calls = stored_by_calls(type(pipe))
    for name, part in sorted(pipe.components.items()):
        if not for_texts(name) or part is None:
            continue
        if any(p.device.type == "meta" for p in getattr(part, "parameters", list)()):
            return None
        _update(digest, name, part, set_by_calls)
    return digest.hexdigest()[:_DIGITS]


def marks_of(pipe: Any, owner: OwnerState, values: Sequence[str]) -> Hashable:
    """Return what differs after a change, and may differ without one.

    A run looks after each batch, since the pipeline's owner can load a LoRA or set a shift
    meanwhile. Nothing is digested: tensors count by where they are and how often they were
    written to.

    Args:
        pipe: A pipeline, while none of its calls runs on itself.
        owner: What its owner has set up on it.
        values: What was set on it, or for the whole process, in words.
    """
    parts = networks(pipe)
    return (
        owner,
        tuple((name, id(part)) for name, part in pipe.components.items()),
        tuple(values),
        str([_adapters(part) for part in parts.values()]),
        tuple(
            _mark(tensor, moves=owner.moves_weights)
            for part in parts.values()
            for module in part.modules()
            # Quicker than parameters() and buffers(), which look for what is shared.
            for tensor in (*module._parameters.values(), *module._buffers.values())  # noqa: SLF001
            if tensor is not None
        ),
    )


def _mark(tensor: Any, *, moves: bool) -> Hashable:
    if moves:  # around each call, by hooks
        return id(tensor)
    # What was made under inference_mode counts no changes.
    version = 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
    return id(tensor), version, tensor.data_ptr()


def _update(digest: Any, name: str, part: Any, set_by_calls: Collection[str]) -> None:
    """Add one component of a pipeline, whose methods set some attributes, to a digest."""
    import torch

    config = getattr(part, "config", None)
    if config is not None:
        data = config.to_dict() if hasattr(config, "to_dict") else dict(config)
        plain = {k: v for k, v in data.items() if not k.startswith("_") and "version" not in k}
        digest.update(json.dumps([name, plain], sort_keys=True, default=str).encode())
    if not isinstance(part, torch.nn.Module):
        content = processor_content(part, set_by_calls)
        digest.update(f"{name} {content}".encode("utf-8", "surrogatepass"))
        return
    adapters = _adapters(part)
    digest.update(json.dumps(adapters, sort_keys=True).encode())
    for key, tensor in sorted(_own_weights(part, adapters).items()):
        flat = tensor.detach().flatten()
        if flat.device.type == "meta":
            # Offloaded: only its name and shape are here.
            flat = flat[:0].new_empty(0, device="cpu")
        if flat.numel() > _MAX_COMPLETE:
            flat = flat[:: flat.numel() // _SAMPLES][:_SAMPLES]
        values = (flat.dequantize() if flat.is_quantized else flat).to("cpu", torch.float32)
        digest.update(f"{name}.{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(values.numpy().tobytes())


def _own_weights(part: Any, adapters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a network's weights by their names, without LoRAs that are of shots or switched off.

    Args:
        part: The network.
        adapters: Its LoRAs that are switched on, by layer.
    """
    found: dict[str, Any] = {}
    for key, tensor in tensors_of(part).items():
        layer, _, name = key.partition(".lora_")
        if not name or name.split(".")[1] in adapters.get(layer, {}).get("scaling", {}):
            found[key.replace(".base_layer.", ".")] = tensor
    return found


def _adapters(part: Any) -> dict[str, Any]:
    """Return the strengths of a network's LoRAs, which change pixels without being weights.

    Those that are switched off change none, and those of shots aren't the owner's.
    """
    found = {}
    for name, module in part.named_modules():
        scaling = vars(module).get("scaling")  # getattr is slow where a module has none
        if not isinstance(scaling, dict):
            continue
        off = bool(getattr(module, "disable_adapters", False))
        merged = list(getattr(module, "merged_adapters", ()))
        active = [] if off else list(getattr(module, "active_adapters", ()))
        scales = {
            str(one): str(scale)
            for one, scale in scaling.items()
            if one in (*merged, *active) and not str(one).startswith(PREFIX)
        }
        if scales:
            # A call of one that is switched off takes it out of the weights.
            found[name] = {"scaling": scales, "merged": merged, "off": off}
    return found
