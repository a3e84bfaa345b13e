"""Which cells of a source were annotated, here or in another process."""

from __future__ import annotations

from collections.abc import Iterable

from beecam_widgets._clips.cell_source import CellSource

_INTERVAL = 0.5  # seconds between two reads of the library's annotations


class AnnotationWatcher:
    """Polls the library for annotations written since the last poll.

    Attributes:
        attached: Whether a source is watched.
    """

    def __init__(self) -> None:
        self._cursor = -1
        self._cells: dict[str, list[int]] = {}
        self._read_at = 0.0

    @property
    def attached(self) -> bool:
        """Whether a source is watched."""
        return bool(self._cells)

    def attach(self, source: CellSource) -> None:
        """Watch the cells of a source for annotations written from now on."""
        self._cursor, _ = source.library.annotations_since(-1)
        self._cells.clear()
        for index in range(len(source)):
            self._cells.setdefault(source.key(index), []).append(index)

    def detach(self) -> None:
        """Stop watching."""
        self._cells.clear()

    def poll(self, source: CellSource, now: float) -> Iterable[int]:
        """Return the cells annotated since the last poll.

        Args:
            source: The source that is watched.
            now: Monotonic seconds; polls that follow too soon return nothing.
        """
        if now - self._read_at < _INTERVAL:
            return []
        self._read_at = now
        self._cursor, changed = source.library.annotations_since(self._cursor)
        return [index for key in changed for index in self._cells.get(key, ())]
