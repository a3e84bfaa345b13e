"""A run: a sweep being made in the background, watched through its changes."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from beecam._util import checks
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, library_problems, open_library
from beecam.errors import BeecamError, Problem, shorten
from beecam.export import notebook
from beecam.models.model import Model, loaded_model, refresh, steps_of
from beecam.models.model_set import as_model
from beecam.runs.engines.local import LocalEngine
from beecam.runs.progress import CellState, Changes, Progress, Status
from beecam.shots.shot import Shot
from beecam.storage.sweep_files import MAX_NAME
from beecam.sweeps.build import sweep_of_shots
from beecam.sweeps.sweep import Sweep

_active: weakref.WeakValueDictionary[str, Run] = weakref.WeakValueDictionary()
_starting = threading.Lock()


def run(
    sweep: Sweep | Shot,
    model: Model | Sequence[Model] | Mapping[str, Model],
    *,
    library: Library | None = None,
    exact: bool = False,
    draft: float | None = None,
    name: str | None = None,
) -> Run:
    """Make a sweep in the background.

    It returns once everything is checked and looked up, which for most sweeps is at once; 100,000
    cells take some seconds.

    Clips that the library has are not made again. The same call while a run is going, as when a
    notebook's cell is run twice, returns that run.

    >>> run = bc.run(sweep, model)
    >>> run            # the last line of a cell: a live grid

    Args:
        sweep: A sweep, or one shot.
        model: From `bc.load()` or `bc.wrap(pipe)`. Several of them, as a list or as {label: model},
            become an axis "model" before all others.
        library: Where clips are kept; by default `bc.library()`.
        exact: Fill up every call to one size, so that each clip has the very bits that it has
            alone. Without it one clip may differ by rounding from the same clip in a sweep.
        draft: Do only this share of each clip's steps, over 0 and under 1, and show the result
            that is predicted then. `run.clips.starred.promote()` finishes the ones worth it.
        name: How the sweep is found again: `library.sweep(name)`, tomorrow too. By default it is
            called as before, or like its template; a single shot is only kept under a name.

    Raises:
        CheckError: With everything that is wrong, before any compute.
    """
    single = isinstance(sweep, Shot)
    if isinstance(sweep, Shot):
        sweep = sweep_of_shots([sweep])
    used: Model = as_model(model)
    _check_kinds(sweep, used, library, exact, draft)
    checks.raise_problems(_wrong_with_name(name))
    sweep = sweep.across(used)
    library = open_library() if library is None else library
    refresh(used)
    shots = sweep.resolve(used)
    if draft is not None:
        shots = tuple(as_draft(shot, steps_of(used, shot), draft) for shot in shots)
        kinds_of_shots = {used.batch_key(shot): shot for shot in shots}
        checks.raise_problems(p for shot in kinds_of_shots.values() for p in used.check(shot))
    started = start(RunRequest(sweep, used, library, exact=exact, draft=draft), shots)
    if name is not None or not single:
        started.remember(name)
    return started


@dataclass(frozen=True)
class RunRequest:
    """What a run was asked for.

    Attributes:
        sweep: What is made.
        model: What makes it.
        library: Where the clips go.
        exact: Whether every call is filled up to one size.
        draft: The share of each clip's steps that is done, or None for all.
        drafts: Of shots that finish drafts, by key: the keys of these drafts.
    """

    sweep: Sweep
    model: Model
    library: Library
    exact: bool = False
    draft: float | None = None
    drafts: Mapping[str, str] = field(default_factory=dict)


def start(asked: RunRequest, shots: Sequence[Shot]) -> Run:
    """Start a run, or return the one that is going and was asked for the same.

    Args:
        asked: What for.
        shots: Resolved, one for each cell.
    """
    text = "\n".join(
        [
            asked.sweep.outline,
            str(asked.exact),
            str(asked.library.folder),
            *(shot.key for shot in shots),
        ]
    )
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    with _starting:
        found = _active.get(key)
        if found is not None and found.status not in ("cancelled", "done"):
            return found
        started = Run(asked, shots, key=key)
        _active[key] = started
        return started


def as_draft(shot: Shot, steps: int, share: float) -> Shot:
    """Return the draft of a shot: with only a share of its steps, at least one, never all."""
    return shot.replace(draft_steps=min(max(1, round(share * steps)), max(1, steps - 1)))


def _wrong_with_name(name: object) -> Iterator[Problem]:
    yield from checks.string("name", name, or_none=True)
    if isinstance(name, str) and not (
        name.strip() and len(name) <= MAX_NAME and name.isprintable()
    ):
        yield Problem(
            "name",
            f"name={shorten(name)}: one line of 1 to {MAX_NAME} characters is needed, as in "
            'name="bees at dusk".',
        )


def _check_kinds(
    sweep: object, model: object, library: object, exact: object, draft: object
) -> None:
    wrong = []
    if not isinstance(sweep, Sweep):
        wrong.append(
            Problem(
                "sweep",
                f"sweep={shorten(sweep)}: a sweep or a shot is needed, as in "
                'bc.run(bc.sweep("a bee", seed=range(4)), model).',
            )
        )
    wrong += [*loaded_model(model), *library_problems(library), *checks.boolean("exact", exact)]
    if draft is not None and not (isinstance(draft, (int, float)) and 0 < draft < 1):
        wrong.append(
            Problem(
                "draft",
                f"draft={shorten(draft)}: a share of the steps is needed, over 0 and under 1; "
                "draft=0.3 does the first 30 %.",
            )
        )
    checks.raise_problems(wrong)


class Run:
    """A sweep being made: progress, pause, cancel; made by `bc.run`.

    Everything that can be known of it is in `changes(since)`, which never loses a final state
    however seldom it is asked.

    Attributes:
        sweep: What is made.
        model: What makes it.
        library: Where the clips go.
        exact: Whether every call is filled up to one size.
        draft: The share of each clip's steps that is done, or None for all.
        key: A digest of sweep, model and library.
        name: How the sweep is found again, or None.
    """

    def __init__(self, asked: RunRequest, shots: Sequence[Shot], *, key: str) -> None:
        self._asked = asked
        self.sweep, self.model, self.library = asked.sweep, asked.model, asked.library
        self.exact, self.draft = asked.exact, asked.draft
        self.key = key
        self.name: str | None = None
        self._shots = tuple(shots)
        self._progress = Progress([shot.key for shot in shots])
        self._engine = LocalEngine(
            shots,
            asked.model,
            asked.library,
            self._progress,
            parents=asked.sweep.parents,
            exact=asked.exact,
            drafts=asked.drafts,
        )
        self._engine.start(owner=self)

    def __repr__(self) -> str:
        state = self.changes(self._progress.version).run
        counts = ", ".join(f"{n} {status}" for status, n in state.counts.items() if n)
        why = f" ({state.message})" if state.message else ""
        return f"Run of {state.total} cells on {self.model.name}, {state.status}: {counts}{why}"

    def _ipython_display_(self) -> None:
        notebook.show_run(self)

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    @overload
    def __getitem__(self, index: int) -> Clip: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Sequence[bool]) -> ClipSet: ...
    def __getitem__(self, index: Any) -> Clip | ClipSet:
        """Return one of its clips, or a set for a slice, a list of indices or a mask.

        >>> run[3], run[:4]
        """
        found: Clip | ClipSet = self.clips[index]
        return found

    @property
    def selection(self) -> ClipSet:
        """The clips that are selected in the grid that shows this run.

        >>> run.selection[0].save("bee.mp4")

        Raises:
            BeecamError: No grid shows the run.
        """
        cells = notebook.selected_cells(self)
        if cells is None:
            raise BeecamError(
                "run.selection: no grid shows this run. Show it with `run` as the last line of a "
                "cell, after `import beecam_widgets`."
            )
        wanted = set(cells)
        generated = self._progress.cells(Status.DONE, Status.CACHED)
        return self._clips_of([cell for cell in generated if cell.index in wanted])

    # --- watching ------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self._progress.finished

    @property
    def status(self) -> str:
        """One of "running", "pausing", "paused", "cancelled" and "done"."""
        return self._progress.status

    @property
    def clips(self) -> ClipSet:
        """The clips generated so far, in the sweep's order."""
        # Before the clips: a run that ends in between has all of them.
        expected = 0 if self.finished else len(self._shots)
        return self._clips_of(self._progress.cells(Status.DONE, Status.CACHED), expected)

    def _clips_of(self, cells: Sequence[CellState], expected: int = 0) -> ClipSet:
        return ClipSet(
            self.library,
            [cell.key for cell in cells],
            axes=self.sweep.axes,
            coords=[self.sweep.cells[cell.index].coords for cell in cells],
            title=self.sweep.template,
            model=self.model,
            expected=expected,
        )

    @property
    def errors(self) -> dict[int, str]:
        """Why cells failed, by the cell's index."""
        return {c.index: c.error or "" for c in self._progress.cells(Status.FAILED)}

    def changes(self, since: int = 0, timeout: float | None = None) -> Changes:
        """Return what changed after version `since`; wait for news at most `timeout` seconds.

        Asking also says that somebody is watching, which is when previews are made.
        """
        return self._progress.changes(since, timeout)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait until it is finished, and return it.

        A KeyboardInterrupt (the notebook's stop button) cancels the run.

        Raises:
            TimeoutError: It took longer than `timeout` seconds; the run goes on.
        """
        try:
            if not self._progress.wait(timeout):
                raise TimeoutError(f"the run is not finished after {timeout:g} s: {self!r}")
        except KeyboardInterrupt:
            self.cancel()
            raise
        return self

    def remember(self, name: str | None = None) -> None:
        """Keep the sweep in the library, so that it is found again.

        A disk that is full costs the name, and no clip: the run says so and goes on.
        """
        name = name and " ".join(name.split())
        try:
            self.name = self.library.sweep_files.write(
                self.sweep,
                self._shots,
                name=name,
                model=self.model.name,
                draft=self.draft,
            )
        except OSError as error:
            self._progress.say(f"this sweep is not kept by name: {error.strerror or error}.")

    # --- steering ------------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop at the next step; what is under way goes on from there, to the same bits.

        The accelerator is free for others then, where the pipeline can go on from within a clip.
        """
        self._progress.pause()

    def resume(self) -> None:
        """Go on from a pause."""
        self._progress.resume()

    def cancel(self, index: int | None = None) -> None:
        """Stop the run, or leave out one cell. What is finished stays in the library.

        Args:
            index: The cell; all of them for None.

        Raises:
            IndexError: There is no such cell.
        """
        if index is None:
            self._progress.cancel()
        else:
            self._progress.drop(index)
            self._engine.drop(index)

    def with_cells(self, sweep: Sweep) -> Run:
        """Run a sweep that has more cells than this one's; see `beecam.sweeps.expand`.

        Clips that this run has generated, or is generating, are not generated again.

        Raises:
            CheckError: With everything that is wrong, before any compute.
        """
        refresh(self.model)
        shots = sweep.resolve(self.model)
        if self.draft is not None:
            shots = tuple(as_draft(shot, steps_of(self.model, shot), self.draft) for shot in shots)
        return start(replace(self._asked, sweep=sweep), shots)

    def retry(self) -> Run:
        """Make what is missing of a run that was stopped, or that failed in places."""
        refresh(self.model)
        return start(self._asked, self._shots)
