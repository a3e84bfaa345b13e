"""The offline page: one file with the notebook's grid, without network, other files or a kernel."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beecam._util import checks
from beecam._util.files import atomic_write, translate_write_errors
from beecam._util.words import count_of
from beecam.errors import BeecamError
from beecam.export import view_data
from beecam.export.page_contents import Cell, PageLayout, add_media, cells_of, facts_of
from beecam.export.templates import render

if TYPE_CHECKING:
    from markupsafe import Markup

    from beecam.export.shown import ShownClips

_MIN_BYTES = 200_000
# The characters around a sheet and a video in the page.
_MEDIA_MARKUP = 400
_MAX_CAPTION = 300
if TYPE_CHECKING:
    _PathBase = Path
else:
    _PathBase = type(Path())  # before Python 3.12, only these classes can have subclasses


class PagePath(_PathBase):
    """The path of a written page, which a notebook shows as a link.

    >>> page = clips.export_html("bees.html")
    >>> page                     # the last line of a cell: a link, and the size
    """

    def _repr_html_(self) -> str | None:
        try:
            size = self.stat().st_size
        except OSError:  # moved or deleted since
            return None
        try:
            relative = Path(os.path.relpath(self)).as_posix()
            href = urllib.parse.quote(os.fsencode(relative))
        except ValueError:  # on another drive of Windows
            href = self.absolute().as_uri()
        return render(
            "page_link.html",
            href=href,
            folder=str(self.absolute().parent),
            name=self.name.encode("utf-8", "replace").decode(),
            size=f"{size / 1e6:.1f} MB",
        )


def write_page(
    clips: ShownClips,
    path: str | os.PathLike[str],
    title: str,
    max_bytes: int,
    layout: PageLayout,
) -> PagePath:
    """Write the offline page; see `ClipSet.export_html`.

    The page has the grid of the notebook, with its data inside. Prompts, labels and tags are
    escaped everywhere, and a strict content security policy allows only the page's own script,
    style and media, so that a page from another person is safe to open. Without JavaScript, and on
    paper, it is a contact sheet.

    >>> write_page(clips, "bees.html", "Bees", 9_500_000, PageLayout(rows="insect"))

    Args:
        clips: The clips, in the order of the page.
        path: The HTML file; it is written under a temporary name and renamed.
        title: The heading.
        max_bytes: The page stays below this: videos that don't fit are left out, then sheets are
            reduced, then left out, too. The page reports it.
        layout: The settings that the page's grid starts with.

    Returns:
        The path.

    Raises:
        CheckError: The path is that of a folder or can't be a path, the title is not a string,
            the number is out of range, or the layout has a problem.
        BeecamError: There are no clips, or the file can't be written.
    """
    checks.raise_problems(
        [
            *checks.writable_file("path", path, "page.html"),
            *checks.suffix("path", path, (".html", ".htm")),
            *checks.string("title", title),
            *checks.integer("max_bytes", max_bytes, _MIN_BYTES),
            *layout.problems(clips.axes),
        ]
    )
    if not clips:
        raise BeecamError("there are no clips to write a page of.")
    page = PagePath(path).expanduser()
    # Text from outside may hold half of a surrogate pair, which can't be encoded.
    _write(page, _page(clips, title, max_bytes, layout).encode("utf-8", "replace"))
    return page


def _write(path: Path, data: bytes) -> None:
    with translate_write_errors(path, "the page"), atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _page(clips: ShownClips, title: str, max_bytes: int, layout: PageLayout) -> str:
    cells = cells_of(clips)
    facts = {**facts_of(clips, cells), "view": layout.view(clips)}
    without_media = _render(cells, facts, title)
    used = len(without_media.encode("utf-8", "replace")) + _MEDIA_MARKUP * (len(cells) + 5)
    notes = [
        *add_media(cells, max_bytes - used),
        "Stars, tags and rejections in this page are lost when it is closed.",
    ]
    return _render(cells, facts, title, " ".join(notes))


def _render(cells: Sequence[Cell], facts: Mapping[str, Any], title: str, notes: str = "") -> str:
    from markupsafe import Markup

    folder = resources.files("beecam.export") / "static"
    # Built by widgets/build.js, which need no escaping.
    script, style = (
        Markup((folder / f"offline.{suffix}").read_text("utf-8"))  # noqa: S704
        for suffix in ("js", "css")
    )
    style += Markup(_gap_styles(cells))  # noqa: S704  (numbers only)
    return render(
        "page.html",
        policy=_policy(script, style),
        title=title,
        style=style,
        about=_about(cells),
        figures=[_figure(cell) for cell in cells],
        notes=notes,
        facts=_json(facts),
        script=script,
    )


def _gap_styles(cells: Sequence[Cell]) -> str:
    """Return the rules that show gaps between the frames of sheets, which have none."""
    counts = sorted({_frame_count(cell) for cell in cells})
    return "".join(f".frames-{count}{{--frames:{count}}}" for count in counts)


def _frame_count(cell: Cell) -> int:
    return int(cell.item.get("sheet", {}).get("frames", 1))


def _policy(script: str, style: str) -> Markup:
    from markupsafe import Markup

    return Markup(  # noqa: S704  (digests in base64 have no special characters)
        "default-src 'none'; img-src data: blob:; media-src data: blob:; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _about(cells: Sequence[Cell]) -> str:
    """Return the line under the heading: number of clips, models with licenses, date."""
    models: dict[str, None] = {}
    for clip in (cell.clip for cell in cells if cell.clip):
        name = view_data.cut(str(clip.shot.model or "an unknown model"), _MAX_CAPTION)
        found = clip.facts.get("license")
        models[f"{name} ({view_data.cut(str(found), _MAX_CAPTION)})" if found else name] = None
    today = dt.datetime.now(tz=dt.UTC).astimezone()
    count = count_of(len(cells), "clip")
    generated = [f"generated by {', '.join(models)}"] if models else []
    return " · ".join([count, *generated, f"{today.day} {today:%B %Y}", "beecam"])


def _figure(cell: Cell) -> dict[str, Any]:
    """Return a cell's figure, which the page's script also takes the media from."""
    return {
        "caption": cell.caption,
        "problem": cell.item.get("problem", ""),
        "stars": "★" * cell.item.get("stars", 0),
        "frames": _frame_count(cell),
        "image": base64.b64encode(cell.sheet).decode(),
        "video": base64.b64encode(cell.video).decode(),
    }


def _json(data: Mapping[str, Any]) -> Markup:
    from markupsafe import Markup

    # Without "<" no string can close the script element. JSON is ASCII, without line separators.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return Markup(text)  # noqa: S704


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
