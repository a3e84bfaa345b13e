"""The committed bundles match their sources, byte for byte."""

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

WIDGETS = Path(__file__).parents[2] / "widgets"
STATIC = WIDGETS / "beecam_widgets" / "static"
EXPORT = WIDGETS.parent / "kit" / "beecam" / "export" / "static"
PAGE = [EXPORT / "offline.js", EXPORT / "offline.css"]


@pytest.fixture(scope="module")
def node():
    if shutil.which("node") is None or not (WIDGETS / "node_modules").exists():
        pytest.skip("needs Node.js 20 or newer, and `npm ci` in widgets/")
    return shutil.which("node")


def test_rebuild_gives_same_bytes(node, tmp_path):
    subprocess.run([node, "build.js", str(tmp_path)], cwd=WIDGETS, check=True)
    built = sorted(path.name for path in tmp_path.iterdir())
    assert built == sorted([*(path.name for path in STATIC.iterdir()), *(p.name for p in PAGE)])
    for path in [*STATIC.iterdir(), *PAGE]:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), (
            f"{path.name} does not match widgets/js: run `npm run build` in widgets/"
        )


def test_bundles_are_small_and_need_no_network():
    texts = {path.name: path.read_text("utf-8") for path in STATIC.iterdir()}
    assert sum(len(text.encode()) for text in texts.values()) < 186_000
    texts |= {path.name: path.read_text("utf-8") for path in PAGE}
    for name, text in texts.items():
        for word in ("https:", "http:", "import(", "eval(", "innerHTML", "</script", "<!--"):
            assert word not in text.replace("http://www.w3.org/2000/svg", ""), (name, word)


def test_lock_file_names_no_registry():
    assert "http" not in (WIDGETS / "package-lock.json").read_text()


def test_bundles_share_only_the_css_classes_of_the_base_sheet():
    def classes(name):
        return set(re.findall(r"\.(bcm-[a-z0-9]+)", (STATIC / f"{name}.css").read_text("utf-8")))

    names = ("clips", "panel", "live")
    for one, other in itertools.combinations(names, 2):
        assert classes(one) & classes(other) <= classes("base") | {"bcm-root"}, (one, other)


def _classes(text):
    return set(re.findall(r"(?<!-)bcm-[a-z0-9]+", text))


def _selectors(name):
    """Return the selectors of a style sheet."""
    text = (STATIC / f"{name}.css").read_text("utf-8")
    text = re.sub(r"@keyframes [^{]*\{(?:[^{}]*\{[^}]*\})*\}", "", text)
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@[^{}]*\{", "", text))
    return [one for rule in rules for one in rule.split(",")]


@pytest.mark.parametrize("name", ["clips", "panel", "live"])
def test_style_sheet_styles_only_its_own_widgets(name):
    """A notebook that displays two kinds of widgets has both style sheets."""
    shared = _classes(" ".join(_selectors("base")))
    for selector in _selectors(name):
        assert _classes(selector) - shared, (selector, "matches all widgets")
    own = _classes(" ".join(_selectors(name))) - shared
    for other in {"clips", "panel", "live"} - {name}:
        script = (STATIC / f"{other}.js").read_text("utf-8")
        assert not own & _classes(script), (name, other)


def test_css_classes_are_literals_in_the_sources():
    """The test above doesn't find computed class names; ids may be computed."""
    for path in (WIDGETS / "js").rglob("*.js"):
        for line in path.read_text("utf-8").splitlines():
            assert "`bcm-${" not in line or "id =" in line, (path.name, line)
