"""The built scripts and style sheets, in `static/`."""

from importlib import resources

_STATIC = resources.files("beecam_widgets") / "static"


def load_assets(name: str) -> tuple[str, str]:
    """Return the script and the style sheet of a bundle.

    Both are returned as text: anywidget would watch files and never stop.
    """
    return _read(f"{name}.js"), _read("base.css") + _read(f"{name}.css")


def _read(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
