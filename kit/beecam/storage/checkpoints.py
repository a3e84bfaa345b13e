"""Clips that are not finished: where their denoising stands, a file for each in the library.

What is here can be made again, so that a lost or damaged file costs time and nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from beecam._util.files import atomic_write, remove_partial_files, remove_quietly
from beecam.models.model import Checkpoint

# How what wrote the file says what the system said.
_OF_THE_SYSTEM = re.compile(r"os error (\d+)")


@dataclass(frozen=True)
class CheckpointInfo:
    """How far a clip is.

    Attributes:
        step: Steps done.
        batch: How many clips the call makes in which it can go on.
    """

    step: int
    batch: int


class Checkpoints:
    """The states of unfinished clips by the key of what they become."""

    def __init__(self, folder: Path) -> None:
        """Look into a folder, which is made when the first state is kept."""
        self._folder = folder
        remove_partial_files(folder)

    def find(self, keys: Iterable[str]) -> dict[str, CheckpointInfo]:
        """Return how far clips are, of those that have been begun."""
        if not self._folder.exists():
            return {}
        there = {path.name.split("-")[0]: path for path in self._folder.glob("*.safetensors")}
        return {key: _info_of(there[key]) for key in keys if key in there}

    def store(self, key: str, state: Checkpoint) -> None:
        """Keep where a clip stands, in the place of what was kept of it before.

        Raises:
            OSError: The disk is full or broken; what was kept before is still there.
        """
        from safetensors.numpy import save_file

        self._folder.mkdir(exist_ok=True)
        before = list(self._folder.glob(f"{key}-*.safetensors"))
        path = self._folder / f"{key}-{state.step}-{state.batch}.safetensors"
        notes = {"place": state.position, "notes": state.notes}
        try:
            with atomic_write(path) as temporary:
                save_file(dict(state.arrays), temporary, metadata={"state": json.dumps(notes)})
        except BaseException as error:
            # Its own kind of error hides that of the system.
            found = _OF_THE_SYSTEM.search(str(error))
            raise (OSError(int(found[1]), str(error)) if found else error) from error
        for old in before:
            if old != path:
                remove_quietly(old)

    def load(self, key: str) -> Checkpoint | None:
        """Return where a clip stands, or None when that isn't known or can't be read."""
        from safetensors import SafetensorError, safe_open

        for path in self._folder.glob(f"{key}-*.safetensors"):
            try:
                with safe_open(path, "np") as file:
                    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                    kept = json.loads(file.metadata()["state"])
                stand = _info_of(path)
                return Checkpoint(stand.step, stand.batch, kept["place"], arrays, kept["notes"])
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                remove_quietly(path)
        return None

    def remove(self, key: str) -> None:
        """Forget a clip that is finished."""
        for path in self._folder.glob(f"{key}-*.safetensors"):
            remove_quietly(path)


def _info_of(path: Path) -> CheckpointInfo:
    _, step, batch = path.stem.split("-")
    return CheckpointInfo(int(step), int(batch))
