"""The cells that a surface shows: those of a run, or the clips of a set, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.export.shown import complete_axes
from beecam.models.model import Model
from beecam.runs.progress import Changes, RunState
from beecam.runs.run import Run
from beecam.shots.shot import Shot
from beecam.storage.store import ClipStore
from beecam.sweeps.axes import Axis

_MAX_TAG = 100  # characters


class CellSource(Protocol):
    """Ordered cells with coordinates; each has a clip once it is generated.

    Attributes:
        axes: The axes that `coords` refers to.
        title: One line that names the cells, such as the prompt template.
        token: Equal for two sources with the same cells.
        run: The run that generates the clips; None for a clip set.
        model: The model that generated them; None if it isn't known.
    """

    axes: tuple[Axis, ...]
    title: str
    token: str
    run: Run | None
    model: Model | None

    @property
    def library(self) -> ClipStore:
        """Where the clips are stored."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> str:
        """Return the key of a cell's clip, whether or not that exists yet."""

    def coords(self, index: int) -> Mapping[str, int]:
        """Return a cell's position on each axis."""

    def shot(self, index: int) -> Shot:
        """Return the resolved shot of a cell."""

    def changes(self, since: int) -> Changes | None:
        """Return what has changed since a version; None if the cells never change."""


class RunSource:
    """The cells of a run."""

    def __init__(self, run: Run) -> None:
        self.run: Run | None = run
        self.model: Model | None = run.model
        self.library = run.library
        self.axes = run.sweep.axes
        self.title = run.sweep.template
        self.token = run.key
        self._source_run = run
        self._cells = run.sweep.cells
        self._keys = list(run.shots.keys)

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        """Return the key of a cell's clip, whether or not that exists yet."""
        return self._keys[index]

    def coords(self, index: int) -> Mapping[str, int]:
        """Return a cell's position on each axis."""
        return self._cells[index].coords

    def shot(self, index: int) -> Shot:
        """Return the resolved shot of a cell."""
        return self._source_run.shots[index]

    def changes(self, since: int) -> Changes | None:
        """Return what has changed since a version."""
        return self._source_run.changes(since)


class ClipSetSource:
    """The clips of a set, a cell each."""

    def __init__(self, clips: ClipSet) -> None:
        self.run: Run | None = None
        self.model = clips.model
        self.library = clips.library
        self.axes = complete_axes(clips)
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
        """Return a clip's shot."""
        return self._clips[index].shot

    def changes(self, since: int) -> Changes | None:  # noqa: ARG002
        """Return None: the clips of a set don't change."""
        return None


def cell_source(clips: object) -> RunSource | ClipSetSource:
    """Wrap a run or a clip set as a source of cells.

    Raises:
        TypeError: `clips` is neither a Run nor a ClipSet.
    """
    if isinstance(clips, Run):
        return RunSource(clips)
    if isinstance(clips, ClipSet):
        return ClipSetSource(clips)
    raise TypeError(
        f"clips: a Run or a ClipSet is required, not a {type(clips).__name__}; bc.run(sweep, "
        "model) returns a run, run.clips and bc.library().clips() return clip sets."
    )


def token_of(clips: object) -> str:
    """Return a string that is equal for two runs or sets with the same cells.

    Args:
        clips: A run, a clip set, or the source of a surface.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(clips, Run):
        return clips.key  # without reading all cells
    if isinstance(clips, (RunSource, ClipSetSource)):
        return clips.token
    return cell_source(clips).token


def starts_with(source: CellSource, shorter: CellSource) -> bool:
    """Return whether the first cells of a source have the same clips as those of another one."""
    return len(source) >= len(shorter) and all(
        source.key(i) == shorter.key(i) for i in range(len(shorter))
    )


def clips_of(source: CellSource, cells: Iterable[int]) -> ClipSet:
    """Return the clips of some cells as a set, without cells that have no clip yet."""
    valid = [i for i in cells if 0 <= i < len(source)]
    stored = source.library.known(source.key(i) for i in valid)
    available = [i for i in valid if source.key(i) in stored]
    return ClipSet(
        source.library,
        [source.key(i) for i in available],
        axes=source.axes,
        coords=[dict(source.coords(i)) for i in available],
        title=source.title,
        model=source.model,
        origin=source,
    )


def clip_at(source: CellSource, index: int) -> Clip:
    """Return the clip of a cell; reading from it raises a LibraryError if it isn't stored."""
    return Clip(source.library, source.key(index))


def annotate(clip: Clip, changes: Mapping[str, Any]) -> None:
    """Set a clip's stars or rejection, and add or remove a tag.

    Args:
        clip: The clip.
        changes: Any of "stars", "rejected", and "tag" with "on" (False removes the tag).
    """
    if "stars" in changes:
        clip.stars = changes["stars"]
    if "rejected" in changes:
        clip.rejected = bool(changes["rejected"])
    if "tag" in changes:
        tag = " ".join(str(changes["tag"]).split())[:_MAX_TAG]
        others = [one for one in clip.tags if one != tag]
        clip.tags = [*others, tag] if changes.get("on", True) and tag else others


def run_facts(run: RunState) -> dict[str, Any]:
    """Return a run's state as JSON data."""
    return {
        "status": str(run.status),
        "counts": {str(k): v for k, v in run.counts.items()},
        "total": run.total,
        "seconds_left": run.seconds_left,
        "message": run.message,
    }
