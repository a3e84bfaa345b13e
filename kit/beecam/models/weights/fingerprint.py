"""A digest of a pipeline's weights and configuration: quick, and different when either is."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from beecam.models.weights.lora import PREFIX

_SAMPLES = 1024
_WHOLE = 300_000  # numbers
_DIGITS = 16
# Parts by how their names begin; whatever else a pipeline has may have to do with texts.
_NOT_FOR_TEXTS = (
    "transformer",
    "unet",
    "vae",
    "scheduler",
    "audio_vae",
    "vocoder",
    "motion_adapter",
)


def fingerprint(pipe: Any) -> str:
    """Return 16 hexadecimal digits for a pipeline.

    Reads small tensors whole, and 1,024 evenly spaced numbers of each large one, so that a model
    of many gigabytes takes well under a second. Two checkpoints that agree in all of those are
    the same in practice; a change made by hand to few numbers of a large tensor may go unseen.

    Args:
        pipe: A loaded diffusers pipeline.
    """
    digest = hashlib.sha256(type(pipe).__name__.encode())
    for name, part in sorted(pipe.components.items()):
        _take(digest, name, part)
    return digest.hexdigest()[:_DIGITS]


def text_fingerprint(pipe: Any) -> str | None:
    """Return 16 digits for all of a pipeline that can have a part in encoding a text.

    Tokenizers count as well. None where weights can't be read, as in sequential offload: two
    encoders of one shape can't be told apart then.

    Args:
        pipe: A loaded diffusers pipeline.
    """
    digest = hashlib.sha256(type(pipe).__name__.encode())
    for name, part in sorted(pipe.components.items()):
        if name.startswith(_NOT_FOR_TEXTS) or part is None:
            continue
        if any(p.device.type == "meta" for p in getattr(part, "parameters", list)()):
            return None
        _take(digest, name, part)
        words = getattr(part, "tokenizer", part)
        if hasattr(words, "get_vocab"):
            fast = getattr(words, "backend_tokenizer", None)
            known = fast.to_str() if fast is not None else sorted(words.get_vocab().items())
            settings = sorted(vars(words).get("init_kwargs", {}).items())
            more = (words.padding_side, words.model_max_length, settings)
            digest.update(f"{name} {type(words).__name__} {known} {more}".encode())
    return digest.hexdigest()[:_DIGITS]


def _take(digest: Any, name: str, part: Any) -> None:
    """Add one part of a pipeline to a digest."""
    import torch

    config = getattr(part, "config", None)
    if config is not None:
        data = config.to_dict() if hasattr(config, "to_dict") else dict(config)
        plain = {k: v for k, v in data.items() if not k.startswith("_") and "version" not in k}
        digest.update(json.dumps([name, plain], sort_keys=True, default=str).encode())
    if not isinstance(part, torch.nn.Module):
        return
    digest.update(json.dumps(_adapters(part), sort_keys=True).encode())
    for key, tensor in sorted(_own_weights(part).items()):
        flat = tensor.detach().flatten()
        if flat.device.type == "meta":
            # Moved away, as offloading does: its name and shape are all that is here.
            flat = flat[:0].new_empty(0, device="cpu")
        if flat.numel() > _WHOLE:
            flat = flat[:: flat.numel() // _SAMPLES][:_SAMPLES]
        some = flat.to("cpu", torch.float32)
        digest.update(f"{name}.{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(some.numpy().tobytes())


def _own_weights(part: Any) -> dict[str, Any]:
    """Return a network's weights as they are named without the LoRAs that shots ask for."""
    return {
        key.replace(".base_layer.", "."): tensor
        for key, tensor in part.state_dict().items()
        if f".{PREFIX}" not in key
    }


def _adapters(part: Any) -> dict[str, Any]:
    """Return how strong a network's adapters are: that is no weight, and changes pixels."""
    found = {}
    for name, module in part.named_modules():
        scaling = getattr(module, "scaling", None)
        if not isinstance(scaling, dict):
            continue
        scales = {str(k): str(v) for k, v in scaling.items() if not str(k).startswith(PREFIX)}
        if scales:
            active = getattr(module, "active_adapters", None) or []
            found[name] = {
                "scaling": scales,
                "active": str([one for one in active if not str(one).startswith(PREFIX)]),
                "merged": str(getattr(module, "merged", None)),
            }
    return found
