"""The contact sheet of a surface: what a notebook has of it without a kernel."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from beecam.clips.clip_set import ClipSet
from beecam.export.contact_sheet import contact_sheet_html
from beecam.export.still import still_bytes
from beecam_widgets._clips.cell_source import CellSource, clips_of
from beecam_widgets._clips.messages import notes_of
from beecam_widgets._clips.sheet_owners import SheetOwner, owns_sheet, set_displayed
from beecam_widgets._notebook.outputs import StaticOutput
from beecam_widgets._notebook.templates import render

_MAX_BYTES = 700_000


class Sheet:
    """The static output of a surface; only the owner of the clips' sheet has their images.

    While a run is unfinished, the sheet has the clips so far and says that it is partial: where a
    notebook is executed without a page, the kernel ends after the last cell and nothing follows.
    """

    def __init__(
        self,
        source: Callable[[], CellSource],
        name: str,
        rank: int,
        *,
        watched: Callable[[], bool],
        has_notes: bool,
    ) -> None:
        """Create the output without displaying it.

        Args:
            source: Returns what the surface shows.
            name: The CSS class of the output.
            rank: Of the surfaces that show the same clips, the one with the highest rank has their
                images.
            watched: Returns whether a page shows the surface.
            has_notes: Whether the surface shows the notes of a run, so that this does.
        """
        self._source, self._name, self._watched = source, name, watched
        self._has_notes = has_notes
        self._output = StaticOutput(
            name,
            self.html,
            fingerprint=self._fingerprint,
            render_moved=self._elsewhere,
            describe=self.describe,
            still=self._still,
        )
        self._owner = SheetOwner(self.update_in_background, rank)

    def display(self) -> None:
        """Display it in the running notebook cell, in place of those displayed earlier."""
        set_displayed(self._owner, _content_token(self._source()))
        self._output.display()
        self._output.update_after_cells(self._is_over, is_due=lambda: not self._watched())

    @property
    def displayed(self) -> bool:
        """Whether it is displayed in a cell."""
        return self._output.displayed

    def describe(self) -> str:
        """Return one line that says what it shows: prompt, model, and how many clips there are."""
        source = self._source()
        title = f"{source.title}: " if source.title else ""
        return title + _count(clips_of(source, range(len(source))), source)

    def follow_source(self) -> None:
        """Note that the surface shows another source."""
        if self._output.displayed:
            set_displayed(self._owner, _content_token(self._source()))

    def update_in_background(self) -> None:
        """Replace what is displayed if it has changed, on another thread."""
        self._output.update_in_background()

    def clear_cell(self, cell: str) -> None:
        """Note that what a cell displayed is gone, because it is run again."""
        self._output.clear_cell(cell)

    def restore(self) -> bool:
        """Move it to another cell that shows the surface, or leave it to another surface."""
        displayed = self._output.restore()
        if not displayed:
            set_displayed(self._owner, "")
        return displayed

    def close(self) -> None:
        """Stop updating; what is displayed stays, and another surface may own the sheet."""
        self._output.close()
        set_displayed(self._owner, "")

    def html(self) -> str:
        """Return the HTML of the output."""
        source = self._source()
        run = source.run
        title = "" if run is None else f"{run.sweep.template} · {run.model.name}"
        if not owns_sheet(self._owner):
            return self._elsewhere()
        clips = clips_of(source, range(len(source)))
        if run is not None and len(clips) < len(source):
            # Also of one that was stopped, as by a kernel that ends.
            title += f": {_count(clips, source)}"
        text, sheet = f"{title}.", ""
        if len(clips) or not title:
            text, sheet = "", contact_sheet_html(clips, title=title, max_bytes=_MAX_BYTES)
        notes = notes_of(source) if self._has_notes else []
        return render("surface.html", css_class=self._name, sheet=sheet, text=text, notes=notes)

    def _still(self) -> bytes:
        """Return the sheet as a JPEG."""
        source = self._source()
        if not owns_sheet(self._owner):
            return b""
        return still_bytes(clips_of(source, range(len(source))), self.describe())

    def _elsewhere(self) -> str:
        text = "These clips are in the contact sheet below another view of them in this notebook."
        return render("surface.html", css_class=self._name, sheet="", text=text)

    def _is_over(self) -> bool:
        run = self._source().run
        return run is None or run.finished

    def _fingerprint(self) -> object:
        """Return a value that changes when the HTML does."""
        source = self._source()
        if not owns_sheet(self._owner):
            return None
        table = source.library.table({source.key(i) for i in range(len(source))})
        shown = {key: (row["stars"], row["rejected"]) for key, row in table.items()}
        return source.token, self._is_over(), shown


def _count(clips: ClipSet, source: CellSource) -> str:
    """Return how many clips there are, and whether more follow."""
    unfinished = source.run is not None and not source.run.finished
    more = " so far, the run has not ended" if unfinished else ""
    return f"{len(clips):,} of {len(source):,} clips{more}"


def _content_token(source: CellSource) -> str:
    """Return a string that is equal for two sources with the same clips, in any order."""
    keys = sorted({source.key(i) for i in range(len(source))})
    text = "\n".join([str(source.library.folder), *keys])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
