"""How runs and clips are displayed: live grids if widgets are registered, or else static HTML.

The widget package registers itself here; the kit never imports it.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from beecam._util.warning import warn, warn_later
from beecam.errors import MediaError
from beecam.export.contact_sheet import contact_sheet_html
from beecam.export.shown import ShownClip, ShownClips, fit_clip
from beecam.export.still import still_bytes
from beecam.export.templates import render

Show = Callable[[Any], None]
Selection = Callable[[Any], list[int] | None]
View = Callable[..., Mapping[str, Any] | None]
Shows = Callable[[Any], bool]
_registered: dict[str, Show] = {}
_selections: list[Selection] = []
_views: list[View] = []
_notes: list[Shows] = []

_MIN_WIDTH = 320
_MAX_SHOWN = 50_000_000  # bytes of a video within a notebook


class ShownRun(Protocol):
    """A run as a notebook shows it; `beecam.Run` is one."""

    @property
    def clips(self) -> ShownClips:
        """The clips generated so far."""


def register(
    *,
    run: Show | None = None,
    clips: Show | None = None,
    selection: Selection | None = None,
    view: View | None = None,
    notes: Shows | None = None,
) -> None:
    """Set how runs and clip sets are shown in a notebook; called by the widget package.

    >>> register(run=show_grid, clips=show_grid)

    Args:
        run: Shows a run.
        clips: Shows a clip set.
        selection: Returns the indices of the cells selected in the grid that shows a run, or None
            if no grid shows it.
        view: Takes a clip set and the run or set that it was taken from. Returns the settings
            "rows", "columns", "fixed", "filter" and "sort" of the latest grid that shows one of
            them, or None if no grid does.
        notes: Returns whether a displayed grid shows the notes of a run.
    """
    _registered.update({k: v for k, v in (("run", run), ("clips", clips)) if v is not None})
    if selection is not None:
        _selections[:] = [selection]
    if view is not None:
        _views[:] = [view]
    if notes is not None:
        _notes[:] = [notes]


def has_grids() -> bool:
    """Return whether runs are shown as live grids.

    >>> import beecam_widgets
    >>> has_grids()
    True
    """
    return "run" in _registered


def selected_cells(run: object) -> list[int] | None:
    """Return the indices of the cells selected in the grid that shows a run, or None."""
    return _selections[0](run) if _selections else None


def live_view(clips: object, origin: object = None) -> Mapping[str, Any] | None:
    """Return the settings of the latest grid that shows clips, or None if no grid does.

    >>> live_view(run.clips, run)
    {'rows': ['insect'], 'columns': ['seed'], 'fixed': {}, 'filter': '', 'sort': ''}

    Args:
        clips: A clip set.
        origin: The run or the set that it was taken from.
    """
    found = [clips] if origin is None else [clips, origin]
    return _views[0](*found) if _views else None


def warn_of_notes(run: object, text: str) -> None:
    """Warn of what doesn't reach the model, unless a grid says it: notes are shown once.

    A grid that shows the run may follow in the cell of a notebook that is running, so that the
    warning waits for the cell's end. In scripts and terminals it is issued at once.

    Args:
        run: The run.
        text: Its notes.
    """
    shell = _shell_of_cell()
    if shell is None or not _notes:
        warn(text)
        return
    show = warn_later(text)

    def at_end(*_: object) -> None:
        shell.events.unregister("post_run_cell", at_end)
        if not _notes[0](run):
            show()

    shell.events.register("post_run_cell", at_end)


def _shell_of_cell() -> Any:
    """Return the shell of the notebook cell that is running; None if there is none."""
    if "IPython" not in sys.modules:
        return None
    shell = sys.modules["IPython"].get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    # Buttons and threads run code outside of cells.
    return shell if parent.get("header", {}).get("msg_type") == "execute_request" else None


def show_run(run: ShownRun) -> None:
    """Show a run: a live grid if one is registered, or else its state and a contact sheet."""
    if has_grids():
        _registered["run"](run)
        return
    html = render("run.html", text=repr(run), sheet=contact_sheet_html(run.clips))
    _display(html, repr(run), run.clips)


def show_clips(clips: ShownClips) -> None:
    """Show a clip set: a live grid if one is registered, or else a contact sheet."""
    if "clips" in _registered:
        _registered["clips"](clips)
        return
    _display(contact_sheet_html(clips), repr(clips), clips)


def mime_bundle(html: str, line: str, still: bytes) -> dict[str, str]:
    """Return an output in the forms of which each reader takes the best that it shows.

    JupyterLab, GitHub and the exports to HTML and Markdown prefer HTML, LaTeX and PDF an image,
    terminals take the line.

    >>> sorted(mime_bundle("<p>4 clips</p>", "4 clips", b""))
    ['text/html', 'text/plain']

    Args:
        html: Static HTML.
        line: One line that says what it shows.
        still: A JPEG of it; b"" for none.
    """
    bundle = {"text/html": html, "text/plain": line}
    return {**bundle, "image/jpeg": base64.b64encode(still).decode()} if still else bundle


def _display(html: str, line: str, clips: ShownClips) -> None:
    from IPython.display import display

    display(mime_bundle(html, line, still_bytes(clips)), raw=True)


def clip_html(clip: ShownClip) -> str:
    """Return HTML of one clip: a playing video with its prompt."""
    try:
        video = fit_clip(clip, _MAX_SHOWN)
    except MediaError as error:
        return render("line.html", text=f"{clip!r}: {error}")
    if video is None:
        return render("line.html", text=f"{clip!r}: its video is too large to show here.")
    return render(
        "clip.html",
        video=base64.b64encode(video).decode(),
        width=max(clip.facts.get("width", 64), _MIN_WIDTH),
        caption=f"{clip.shot.text} · seed {clip.shot.seed}"
        + " · draft" * (clip.shot.draft_steps is not None),
    )
