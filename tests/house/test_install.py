"""The wheel in an empty environment: its declared dependencies are enough for the first cells."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def closure(requirements):
    """Return the installed distributions of these requirements and of their dependencies."""
    found, left = {}, [Requirement(text) for text in requirements]
    while left:
        one = left.pop()
        if one.marker and not any(one.marker.evaluate({"extra": e}) for e in (*one.extras, "")):
            continue
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        key = (name, frozenset(one.extras))
        if key in found:
            continue
        found[key] = importlib.metadata.distribution(name)
        for text in found[key].requires or ():
            more = Requirement(text)
            if not more.marker or any(
                more.marker.evaluate({"extra": extra}) for extra in (*one.extras, "")
            ):
                more.marker = None
                left.append(more)
    return {name: dist for (name, _), dist in found.items()}


def link(dist, target):
    """Link a distribution's files into another environment."""
    base = Path(dist.locate_file(""))
    for top in {file.parts[0] for file in dist.files or () if ".." not in file.parts}:
        if not (target / top).exists() and (base / top).exists():
            (target / top).symlink_to(base / top)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the interpreter of an environment with only the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel)
    (own,) = site.glob("beecam-*.dist-info")
    metadata = importlib.metadata.Distribution.at(own)
    needed = closure(text for text in metadata.requires or () if "extra ==" not in text)
    for dist in needed.values():
        link(dist, site)
    assert not (site / "pytest").exists(), "dependencies of tests aren't installed"
    return python


def run(*command, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=280, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_first_cells_run_from_the_wheel(python, tmp_path):
    notebook = json.loads((ROOT / "notebooks" / "01_first_flight.ipynb").read_text("utf-8"))
    cells = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
    first = cells[0] + "\nprint(repr(model), beecam_widgets.__file__, len(bc.decks()))\n"
    clip = 'print(bc.run(bc.shot("a bee", num_inference_steps=2), model).wait()[0].frames().shape)'
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env |= {"BEECAM_LIBRARY": str(tmp_path / "library"), "BEECAM_CACHE": str(tmp_path / "cache")}
    output = run(python, "-c", first + clip, cwd=tmp_path, env=env)
    assert "Model pollen (LTX): 96x96, 17 frames" in output
    assert str(ROOT) not in output, "nothing is taken from the checkout"
    assert "(17, 96, 96, 3)" in output


@pytest.mark.slow
def test_the_wheel_pins_nothing_and_names_its_python(python):
    code = "import importlib.metadata as m; print(m.requires('beecam'), m.metadata('beecam')['Requires-Python'])"
    output = run(python, "-c", code)
    assert "==" not in re.sub(r"extra ==", "", output)
    assert ">=3.11" in output
