"""The wheel and the sdist have all files that users need, and no development files."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = (
    "beecam/py.typed",
    "beecam_widgets/py.typed",
    "beecam/export/static/offline.js",
    "beecam/export/static/offline.css",
    "beecam_widgets/static/clips.js",
    "beecam_widgets/static/clips.css",
    "beecam_widgets/static/base.css",
    "beecam_widgets/static/panel.js",
    "beecam_widgets/static/panel.css",
    "beecam/sweeps/deck_files/shipped/1_first_person_flight.yaml",
    "beecam/models/pollen/weights/model_index.json",
    "beecam/models/pollen/weights/preview.safetensors",
    "beecam/models/pollen/evaluation/classifiers.safetensors",
    "beecam/models/pollen/CARD.md",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_wheel_has_weights_bundles_and_types(built):
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    assert [name for name in NEEDED if name not in names] == []
    assert any(n.startswith("beecam/models/pollen/weights/transformer/") for n in names)
    roots = {name.split("/")[0] for name in names}
    assert {r for r in roots if not r.endswith(".dist-info")} == {"beecam", "beecam_widgets"}


@pytest.mark.slow
def test_the_sdist_builds_the_same_and_has_the_tests(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    for name in NEEDED:
        root = "widgets" if name.startswith("beecam_widgets") else "kit"
        assert f"{root}/{name}" in names
    assert "Makefile" in names
    assert "notebooks/01_first_flight.ipynb" in names
    assert not [
        n for n in names if "node_modules" in n or n.startswith((".venv", "out/", ".pollen"))
    ]


def test_no_weight_file_is_too_large_for_git():
    folder = ROOT / "kit" / "beecam" / "models" / "pollen" / "weights"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 15e6
    assert sum(path.stat().st_size for path in files) <= 40e6
    assert not [p for p in files if p.suffix in {".bin", ".pt", ".pkl", ".ckpt"}], (
        "only safetensors"
    )
