"""Protocols of the clips that are exported, so that `export` doesn't import `clips`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from beecam.media import size_budget
from beecam.media.types import Frames
from beecam.shots.shot import Shot
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis


class ShownClip(Protocol):
    """One clip as export reads it; `beecam.Clip` is one."""

    @property
    def library(self) -> ClipStore:
        """The library that it is in."""

    @property
    def key(self) -> str:
        """The digest of its shot."""

    @property
    def shot(self) -> Shot:
        """Its shot."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts measured on it."""

    @property
    def path(self) -> Path:
        """Its H.264 file."""

    def frames(self) -> Frames:
        """Return its frames: array of shape `(frames, height, width, 3)`."""

    def mp4_bytes(self) -> bytes:
        """Return the content of its H.264 file."""

    def sheet_bytes(self) -> bytes:
        """Return its sheet as a JPEG."""


class ShownClips(Protocol):
    """An ordered set of clips as export reads it; `beecam.ClipSet` is one."""

    @property
    def library(self) -> ClipStore:
        """The library that they are in."""

    @property
    def keys(self) -> Sequence[str]:
        """Their keys."""

    @property
    def axes(self) -> Sequence[Axis]:
        """The axes of the sweep that they come from."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ShownClip: ...

    def __iter__(self) -> Iterator[ShownClip]: ...

    def coords(self, index: int) -> Mapping[str, int]:
        """Return the position on each axis of the clip at `index`."""


def complete_axes(clips: ShownClips) -> tuple[Axis, ...]:
    """Return the axes on which every clip has a position: those that a grid can arrange by."""
    coords = [clips.coords(i) for i in range(len(clips))]
    return tuple(axis for axis in clips.axes if all(axis.name in at for at in coords))


def fit_clip(clip: ShownClip, max_bytes: int) -> bytes | None:
    """Return a clip's mp4 in at most `max_bytes`, made smaller if needed; None if it can't be."""
    return size_budget.fit_video(clip.mp4_bytes(), clip.path, clip.shot.fps or 8, max_bytes)
