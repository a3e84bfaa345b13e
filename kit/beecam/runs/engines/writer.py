"""The thread that writes generated clips into the library."""

from __future__ import annotations

import errno
import functools
import hashlib
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from beecam._version import __version__
from beecam.errors import BeecamError, LibraryError
from beecam.media import mp4
from beecam.media.types import Frames
from beecam.models.capabilities import license_of, source_of
from beecam.models.model import Checkpoint, Generated, Model
from beecam.models.model_set import model_of
from beecam.runs.engines.persistence import persist
from beecam.runs.engines.resuming import undrafted_key
from beecam.runs.progress import Progress, Status
from beecam.shots.shot import Shot
from beecam.storage.clip_settings import measured_facts
from beecam.storage.store import ClipStore

_BLACK = 8  # of 255: not visible on a screen


@dataclass(frozen=True)
class FinishedClip:
    """A generated clip that has to be written.

    Attributes:
        index: The index of its cell.
        generated: The result of the model.
        seconds: The time for this clip: its share of the batch.
        batch: The size of the batch.
        step: The step from which it was resumed; 0 if it was generated from the start.
    """

    index: int
    generated: Generated
    seconds: float
    batch: int
    step: int


class Writer:
    """Writes clips into the library one by one, while the model generates the next ones."""

    def __init__(
        self,
        shots: Sequence[Shot],
        model: Model,
        library: ClipStore,
        progress: Progress,
        *,
        parents: Sequence[str],
        exact: bool,
        drafts: Mapping[str, str],
    ) -> None:
        """Create the thread; the arguments are those of the engine."""
        self._shots = shots
        self._model = model
        self._library = library
        self._progress = progress
        self._parents = tuple(parents)
        self._exact = exact
        self._drafts = dict(drafts)
        self._queue: SimpleQueue[FinishedClip | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="beecam-write", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, clip: FinishedClip) -> None:
        """Queue a clip, which can't be cancelled after that."""
        self._progress.mark_generated(clip.index)
        self._queue.put(clip)

    def end(self) -> None:
        """Write the queued clips and end the thread."""
        self._queue.put(None)
        self.join(None)

    def join(self, timeout: float | None) -> None:
        """Wait until the thread has ended, up to `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def fail(self, indices: Sequence[int], error: BaseException) -> None:
        """Record that cells failed, with the reason."""
        message = str(error) if isinstance(error, BeecamError) else _describe(error)
        self._progress.set_all(indices, status=Status.FAILED, error=message, preview=None)

    # --- the thread ------------------------------------------------------------------------------

    def _write(self) -> None:
        mp4.warm_up()
        while (clip := self._queue.get()) is not None:
            try:
                self._write_clip(clip)
            except Exception as error:  # noqa: BLE001  (the thread has no caller that could catch it)
                self.fail([clip.index], error)

    def _write_clip(self, clip: FinishedClip) -> None:
        """Store one clip, and update its cell."""
        shot = self._shots[clip.index]
        try:
            self._store(shot, clip)
        finally:
            self._library.claims.release([shot.key], self)
        if shot.draft_steps is None:
            self._library.checkpoints.remove(shot.key)
        self._copy_annotations(shot)
        self._progress.set(clip.index, status=Status.DONE, preview=None, seconds=clip.seconds)

    def _copy_annotations(self, shot: Shot) -> None:
        """Give the clip that finishes a draft the stars and tags of the draft."""
        if shot.key not in self._drafts:
            return
        copy = functools.partial(self._library.copy_annotations, shot.key, self._drafts[shot.key])
        try:
            persist(copy, self._progress, self._library.folder)
        except (OSError, LibraryError) as error:
            # The clip itself is stored.
            self._library.log_annotations(shot.key, self._drafts[shot.key])
            self._progress.show_message(f"stars and tags of a draft were not copied: {error}")

    def _store(self, shot: Shot, clip: FinishedClip) -> None:
        """Write a clip, once that is possible.

        If its row can't be written any more, its files are: opening the library again adds the row.
        """
        facts = _facts_of(shot, clip, self._model, exact=self._exact)
        parents = [key for key in self._parents if key != shot.key]
        frames, sound = clip.generated.frames, clip.generated.sound

        def attempt() -> None:
            self._store_checkpoint(shot, clip.generated.checkpoint)
            self._library.store(shot, frames, facts, parents, sound)

        try:
            persist(attempt, self._progress, self._library.folder)
        except (OSError, LibraryError):
            self._library.store_files(shot, frames, facts, parents, sound)
            raise

    def _store_checkpoint(self, shot: Shot, checkpoint: Checkpoint | None) -> None:
        """Store the checkpoint of a draft; a full disk is waited for, as for the clip itself."""
        if checkpoint is None:
            return
        try:
            self._library.checkpoints.store(undrafted_key(shot), checkpoint)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._progress.show_message(
                f"the state of a draft was not stored ({error.strerror or error}): bc.promote "
                "begins it again."
            )


def _facts_of(shot: Shot, clip: FinishedClip, model: Model, *, exact: bool) -> dict[str, Any]:
    frames = clip.generated.frames
    facts: dict[str, Any] = {
        **measured_facts(frames),
        "seconds": round(clip.seconds, 4),
        "batch": clip.batch,
        "position": clip.generated.position,
        "exact": exact,
        "license": license_of(model_of(model, shot)),
        "digest": hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest(),
        "beecam": __version__,
    }
    if source := source_of(model_of(model, shot)):
        facts["source"] = source
    if shot.adapters:
        facts["loras"] = {one.digest: one.name for one in shot.adapters}
    if sound := clip.generated.sound:
        facts["sound"] = {"rate": sound.rate, "channels": len(sound.samples)}
    if clip.step:
        # The seconds only cover the steps after this one.
        facts["resumed_from"] = clip.step
    if broken := clip.generated.broken or _why_broken(frames):
        facts["broken"] = broken
    return facts


def _why_broken(frames: Frames) -> str | None:
    if frames.max() == frames.min():
        return "every pixel is the same"
    if frames.max() <= _BLACK:
        return "it is black"
    return None


def _describe(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:] if error.__traceback__ else []
    # Without the folder, which is private.
    where = f" (in {last[0].name}, {Path(last[0].filename).name}:{last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {error}{where}"
