"""How runs and clips show themselves: live where widgets are registered, static everywhere.

The widget package registers itself here; the kit never imports it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import Any, Protocol

from beecam.errors import MediaError
from beecam.export.contact_sheet import contact_sheet_html
from beecam.export.shown import ShownClip, ShownClips

Show = Callable[[Any], None]
Selection = Callable[[Any], list[int] | None]
_registered: dict[str, Show] = {}
_selections: list[Selection] = []

_CELL = (
    "display:inline-block;vertical-align:top;margin:0 12px 12px 0;"
    "font:12px/1.4 system-ui,sans-serif"
)


class ShownRun(Protocol):
    """A run as a notebook shows it; `beecam.Run` is one."""

    @property
    def clips(self) -> ShownClips:
        """The clips that are there by now."""


def register(
    *, run: Show | None = None, clips: Show | None = None, selection: Selection | None = None
) -> None:
    """Set how runs and clip sets are shown in a notebook; called by the widget package.

    Args:
        run: Shows a run.
        clips: Shows a clip set.
        selection: Returns the indices of the cells selected in the grid that shows a run, or None
            where no grid shows it.
    """
    _registered.update({k: v for k, v in (("run", run), ("clips", clips)) if v is not None})
    if selection is not None:
        _selections[:] = [selection]


def selected_cells(run: object) -> list[int] | None:
    """Return the indices of the cells selected in the grid that shows a run, or None."""
    return _selections[0](run) if _selections else None


def show_run(run: ShownRun) -> None:
    """Show a run: a live grid where one is registered, else a line and a contact sheet."""
    if "run" in _registered:
        _registered["run"](run)
        return
    from IPython.display import HTML, display

    display(HTML(f"<p>{html.escape(repr(run))}</p>" + contact_sheet_html(run.clips)))


def show_clips(clips: ShownClips) -> None:
    """Show a clip set: a live grid where one is registered, else a contact sheet."""
    if "clips" in _registered:
        _registered["clips"](clips)
        return
    from IPython.display import HTML, display

    display(HTML(contact_sheet_html(clips)))


def clip_html(clip: ShownClip) -> str:
    """Return one clip as a playing video with its prompt."""
    caption = html.escape(f"{clip.shot.text} · seed {clip.shot.seed}")
    try:
        data = base64.b64encode(clip.mp4_bytes()).decode()
    except MediaError as error:
        return f"<p>{html.escape(repr(clip))}: {html.escape(str(error))}</p>"
    width = max(clip.facts.get("width", 64), 240)
    return (
        f'<div style="{_CELL}"><video src="data:video/mp4;base64,{data}" width="{width}" '
        f'autoplay loop muted playsinline controls></video><div style="max-width:{width}px">'
        f"{caption}</div></div>"
    )
