"""A library with many clips, created fast: rows and sheets are real, all clips share one mp4."""

import os

from drawn import DrawnModel, draw

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.media import sheets


def filled(name, count, *, width=160, height=96, num_frames=24, fps=16.0, columns=25):
    """Return a ClipSet of `count` clips with two axes, place and seed."""
    library = bc.library(name)
    model = DrawnModel(width=width, height=height, num_frames=num_frames, fps=fps)
    rows = -(-count // columns)
    sweep = bc.sweep(
        "a bee over {place}", place=[f"place {i}" for i in range(rows)], seed=range(columns)
    )
    cells = sweep.cells[:count]
    shots = [model.resolve(cell.shot) for cell in cells]
    stored = library.known(shot.key for shot in shots)
    first = None
    for shot in shots:
        if shot.key in stored:
            continue
        frames = draw(shot)
        facts = {
            "frames": num_frames,
            "height": height,
            "width": width,
            "seconds": 1.0,
            "sheet": sheets.sheet_layout(frames),
        }
        if first is None:
            first = library.add(shot, frames, facts).path
            continue
        library.mp4_path(shot.key).parent.mkdir(exist_ok=True)
        library.sheet_path(shot.key).write_bytes(sheets.sheet_bytes(frames))
        os.link(first, library.mp4_path(shot.key))
        settings = {"shot": shot.to_dict(), "facts": facts, "created": 1.0}
        library._index.add(shot.key, settings)
    return ClipSet(
        library,
        [shot.key for shot in shots],
        axes=sweep.axes,
        coords=[dict(cell.coords) for cell in cells],
        title=sweep.template,
    )
