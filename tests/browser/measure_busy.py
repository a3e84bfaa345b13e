"""Clicks during a run, and thousands of events at once, measured in chromium.

By hand: `python tests/browser/measure_busy.py` prints JSON.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets"), str(HERE.parent)]

import labpage  # noqa: E402

RUN_CODE = """\
run = bc.run(bc.sweep("a {{insect}} over {{place}}", insect=["bee", "moth"],
                      place=["a meadow", "the ocean", "a desert"], seed=range({seeds})),
             bc.load(), library=bc.library("clicks"))
bw.ClipGrid(run, size=88, rows=["seed"], columns=["insect", "place"])"""
# 5 events a cell: begun, three steps, ended. Every tenth prompt fails.
STORM_CODE = """\
import json
model = DrawnModel(0, batch=8, broken="place 3", width=32, height=32, num_frames=5,
                   num_inference_steps=3)
run = bc.run(bc.sweep("a bee over {{place}}", place=[f"place {{i}}" for i in range(10)],
                      seed=range({seeds})), model, library=bc.library("storm"))
bw.ClipGrid(run, size=64, height=700, rows=["seed"], columns=["place"])"""
TOLD = "print(json.dumps([[str(c.status), c.error or ''] for c in run.changes().cells]))"

# From the press of the button to the second frame after the page has answered: painted by then.
WATCH = """() => {
  window.answers = [];
  addEventListener('pointerdown', event => {
    const cell = event.target.closest('.bcm-cell');
    if (!cell) return;
    const [start, before] = [event.timeStamp, cell.getAttribute('aria-selected')];
    const look = now => {
      if (now - start > 5000) return window.answers.push(Infinity);
      if (cell.getAttribute('aria-selected') === before) return requestAnimationFrame(look);
      requestAnimationFrame(() => window.answers.push(performance.now() - start));
    };
    requestAnimationFrame(look);
  }, { capture: true });
}"""
# Scrolls through all, and says of each cell what it shows.
STATES = """async () => {
  const scroll = document.querySelector('.bcm-scroll');
  const found = {};
  for (let top = 0; ; top += scroll.clientHeight / 2) {
    scroll.scrollTop = top;
    await new Promise(done => setTimeout(done, 120));
    for (const cell of scroll.querySelectorAll('.bcm-cell')) {
      found[cell.dataset.cell] = [cell.dataset.status, cell.querySelector('.bcm-note').textContent];
    }
    if (top >= scroll.scrollHeight) return found;
  }
}"""


def measure_busy(clicks=30, seeds=100):
    """Measure clicks on a grid while pollen fills it, and a run of 10 x `seeds` quick cells.

    Returns:
        Milliseconds from a click to the painted answer, and whether the run was going at the last
        one; of the storm its events, its seconds, how long after it the page knew all, and how
        many cells show another state than they have.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            labpage.launched() as browser,
            labpage.served(folder) as address,
            labpage.notebooks(browser, address, folder) as notebook,
        ):
            return {"clicks": _clicks(notebook, clicks), "storm": storm(notebook, seeds)}


def _clicks(notebook, count):
    nb = notebook("clicks", RUN_CODE.format(seeds=count), "print(run.finished)")
    page = nb.page
    nb.run(1)
    labpage.wait_for(page, 4)
    page.evaluate(WATCH)
    cells = page.locator(".bcm-cell")
    for i in range(count):
        cells.nth(i % 12).click(modifiers=["Control"], position={"x": 20, "y": 50})
        page.wait_for_function("count => window.answers.length >= count", arg=i + 1)
    nb.run(2, wait=True)
    took = page.evaluate("() => window.answers")
    return {
        "median": statistics.median(took),
        "worst": max(took),
        "clicks": len(took),
        "while_running": "False" in nb.output(2),
    }


def storm(notebook, seeds):
    """Measure a run of 10 x `seeds` quick cells, a tenth of which fail."""
    count = 10 * seeds
    nb = notebook("storm", STORM_CODE.format(seeds=seeds), "run.wait().finished", TOLD)
    page = nb.page
    start = time.monotonic()
    nb.run(1)
    nb.run(2, wait=True)
    seconds = time.monotonic() - start
    page.wait_for_function(
        "text => document.querySelector('.bcm-count').textContent.startsWith(text)",
        arg=f"{count - seeds:,} of {count:,}",
    )
    late = time.monotonic() - start - seconds
    nb.run(3, wait=True)
    told = json.loads(nb.output(3))
    shown = page.evaluate(STATES)
    wrong = [
        i
        for i, (status, error) in enumerate(told)
        if status != shown.get(str(i), [""])[0] or (error and error not in shown[str(i)][1])
    ]
    return {
        "events": 5 * count,
        "seconds": seconds,
        "late_ms": late * 1000,
        "cells": len(told),
        "wrong": len(wrong),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure_busy(), indent=1) + "\n")
