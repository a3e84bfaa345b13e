"""The HTML templates of pages, contact sheets and clips, with one Jinja environment."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render(template: str, /, **values: Any) -> Markup:
    """Return a template filled with values, which are escaped unless they are Markup.

    >>> render("line.html", text="<b>")
    Markup('<p>&lt;b&gt;</p>')

    Args:
        template: The file's name in this folder.
        values: The values, by their names in the template.
    """
    from markupsafe import Markup

    # Jinja escaped the values: https://markupsafe.palletsprojects.com.
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704


@cache
def _environment() -> Environment:
    # Imported on first use: `import beecam` should stay fast.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("beecam.export", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
