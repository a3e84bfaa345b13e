"""HTML from Jinja templates of a package, with what is filled in escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


def render_template(package: str, folder: str, template: str, values: dict[str, Any]) -> Markup:
    """Return a template filled with values, which are escaped unless they are Markup.

    >>> render_template("beecam.export", "templates", "line.html", {"text": "<b>"})
    Markup('<p>&lt;b&gt;</p>')

    Args:
        package: The package that has the template.
        folder: The template's folder in the package; "" for the package itself.
        template: The file's name.
        values: The values, by their names in the template.
    """
    from markupsafe import Markup

    # Jinja escaped the values: https://markupsafe.palletsprojects.com.
    return Markup(_environment(package, folder).get_template(template).render(values))  # noqa: S704


@cache
def _environment(package: str, folder: str) -> Environment:
    # Imported on first use: `import beecam` should stay fast.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package, folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
