"""One offline page with clips that play on hover: no network, no outside file, no codec."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam import kinds
from beecam.errors import MediaError

if TYPE_CHECKING:
    from beecam.clip import Clip, ClipSet


def write_gallery(clips: ClipSet, path: str | os.PathLike[str], title: str) -> Path:
    """Write the page.

    Prompts and tags are shown as text only, and a strict content policy allows nothing but the
    page's own script and its own pictures, so that a page from somebody else is safe to open.

    Args:
        clips: What to show, in this order.
        path: The HTML file; written under a temporary name and renamed.
        title: The heading.

    Returns:
        The path.

    Raises:
        CheckError: The path is a folder's or can't be one, or the title is no text.
    """
    kinds.need([*kinds.page(path), *kinds.text("title", title)])
    parts = resources.files("beecam.export")
    script = (parts / "gallery.js").read_text(encoding="utf-8")
    style = (parts / "gallery.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}'; "
        f"style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )
    # "<" in JSON is escaped so that no prompt can close the element.
    data = json.dumps([_item(clips, i) for i in range(len(clips))]).replace("<", "\\u003c")
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{style}</style></head>
<body><header><h1>{html.escape(title)}</h1><p>{len(clips):,} clips made with beecam.
Point at one to scrub it, press the space bar to stop and start.</p></header>
<main id="clips"></main>
<script type="application/json" id="data">{data}</script>
<script>{script}</script></body></html>
"""
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _item(clips: ClipSet, index: int) -> dict[str, Any]:
    clip = clips[index]
    place = clips.coords(index)
    return {
        "labels": [a.labels[place[a.name]] for a in clips.axes if a.name in place],
        "prompt": clip.shot.text,
        "seed": str(clip.shot.seed),
        "stars": clip.stars,
        "fps": clip.shot.fps or 8,
        "sheet": clip.facts.get("sheet"),
        "frames": clip.facts.get("frames"),
        "jpeg": _jpeg(clip),
    }


def _jpeg(clip: Clip) -> str | None:
    try:
        return base64.b64encode(clip.sheet).decode()
    except MediaError:
        return None


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
