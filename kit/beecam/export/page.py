"""One offline page with the grid of a notebook: no network, no outside file, no kernel."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html
import json
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam._util import checks
from beecam._util.files import atomic_write
from beecam.errors import BeecamError
from beecam.export import view_data
from beecam.export.page_contents import Cell, cells_of, facts_of, take_media

if TYPE_CHECKING:
    from beecam.export.shown import ShownClips

_LEAST = 200_000
# What stands around a sheet and a film in the page.
_AROUND = 400
_CAPTION = 300


def write_page(clips: ShownClips, path: str | os.PathLike[str], title: str, max_bytes: int) -> Path:
    """Write the page.

    It holds the very grid of the notebook, answered by what lies in the page. Prompts, labels and
    tags are text everywhere, and a strict content policy allows nothing but the page's own script,
    style and media, so that a page from somebody else is safe to open. Without JavaScript, and on
    paper, it is a contact sheet.

    Args:
        clips: What to show, in this order.
        path: The HTML file; written under a temporary name and renamed.
        title: The heading.
        max_bytes: The page stays below this: films that don't fit are left out, then sheets are
            made smaller, then left out, too; the page says so.

    Returns:
        The path.

    Raises:
        CheckError: The path is a folder's or can't be one, the title is no text, or the number is
            out of its range.
        BeecamError: There are no clips, or the file can't be written there.
    """
    checks.raise_problems(
        [
            *checks.writable_file("path", path, "page.html"),
            *checks.string("title", title),
            *checks.integer("max_bytes", max_bytes, _LEAST),
        ]
    )
    if not clips:
        raise BeecamError("there are no clips to write a page of.")
    # A text from outside may hold half a character, which no file can.
    _write(Path(path).expanduser(), _page(clips, title, max_bytes).encode("utf-8", "replace"))
    return Path(path).expanduser()


def _write(path: Path, data: bytes) -> None:
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise BeecamError(
            f"path={str(path)!r}: the page can't be written there: {error.strerror or error}."
        ) from error


def _page(clips: ShownClips, title: str, max_bytes: int) -> str:
    cells = cells_of(clips)
    facts = facts_of(clips, cells)
    parts = resources.files("beecam.export")
    script, style = ((parts / f"offline.{kind}").read_text("utf-8") for kind in ("js", "css"))
    head = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(script, style)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title><style>{style}</style></head>
<body><header><h1 dir="auto">{html.escape(title)}</h1>
<p class="quiet" dir="auto">{html.escape(_about(cells))}</p></header>
<main id="grid"></main>
<noscript><p>With JavaScript these clips play, and can be arranged, filtered and compared.</p>
</noscript><section id="sheet" aria-label="contact sheet">
"""
    foot = f"<script>{script}</script></body></html>\n"
    texts = "".join(map(_figure, cells)) + _json(facts) + head + foot
    room = max_bytes - len(texts.encode("utf-8", "replace")) - _AROUND * (len(cells) + 5)
    notes = [
        *take_media(cells, room),
        "Stars, tags and rejections given in this page last as long as it is open.",
    ]
    end = f"""</section><footer class="quiet"><p>{html.escape(" ".join(notes))}</p></footer>
<script type="application/json" id="facts">{_json(facts)}</script>
"""
    return "".join([head, *map(_figure, cells), end, foot])


def _policy(script: str, style: str) -> str:
    return (
        "default-src 'none'; img-src data: blob:; media-src data: blob:; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _about(cells: Sequence[Cell]) -> str:
    """Say how many clips there are, what made them, and when the page was written."""
    models: dict[str, None] = {}
    for clip in (cell.clip for cell in cells if cell.clip):
        terms = clip.facts.get("license")
        name = view_data.cut(str(clip.shot.model or "an unknown model"), _CAPTION)
        models[f"{name} ({view_data.cut(str(terms), _CAPTION)})" if terms else name] = None
    today = dt.datetime.now(tz=dt.UTC).astimezone()
    count = f"{len(cells):,} clip{'' if len(cells) == 1 else 's'}"
    made = [f"made by {', '.join(models)}"] if models else []
    return " · ".join([count, *made, f"{today.day} {today:%B %Y}", "beecam"])


def _figure(cell: Cell) -> str:
    """Return a clip as a page without JavaScript shows it; the script takes the media from it."""
    text = html.escape(view_data.cut(cell.caption, _CAPTION))
    problem = html.escape(cell.item.get("problem", ""))
    stars = "★" * cell.item.get("stars", 0)
    picture, film = "", ""
    if cell.sheet:
        data = base64.b64encode(cell.sheet).decode()
        picture = f'<img alt="" loading="lazy" src="data:image/jpeg;base64,{data}">'
    if cell.film:
        data = base64.b64encode(cell.film).decode()
        film = (
            '<video controls loop muted playsinline preload="none" '
            f'src="data:video/mp4;base64,{data}"></video>'
        )
    kind = ' class="starred"' if stars else ""
    return (
        f'<figure{kind}><div class="strip">{picture or problem}</div>{film}'
        f'<figcaption><bdi>{text}</bdi> <span class="stars">{stars}</span></figcaption></figure>\n'
    )


def _json(data: Mapping[str, Any]) -> str:
    # "<" is escaped so that no text can close the element; ASCII keeps all else in order.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
