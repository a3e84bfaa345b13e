"""The thread that writes what a run has made."""

from __future__ import annotations

import errno
import hashlib
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from beecam._version import __version__
from beecam.errors import BeecamError, Stopped
from beecam.media import mp4, sheets
from beecam.media.types import Frames
from beecam.models.capabilities import license_of, source_of
from beecam.models.model import Generated, Model
from beecam.models.model_set import model_of
from beecam.runs.progress import Progress, Status
from beecam.shots.shot import Shot
from beecam.storage.store import ClipStore

_BLACK = 8  # of 255: what nobody sees on a screen
_TRY_AGAIN = 2.0  # seconds until what could not be written is tried once more


@dataclass(frozen=True)
class FinishedClip:
    """A clip on its way to the library.

    Attributes:
        index: Its cell.
        made: What the model made.
        seconds: How long that took.
        batch: How many clips the call made.
        step: After which step it went on; 0 for a clip from the beginning.
    """

    index: int
    made: Generated
    seconds: float
    batch: int
    step: int


class Writer:
    """Writes clips into the library, one after the other, while the next ones are made."""

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
        """Prepare; arguments are those of the engine."""
        self._shots = shots
        self._model = model
        self._library = library
        self._progress = progress
        self._parents = tuple(parents)
        self._exact = exact
        self._drafts = dict(drafts)
        self._outbox: SimpleQueue[FinishedClip | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="beecam-write", daemon=True)

    def start(self) -> None:
        """Begin to write what comes."""
        self._thread.start()

    def put(self, made: FinishedClip) -> None:
        """Take a clip; nothing can cancel it any more."""
        self._progress.made(made.index)
        self._outbox.put(made)

    def end(self) -> None:
        """Write what is left, and wait until that is done."""
        self._outbox.put(None)
        self._thread.join()

    def join(self, timeout: float | None) -> None:
        """Wait until everything is written."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def fail(self, indices: Sequence[int], error: BaseException) -> None:
        """Say that cells have no clip, and why."""
        sentence = str(error) if isinstance(error, BeecamError) else _sentence(error)
        for index in indices:
            self._progress.set(index, status=Status.FAILED, error=sentence, preview=None)

    # --- the thread ------------------------------------------------------------------------------

    def _write(self) -> None:
        mp4.warm_up()
        while (made := self._outbox.get()) is not None:
            try:
                self._keep(made)
            except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
                self.fail([made.index], error)

    def _keep(self, made: FinishedClip) -> None:
        """Store one clip and say so."""
        shot = self._shots[made.index]
        try:
            self._store(shot, made)
        finally:
            self._library.claims.release([shot.key], self)
        if shot.draft_steps is None:
            self._library.checkpoints.remove(shot.key)
        if shot.key in self._drafts:
            self._library.copy_annotations(shot.key, self._drafts[shot.key])
        self._progress.set(made.index, status=Status.DONE, preview=None, seconds=made.seconds)

    def _store(self, shot: Shot, made: FinishedClip) -> None:
        """Write a clip; a full or lost disk pauses the run until it is back, and loses nothing."""
        facts = _facts(shot, made, self._model, exact=self._exact)
        parents = [key for key in self._parents if key != shot.key]
        late = False
        while True:
            try:
                if made.made.checkpoint is not None:
                    self._library.checkpoints.store(undrafted_key(shot), made.made.checkpoint)
                self._library.store(shot, made.made.frames, facts, parents, made.made.sound)
            except OSError as error:
                late = True
                self._progress.pause(self._why_not_written(error), by=self)
                try:
                    self._progress.hold(_TRY_AGAIN)
                except Stopped:
                    raise error from None
            else:
                if late:
                    self._progress.resume(by=self)
                return

    def _why_not_written(self, error: OSError) -> str:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        # Not the file's name, which is another one at each try.
        what = error.strerror or str(error)
        why = "the disk is full" if full else f"a clip can't be written ({what})"
        return (
            f"{why} at {self._library.folder}: {'free some space' if full else 'mend that'}, and "
            "the run goes on by itself. Clips that are made already are kept in memory."
        )


def undrafted_key(shot: Shot) -> str:
    """Return the key of what a shot is when no step is left out."""
    return shot.key if shot.draft_steps is None else shot.replace(draft_steps=None).key


def _facts(shot: Shot, made: FinishedClip, model: Model, *, exact: bool) -> dict[str, Any]:
    frames = made.made.frames
    facts: dict[str, Any] = {
        "frames": len(frames),
        "height": frames.shape[1],
        "width": frames.shape[2],
        "seconds": round(made.seconds, 4),
        "batch": made.batch,
        "place_in_batch": made.made.position,
        "exact": exact,
        "sheet": sheets.sheet_layout(frames),
        "license": license_of(model_of(model, shot)),
        "digest": hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest(),
        "beecam": __version__,
    }
    if source := source_of(model_of(model, shot)):
        facts["source"] = source
    if shot.adapters:
        facts["loras"] = {one.digest: one.name for one in shot.adapters}
    if sound := made.made.sound:
        facts["sound"] = {"rate": sound.rate, "channels": len(sound.samples)}
    if made.step:
        # The seconds are those of the rest.
        facts["continued_from"] = made.step
    if why := made.made.broken or _why_broken(frames):
        facts["broken"] = why
    return facts


def _why_broken(frames: Frames) -> str | None:
    if frames.max() == frames.min():
        return "every pixel is the same"
    if frames.max() <= _BLACK:
        return "it is black"
    return None


def _sentence(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1:] if error.__traceback__ else []
    where = f" (in {last[0].name})" if last else ""
    return f"{type(error).__name__}: {error}{where}"
