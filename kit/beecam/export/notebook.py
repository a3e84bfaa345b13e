"""How runs and clips show themselves: live where widgets are registered, static everywhere.

The widget package registers itself here; the kit never imports it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from beecam._util import checks as kinds
from beecam.errors import BeecamError, MediaError
from beecam.export.contact_sheet import caption, contact_sheet_html, short
from beecam.media import sheets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from beecam.clips.clip import Clip, ClipSet
    from beecam.runs.run import Run

Show = Callable[[Any], None]
_registered: dict[str, Show] = {}

_CELL = (
    "display:inline-block;vertical-align:top;margin:0 12px 12px 0;"
    "font:12px/1.4 system-ui,sans-serif"
)


def register(*, run: Show | None = None, clips: Show | None = None) -> None:
    """Say how a run and a clip set are shown in a notebook; called by the widget package."""
    _registered.update({k: v for k, v in (("run", run), ("clips", clips)) if v is not None})


def show_run(run: Run) -> None:
    """Show a run: a live grid where one is registered, else a line and a contact sheet."""
    if "run" in _registered:
        _registered["run"](run)
        return
    from IPython.display import HTML, display

    display(HTML(f"<p>{html.escape(repr(run))}</p>" + contact_sheet_html(run.clips)))


def show_clips(clips: ClipSet) -> None:
    """Show a clip set: a live grid where one is registered, else a contact sheet."""
    if "clips" in _registered:
        _registered["clips"](clips)
        return
    from IPython.display import HTML, display

    display(HTML(contact_sheet_html(clips)))


def clip_html(clip: Clip) -> str:
    """Return one clip as a playing video with its prompt."""
    caption = html.escape(f"{clip.shot.text} · seed {clip.shot.seed}")
    try:
        data = base64.b64encode(clip.video).decode()
    except MediaError as error:
        return f"<p>{html.escape(repr(clip))}: {html.escape(str(error))}</p>"
    width = max(clip.facts.get("width", 64), 240)
    return (
        f'<div style="{_CELL}"><video src="data:video/mp4;base64,{data}" width="{width}" '
        f'autoplay loop muted playsinline controls></video><div style="max-width:{width}px">'
        f"{caption}</div></div>"
    )


def show_videos(clips: ClipSet, *, columns: int, width: int) -> None:
    """Show clips as playing videos in a table, through mediapy.

    Raises:
        CheckError: A number is out of its range.
    """
    kinds.need([*kinds.whole("columns", columns, 1, 100), *kinds.whole("width", width, 1, 4_096)])
    import mediapy
    from IPython.display import HTML, display

    # The files are compressed already, so that mediapy needs no ffmpeg on the PATH.
    cells = []
    for i, clip in enumerate(clips):
        shape = clip.facts
        height = round(width * shape.get("height", 1) / shape.get("width", 1))
        try:
            data = clip.video
        except MediaError as error:
            cells.append(f"<td>{html.escape(str(error))}</td>")
            continue
        video = mediapy.html_from_compressed_video(
            data, width, height, title=html.escape(caption(clips, i)), loop=True, autoplay=True
        )
        cells.append(f"<td>{video}</td>")
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    display(HTML("<table>" + "".join(f"<tr>{''.join(row)}</tr>" for row in rows) + "</table>"))


def contact_figure(clips: ClipSet, *, columns: int, frames: int) -> Figure:
    """Draw some frames of each clip with matplotlib, a strip a clip.

    Raises:
        CheckError: A number is out of its range.
        BeecamError: There are no clips.
    """
    kinds.need([*kinds.whole("columns", columns, 1, 100), *kinds.whole("frames", frames, 1)])
    import numpy as np
    from matplotlib.figure import Figure

    if not clips:
        raise BeecamError("there are no clips to draw.")
    columns = min(columns, len(clips))
    frames = min(frames, sheets.SHEET_FRAMES)
    rows = -(-len(clips) // columns)
    figure = Figure(figsize=(columns * frames * 0.9, rows * 1.25), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for i, clip in enumerate(clips):
        axes = grid.flat[i]
        axes.set_title(short(caption(clips, i), 12 * frames), fontsize=7, parse_math=False)
        try:
            axes.imshow(np.concatenate(_strip(clip, frames), axis=1))
        except MediaError as error:
            axes.text(0.5, 0.5, short(str(error), 60), ha="center", fontsize=6, parse_math=False)
    return figure


def _strip(clip: Clip, frames: int) -> list[Any]:
    cut = sheets.frames_from_sheet(clip.sheet, clip.facts["sheet"])
    # One frame is that from the middle, which shows most.
    chosen = sheets.chosen_frames(len(cut), frames) if frames > 1 else [len(cut) // 2]
    return [cut[i] for i in chosen]
