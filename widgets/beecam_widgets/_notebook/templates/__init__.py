"""The HTML templates of what a notebook shows without a kernel, with one Jinja environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, **values: Any) -> str:
    """Return a template filled with values, which are escaped unless they are Markup.

    >>> render("live.html", css_class="a", image="", code="", model="<b>")
    '<div class="beecam-static a"><p>Live view of &lt;b&gt;: run the cell to start it.</p></div>'

    Args:
        template: The file's name in this folder.
        values: The values, by their names in the template.
    """
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    # Imported on first use: `import beecam_widgets` should stay fast.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("beecam_widgets._notebook", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
