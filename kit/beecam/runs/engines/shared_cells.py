"""The cells that a run shares with others: who generates them, and what others have generated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence

from beecam._util.words import count_of
from beecam.runs.engines.persistence import persist
from beecam.runs.progress import Progress, Status
from beecam.storage.store import ClipStore


class SharedCells:
    """Claims cells for one run; thread-safe.

    Each clip is generated once, also when other runs of this process, or of other processes on the
    same library, request it. A run claims the cells of one batch at a time, so that all
    work through one sweep together, and takes from the library what others have generated.
    """

    def __init__(
        self,
        keys: Sequence[str],
        library: ClipStore,
        progress: Progress,
        owner: object,
        *,
        exact: bool,
    ) -> None:
        """Set up the claims.

        Args:
            keys: The key of each cell's clip.
            library: The library of the clips.
            progress: The progress of the run.
            owner: Who holds the claims, and releases those of the clips that are written.
            exact: Whether only clips of exact runs count as generated.
        """
        self._keys = keys
        self._library = library
        self._progress = progress
        self._owner = owner
        self._exact = exact
        # Cells that others are generating.
        self._elsewhere: set[int] = set()
        self._note: str | None = None

    @property
    def waiting(self) -> bool:
        """Whether others are generating cells of the run."""
        return bool(self._elsewhere)

    def generated(self, indices: Iterable[int]) -> set[int]:
        """Return which cells have a clip in the library, so that they need not be generated."""
        cells = list(indices)
        found = self._library.known(self._keys[i] for i in cells)
        if self._exact:
            # A clip from a batch of another size differs by rounding.
            found = {key for key in found if self._library.row(key)["facts"].get("exact")}
        return {i for i in cells if self._keys[i] in found}

    def claim(self, indices: Sequence[int], more: Callable[[int], Sequence[int]]) -> list[int]:
        """Claim cells that no run has generated or claimed, and that weren't cancelled.

        Args:
            indices: The cells of a batch.
            more: Takes up to so many cells off the plan, for the same batch. They replace those
                that others generate: two processes that are half a batch apart would otherwise
                both work in half batches.

        Raises:
            OSError: The library can't be used, and the run was cancelled.
        """
        claimed: list[int] = []
        further = indices
        while further:
            attempt = functools.partial(self._claim, further)
            claimed += persist(attempt, self._progress, self._library.folder)
            lacking = len(indices) - len(claimed)
            further = more(lacking) if lacking and self._progress.status == "running" else ()
        return claimed

    def release(self, indices: Iterable[int]) -> None:
        """Release the claims of cells that won't be generated now."""
        self._library.claims.release((self._keys[i] for i in indices), self._owner)

    def end(self) -> None:
        """Release what is left: a run that has ended holds no claim, whatever has failed in it."""
        self._library.claims.release(self._keys, self._owner)

    def take_back(self, timeout: float) -> list[int]:
        """Return the cells that others have given up; mark those that others have generated.

        Args:
            timeout: How long to wait for the first, in seconds.

        Raises:
            OSError: The library can't be used, and the run was cancelled.
        """
        attempt = functools.partial(self._take_back, timeout)
        return persist(attempt, self._progress, self._library.folder) if self.waiting else []

    # --- inside --------------------------------------------------------------------------------

    def _claim(self, indices: Sequence[int]) -> list[int]:
        taken = self._library.claims.take((self._keys[i] for i in indices), self._owner)
        try:
            generated = self.generated(indices)
        except BaseException:
            self._library.claims.release(taken, self._owner)
            raise
        needed = []
        for index in indices:
            if index in generated:
                self._progress.set(index, status=Status.CACHED)
            elif self._keys[index] not in taken:
                with self._progress.lock:
                    self._elsewhere.add(index)
            elif not self._progress.is_cancelled(index):
                needed.append(index)
        unused = taken.difference(self._keys[i] for i in needed)
        self._library.claims.release(unused, self._owner)
        return needed

    def _take_back(self, timeout: float) -> list[int]:
        with self._progress.lock:
            left = {i for i in self._elsewhere if not self._progress.is_cancelled(i)}
            self._elsewhere = set(left)
        free = self._library.claims.free({self._keys[i] for i in left}, timeout)
        found = {i for i in left if self._keys[i] in free}
        generated = self.generated(found)
        with self._progress.lock:
            found &= self._elsewhere
            self._elsewhere -= found
            for index in found & generated:
                self._progress.set(index, status=Status.CACHED)
            self._show(waits=bool(timeout) and not found)
        return sorted(found - generated)

    def _show(self, *, waits: bool) -> None:
        """Show a message when nothing is left but what others are generating."""
        if self._note:
            self._progress.withdraw_message(self._note)
            self._note = None
        if waits and self.waiting:
            clips = count_of(len(self._elsewhere), "clip")
            self._note = f"waiting for {clips} that another run is generating."
            self._progress.show_message(self._note)
