"""The API reference is built from the docstrings and has every exported name."""

import subprocess
import sys

import pytest

import beecam
import beecam_widgets


@pytest.mark.slow
def test_the_reference_has_every_exported_name(tmp_path):
    command = [sys.executable, "-m", "pdoc", "--docformat", "google", "--no-show-source"]
    packages = ["beecam", "beecam_widgets", "!beecam_widgets._"]
    done = subprocess.run(
        [*command, "--output-directory", tmp_path, *packages],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for package in (beecam, beecam_widgets):
        page = (tmp_path / f"{package.__name__}.html").read_text("utf-8")
        missing = [name for name in package.__all__ if f'id="{name}"' not in page]
        assert missing == []
