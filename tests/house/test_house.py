"""Rules of the project: imports, dependencies, and packaging files that must agree."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def run_python(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_importing_beecam_loads_neither_torch_nor_widgets():
    heavy = ["torch", "diffusers", "pandas", "matplotlib", "av", "ipywidgets", "beecam_widgets"]
    loaded = run_python(f"import sys, beecam; print([m for m in {heavy} if m in sys.modules])")
    assert loaded == "[]"


def test_kit_never_imports_the_widgets():
    for path in (ROOT / "kit").rglob("*.py"):
        imports = re.findall(r"^\s*(?:from|import)\s+([\w.]+)", path.read_text(), re.MULTILINE)
        violations = [m for m in imports if m.split(".")[0] in {"beecam_widgets", "ipywidgets"}]
        assert not violations, f"{path} imports {violations}"


def test_environment_yml_agrees_with_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {"python" + project["requires-python"]}
    for line in project["dependencies"]:
        name, version = re.fullmatch(r"([\w.-]+)(>=.*)", line).groups()
        wanted.add(CONDA_NAMES.get(name, name) + version)
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert set(conda["dependencies"]) == wanted
    assert conda["channels"] == ["conda-forge"]


def test_constraints_pin_every_dependency_and_torch_to_one_version():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().lower().splitlines()
        if "==" in line
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [
        re.match(r"[\w.-]+", line).group().lower()
        for line in project["dependencies"] + project["optional-dependencies"]["dev"]
    ]
    assert [n for n in names if n not in pins and n.replace("-", "_") not in pins] == []
    assert pins["torch"] == "2.13.0"
