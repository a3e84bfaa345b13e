"""Runs: `bc.run` generates a sweep in the background, observed through its changes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from beecam._util.attributes import FixedAttributes
from beecam._util.forks import in_forked_process
from beecam._util.warning import warn
from beecam._util.words import count_of, one_line
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, open_library
from beecam.errors import BeecamError
from beecam.export import notebook
from beecam.models.capabilities import refresh
from beecam.models.model import Model, Note
from beecam.models.model_set import as_model
from beecam.runs.argument_checks import RunRequest, as_sweep, check_arguments, check_sweep
from beecam.runs.clip_sequence import ClipSequence
from beecam.runs.engines.local import LocalEngine
from beecam.runs.progress import CellState, Changes, Progress, Status
from beecam.runs.progress_bar import shows_bar, wait_with_bar
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList
from beecam.sweeps.layout_checks import notes_on
from beecam.sweeps.sweep import Sweep

_active: weakref.WeakValueDictionary[str, Run] = weakref.WeakValueDictionary()
_starting = threading.Lock()


@in_forked_process
def _leave_to_parent() -> None:
    """Forget the runs of the process that this one was forked from."""
    global _starting  # noqa: PLW0603  (a thread of the other process may hold it)
    _starting = threading.Lock()
    _active.clear()


def run(
    sweep: Sweep | Shot,
    model: Model | Sequence[Model] | Mapping[str, Model],
    *,
    library: Library | None = None,
    exact: bool = False,
    draft: float | None = None,
    name: str | None = None,
) -> Run:
    """Generate a sweep in the background.

    The call returns once all cells are checked and looked up in the library: immediately for most
    sweeps, after half a second for 100,000 cells of few prompts. Clips that the library has are
    not generated again. The same call while the run is active, as when a notebook's cell is run
    twice, returns that run. Words and text that don't reach the model are reported by a
    BeecamWarning; in a notebook by the grid, if the cell shows one.

    >>> run = bc.run(sweep, model)
    >>> run            # the last line of a cell: a live grid

    Args:
        sweep: A sweep, or one shot.
        model: A model from `bc.load()` or `bc.wrap(pipe)`. Several models, as a list or as
            `{label: model}`, become an axis "model" before all others.
        library: The library for the clips; by default `bc.library()`.
        exact: Whether to pad every batch to one size, so that each clip has the same bits as when
            it is generated alone. Without it, a clip may differ by rounding.
        draft: The share of each clip's steps to do, between 0 and 1; the clip shows the result
            predicted at that step. `bc.promote(run.clips.starred)` finishes drafts.
        name: The name for `library.sweep(name)`. By default the sweep keeps its older name, or
            gets that of its template; a single shot is only recorded under a name.

    Raises:
        CheckError: With all problems of the arguments, before anything is generated.
    """
    used: Model = as_model(model)
    cells = as_sweep(sweep)
    check_arguments(cells, used, library, exact=exact, draft=draft, name=name)
    started = launch(
        RunRequest(
            cells.across(used),
            used,
            open_library() if library is None else library,
            exact=exact,
            draft=draft,
            name=name,
            recorded=name is not None or not isinstance(sweep, Shot),
        )
    )
    if "notes" not in vars(started) and started.notes:
        notebook.warn_of_notes(started, "\n".join(map(str, started.notes)))
    return started


def launch(request: RunRequest) -> Run:
    """Resolve and check the cells and start a run, or return the active run with the same cells.

    Everything that starts a run calls this, so that shots are always resolved by the weights that
    the model has now.

    Raises:
        CheckError: With all problems of the cells, before anything is generated.
    """
    model = request.model
    refresh(model)
    revision = model.revision
    shots = request.resolve()
    key = request.key_of(shots)
    with _starting:
        run = _active.get(key)
        # A library that was opened again, in place of one that is gone or closed, is another one.
        if run is None or run.library is not request.library or run.status in ("cancelled", "done"):
            run = Run(request, shots, key=key, revision=revision)
            run._engine.start(owner=run)  # noqa: SLF001
            _active[key] = run
    if request.recorded:
        run.remember(request.name)
    return run


class Run(ClipSequence, FixedAttributes):
    """A sweep that is generated in the background; started by `bc.run`.

    A run is also a sequence of the clips generated so far, and can be used in place of `run.clips`,
    with its methods. Its state is reported by `changes(since)`, which includes every final state,
    however rarely it is called.

    >>> run = bc.run(sweep, model)
    >>> run.wait()[0].save("bee.mp4")

    Attributes:
        sweep: The sweep that is generated.
        model: The model that generates it.
        library: The library for the clips.
        exact: Whether every batch is padded to one size.
        draft: The share of each clip's steps that is done, or None for all.
        shots: The resolved shot of each cell.
        key: A digest of sweep, model and library.
        name: The name for `library.sweep(name)`, or None.
    """

    sweep: Sweep
    model: Model
    library: Library
    exact: bool
    draft: float | None
    shots: ShotList
    key: str
    name: str | None

    def __init__(self, request: RunRequest, shots: ShotList, *, key: str, revision: str) -> None:
        """Set up a run, whose engine `launch` starts; the shots are resolved."""
        self._request = request
        self.sweep, self.model, self.library = request.sweep, request.model, request.library
        self.exact, self.draft = request.exact, request.draft
        self.key = key
        self.name = None
        self.shots = shots
        self._progress = Progress(shots.keys)
        self._engine = LocalEngine(
            shots,
            request.model,
            request.library,
            self._progress,
            parents=request.sweep.parents,
            exact=request.exact,
            drafts=request.drafts,
            revision=revision,
        )

    def __repr__(self) -> str:
        counts = self._progress.counts
        text = ", ".join(f"{counts[one]} {one}" for one in Status if counts[one])
        message = f" ({self._progress.message})" if self._progress.message else ""
        cells = f"Run of {count_of(len(self.shots), 'cell')} on {self.model.name}"
        failures = f". {self._failures}" if self._failures else ""
        return f"{cells}, {self.status}: {text}{message}{failures}"

    @property
    def _failures(self) -> str:
        """How many cells failed, and what to do, in a sentence; "" if none has."""
        if not (failed := self._progress.counts[Status.FAILED]):
            return ""
        return (
            f"{failed:,} of {count_of(len(self.shots), 'cell')} failed: run.errors has the reasons "
            "by cell, run.clip(cell) returns the clip of a cell, run.retry() tries again."
        )

    def _ipython_display_(self) -> None:
        notebook.show_run(self)

    def clip(self, index: int) -> Clip:
        """Return the clip of a cell, by the number that the cell has in the grid.

        >>> run.clip(3).save("bee.mp4")

        Args:
            index: The index of the cell.

        Raises:
            IndexError: The run has no such cell, or the cell has no clip.
        """
        cell = self._progress[index]
        if cell.status not in (Status.DONE, Status.CACHED):
            reason = f": {cell.error}" if cell.error else ""
            raise IndexError(f"cell {index} has no clip, it is {cell.status}{reason}")
        return self._clips_of([cell])[0]

    @property
    def selection(self) -> ClipSet:
        """The clips that are selected in the grid that shows this run.

        >>> run.selection[0].save("bee.mp4")

        Raises:
            BeecamError: The run is not shown by a grid.
        """
        cells = notebook.selected_cells(self)
        if cells is None:
            raise BeecamError(
                "run.selection: no grid shows this run. Show it with `run` as the last line of a "
                "cell, after `import beecam_widgets`."
            )
        indices = set(cells)
        generated = self._progress.cells(Status.DONE, Status.CACHED)
        return self._clips_of([cell for cell in generated if cell.index in indices])

    # --- observing -----------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether the run has ended and nothing will change."""
        return self._progress.finished

    @property
    def status(self) -> str:
        """One of "running", "pausing", "paused", "cancelled" and "done"."""
        return self._progress.status

    @property
    def clips(self) -> ClipSet:
        """The clips generated so far, in the sweep's order.

        >>> run.clips.starred
        """
        # Before the clips: a run that ends in between has all of them.
        expected = 0 if self.finished else len(self.shots)
        return self._clips_of(self._progress.cells(Status.DONE, Status.CACHED), expected)

    def _clips_of(self, cells: Sequence[CellState], expected: int = 0) -> ClipSet:
        places = self.sweep.places[1]
        return ClipSet(
            self.library,
            [cell.key for cell in cells],
            axes=self.sweep.axes,
            coords=[self.sweep.coords_at(places[cell.index]) for cell in cells],
            title=self.sweep.template,
            model=self.model,
            expected=expected,
            missing=self._failures,
            origin=self,
        )

    @cached_property
    def notes(self) -> list[Note]:
        """What doesn't reach the model: words that it doesn't know, text that it cuts off.

        >>> bc.run(bc.sweep("a zebra"), model).notes[0].words
        ('zebra',)
        """
        return notes_on(self.sweep, self.model, self.shots)

    @property
    def errors(self) -> dict[int, str]:
        """The error messages of failed cells, by the cell's index.

        >>> run.errors
        {3: 'ValueError: ...'}
        """
        return {c.index: c.error or "" for c in self._progress.cells(Status.FAILED)}

    def changes(self, since: int = 0, timeout: float | None = None) -> Changes:
        """Return the changes after version `since`; wait for some up to `timeout` seconds.

        Previews are only generated while this is called, at least every two seconds.

        >>> changes = run.changes()
        >>> changes = run.changes(changes.version, timeout=5)

        Args:
            since: The version of the last changes; 0 for all cells.
            timeout: How long to wait for a change, in seconds; None doesn't wait.
        """
        return self._progress.changes(since, timeout)

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Run:
        """Wait until the run is finished, and return it.

        Failed cells are reported by a BeecamWarning. A KeyboardInterrupt (the notebook's stop
        button) cancels the run.

        >>> clips = bc.run(sweep, model).wait().clips
        100%|██████████| 24/24 [00:06<00:00,  3.71clip/s]

        Args:
            timeout: How long to wait, in seconds; None for any time.
            progress: Whether a bar of tqdm shows the progress; by default in a terminal, and in a
                notebook without `beecam_widgets`.

        Raises:
            TimeoutError: The run is not finished after `timeout` seconds; it continues.
        """
        has_bar = shows_bar() if progress is None else progress
        try:
            if has_bar and not self.finished:
                ended = wait_with_bar(self._progress, timeout)
            else:
                ended = self._progress.wait(timeout)
        except KeyboardInterrupt:
            self.cancel()
            raise
        if not ended:
            raise TimeoutError(f"the run is not finished after {timeout:g} s: {self!r}")
        if failures := self._failures:
            first = one_line(next(iter(self.errors.values())))
            warn(f"{failures} The first: {first}")
        return self

    def remember(self, name: str | None = None) -> None:
        """Record the sweep in the library, for `library.sweep(name)`.

        If the disk is full, the run continues without a record and reports that.

        >>> run.remember("bees at dusk")
        """
        name = name and one_line(name)
        try:
            self.name = self.library.sweep_files.write(
                self.sweep,
                self.shots,
                name=name,
                model=self.model.name,
                draft=self.draft,
            )
        except OSError as error:
            self._progress.show_message(f"this sweep was not recorded: {error.strerror or error}.")

    # --- controlling ---------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop after the current denoising step; `resume` continues to the same bits.

        The accelerator is free during the pause if the pipeline can resume within a clip.

        >>> run.pause()
        """
        self._progress.pause()

    def resume(self) -> None:
        """Continue after a pause.

        >>> run.resume()
        """
        self._progress.resume()

    def cancel(self, index: int | None = None) -> None:
        """Cancel the run, or one cell; clips that are finished stay in the library.

        >>> run.cancel()

        Args:
            index: The index of the cell; None for all.

        Raises:
            IndexError: The run has no such cell.
        """
        if index is None:
            self._progress.cancel()
        else:
            self._progress.drop(index)
            self._engine.drop(index)

    def with_cells(self, sweep: Sweep) -> Run:
        """Run a sweep that has more cells than this one's; see `beecam.sweeps.expand`.

        Clips that this run has generated, or is generating, are not generated again, unless the
        model's weights have changed. The larger sweep is recorded under the name of this one.

        >>> more = run.with_cells(larger_sweep)

        Raises:
            CheckError: With all problems of the sweep, before anything is generated.
        """
        check_sweep(sweep)
        return launch(replace(self._request, sweep=sweep, name=self.name, recorded=True))

    def retry(self) -> Run:
        """Generate what is missing after the run was cancelled or some of its cells failed.

        If the model's weights have changed since, all cells are generated with the new ones.

        >>> run = run.retry()

        Raises:
            CheckError: The changed model can't generate the cells, such as those that finish
                drafts of the old one.
        """
        recorded = self._request.recorded or self.name is not None
        return launch(replace(self._request, name=self.name, recorded=recorded))
