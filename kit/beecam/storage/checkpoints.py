"""Checkpoints of unfinished clips: safetensors files in the library's `checkpoints/` folder.

A checkpoint only saves time: losing one restarts its clip from step 0. So whatever can be doubted
is removed: a digest of its content, key, step and batch is part of the file, and is compared
before anything of it is used. Unnoticed damage would change the pixels under a key.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from beecam._util.digests import is_digest
from beecam._util.files import remove_partial_files, remove_quietly
from beecam._util.plain_files import is_plain, read_plain
from beecam._util.strict_json import parse_json
from beecam.models.model import Checkpoint
from beecam.storage.own_files import OwnFiles

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
    """The checkpoints of unfinished clips, by the key of the finished clip.

    The folder is listed when a run begins and not for each clip: others may have left a hundred
    thousand files there. What another process writes later is not seen until then.
    """

    def __init__(self, folder: Path, files: OwnFiles | None = None) -> None:
        """Use a folder, which is created with the first checkpoint.

        Args:
            folder: Where the checkpoints are.
            files: Writes them.
        """
        self._folder = folder
        self._files = files or OwnFiles()
        self._lock = threading.Lock()
        # The names of a clip's checkpoints, by its key; None before the folder has been listed.
        self._names: dict[str, tuple[str, ...]] | None = None
        remove_partial_files(folder)

    def find(self, keys: Iterable[str] | None = None) -> dict[str, CheckpointInfo]:
        """Return how far those of the clips are that have a checkpoint, by key; None for all."""
        listed = self._list()
        found = listed if keys is None else [key for key in keys if key in listed]
        return {key: _info_of(self._folder / listed[key][-1]) for key in found}

    def store(self, key: str, state: Checkpoint) -> None:
        """Write a clip's checkpoint in place of its older one.

        Raises:
            OSError: The disk is full or broken, or the state is too large; the older checkpoint is
                still there.
        """
        from safetensors.numpy import save_file

        if sum(array.nbytes for array in state.arrays.values()) > _MAX_BYTES - 2 * _MAX_NOTES:
            raise OSError(errno.EFBIG, "the state of the clip is too large for a checkpoint")
        older = self._names_of(key)
        path = self._folder / f"{key}-{state.step}-{state.batch}.safetensors"
        text = json.dumps({"place": state.position, "notes": state.notes})
        digest = _digest(path, text, state.arrays)
        try:
            with self._files.write(path) as temporary:
                metadata = {"state": text, "digest": digest}
                save_file(dict(state.arrays), temporary, metadata=metadata)
        except BaseException as error:
            # safetensors has an error class of its own, which hides the system's.
            found = _OS_ERROR.search(str(error))
            raised = OSError(int(found[1]), os.strerror(int(found[1]))) if found else error
            if isinstance(raised, PermissionError):
                self._files.report(
                    f"{self._folder.name} can't be written ({raised.strerror}): drafts, and clips "
                    "that are paused or interrupted, begin again."
                )
            raise raised from error
        with self._lock:
            if self._names is not None:
                self._names[key] = (path.name,)
        for old in older:
            if old != path.name:
                remove_quietly(self._folder / old)

    def load(self, key: str) -> Checkpoint | None:
        """Return a clip's checkpoint, or None if it has none that can be read."""
        if not is_digest(key):
            return None
        if not self._names_of(key):
            self._list()  # another process may have stored it
        for name in self._names_of(key):
            path = self._folder / name
            try:
                return _read(path)
            except OSError:
                continue  # what can't be read at present isn't gone
            # Of any class: numpy lacks some of the types that a header may name, for example.
            except Exception:  # noqa: BLE001
                remove_quietly(path)
        return None

    def remove(self, key: str) -> None:
        """Remove the checkpoint of a clip that is finished, or that can't resume from it."""
        names = self._names_of(key)
        with self._lock:
            if self._names is not None:
                self._names.pop(key, None)
        for name in names:
            path = self._folder / name
            if is_plain(path):
                remove_quietly(path)

    def _names_of(self, key: str) -> tuple[str, ...]:
        with self._lock:
            names = self._names
        return (self._list() if names is None else names).get(key, ())

    def _list(self) -> dict[str, tuple[str, ...]]:
        """List the folder; other files than checkpoints are left alone."""
        found: dict[str, tuple[str, ...]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for one in entries:
                    match = _NAME.fullmatch(one.name)
                    if match and one.is_file(follow_symlinks=False):
                        found[match[1]] = (*found.get(match[1], ()), one.name)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._files.report(
                f"{self._folder.name} can't be read at present ({error.strerror}): clips that were "
                "begun start again."
            )
        with self._lock:
            self._names = found
        return found


def _read(path: Path) -> Checkpoint:
    """Return the checkpoint in a file.

    Raises:
        OSError: It can't be read at present; any other error means that it is damaged.
    """
    from safetensors import safe_open

    with read_plain(path) as opened:
        if os.fstat(opened.fileno()).st_size > _MAX_BYTES:
            raise ValueError(path)
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    text = metadata["state"]
    if metadata["digest"] != _digest(path, text, arrays):
        raise ValueError(path)
    stored = parse_json(text, _MAX_NOTES)
    info = _info_of(path)
    return Checkpoint(info.step, info.batch, stored["place"], arrays, stored["notes"])


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
