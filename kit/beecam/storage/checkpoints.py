"""Checkpoints of unfinished clips: safetensors files in the library's `checkpoints/` folder.

A checkpoint only saves time: losing one restarts its clip from step 0. So whatever can be doubted
is removed: a digest of its content, key, step and batch is part of the file, and is compared
before anything of it is used. Unnoticed damage would change the pixels under a key.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beecam._util.digests import is_digest
from beecam._util.files import atomic_write, remove_partial_files, remove_quietly
from beecam._util.plain_files import is_plain
from beecam._util.strict_json import parse_json
from beecam.models.model import Checkpoint

# How safetensors quotes the system's error number.
_OS_ERROR = re.compile(r"os error (\d+)")
# The clip's key, the number of steps, the size of the batch.
_NAME = re.compile(r"([0-9a-f]{32})-([0-9]{1,6})-([0-9]{1,6})\.safetensors")
_MAX_NOTES = 10_000_000  # characters
# A file is read into memory before its digest can be compared; latents of today have some 20 MB.
_MAX_BYTES = 1_000_000_000


@dataclass(frozen=True)
class CheckpointInfo:
    """How far an unfinished clip is.

    Attributes:
        step: The number of finished steps.
        batch: The size of the batch in which the clip can resume.
    """

    step: int
    batch: int


class Checkpoints:
    """The checkpoints of unfinished clips, by the key of the finished clip."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is created with the first checkpoint."""
        self._folder = folder
        remove_partial_files(folder)

    def find(self, keys: Iterable[str] | None = None) -> dict[str, CheckpointInfo]:
        """Return how far those of the clips are that have a checkpoint, by key; None for all."""
        infos = {key: info for key, info, _ in self._files()}
        return infos if keys is None else {key: infos[key] for key in keys if key in infos}

    def store(self, key: str, state: Checkpoint) -> None:
        """Write a clip's checkpoint in place of its older one.

        Raises:
            OSError: The disk is full or broken, or the state is too large; the older checkpoint is
                still there.
        """
        from safetensors.numpy import save_file

        if sum(array.nbytes for array in state.arrays.values()) > _MAX_BYTES - 2 * _MAX_NOTES:
            raise OSError(errno.EFBIG, "the state of the clip is too large for a checkpoint")
        self._folder.mkdir(exist_ok=True)
        older = self._paths_of(key)
        path = self._folder / f"{key}-{state.step}-{state.batch}.safetensors"
        text = json.dumps({"place": state.position, "notes": state.notes})
        digest = _digest(path, text, state.arrays)
        try:
            with atomic_write(path) as temporary:
                metadata = {"state": text, "digest": digest}
                save_file(dict(state.arrays), temporary, metadata=metadata)
        except BaseException as error:
            # safetensors has an error class of its own, which hides the system's.
            found = _OS_ERROR.search(str(error))
            raise (OSError(int(found[1]), str(error)) if found else error) from error
        for old in older:
            if old != path:
                remove_quietly(old)

    def load(self, key: str) -> Checkpoint | None:
        """Return a clip's checkpoint, or None if it has none that can be read."""
        from safetensors import safe_open

        for path in self._paths_of(key):
            try:
                if path.stat().st_size > _MAX_BYTES:
                    raise ValueError(path)  # noqa: TRY301
                with safe_open(path, "np") as file:
                    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                    metadata = file.metadata() or {}
                text = metadata["state"]
                if metadata["digest"] != _digest(path, text, arrays):
                    raise ValueError(path)  # noqa: TRY301
                stored = parse_json(text, _MAX_NOTES)
                info = _info_of(path)
                return Checkpoint(info.step, info.batch, stored["place"], arrays, stored["notes"])
            except OSError:
                continue  # what can't be read at present isn't gone
            # Of any class: numpy lacks some of the types that a header may name, for example.
            except Exception:  # noqa: BLE001
                remove_quietly(path)
        return None

    def remove(self, key: str) -> None:
        """Remove the checkpoint of a clip that is finished, or that can't resume from it."""
        for path in self._paths_of(key):
            remove_quietly(path)

    def _paths_of(self, key: str) -> list[Path]:
        return [path for found, _, path in self._files(key)] if is_digest(key) else []

    def _files(self, key: str = "") -> Iterator[tuple[str, CheckpointInfo, Path]]:
        """Yield key, progress and path of the checkpoints; other files are left alone."""
        for path in self._folder.glob(f"{key}*.safetensors"):
            if (found := _NAME.fullmatch(path.name)) and is_plain(path):
                yield found[1], _info_of(path), path


def _info_of(path: Path) -> CheckpointInfo:
    _, step, batch = path.stem.split("-")
    return CheckpointInfo(int(step), int(batch))


def _digest(path: Path, notes: str, arrays: Mapping[str, Any]) -> str:
    """Return a digest of a checkpoint: its name says of which clip, step and batch it is."""
    digest = hashlib.sha256(f"{path.name}\n{notes}".encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
