"""The built scripts and styles."""

from importlib import resources

_STATIC = resources.files("beecam_widgets") / "static"


def bundle(name: str) -> tuple[str, str]:
    """Return script and style of a bundle, as texts: files would be watched, and never let go."""
    return _text(f"{name}.js"), _text("base.css") + _text(f"{name}.css")


def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
