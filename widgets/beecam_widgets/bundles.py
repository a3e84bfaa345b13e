"""The built scripts and styles."""

from importlib import resources

_STATIC = resources.files("beecam_widgets") / "static"


def bundle(name: str) -> tuple[str, str]:
    """Return script and style of a bundle, as texts: files would be watched, and never let go."""
    script, style = (_STATIC / f"{name}.{kind}" for kind in ("js", "css"))
    return script.read_text(encoding="utf-8"), style.read_text(encoding="utf-8")
