"""The outputs of large text encoders on disk: one safetensors file per text, for all kernels.

No text is stored: a file is named by a digest of the encoder, the text and all arguments. Losing a
file, or a damaged one, only costs the time to encode its text again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from beecam._util.cache import cache_folder
from beecam._util.files import atomic_write, remove_partial_files, remove_quietly
from beecam.models.batching.device import environment_key, networks
from beecam.models.revision.fingerprint import text_fingerprint

# Smaller encoders are faster than a disk.
LARGE = 100_000_000  # parameters
_MAX_BYTES = 2_000_000_000


def cache_for(pipe: Any, set_up: Sequence[str] = ()) -> EmbeddingCache | None:
    """Return the cache of a pipeline's encoded texts, or None where it isn't worthwhile.

    Args:
        pipe: A loaded diffusers pipeline.
        set_up: What else than weights and settings decides its pixels, in words.
    """
    large = sum(p.numel() for part in encoders(pipe).values() for p in part.parameters())
    if large < LARGE:
        return None
    encoder = text_fingerprint(pipe, set_up)
    if encoder is None:
        return None
    return EmbeddingCache(cache_folder() / "texts", f"{encoder}; {environment_key(pipe)}")


def encoders(pipe: Any) -> dict[str, Any]:
    """Return a pipeline's text encoders by their names."""
    return {n: part for n, part in networks(pipe).items() if n.startswith("text_encoder")}


class EmbeddingCache:
    """The encoded texts of one encoder."""

    def __init__(self, folder: Path, encoder: str) -> None:
        """Use a folder, which is created with the first file.

        Args:
            folder: The folder, shared by all encoders.
            encoder: Identifies the encoder and its environment, which decides the last bits.
        """
        self._folder = folder
        self._encoder = encoder

    def get(self, key: str) -> Any:
        """Return a stored output, on its device; None if it isn't stored."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                shape = json.loads(file.metadata()["shape"])
                found = _read(shape, file)
            os.utime(path)
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError):
            remove_quietly(path)
            return None
        return found

    def put(self, key: str, found: Any) -> Any:
        """Store an output, and return it as `get` will."""
        from safetensors.torch import save

        tensors: dict[str, Any] = {}
        try:
            shape = _apart(found, tensors)
        except TypeError:
            return found
        data = save(
            {name: t.detach().cpu() for name, t in tensors.items()}, {"shape": json.dumps(shape)}
        )
        with contextlib.suppress(OSError):
            with atomic_write(self._path(key), lasting=False) as temporary:
                temporary.write_bytes(data)
            self._tidy()
        return _together(shape, tensors)

    def _path(self, key: str) -> Path:
        digest = hashlib.sha256(f"{self._encoder}\n{key}".encode()).hexdigest()
        return self._folder / f"{digest[:40]}.safetensors"

    def _tidy(self) -> None:
        """Remove the least recently used files until the rest is small enough."""
        remove_partial_files(self._folder)
        files = [(path.stat(), path) for path in self._folder.glob("*.safetensors")]
        files.sort(key=lambda one: one[0].st_mtime_ns)
        room = _MAX_BYTES - sum(known.st_size for known, _ in files)
        for known, path in files[:-1]:
            if room >= 0:
                break
            remove_quietly(path)
            room += known.st_size


def _apart(value: Any, tensors: dict[str, Any]) -> Any:
    """Return JSON data for a value, and collect its tensors.

    Raises:
        TypeError: It holds something that can't be stored.
    """
    import torch

    if type(value) in (list, tuple):
        return [type(value).__name__, [_apart(one, tensors) for one in value]]
    if type(value) is dict and all(isinstance(name, str) for name in value):
        return ["dict", {name: _apart(one, tensors) for name, one in value.items()}]
    if type(value) is torch.Tensor:
        name = str(len(tensors))
        # Contiguous as in a file: sums over other layouts may end in other bits.
        tensors[name] = value.detach().contiguous()
        return ["tensor", [name, str(value.device)]]
    if isinstance(value, (str, int, float, bool, type(None))):
        return ["plain", value]
    raise TypeError(type(value).__name__)


def _read(shape: Any, file: Any) -> Any:
    """Read the tensors that a value's JSON data names, and rebuild it."""
    names = list(file.keys())
    return _together(shape, {name: file.get_tensor(name) for name in names})


def _together(shape: Any, tensors: dict[str, Any]) -> Any:
    kind, inner = shape
    if kind == "tensor":
        name, device = inner
        return tensors[name].to(device)
    if kind == "dict":
        return {name: _together(one, tensors) for name, one in inner.items()}
    if kind in ("list", "tuple"):
        each = [_together(one, tensors) for one in inner]
        return tuple(each) if kind == "tuple" else each
    if kind != "plain":
        raise ValueError(kind)
    return inner
