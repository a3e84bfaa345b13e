"""Checkpoints of unfinished clips: safetensors files in the library's `checkpoints/` folder.

A checkpoint only saves time: losing one restarts its clip from step 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from beecam._util.files import atomic_write, remove_partial_files, remove_quietly
from beecam.models.model import Checkpoint

# How safetensors quotes the system's error number.
_OS_ERROR = re.compile(r"os error (\d+)")


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

    def find(self, keys: Iterable[str]) -> dict[str, CheckpointInfo]:
        """Return how far those of the clips are that have a checkpoint, by key."""
        if not self._folder.exists():
            return {}
        paths = {path.name.split("-")[0]: path for path in self._folder.glob("*.safetensors")}
        return {key: _info_of(paths[key]) for key in keys if key in paths}

    def store(self, key: str, state: Checkpoint) -> None:
        """Write a clip's checkpoint in place of its older one.

        Raises:
            OSError: The disk is full or broken; the older checkpoint is still there.
        """
        from safetensors.numpy import save_file

        self._folder.mkdir(exist_ok=True)
        older = list(self._folder.glob(f"{key}-*.safetensors"))
        path = self._folder / f"{key}-{state.step}-{state.batch}.safetensors"
        notes = {"place": state.position, "notes": state.notes}
        try:
            with atomic_write(path) as temporary:
                save_file(dict(state.arrays), temporary, metadata={"state": json.dumps(notes)})
        except BaseException as error:
            # safetensors has an error class of its own, which hides the system's.
            found = _OS_ERROR.search(str(error))
            raise (OSError(int(found[1]), str(error)) if found else error) from error
        for old in older:
            if old != path:
                remove_quietly(old)

    def load(self, key: str) -> Checkpoint | None:
        """Return a clip's checkpoint, or None if it has none that can be read."""
        from safetensors import SafetensorError, safe_open

        for path in self._folder.glob(f"{key}-*.safetensors"):
            try:
                with safe_open(path, "np") as file:
                    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                    stored = json.loads(file.metadata()["state"])
                info = _info_of(path)
                return Checkpoint(info.step, info.batch, stored["place"], arrays, stored["notes"])
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                remove_quietly(path)
        return None

    def remove(self, key: str) -> None:
        """Remove the checkpoint of a clip that is finished."""
        for path in self._folder.glob(f"{key}-*.safetensors"):
            remove_quietly(path)


def _info_of(path: Path) -> CheckpointInfo:
    _, step, batch = path.stem.split("-")
    return CheckpointInfo(int(step), int(batch))
