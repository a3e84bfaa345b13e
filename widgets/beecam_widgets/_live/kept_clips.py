"""The clips saved from a live view, with the settings that each was saved at."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from beecam._util.cache import default_library_folder
from beecam.clips.clip import Clip
from beecam.clips.library import Library
from beecam.errors import BeecamError
from beecam.media import sheets
from beecam_widgets._live.controls import LiveControls
from beecam_widgets._live.messages import label_of, saved_message
from beecam_widgets._live.shot_builder import ShotBuilder
from beecam_widgets._live.throttled_sender import ThrottledSender
from beecam_widgets._notebook.flow_control import Message

_WIDTH = 128  # pixels of a frame on the shelf
# Below the limit of messages, so that the image that the controls ask for isn't held up.
_MAX_BYTES = 600_000
# Frames of that many clips stay in a notebook that has no kernel.
_REMAINING = 40


@dataclass(frozen=True)
class Settings:
    """What a live view shows: its controls, and what they don't cover.

    Attributes:
        shots: Builds shots from the controls.
        controls: The values of the controls.
        refine: Whether the shot has all its steps.
    """

    shots: ShotBuilder
    controls: LiveControls
    refine: bool

    @property
    def code(self) -> str:
        """Python code that returns the shot."""
        return self.shots.final(self.controls, refine=self.refine).code()


def shelf_text(library: Library | None) -> str:
    """Return what an empty shelf says: a new kernel has the clips of before in the library.

    Args:
        library: Where clips are saved; None for the default one, which isn't opened for this.
    """
    folder = default_library_folder() if library is None else library.folder
    opened = "bc.library()" if library is None else f"bc.library({str(folder)!r})"
    return (
        f"Clips that you keep appear here. They are saved in {folder}: {opened}.clips() has them, "
        "also those of earlier sessions."
    )


class KeptClips:
    """The saved clips in order, each once; the shelf of every front end shows them."""

    def __init__(self, sender: ThrottledSender) -> None:
        """Create it without clips.

        Args:
            sender: Sends messages to all front ends.
        """
        self._sender = sender
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Clip, Settings]] = {}
        self._sent = 0  # how many of the first ones need not be sent

    @property
    def clips(self) -> list[Clip]:
        """All clips, in order."""
        with self._lock:
            return [clip for clip, _ in self._kept.values()]

    def settings(self, key: str) -> Settings | None:
        """Return the settings of a clip; None if it wasn't saved from this view."""
        with self._lock:
            return self._kept[key][1] if key in self._kept else None

    def add(self, clip: Clip, settings: Settings) -> None:
        """Add a clip unless it is there, and report that it is saved."""
        with self._lock:
            self._kept.setdefault(clip.key, (clip, settings))
            count = len(self._kept)
        self._send()
        self._sender.submit("saved", lambda: saved_message(count, clip.key))

    def send_again(self) -> None:
        """Send all clips, for a front end that has none."""
        with self._lock:
            self._sent = 0
        self._send()

    def _send(self) -> None:
        with self._lock:
            is_sent = self._sent >= len(self._kept)
        if not is_sent:
            self._sender.submit("kept", self._next_message)

    def _next_message(self) -> Message:
        """Return a message with as many of the clips to be sent as fit; the others follow."""
        with self._lock:
            start = self._sent
            waiting = list(self._kept.items())[start:]
        items: list[dict[str, Any]] = []
        images: list[bytes] = []
        for key, (clip, settings) in waiting:
            item, image = _item(clip, settings)
            if items and sum(map(len, images)) + len(image) > _MAX_BYTES:
                break
            items.append({"key": key, **item})
            images.append(image)
        with self._lock:
            # A front end that came meanwhile has none of them.
            if self._sent == start:
                self._sent += len(items)
        self._send()
        return {"kind": "kept", "start": start, "clips": items}, images

    def remaining(self) -> list[tuple[str, bytes]]:
        """Return code and a frame, as WebP, of the clips that were saved last."""
        with self._lock:
            kept = list(self._kept.values())[-_REMAINING:]
        return [(settings.code, image) for clip, settings in kept if (image := _frame(clip))]


def _item(clip: Clip, settings: Settings) -> tuple[dict[str, Any], bytes]:
    """Return what the shelf shows of a clip, and its sheet; an empty one if it can't be read."""
    item: dict[str, Any] = {"code": settings.code, "label": "", "sheet": None}
    try:
        shot = clip.shot
        item["label"] = label_of(shot)
        image, layout = sheets.reduced_sheet(clip.sheet_bytes(), clip.facts["sheet"], _WIDTH)
        item["sheet"] = {**layout, "count": clip.facts["frames"], "fps": shot.fps or 8}
    except (BeecamError, KeyError):
        return item, b""
    return item, image


def _frame(clip: Clip) -> bytes:
    """Return a clip's first frame; b"" if it can't be read."""
    try:
        layout = clip.facts["sheet"]
        frames = sheets.frames_from_sheet(clip.sheet_bytes(), layout)
        return sheets.strip_bytes(frames[:1])
    except (BeecamError, KeyError):
        return b""
