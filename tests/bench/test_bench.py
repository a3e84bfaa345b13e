"""The programs that measure run from beginning to end, at a size where their figures say nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# A tool that knows no model, gives shares of 1.
TOOL = """
import numpy as np

def make(prompts, seeds, *, model, device, width, height, num_frames, **settings):
    assert device == "cpu"
    return [np.full((num_frames, height, width, 3), 0.5) for _ in prompts for _ in seeds]
"""


def program(name, *arguments):
    done = subprocess.run(
        [sys.executable, str(HERE / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cells(text, name):
    """The cells of a table's row."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.slow
def test_the_benchmark_for_a_gpu_on_a_cpu(tmp_path):
    target = tmp_path / "gpu.md"
    program(
        "gpu.py",
        "--device",
        "cpu",
        "--small",
        "--prompts",
        2,
        "--seeds",
        1,
        "--batch",
        2,
        "--minutes",
        60,
        "--out",
        target,
    )
    said = target.read_text()
    assert "failed" not in said
    for table in said.split("**LTX-Video"):
        for name in ("plain loop", "beecam", "beecam, exact=True", "beecam, batch_size=2"):
            assert float(cells(table, name)[1]) > 0
        assert cells(table, "beecam")[4] in {"0/255", "1/255"}


@pytest.mark.slow
def test_it_ends_in_time_with_the_rows_that_it_has(tmp_path, monkeypatch):
    """The second mode is interrupted as its timer would do it, however fast the machine is."""
    monkeypatch.syspath_prepend(HERE)
    import gpu

    target, real, modes = tmp_path / "gpu.md", gpu.measure, []

    def measure(mode, *rest):
        modes.append(mode.name)
        if len(modes) == 2:
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60 * 60
            signal.raise_signal(signal.SIGALRM)
        return real(mode, *rest)

    few = ["--prompts", "1", "--seeds", "1", "--minutes", "60", "--out", str(target)]
    monkeypatch.setattr(gpu, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--small", *few])
    before = signal.getsignal(signal.SIGALRM)
    try:
        gpu.main()
    finally:
        signal.signal(signal.SIGALRM, before)
    said = target.read_text()
    assert float(cells(said, modes[0])[1]) > 0
    assert cells(said, modes[1])[1] == "time was up"
    assert "Ended after 60 minutes" in said


@pytest.mark.slow
def test_another_tool_beside_the_loop_and_beecam(tmp_path):
    (tmp_path / "grey.py").write_text(TOOL)
    said = program(
        "against.py",
        "--tool",
        tmp_path / "grey.py",
        "--prompts",
        1,
        "--seeds",
        2,
        "--rounds",
        1,
        "--set",
        "num_inference_steps=2",
    )
    assert cells(said, "beecam")[4] in {"0/255", "1/255"}
    assert int(cells(said, "grey")[4].removesuffix("/255")) > 1
    assert float(cells(said, "grey")[2]) > float(cells(said, "plain loop")[2])


@pytest.mark.slow
def test_the_real_sizes_are_those_that_were_published(monkeypatch):
    import torch

    monkeypatch.syspath_prepend(HERE)
    import real

    with torch.device("meta"):
        sizes = {
            name: [sum(p.numel() for p in make().parameters()) for make in (it.denoiser, it.vae)]
            for name, it in real.REAL.items()
        }
    # Of the published weights, in millions.
    assert [round(size / 1e6) for size in sizes["wan"]] == [1419, 127]
    assert [round(size / 1e6) for size in sizes["ltx"]] == [1923, 419]
