"""What a grid shows: the cells of a run, or the clips of a set, behind one face."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.runs.progress import Changes, RunState
from beecam.runs.run import Run
from beecam.shots.shot import Shot
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis

_TAG = 100  # characters


class Source(Protocol):
    """Cells in an order, each with coordinates, and with a clip once it is made.

    Attributes:
        library: Where the clips are.
        axes: The axes that `coords` counts along.
        title: A line that says what this is.
        token: The same for two sources that show the same cells.
        run: What makes the clips, or None when nothing is being made.
    """

    axes: tuple[Axis, ...]
    title: str
    token: str
    run: Run | None

    @property
    def library(self) -> ClipStore:
        """Where the clips are."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """Return the key of the clip that is, or will be, in a cell."""

    def coords(self, index: int) -> Mapping[str, int]:
        """Return a cell's position on each axis."""

    def shot(self, index: int) -> Shot:
        """Return what is, or will be, made in a cell."""

    def changes(self, since: int) -> Changes | None:
        """Return what changed since a version; None where nothing ever changes."""


class RunSource:
    """The cells of a run."""

    def __init__(self, run: Run) -> None:
        self.run: Run | None = run
        self.library = run.library
        self.axes = run.sweep.axes
        self.title = run.sweep.template
        self.token = run.key
        self._of = run
        self._cells = run.sweep.cells
        self._keys = [cell.key for cell in run.changes(0).cells]

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        """Return the key of the clip that is, or will be, in a cell."""
        return self._keys[index]

    def coords(self, index: int) -> Mapping[str, int]:
        """Return a cell's position on each axis."""
        return self._cells[index].coords

    def shot(self, index: int) -> Shot:
        """Return what is, or will be, made in a cell."""
        return self._of.model.resolve(self._cells[index].shot)

    def changes(self, since: int) -> Changes | None:
        """Return what changed since a version."""
        return self._of.changes(since)


class ClipsSource:
    """The clips of a set."""

    def __init__(self, clips: ClipSet) -> None:
        self.run: Run | None = None
        self.library = clips.library
        self.axes = clips.axes
        self.title = clips.title
        self.token = str(hash((str(clips.library.folder), clips.keys, clips.title)))
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def key(self, index: int) -> str:
        """Return a clip's key."""
        return self._clips.keys[index]

    def coords(self, index: int) -> Mapping[str, int]:
        """Return a clip's position on each axis."""
        return self._clips.coords(index)

    def shot(self, index: int) -> Shot:
        """Return what made a clip."""
        return self._clips[index].shot

    def changes(self, since: int) -> Changes | None:  # noqa: ARG002
        """Return None: these clips are all made."""
        return None


def source_of(shown: Run | ClipSet) -> RunSource | ClipsSource:
    """Put a run or a clip set behind the face of a source.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(shown, Run):
        return RunSource(shown)
    if isinstance(shown, ClipSet):
        return ClipsSource(shown)
    raise TypeError(
        f"ClipGrid shows a Run or a ClipSet, not a {type(shown).__name__}; "
        "bc.run(sweep, model) gives a run, run.clips and bc.library().clips() give sets."
    )


def clips_of(source: Source, indices: Iterable[int]) -> ClipSet:
    """Return the clips in these cells as a set, leaving out cells that have none yet."""
    wanted = [i for i in indices if 0 <= i < len(source)]
    have = source.library.known(source.key(i) for i in wanted)
    there = [i for i in wanted if source.key(i) in have]
    return ClipSet(
        source.library,
        [source.key(i) for i in there],
        axes=source.axes,
        coords=[dict(source.coords(i)) for i in there],
        title=source.title,
    )


def clip_at(source: Source, index: int) -> Clip:
    """Return the clip in a cell; using it fails with a sentence when there is none."""
    return Clip(source.library, source.key(index))


def mark(clip: Clip, marks: Mapping[str, Any]) -> None:
    """Set a clip's stars, rejected, or give or take a tag.

    Args:
        clip: The clip.
        marks: As far as given: stars, rejected, and tag with on (whether the clip gets it).
    """
    if "stars" in marks:
        clip.stars = marks["stars"]
    if "rejected" in marks:
        clip.rejected = bool(marks["rejected"])
    if "tag" in marks:
        tag = " ".join(str(marks["tag"]).split())[:_TAG]
        others = [one for one in clip.tags if one != tag]
        clip.tags = [*others, tag] if marks.get("on", True) and tag else others


def run_facts(run: RunState) -> dict[str, Any]:
    """Return a run's state as JSON data."""
    return {
        "status": str(run.status),
        "counts": {str(k): v for k, v in run.counts.items()},
        "total": run.total,
        "seconds_left": run.seconds_left,
        "message": run.message,
    }
