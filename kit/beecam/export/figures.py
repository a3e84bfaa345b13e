"""Clips as matplotlib figures and, through mediapy, as playing videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beecam._util import checks
from beecam.errors import BeecamError, MediaError
from beecam.export.captions import captions
from beecam.export.templates import render
from beecam.export.view_data import cut
from beecam.media import sheets

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from beecam.export.shown import ShownClip, ShownClips

_LETTER = 7  # pixels


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
        facts = clip.facts
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


def contact_figure(clips: ShownClips, *, columns: int, frames: int) -> Figure:
    """Draw some frames of each clip with matplotlib.

    >>> contact_figure(run.clips, columns=4, frames=4).savefig("clips.png")

    Args:
        clips: The clips.
        columns: Clips per row.
        frames: Frames shown of each clip, evenly spaced.

    Raises:
        CheckError: A number is out of range.
        BeecamError: There are no clips.
    """
    checks.raise_problems(
        [*checks.integer("columns", columns, 1, 100), *checks.integer("frames", frames, 1)]
    )
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
    titles = captions(clips, 12 * frames)
    for i, clip in enumerate(clips):
        axes = grid.flat[i]
        axes.set_title(titles[i], fontsize=7, parse_math=False)
        try:
            axes.imshow(np.concatenate(_strip(clip, frames), axis=1))
        except MediaError as error:
            axes.text(0.5, 0.5, cut(str(error), 60), ha="center", fontsize=6, parse_math=False)
    return figure


def _strip(clip: ShownClip, frames: int) -> list[Any]:
    found = sheets.frames_from_sheet(clip.sheet_bytes(), clip.facts["sheet"])
    return [found[i] for i in sheets.select_frames(len(found), frames)]
