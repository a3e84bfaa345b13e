"""The HTML templates of pages, contact sheets and clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beecam._util.html import render_template

if TYPE_CHECKING:
    from markupsafe import Markup


def render(template: str, /, **values: Any) -> Markup:
    """Return a template of this folder filled with values; see `render_template`.

    >>> render("line.html", text="<b>")
    Markup('<p>&lt;b&gt;</p>')
    """
    return render_template("beecam.export", "templates", template, values)
