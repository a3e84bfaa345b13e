"""Panel: build a sweep in the notebook, estimate it, run it, see its clips."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import traitlets as t

import beecam as bc
from beecam._util import checks
from beecam._util.words import one_line
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, library_problems, open_library
from beecam.clips.sweep_records import SweepRecord, SweepRecords
from beecam.errors import BeecamError, shorten
from beecam.models.model import Model
from beecam.models.model_checks import loaded_model
from beecam.models.model_set import as_model
from beecam.runs.run import Run
from beecam.storage.sweep_files import default_name
from beecam.sweeps.axes import Axis
from beecam.sweeps.deck_files.deck import Deck
from beecam_widgets._clips.cell_source import CellSource
from beecam_widgets._clips.shared_state import Member, SharedState
from beecam_widgets._notebook.assets import load_assets
from beecam_widgets._notebook.cell_holds import cell_holds
from beecam_widgets._notebook.notebook_widget import NotebookWidget, Remains
from beecam_widgets._notebook.outputs import display_widget
from beecam_widgets._notebook.worker_thread import WorkerThread
from beecam_widgets._panel.descriptions import describe_choices, describe_records, describe_sweep
from beecam_widgets._panel.form import SweepForm
from beecam_widgets._panel.form_state import FormState
from beecam_widgets._panel.protocol import form_from_json, form_to_json
from beecam_widgets._panel.requests import handle_request
from beecam_widgets._panel.run_tracker import RunTracker
from beecam_widgets.grid import ClipGrid

TEMPLATE = "a {insect} over {place}"
# What an empty call starts with, in words that pollen knows: the first press makes eight clips.
_FIRST_FORM = SweepForm(
    template=TEMPLATE,
    axes={
        "insect": Axis("insect", ("bee", "butterfly")),
        "place": Axis("place", ("a meadow", "the ocean")),
    },
    seeds=(0, 1),
)
_QUIET_SECONDS = 0.2  # after the last change, before the cells are counted
_RUN_INTERVAL = 0.3  # seconds between two checks of a run
_MAX_MESSAGE = 1_000  # characters
# Messages that only wake the worker.
_FORM_CHANGED, _RUN_CHANGED = {"kind": "form changed"}, {"kind": "run changed"}
# An edit of no front end: made by code.
_CODE_EDIT = ("", 0)


class Panel(FormState, NotebookWidget):
    """A panel that builds and runs sweeps; each of its inputs is also an attribute.

    >>> panel = bw.explore(model)
    >>> panel                                   # the last line of a cell displays it
    >>> panel.template = "a {insect}, {view}"
    >>> panel.axes |= {"view": ["from a drone", "close up"]}
    >>> panel.run_now()                         # as the button does
    >>> print(panel.code)                       # Python code that does the same

    Attributes:
        model: The model that generates the clips.
        library: The library that stores them.
        controls: The arguments of the model that have an input field, by name.
        grid: The ClipGrid below the panel.
        requested_model: What `explore` was called with.
    """

    grid: ClipGrid
    requested_model: object = None

    _esm, _css = load_assets("panel")

    # Only Python writes these traits; the front end sends its requests as messages.
    _choices = t.Dict().tag(sync=True)
    _state = t.Dict().tag(sync=True)
    _summary = t.Dict().tag(sync=True)
    _run = t.Dict().tag(sync=True)
    _history = t.List().tag(sync=True)

    def __init__(
        self,
        model: Model | Sequence[Model] | Mapping[str, Model] | None = None,
        *,
        deck: Deck | str | os.PathLike[str] | None = None,
        template: str | None = None,
        wildcards: str | os.PathLike[str] | None = None,
        library: Library | None = None,
    ) -> None:
        """Create a panel; `explore` also finds the existing one of a notebook cell.

        Args:
            model: From `bc.load()` or `bc.wrap(pipe)`, or several models; None for pollen.
            deck: The deck to start with: a deck, its name, or a YAML file.
            template: The prompt template to start with if there is no deck; None for an example of
                eight clips.
            wildcards: The folder of text files whose lines `__name__` in the template stands for.
            library: Where clips are stored; by default `bc.library()`.

        Raises:
            CheckError: An argument has the wrong type.
            DeckError: The deck doesn't exist, or its file is invalid.

        >>> Panel(model, template="a {insect} in the rain")
        """
        used: Any = bc.load() if model is None else as_model(model)
        checks.raise_problems(
            [
                *loaded_model(used),
                *library_problems(library),
                *checks.string("template", TEMPLATE if template is None else template),
                *(() if wildcards is None else checks.path_argument("wildcards", wildcards, "'w'")),
            ]
        )
        opened = open_library() if library is None else library
        given, folder = template is not None or deck is not None, os.fspath(wildcards or "")
        first = SweepForm(template=template or TEMPLATE) if given else _FIRST_FORM
        first = replace(first, wildcards=folder)
        FormState.__init__(self, used, opened, first, is_default=model is None)
        self._serial, self._summarized_serial, self._changed_at = 0, 0, 0.0
        self._edit: list[Any] = list(_CODE_EDIT)
        self._lock = threading.RLock()
        self._runs = RunTracker()
        self._worker = WorkerThread(self._handle, self._poll, "beecam-panel")
        self._member = Member(on_extended=self._follow_extended)
        self.grid = ClipGrid(ClipSet(self.library, []))
        # It ends with the panel.
        cell_holds.forget(self.grid)
        NotebookWidget.__init__(
            self,
            _choices=self._describe_choices(),
            _state={},
            _summary={},
            _run=self._runs.state(),
            _history=describe_records(self.history),
        )
        if deck is None:
            self._set_form(self._form)
        else:
            self.deck = deck

    def __repr__(self) -> str:
        closed = "closed " if self.closed else ""
        return f"{closed}Panel for {self.model.name}: {self.sweep!r}"

    def _how_to_reopen(self) -> str:
        return "bw.explore(model) opens another one; print(panel.code) prints its sweep."

    @property
    def has_views(self) -> bool:
        """Whether an open page shows it or its grid.

        >>> panel.has_views
        True
        """
        return super().has_views or self.grid.has_views

    # --- the run -------------------------------------------------------------------------------

    @property
    def current_run(self) -> Run | None:
        """The run started last, or None.

        >>> panel.current_run.wait()
        """
        return self._runs.run

    @property
    def history(self) -> SweepRecords:
        """The sweeps that were run in the library, the newest first.

        >>> [record.name for record in panel.history]
        """
        return self.library.sweeps()

    def run_now(self) -> Run:
        """Run the sweep, and show its clips in the grid.

        Raises:
            CheckError: All problems of the sweep, before any computation.

        >>> run = panel.run_now().wait()
        """
        name = one_line(self._form.name) or None
        run = bc.run(self.sweep, self.model, library=self.library, name=name)
        with self._lock:
            self._show(run)
            self._set_run(run)
        return run

    def pause(self) -> None:
        """Pause the run at its next step.

        Raises:
            BeecamError: No run was started.

        >>> panel.pause()
        """
        self._runs.started_run().pause()
        self._worker.submit(_RUN_CHANGED)

    def resume(self) -> None:
        """Resume a paused run.

        Raises:
            BeecamError: No run was started.

        >>> panel.resume()
        """
        self._runs.started_run().resume()
        self._worker.submit(_RUN_CHANGED)

    def stop(self) -> None:
        """Cancel the run; finished clips stay in the library.

        Raises:
            BeecamError: No run was started.

        >>> panel.stop()
        """
        self._runs.started_run().cancel()
        self._worker.submit(_RUN_CHANGED)

    def restore(self, record: SweepRecord | str) -> None:
        """Restore an earlier sweep into the form, and show its clips in the grid.

        Args:
            record: An item of `panel.history`, or a name.

        Raises:
            LibraryError: No sweep has this name, or its record is damaged.
            BeecamError: The form can't represent the sweep; the grid shows its clips anyway.

        >>> panel.restore("bees at dusk")
        """
        sweep_record = self.library.sweep(record) if isinstance(record, str) else record
        has_default_name = sweep_record.name == default_name(sweep_record.sweep)
        form = SweepForm.from_sweep(
            sweep_record.sweep,
            "" if has_default_name else sweep_record.name,
            self._form.wildcards,
        )
        with self._lock:
            # An active run stays current, so that it can still be stopped here.
            if self._runs.release_finished():
                self._run = {**self._runs.state(), "shown": True}
            self._show(sweep_record.clips)
            if form is not None:
                self._fill(form)
        if form is None:
            raise BeecamError(
                f"The grid shows {sweep_record.name!r}, but a panel can't edit this sweep: its "
                "cells were picked, or it was built from clips. "
                f"library.sweep({sweep_record.name!r}).sweep returns it."
            )

    def close(self) -> None:
        """Remove panel and grid from the page, and end the panel's thread; a run continues.

        >>> panel.close()
        """
        if worker := getattr(self, "_worker", None):  # missing if the constructor failed
            worker.close()
            self.grid.close()
        super().close()

    @property
    def _remains(self) -> Remains | None:
        return self.grid.remains

    # --- requests of the front end, see PanelActions ---------------------------------------------

    def apply_edit(self, data: Mapping[str, Any], edit: Sequence[Any]) -> None:
        """Replace the form by the one that a front end sent.

        Args:
            data: The JSON form of `form_to_json`.
            edit: Name of the front end, and the number of its edit.

        Raises:
            BeecamError: The data isn't a form, or too large.

        >>> panel.apply_edit(data, ["front-end-1", 3])
        """
        with self._lock:
            self._set_form(form_from_json(data, self._form, self.controls), edit)

    def refresh_history(self) -> None:
        """Send the earlier sweeps to the front ends again.

        >>> panel.refresh_history()
        """
        self._history = describe_records(self.history)

    def send_message(self, **content: Any) -> None:
        """Send a message to all front ends.

        >>> panel.send_message(kind="problem", text="The model is gone.")
        """
        if self.comm is not None:
            self.send(content)

    # --- changes ---------------------------------------------------------------------------------

    def _set_form(self, form: SweepForm, edit: Sequence[Any] = _CODE_EDIT) -> None:
        data = form_to_json(form)  # first, as it may fail
        with self._lock:
            if [one["name"] for one in self._choices["decks"]] != [one.name for one in self._decks]:
                self._choices = self._describe_choices()
            self._form, self._edit = form, list(edit)
            self._serial += 1
            self._changed_at = time.monotonic()
            undo = self._undo_form is not None
            self._state = {**data, "serial": self._serial, "edit": self._edit, "undo": undo}
        self._worker.submit(_FORM_CHANGED)

    def _describe_choices(self) -> dict[str, Any]:
        return describe_choices(self, self.grid.get_state("_sheet")["_sheet"])

    def _show(self, clips: Run | ClipSet) -> None:
        """Show clips in the grid, and follow the runs that are started there."""
        self.grid.remove_member(self._member)
        self.grid.show(clips)
        self.grid.add_member(self._member)

    def _follow_extended(self, source: CellSource, _: SharedState) -> None:
        """Make a run started in the grid the current one; called on any thread."""
        if source.run is not None:
            self._set_run(source.run)

    def _set_run(self, run: Run) -> None:
        with self._lock:
            self._runs.track(run)
            self._report_run()
        self._worker.submit(_RUN_CHANGED)

    def _receive(self, content: dict[str, Any]) -> None:
        # This may run on any thread (subshells), so it only queues.
        if isinstance(content.get("kind"), str):
            self._worker.submit(content)

    # --- on the worker thread ------------------------------------------------------------------

    def _handle(self, content: dict[str, Any]) -> None:
        try:
            handle_request(self, content)
        except BeecamError as error:
            self._send_problem(str(error))
        except Exception as error:  # noqa: BLE001  (there is no caller to raise to)
            self._send_problem(f"The panel raised an error: {shorten(error, 300)}")
        self.send_message(kind="ack")

    def _poll(self) -> float | None:
        try:
            return self._update()
        except Exception as error:  # noqa: BLE001  (there is no caller to raise to)
            self._send_problem(f"The panel raised an error: {shorten(error, 300)}")
            return None

    def _update(self) -> float | None:
        """Update run and summary; return the seconds until the next call, None if idle."""
        self._report_run()
        with self._lock:
            wait = self._changed_at + _QUIET_SECONDS - time.monotonic()
            is_stale = self._summarized_serial != self._serial
        if is_stale and wait <= 0:
            self._summarize()
        if is_stale:
            return max(wait, 0.02)
        return _RUN_INTERVAL if self._runs.active else None

    def _report_run(self) -> None:
        """Send the state of the run; when it has ended, the clips are counted again."""
        with self._lock:
            if self._runs.run is None:
                return
            state = self._runs.state()
            if state != self._run:
                self._run = state
            if self._runs.take_end():
                self._summarized_serial = 0
                self.refresh_history()

    def _summarize(self) -> None:
        with self._lock:
            serial = self._serial
        summary = describe_sweep(self)
        with self._lock:
            self._summary = {"serial": serial, **summary}
            self._summarized_serial = serial

    def _send_problem(self, text: str) -> None:
        self.send_message(kind="problem", text=text[:_MAX_MESSAGE])

    def _display(self) -> None:
        display_widget(self)
        # The grid is displayed from the start, so that a run never needs an output of its own;
        # the front end hides it until it has clips.
        self.grid._ipython_display_()
