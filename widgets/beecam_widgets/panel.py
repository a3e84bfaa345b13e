"""The panel: a prompt with its slots, what goes into them, what it will cost, and the run."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import anywidget
import traitlets as t

import beecam as bc
from beecam._util import checks as kinds
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, library_problems, open_library
from beecam.clips.sweep_records import SweepRecord, SweepRecords
from beecam.errors import BeecamError, CheckError, shorten
from beecam.models.model import Model, loaded_model
from beecam.models.model_set import as_model
from beecam.runs.run import Run
from beecam.storage.sweep_files import default_name
from beecam.sweeps.deck_files.deck import Deck
from beecam_widgets.asking import Asking, asking_of
from beecam_widgets.bundles import bundle
from beecam_widgets.explorer import Explorer
from beecam_widgets.grid import ClipGrid
from beecam_widgets.paging import asking_from, page_of
from beecam_widgets.shared import Shared
from beecam_widgets.source import Source
from beecam_widgets.worker import Worker

TEMPLATE = "a {insect} over {place}"
_QUIET = 0.2  # seconds without a change, after which the cells are counted
_LOOK = 0.3  # seconds between two looks at a run
_MOST_PROBLEMS, _MOST_HISTORY = 30, 60


class Panel(Explorer, anywidget.AnyWidget):  # type: ignore[misc]
    """A panel to ask for sweeps; everything in it is a value that code can read and set.

    >>> panel = bw.explore(model)
    >>> panel                                   # the last line of a cell shows it
    >>> panel.template = "a {insect}, {view}"
    >>> panel.axes |= {"view": ["from a drone", "close up"]}
    >>> panel.run_now()                         # what the button does
    >>> print(panel.code)                       # the lines that do the same

    Attributes:
        model: What makes the clips.
        library: Where they go.
        controls: The model's arguments that have a field, by name.
        grid: The grid below the panel.
    """

    _esm, _css = bundle("panel")

    # Each has one writer, Python; the page says what it wants in messages.
    _about = t.Dict().tag(sync=True)
    _state = t.Dict().tag(sync=True)
    _summary = t.Dict().tag(sync=True)
    _run = t.Dict().tag(sync=True)
    _history = t.List().tag(sync=True)

    def __init__(
        self,
        model: Model | Sequence[Model] | Mapping[str, Model] | None = None,
        *,
        deck: Deck | str | os.PathLike[str] | None = None,
        template: str = TEMPLATE,
        library: Library | None = None,
    ) -> None:
        """Make a panel; see `explore`."""
        used: Any = bc.load() if model is None else as_model(model)
        kinds.raise_problems(
            [
                *loaded_model(used),
                *library_problems(library),
                *kinds.string("template", template),
            ]
        )
        opened = open_library() if library is None else library
        Explorer.__init__(self, used, opened, template, loaded=model is None)
        self._serial, self._said_of, self._changed = 0, 0, 0.0
        self._edit: list[Any] = ["", 0]
        self._lock = threading.RLock()
        self._current: Run | None = None
        self._told_end = True
        self._worker = Worker(self._take, self._due, "beecam-panel")
        self.grid = ClipGrid(ClipSet(self.library, []))
        anywidget.AnyWidget.__init__(
            self,
            _about=self._what_there_is(),
            _state={},
            _summary={},
            _run={"status": ""},
            _history=self._past(),
        )
        self.on_msg(self._hear)
        if deck is None:
            self._put(self._asking)
        else:
            self.deck = deck

    def __repr__(self) -> str:
        return f"Panel for {self.model.name}: {self.sweep!r}"

    # --- the run ------------------------------------------------------------------------------

    @property
    def current_run(self) -> Run | None:
        """The run that was started last, or None."""
        return self._current

    @property
    def history(self) -> SweepRecords:
        """The sweeps that were run in the library, the newest first."""
        return self.library.sweeps()

    def run_now(self) -> Run:
        """Run what is asked for, and show it in the grid: what the button does.

        Raises:
            CheckError: With all that is wrong, before any compute.
        """
        name = " ".join(self._asking.name.split()) or None
        run = bc.run(self.sweep, self.model, library=self.library, name=name)
        with self._lock:
            self._show(run)
            self._take_run(run)
        return run

    def pause(self) -> None:
        """Stop at the next step; `resume` goes on from there."""
        self._steer("pause")

    def resume(self) -> None:
        """Go on from a pause."""
        self._steer("resume")

    def stop(self) -> None:
        """Stop the run; what is finished stays in the library."""
        self._steer("cancel")

    def bring_back(self, record: SweepRecord | str) -> None:
        """Bring an earlier sweep back, into the panel and into the grid.

        Args:
            record: One of `panel.history`, or a name.

        Raises:
            LibraryError: There is none of that name, or its record is damaged.
            BeecamError: No panel can ask for it; its clips are in the grid all the same.
        """
        found = self.library.sweep(record) if isinstance(record, str) else record
        usual = found.name == default_name(found.sweep)
        asking = asking_of(found.sweep, "" if usual else found.name)
        with self._lock:
            # A run that goes on can still be stopped here.
            if self._current is None or self._current.finished:
                self._current, self._told_end = None, True
                self._run = {"status": "", "shown": True}
            self._show(found.clips)
            if asking is not None:
                self._begin(asking)
        if asking is None:
            raise BeecamError(
                f"{found.name!r} is shown below, but a panel can't ask for it: its cells were "
                f"picked, or made from clips. library.sweep({found.name!r}).sweep has it."
            )

    def close(self) -> None:
        """Take it off the page with its grid, and end its thread; a run goes on."""
        if worker := getattr(self, "_worker", None):  # none when making it has failed
            worker.close()
            self.grid.close()
        super().close()

    # --- as one of the surfaces of its run -------------------------------------------------------

    sheet_rank: ClassVar[int] = -1  # its grid leaves the contact sheet

    def follow(self, name: str, value: Any) -> None:
        """Take no part in selection, cursor, filter and order."""

    def go_on(self, source: Source, shared: Shared) -> None:  # noqa: ARG002
        """Steer the run that one of the surfaces has started; called on any thread."""
        if source.run is not None:
            self._take_run(source.run)

    # --- inside --------------------------------------------------------------------------------

    def _show(self, shown: Run | ClipSet) -> None:
        """Show something in the grid, and hear of what is made of it there."""
        self.grid.leave(self)
        self.grid.show(shown)
        self.grid.join(self)

    def _take_run(self, run: Run) -> None:
        with self._lock:
            self._current, self._told_end = run, False
            self._tell_run()
        self._worker.put({"kind": "ran"})

    def _steer(self, how: str) -> None:
        if self._current is None:
            raise BeecamError("nothing was run yet: panel.run_now() does that.")
        getattr(self._current, how)()
        with self._lock:
            self._told_end = False
        self._worker.put({"kind": "ran"})

    def _put(self, asking: Asking, edit: Sequence[Any] = ("", 0)) -> None:
        """Ask for something else from now on; `edit` says which edit of which page it was."""
        page = page_of(asking)  # before anything is changed: it may fail
        with self._lock:
            if [one["name"] for one in self._about["decks"]] != [one.name for one in self._decks]:
                self._about = self._what_there_is()
            self._asking, self._edit = asking, list(edit)
            self._serial += 1
            self._changed = time.monotonic()
            undo = self._before is not None
            self._state = {**page, "serial": self._serial, "edit": self._edit, "undo": undo}
        self._worker.put({"kind": "changed"})

    def _what_there_is(self) -> dict[str, Any]:
        return {
            "model": self.model.name,
            "sheet": self.grid._sheet,  # noqa: SLF001
            "problems": list(self._decks.problems)[:_MOST_PROBLEMS],
            "decks": [
                {
                    "name": d.name,
                    "title": d.title,
                    "note": d.note,
                    "arguments": dict(d.argument_notes),
                }
                for d in self._decks
            ],
            "controls": [
                {
                    "name": c.name,
                    "kind": c.kind,
                    "help": c.help,
                    "choices": list(c.choices),
                    "low": c.low,
                    "high": c.high,
                    "step": c.step,
                    "base": c.base,
                    "with": list(c.only_with),
                    "default": _text(c.default),
                }
                for c in self.controls.values()
            ],
        }

    def _past(self) -> list[dict[str, Any]]:
        return [
            {"key": one.key, "name": one.name, "when": one.when, "cells": len(one)}
            for one in self.history[:_MOST_HISTORY]
        ]

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        # This may be any thread (subshells), so that nothing but queueing happens here.
        if isinstance(content, dict) and isinstance(content.get("kind"), str):
            self._worker.put(content)

    # --- on the worker's thread ----------------------------------------------------------------

    def _take(self, content: dict[str, Any]) -> None:
        handler = getattr(self, f"_on_{content['kind']}", None)
        try:
            if handler is not None:
                handler(content)
        except BeecamError as error:
            self._complain(str(error))
        except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
            self._complain(f"The panel had a problem: {shorten(error, 300)}")
        self._tell(kind="heard")

    def _on_edit(self, content: dict[str, Any]) -> None:
        edit = content["edit"]
        if not (isinstance(edit, list) and len(edit) == 2):  # noqa: PLR2004
            raise BeecamError("The panel did not understand its page: no edit.")
        with self._lock:
            self._put(asking_from(content["state"], self._asking, self.controls), edit)

    def _on_run(self, _: dict[str, Any]) -> None:
        run = self._current
        if run is not None and run.status in ("pausing", "paused"):
            self.resume()
            return
        self.run_now()

    def _on_pause(self, _: dict[str, Any]) -> None:
        self.pause()

    def _on_stop(self, _: dict[str, Any]) -> None:
        self.stop()

    def _on_deck(self, content: dict[str, Any]) -> None:
        names = [one.name for one in self._decks]
        if content["name"] in names:
            self.deck = self._decks[names.index(content["name"])]

    def _on_intent(self, content: dict[str, Any]) -> None:
        self.intent = content["text"]
        if found := self._intent:
            note = found.deck.note if found.deck else ""
            self._tell(kind="intent", text=found.reason, note=note)

    def _on_history(self, content: dict[str, Any]) -> None:
        self.bring_back(str(content["key"]))

    def _on_undo(self, _: dict[str, Any]) -> None:
        self.undo()

    def _on_hello(self, _: dict[str, Any]) -> None:
        self._history = self._past()

    def _due(self) -> float | None:
        try:
            return self._wait()
        except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
            self._complain(f"The panel had a problem: {shorten(error, 300)}")
            return None

    def _wait(self) -> float | None:
        """Do what is due; return in how many seconds to look again."""
        self._tell_run()
        with self._lock:
            wait = self._changed + _QUIET - time.monotonic()
            behind = self._said_of != self._serial
        if behind and wait <= 0:
            self._summarize()
        if behind:
            return max(wait, 0.02)
        return None if self._told_end else _LOOK

    def _tell_run(self) -> None:
        """Say how far the run is; at its end the clips are counted anew."""
        with self._lock:
            run = self._current
            if run is None:
                return
            now = {"status": str(run.status), "finished": run.finished, "shown": True}
            if now != self._run:
                self._run = now
            if run.finished and not self._told_end:
                self._told_end, self._said_of = True, 0
                self._history = self._past()

    def _summarize(self) -> None:
        """Say how many cells there are, how many are made, how long the others take."""
        with self._lock:
            asking, serial = self._asking, self._serial
        found: dict[str, Any] = {"serial": serial, "problems": [], "code": ""}
        try:
            sweep = asking.sweep()
            found["shape"] = [
                [" + ".join(axis.name for axis in group.axes), size]
                for group, size in zip(sweep.groups, sweep.shape, strict=True)
            ]
            found["code"] = self.code
            estimate = bc.estimate(sweep, self.model, self.library)
            found |= {
                "cells": estimate.cells,
                "cached": estimate.cached,
                "seconds": estimate.seconds,
            }
        except CheckError as error:
            found["problems"] = [
                {"argument": one.argument, "message": one.message[:600]}
                for one in error.problems[:_MOST_PROBLEMS]
            ]
        except Exception as error:  # noqa: BLE001  (a library that was closed, a model that is gone)
            found["problems"] = [{"argument": "", "message": shorten(str(error), 600)}]
        with self._lock:
            self._said_of = serial
            self._summary = found

    def _complain(self, text: str) -> None:
        self._tell(kind="problem", text=text[:1_000])

    def _tell(self, **content: Any) -> None:
        if self.comm is not None:
            self.send(content)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        bundle = self._repr_mimebundle_()
        if bundle is not None:
            display(bundle[0], metadata=bundle[1], raw=True)
        # There from the beginning, so that a run never has to make an output of its own; the
        # page hides it until there is something to see.
        self.grid._ipython_display_()


def _text(default: Any) -> str:
    if default is None:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


# Widgets are never collected, and a cell is run again and again: the same call in the same cell is
# the same panel. Values are the panels with the models that their keys name.
_panels: dict[tuple[Any, ...], tuple[Any, Panel]] = {}


def explore(
    model: Model | Sequence[Model] | Mapping[str, Model] | None = None,
    *,
    deck: Deck | str | os.PathLike[str] | None = None,
    template: str = TEMPLATE,
    library: Library | None = None,
) -> Panel:
    """Make a panel to explore a model with: the last line of a cell shows it.

    The same call in the same cell gives the same panel, with all that was done in it by hand.

    >>> bw.explore()                                   # pollen
    >>> panel = bw.explore(model, deck="first-person flight")

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`, or several; None for pollen.
        deck: What to begin with: a deck, its name, or a YAML file.
        template: What to begin with where there is no deck.
        library: Where clips are kept; by default `bc.library()`.

    Raises:
        BeecamError: The deck, the model or the library is none; the message says what to change.
    """
    kinds.raise_problems(library_problems(library))
    library = open_library() if library is None else library
    key = (_cell(), id(model), str(deck), template, str(library.folder))
    _, panel = _panels.get(key, (None, None))
    if panel is None or panel.comm is None or panel.library.closed:
        panel = Panel(model, deck=deck, template=template, library=library)
        if key[0]:
            _panels[key] = (model, panel)
    return panel


def _cell() -> str:
    """Return which cell of the notebook is being run, where the front end says so."""
    from IPython import get_ipython

    shell = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return str(parent.get("metadata", {}).get("cellId") or "")
