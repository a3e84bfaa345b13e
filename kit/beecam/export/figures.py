"""Clips as matplotlib figures and, through mediapy, as playing videos."""

from __future__ import annotations

import functools
import io
import textwrap
from typing import TYPE_CHECKING, Any

from beecam._util import checks
from beecam.errors import BeecamError, MediaError
from beecam.export.captions import captions, truncate
from beecam.export.contact_sheet import clip_facts
from beecam.export.table_layout import TableLayout, table_layout
from beecam.export.templates import render
from beecam.export.view_data import cut
from beecam.media import sheets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from beecam.export.shown import ShownClip, ShownClips

_LETTER = 7  # pixels
_LETTERS = 12  # above a frame
_ROW_LETTERS = 24
_COLUMNS = 4


def show_videos(clips: ShownClips, *, columns: int, width: int) -> None:
    """Show clips as playing videos in a table, through mediapy.

    >>> show_videos(run.clips, columns=4, width=160)

    Args:
        clips: The clips.
        columns: Videos per row.
        width: The width of each video, in pixels.

    Raises:
        CheckError: A number is out of range.
    """
    checks.raise_problems(
        [*checks.integer("columns", columns, 1, 100), *checks.integer("width", width, 1, 4_096)]
    )
    import mediapy
    from IPython.display import HTML, display
    from markupsafe import Markup, escape

    cells: list[str] = []
    titles = captions(clips, width // _LETTER)
    for i, clip in enumerate(clips):
        facts = clip_facts(clip)
        height = round(width * facts.get("height", 1) / facts.get("width", 1))
        try:
            data = clip.mp4_bytes()
        except MediaError as error:
            cells.append(str(error))
            continue
        # mediapy doesn't escape the title. It gets compressed files, which need no ffmpeg.
        video = mediapy.html_from_compressed_video(
            data, width, height, title=escape(titles[i]), loop=True, autoplay=True
        )
        cells.append(Markup(video))  # noqa: S704
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    display(HTML(render("videos.html", rows=rows)))


def contact_figure(clips: ShownClips, *, columns: int | None, frames: int) -> Figure:
    """Draw some frames of each clip with matplotlib.

    >>> contact_figure(run.clips, columns=None, frames=4).savefig("clips.png")

    Args:
        clips: The clips.
        columns: Clips per row; None for rows and columns by the axes of the clips.
        frames: Frames shown of each clip, evenly spaced.

    Raises:
        CheckError: A number is out of range.
        BeecamError: There are no clips.
    """
    checks.raise_problems(
        [
            *([] if columns is None else checks.integer("columns", columns, 1, 100)),
            *checks.integer("frames", frames, 1),
        ]
    )
    if not clips:
        raise BeecamError("there are no clips to draw.")
    frames = min(frames, sheets.SHEET_FRAMES)
    layout = table_layout(clips) if columns is None else None
    # Takes of the same shot share a place: they are shown one after another.
    if layout and len(set(layout.places)) == len(clips):
        return _table_figure(clips, layout, frames)
    return _flow_figure(clips, min(columns or _COLUMNS, len(clips)), frames)


def _table_figure(clips: ShownClips, layout: TableLayout, frames: int) -> Figure:
    figure, grid = _subplots(len(layout.row_labels), len(layout.column_labels), frames)
    for column, label in enumerate(layout.column_labels):
        text = truncate(label, _LETTERS * frames)
        grid[0, column].set_title(text, fontsize=7, parse_math=False)
    for row, label in enumerate(layout.row_labels):
        text = textwrap.fill(label, _ROW_LETTERS, max_lines=4, placeholder="…")
        grid[row, 0].text(
            -0.03,
            0.5,
            text,
            transform=grid[row, 0].transAxes,
            ha="right",
            va="center",
            fontsize=7,
            parse_math=False,
        )
    for clip, place in zip(clips, layout.places, strict=True):
        _draw(grid[place], clip, frames)
    return figure


def _flow_figure(clips: ShownClips, columns: int, frames: int) -> Figure:
    figure, grid = _subplots(-(-len(clips) // columns), columns, frames)
    titles = captions(clips, _LETTERS * frames)
    for i, clip in enumerate(clips):
        grid.flat[i].set_title(titles[i], fontsize=7, parse_math=False)
        _draw(grid.flat[i], clip, frames)
    return figure


def _subplots(rows: int, columns: int, frames: int) -> tuple[Figure, Any]:
    size = (columns * frames * 0.9, rows * 1.25)
    figure: Figure = _shown_figure()(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    return figure, grid


@functools.cache
def _shown_figure() -> Any:
    """Return the class of figures that a notebook shows without `%matplotlib inline`."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return ShownFigure


def _draw(axes: Axes, clip: ShownClip, frames: int) -> None:
    try:
        axes.imshow(sheets.strip(_frames(clip, frames)))
    except (BeecamError, KeyError) as error:
        axes.text(0.5, 0.5, cut(str(error), 60), ha="center", fontsize=6, parse_math=False)


def _frames(clip: ShownClip, frames: int) -> list[Any]:
    found = sheets.frames_from_sheet(clip.sheet_bytes(), clip.facts["sheet"])
    return [found[i] for i in sheets.select_frames(len(found), frames)]
