"""The prose: plain technical English in docstrings, comments, messages and docs.

The glossary lists words to avoid, and what to write instead. Data (captions, vocabularies, decks)
may have any word.
"""

import ast
import importlib
import inspect
import io
import json
import pkgutil
import re
import tokenize
from pathlib import Path

import pytest

import beecam
import beecam_widgets

ROOT = Path(__file__).parents[2]
GLOSSARY = {
    r"anew": "again; rebuilt",
    r"oftener": "more often",
    r"seldom": "rarely",
    r"shall": "should; will",
    r"by lot": "at random",
    r"whoever": "name who it is",
    r"(some|any|no)body": "name who it is; someone else; no one",
    r"goes? on|going on|went on": "resume; continue",
    r"whole numbers?": "integer",
    r"(?<!there )(?<!where )(is|are|was|were) no (?!longer|more|such|\d)[a-z]+": "is not a ...",
    r"as it stands|where (it|they|that|a \w+) stands?": "is at",
    r"(is|are|was|were) told": "is sent; is reported",
    r"told of": "sent; notified",
    r"says so": "reports it",
    r"film(s|ed)?(?!-maker| grain| style|_)": "video; footage",
    r"pictures?": "image",
    r"lots?": "random draw",
    r"is called like": "has the name of",
    r"is said|are said|it is said": "is reported",
    r"for ever": "forever",
    r"licence": "license",
    r"wishe?s?": "request",
}
# As in "Begin with none." or "Name the folder.".
FIRST_WORDS = {"Say", "Tell", "Begin", "Know", "Name"}
# Files whose words are data or quotations.
DATA = ("models/pollen/world/", "sweeps/deck_files/shipped/", "docs/pictures/")
ALLOWED = re.compile(
    r"docs/pictures|black and white film|film-maker|short film|pictures/\w+|bcm-\w+|\w+_\w+|"
    r"(nobody|somebody)/\w+|goes on and on|told apart|facts\[.licence.\]|somebody explored|\(insects\?\|nobody"
)


def readable_text(path):
    """Yield the comments, strings or documentation of a file, with their lines."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield token.start[0], token.string
    elif path.suffix == ".js":
        for match in re.finditer(r"//.*|/\*.*?\*/|\"[^\"\n]*\"|`[^`]*`", text, re.DOTALL):
            yield text.count("\n", 0, match.start()) + 1, match.group()
    elif path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]  # what they print is not ours
        yield from enumerate("\n".join("".join(c["source"]) for c in cells).splitlines(), 1)
    else:
        yield from enumerate(text.splitlines(), 1)


def files():
    folders = ["kit", "widgets/beecam_widgets", "widgets/js", "docs", "tests", "notebooks"]
    found = [
        p
        for folder in folders
        for p in (ROOT / folder).rglob("*")
        if p.suffix in {".py", ".js", ".md", ".html", ".ipynb"}
    ]
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "pyproject.toml")
    found += [ROOT / name for name in names]
    return [
        p
        for p in found
        if "static" not in p.parts
        and "__pycache__" not in p.parts
        and p.name != "test_prose.py"
        and not any(part in p.as_posix() for part in DATA)
    ]


def words_to_avoid(text):
    """Return the words of the glossary in a text, each with its replacement."""
    plain = ALLOWED.sub("", text)
    return [
        (m.group(), better)
        for word, better in GLOSSARY.items()
        for m in re.finditer(rf"\b(?:{word})\b", plain, re.IGNORECASE)
    ]


@pytest.mark.parametrize(
    "text", ["oftener than not", "it is no clip", "Pictures of bees", "a whole number"]
)
def test_the_glossary_finds_its_words(text):
    assert words_to_avoid(text)


def test_every_kind_of_text_is_read():
    names = {path.name for path in files()}
    assert {"pyproject.toml", "01_first_flight.ipynb", "page.html", "summary.html"} <= names
    notebook = ROOT / "notebooks" / "01_first_flight.ipynb"
    assert any("bc.run(" in text for _, text in readable_text(notebook))


@pytest.mark.slow
def test_no_word_of_the_glossary_is_used():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word!r} (write: {better})"
        for path in files()
        for line, text in readable_text(path)
        for word, better in words_to_avoid(text)
    ]
    assert found == []


def public():
    """Yield each exported name, and each public method of an exported class."""
    for package in (beecam, beecam_widgets):
        for name in package.__all__:
            value = getattr(package, name)
            if not callable(value) or not getattr(value, "__module__", "").startswith("beecam"):
                continue
            yield f"{package.__name__}.{name}", value
            if inspect.isclass(value) and not issubclass(value, Exception):
                for member, function in vars(value).items():
                    if inspect.isfunction(function) and not member.startswith("_"):
                        yield f"{package.__name__}.{name}.{member}", function


def test_every_exported_name_and_public_method_has_an_example():
    assert [
        name
        for name, value in public()
        if ">>>" not in (value.__doc__ or "")
        and not (inspect.isclass(value) and issubclass(value, Exception))
    ] == []


def docstrings():
    for folder in ("kit/beecam", "widgets/beecam_widgets"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield path.relative_to(ROOT), node, ast.get_docstring(node)


@pytest.mark.slow
def test_no_docstring_is_empty_or_starts_with_a_word_to_avoid():
    found = [
        f"{path}:{node.lineno} {node.name}: {text.splitlines()[0]!r}"
        for path, node, text in docstrings()
        if text is not None and (not text.strip() or text.split()[0].rstrip(".") in FIRST_WORDS)
    ]
    assert found == []


def test_members_named_in_docstrings_exist():
    """A renamed method must not live on in prose: `ClipSet.query`, `bc.run` and the like."""
    classes = {
        name: value
        for module in loaded_modules()
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__.startswith("beecam")
    }
    found = []
    for path in files():
        if path.name == "CHANGELOG.md":
            continue  # It names what was renamed.
        for line, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            for owner, member in re.findall(r"(?<![.\w])(bc|bw|(?<=`)[A-Z]\w+)\.(\w+)", text):
                if owner == "bc":
                    known = hasattr(beecam, member)
                elif owner == "bw":
                    known = hasattr(beecam_widgets, member)
                elif owner in classes:
                    known = has_member(classes[owner], member)
                else:
                    continue
                if not known:
                    found.append(f"{path.relative_to(ROOT)}:{line}: {owner}.{member}")
    assert found == []


def loaded_modules():
    """Import every module of both packages."""
    for package in (beecam, beecam_widgets):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)


def has_member(owner, name):
    """Whether a class, or an instance that its source assigns it to, has an attribute."""
    return (
        hasattr(owner, name)
        or any(name in vars(base).get("__annotations__", {}) for base in owner.__mro__)
        or any(
            f"self.{name} " in inspect.getsource(base)
            for base in owner.__mro__
            if base.__module__.startswith("beecam")
        )
    )
