"""How runs and clips show themselves: live where widgets are registered, static everywhere.

The widget package registers itself here; the kit never imports it.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from beecam import kinds, media
from beecam.errors import BeecamError, MediaError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from beecam.clip import Clip, ClipSet
    from beecam.run import Run

Show = Callable[[Any], None]
_registered: dict[str, Show] = {}

_STRIP_FRAMES = 4
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


def contact_sheet_html(clips: ClipSet, title: str = "", max_bytes: int = 900_000) -> str:
    """Return a static page part with some frames of each clip: no script, no network.

    Args:
        clips: What to show.
        title: A line above.
        max_bytes: The page part stays below this: quality is lowered first, then clips are left
            out, which a last line says.
    """
    head = f"<div>{html.escape(title)}</div>" if title else ""
    if not clips:
        return f'<div class="beecam-sheet">{head}<p>No clips yet.</p></div>'
    budget = max_bytes - 2_000
    cells: list[str] = []
    for index, clip in enumerate(clips):
        each = budget // (len(clips) - index)
        cell = _sheet_cell(clip, _caption(clips, index), 80 if each > 12_000 else 55)  # noqa: PLR2004
        if len(cell) > budget:
            break
        budget -= len(cell)
        cells.append(cell)
    left = len(clips) - len(cells)
    foot = f"<div>and {left:,} more clips in the library.</div>" if left else ""
    return f'<div class="beecam-sheet">{head}{"".join(cells)}{foot}</div>'


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
            data, width, height, title=html.escape(_caption(clips, i)), loop=True, autoplay=True
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
    frames = min(frames, media.SHEET_FRAMES)
    rows = -(-len(clips) // columns)
    figure = Figure(figsize=(columns * frames * 0.9, rows * 1.25), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for i, clip in enumerate(clips):
        axes = grid.flat[i]
        axes.set_title(_short(_caption(clips, i), 12 * frames), fontsize=7, parse_math=False)
        try:
            axes.imshow(np.concatenate(_strip(clip, frames), axis=1))
        except MediaError as error:
            axes.text(0.5, 0.5, _short(str(error), 60), ha="center", fontsize=6, parse_math=False)
    return figure


def _strip(clip: Clip, frames: int) -> list[Any]:
    cut = media.frames_from_sheet(clip.sheet, clip.facts["sheet"])
    # One frame is that from the middle, which shows most.
    chosen = media.chosen_frames(len(cut), frames) if frames > 1 else [len(cut) // 2]
    return [cut[i] for i in chosen]


def _sheet_cell(clip: Clip, caption: str, quality: int) -> str:
    text = html.escape(_short(caption, 160))
    try:
        layout = clip.facts["sheet"]
        places = media.chosen_frames(layout["frames"], _STRIP_FRAMES)
        small = media.subsheet(clip.sheet, layout, places, quality)
    except MediaError as error:
        return f'<div style="{_CELL}">{text}<br>{html.escape(str(error))}</div>'
    width = min(96, layout["width"]) * len(places)
    source = base64.b64encode(small).decode()
    return (
        f'<div style="{_CELL};max-width:{width}px"><img src="data:image/jpeg;base64,{source}" '
        f'width="{width}" alt="{text}"><div>{text}</div></div>'
    )


def _caption(clips: ClipSet, index: int) -> str:
    place = clips.coords(index)
    words = [axis.labels[place[axis.name]] for axis in clips.axes if axis.name in place]
    clip = clips[index]
    return " · ".join(words) or f"{clip.shot.text} · seed {clip.shot.seed}"


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
