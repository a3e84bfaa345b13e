"""The benchmarks run from start to end, at sizes too small for meaningful figures."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
# A tool without a model, which returns floats from 0 to 1.
TOOL = """
import numpy as np

def make(prompts, seeds, *, model, device, width, height, num_frames, **settings):
    assert device == "cpu"
    return [np.full((num_frames, height, width, 3), 0.5) for _ in prompts for _ in seeds]
"""


def program(name, *arguments):
    process = subprocess.run(
        [sys.executable, str(FOLDER / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def cells(text, name):
    """Return the cells of a table's row."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


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
    text = target.read_text()
    assert "failed" not in text
    for table in text.split("**LTX-Video"):
        for name in ("plain loop", "beecam", "beecam, exact=True", "beecam, batch_size=2"):
            assert float(cells(table, name)[1]) > 0
        assert cells(table, "beecam")[4] in {"0/255", "1/255"}


def test_the_time_limit_keeps_the_measured_rows(tmp_path, monkeypatch):
    """The second mode is interrupted by the signal of the timer, on a machine of any speed."""
    monkeypatch.syspath_prepend(FOLDER)
    import gpu

    target, measure_real, modes = tmp_path / "gpu.md", gpu.measure, []

    def measure(mode, *rest):
        modes.append(mode.name)
        if len(modes) == 2:
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60 * 60
            signal.raise_signal(signal.SIGALRM)
        return measure_real(mode, *rest)

    arguments = ["--prompts", "1", "--seeds", "1", "--minutes", "60", "--out", str(target)]
    monkeypatch.setattr(gpu, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--small", *arguments])
    before = signal.getsignal(signal.SIGALRM)
    try:
        gpu.main()
    finally:
        signal.signal(signal.SIGALRM, before)
    text = target.read_text()
    assert float(cells(text, modes[0])[1]) > 0
    assert cells(text, modes[1])[1] == "time was up"
    assert "Ended after 60 minutes" in text


def test_another_tool_is_compared(tmp_path):
    (tmp_path / "grey.py").write_text(TOOL)
    text = program(
        "compare_tools.py",
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
    assert cells(text, "beecam")[4] in {"0/255", "1/255"}
    assert int(cells(text, "grey")[4].removesuffix("/255")) > 1
    assert float(cells(text, "grey")[2]) > float(cells(text, "plain loop")[2])


def test_the_real_sizes_equal_the_published_ones(monkeypatch):
    import torch

    monkeypatch.syspath_prepend(FOLDER)
    import real

    with torch.device("meta"):
        sizes = {
            name: [
                sum(p.numel() for p in make().parameters()) for make in (item.denoiser, item.vae)
            ]
            for name, item in real.REAL.items()
        }
    # Millions of parameters of the published weights.
    assert [round(size / 1e6) for size in sizes["wan"]] == [1419, 127]
    assert [round(size / 1e6) for size in sizes["ltx"]] == [1923, 419]


def test_rows_about_libraries_and_bundles_are_measured(monkeypatch):
    """They reach into the library for speed, so that a rename there must fail here."""
    monkeypatch.syspath_prepend(FOLDER)
    import bench

    monkeypatch.setattr(bench, "LARGE", 2000)
    monkeypatch.setattr(bench, "STARRED", 1000)
    monkeypatch.setattr(bench, "CELLS", 40)
    rows = [
        row
        for measure in (
            bench.large_library,
            bench.many_clips,
            bench.many_cells,
            bench.star,
            bench.claims,
            bench.bundles,
        )
        for row in measure()
    ]
    assert all(row.figures for row in rows)
    assert "library of 2,000 clips" in bench.table(rows)


def test_the_overhead_is_a_share_of_the_pipelines_time(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import bench

    monkeypatch.setattr(bench, "PROMPTS", bench.PROMPTS[:1])
    (row,) = bench.overhead()
    assert 0 < row.figures["pipeline"] < row.figures["wall"]
