"""The structure of the code: no import cycles, and folders with few entries."""

import ast
import re
from pathlib import Path

import pytest

import beecam

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "beecam": ROOT / "kit" / "beecam",
    "beecam_widgets": ROOT / "widgets" / "beecam_widgets",
}
MOST_ENTRIES = 10
NOT_COUNTED = {"__init__.py", "__pycache__", "py.typed"}


def modules():
    """Return the path of each module by its dotted name."""
    found = {}
    for name, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([name, *parts]).removesuffix(".__init__")] = path
    return found


def imports_of(path, known):
    """Return all modules that a module imports, including late and typing imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return found & set(known)


def circles(graph):
    """Return the strongly connected components of more than one node (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            component, stack[at:] = stack[at:], []
            if len(component) > 1:
                found.append(sorted(component))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


@pytest.mark.slow
def test_no_circle_of_imports():
    known = modules()
    graph = {name: imports_of(path, known) - {name} for name, path in known.items()}
    # The package itself names its public modules for type checkers, and imports them on first use.
    del graph["beecam"]
    graph = {name: found & set(graph) for name, found in graph.items()}
    assert circles(graph) == []


@pytest.mark.slow
def test_no_module_of_the_kit_imports_the_package_itself():
    known = modules()
    violations = [
        name
        for name, path in known.items()
        if name.startswith("beecam.") and "beecam" in imports_of(path, known)
    ]
    assert violations == []


def test_no_folder_is_named_like_a_public_function():
    folders = {path.parent.name for path in PACKAGES["beecam"].rglob("__init__.py")} - {"beecam"}
    assert folders & set(beecam.__all__) == set()


def test_dir_is_all():
    assert dir(beecam) == sorted(beecam.__all__)
    assert all(hasattr(beecam, name) for name in beecam.__all__)


def documented_exceptions():
    """Return the folders with more entries that the architecture page justifies."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    section = page.split("## Folders with more than ten entries")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize("top", ["kit/beecam", "widgets/beecam_widgets", "widgets/js"])
def test_folders_have_few_entries(top):
    too_many = set()
    for folder in [ROOT / top, *(path for path in (ROOT / top).rglob("*") if path.is_dir())]:
        names = {path.name for path in folder.iterdir()} - NOT_COUNTED
        if folder.name != "__pycache__" and len(names) > MOST_ENTRIES:
            too_many.add(folder.relative_to(ROOT).as_posix())
    assert too_many - documented_exceptions() == set()
