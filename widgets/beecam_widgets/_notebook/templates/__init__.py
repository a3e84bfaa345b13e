"""The HTML templates of what a notebook shows without a kernel."""

from __future__ import annotations

from typing import Any

from beecam._util.html import render_template


def render(template: str, /, **values: Any) -> str:
    """Return a template of this folder filled with values, which are escaped.

    >>> render("live.html", css_class="a", image="", code="", model="<b>")
    '<div class="beecam-static a"><p>Live view of &lt;b&gt;: run the cell to start it.</p></div>'
    """
    return str(render_template("beecam_widgets._notebook", "templates", template, values))
