"""What grid and page promise, measured in chromium, called by `make bench`.

By hand: `python tests/browser/measure.py [clips]` prints JSON.
"""

import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets"), str(HERE.parent)]

import labpage  # noqa: E402

LIBRARY_CODE = """\
from filled import filled
clips = filled({name!r}, {count})
"""
LIVE_CODE = """\
import json, threading, time
model = DrawnModel(0.02, batch=1)
run = bc.run(bc.sweep("a bee over {place}", place=["sea", "dunes"], seed=range(12)), model,
             library=bc.library("latency"))
finished = {}
def watch():
    version = 0
    while True:
        changes = run.changes(version, timeout=1)
        version = changes.version
        for cell in changes.cells:
            if cell.status == "done":
                finished.setdefault(cell.index, time.time() * 1000)
        if run.finished:
            return
threading.Thread(target=watch, daemon=True).start()
run"""

# Resolves when every cell in the window shows its clip; gives the milliseconds since `start`.
ALL_SHOWN = """async ([start, least]) => {
  for (;;) {
    await new Promise(requestAnimationFrame);
    const scroll = document.querySelector('.bcm-scroll');
    if (!scroll) continue;
    const box = scroll.getBoundingClientRect();
    const cells = [...scroll.querySelectorAll('.bcm-cell')].filter(cell => {
      const b = cell.getBoundingClientRect();
      return b.top < box.bottom && b.bottom > box.top && b.left < box.right && b.right > box.left;
    });
    const shown = cells.filter(cell => cell.dataset.shows === 'clip').length;
    if (least ? shown >= least : cells.length && shown === cells.length) {
      return [performance.now() - start, cells.length];
    }
    if (performance.now() - start > 30000) return [Infinity, shown];
  }
}"""
SHOW_FIRST = "() => document.querySelector('.bcm-root').scrollIntoView({block: 'start'})"
HIDE_OTHERS = """() => [...document.querySelectorAll('.bcm-root')].slice(1)
  .forEach(root => { root.closest('.jp-Cell').style.display = 'none'; })"""
# All sheets are here and painted once when no cell has changed for a second.
QUIET = """async () => {
  let last = '', since = performance.now();
  while (performance.now() - since < 1000) {
    await new Promise(done => setTimeout(done, 100));
    const now = String(document.querySelectorAll('[data-shows=clip]').length);
    if (now !== last) since = performance.now();
    last = now;
  }
}"""
FRAMES = """async seconds => {
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < seconds * 1000) {
    await new Promise(requestAnimationFrame);
    frames++;
  }
  return frames / seconds;
}"""
PAINTED_AWAY = """async seconds => {
  const { prototype } = CanvasRenderingContext2D;
  const { drawImage } = prototype;
  let painted = 0;
  prototype.drawImage = function (...what) {
    const box = this.canvas.closest('.bcm-cell').getBoundingClientRect();
    // A little more than the margin in which cells are painted ahead.
    if (box.bottom < -200 || box.top > innerHeight + 200) painted++;
    return drawImage.apply(this, what);
  };
  await new Promise(done => setTimeout(done, seconds * 1000));
  prototype.drawImage = drawImage;
  return painted;
}"""
RATES = """async ([seconds, scrolling]) => {
  const scroll = document.querySelector('.bcm-scroll');
  const start = performance.now();
  let frames = 0, changes = 0, worst = 0, last = start;
  const before = new Map();
  while (performance.now() - start < seconds * 1000) {
    const now = await new Promise(requestAnimationFrame);
    worst = Math.max(worst, performance.now() - last);
    last = performance.now();
    frames++;
    if (scrolling) scroll.scrollTop += 24;
    else for (const canvas of scroll.querySelectorAll('canvas')) {
      if (before.get(canvas) !== canvas.dataset.frame) changes++;
      before.set(canvas, canvas.dataset.frame);
    }
  }
  const passed = (performance.now() - start) / 1000;
  const cells = scroll.querySelectorAll('[data-shows=clip]').length;
  const together = new Set([...scroll.querySelectorAll('[data-shows=clip] canvas')]
    .map(canvas => canvas.dataset.frame)).size;
  return { animation_frames_a_second: frames / passed, worst_gap_ms: worst, cells,
    clip_frames_a_second: changes / passed / Math.max(1, cells), different_frames_at_once: together };
}"""
ARRIVALS = """() => {
  window.arrivals = {};
  const look = () => {
    for (const cell of document.querySelectorAll('[data-shows=clip]')) {
      window.arrivals[cell.dataset.cell] ??= Date.now();
    }
    requestAnimationFrame(look);
  };
  look();
}"""


def renderer_megabytes():
    """Resident memory of the largest page process of chromium."""
    sizes = [0]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                status = (folder / "status").read_text()
                sizes.append(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024)
        except (OSError, AttributeError):
            continue
    return max(sizes)


def measure_grid(count=2000):
    """Measure a grid of `count` clips of 24 frames of 160 x 96 at 16 fps, and a live one.

    Returns:
        First paint, time until all visible cells show, animation frames a second while playing
        and scrolling, time to fill after a jump, memory of the page, and how long after a clip
        is finished it is on the screen.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            labpage.launched() as browser,
            labpage.served(folder) as address,
            labpage.notebooks(browser, address, folder) as notebook,
        ):
            found = _measure_many(notebook, count)
            found["finished_to_visible_ms"] = _measure_latency(notebook)
    return found


def measure_five(count=100):
    """Measure five grids of `count` clips, one of them in view.

    Returns:
        Animation frames a second while the others are out of view, and while they are hidden; how
        many clips were painted in grids out of view in two seconds.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            labpage.launched() as browser,
            labpage.served(folder) as address,
            labpage.notebooks(browser, address, folder) as notebook,
        ):
            grids = [f"bw.ClipGrid(clips[:{count - i}], size=110, height=800)" for i in range(5)]
            nb = notebook("five", LIBRARY_CODE.format(name="five", count=count), *grids)
            for index in range(1, 7):
                nb.run(index, wait=True)
            page = nb.page
            page.locator(".bcm-root").nth(4).wait_for()
            page.evaluate(SHOW_FIRST)
            page.evaluate(QUIET)
            others, painted = page.evaluate(FRAMES, 3), page.evaluate(PAINTED_AWAY, 2)
            page.evaluate(HIDE_OTHERS)
            alone = page.evaluate(FRAMES, 3)
    return {"with_others": others, "alone": alone, "painted_out_of_view": painted}


def measure_page(count=100):
    """Measure an offline page of clips of 24 frames of 160 x 96 that hardly compress.

    Returns:
        Its megabytes, seconds to write it, milliseconds to its first paint and until all clips in
        the window show, as a file with a warm disk.
    """
    from beecam.clips.library import open_library
    from helpers import noisy

    with tempfile.TemporaryDirectory() as temporary, labpage.launched() as browser:
        library = open_library(Path(temporary) / "library")
        clips = noisy(library, count, stars=range(0, count, 10))
        start = time.perf_counter()
        path = clips.export_html(Path(temporary) / "page.html")
        seconds = time.perf_counter() - start
        library.close()
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"file://{path}")
        everything, visible = page.evaluate(ALL_SHOWN, [0, 0])
        paint = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
        return {
            "clips": count,
            "mb": path.stat().st_size / 1e6,
            "seconds_to_write": seconds,
            "first_paint_ms": page.evaluate(paint),
            "all_visible_ms": everything,
            "visible": visible,
        }


def _measure_many(notebook, count):
    show = "bw.ClipGrid(clips, size=72, height=620)"
    nb = notebook("many", LIBRARY_CODE.format(name="many", count=count), show)
    page = nb.page
    page.set_default_timeout(180_000)
    nb.run(1, wait=True)
    empty = renderer_megabytes()
    start = page.evaluate("() => performance.now()")
    nb.run(2)
    first, _ = page.evaluate(ALL_SHOWN, [start, 1])
    everything, visible = page.evaluate(ALL_SHOWN, [start, 0])
    page.wait_for_timeout(1500)
    found = {
        "clips": count,
        "first_paint_ms": first,
        "all_visible_ms": everything,
        "visible": visible,
        "playing": page.evaluate(RATES, [4, False]),
        "scrolling": page.evaluate(RATES, [4, True]),
    }
    jumps = []
    for share in (0.9, 0.1, 0.7, 0.3, 1.0, 0.5):
        start = page.evaluate(
            """share => {
              const s = document.querySelector('.bcm-scroll');
              s.scrollTop = share * (s.scrollHeight - s.clientHeight);
              return performance.now();
            }""",
            share,
        )
        jumps.append(page.evaluate(ALL_SHOWN, [start, 0])[0])
        page.wait_for_timeout(300)
    found["jump_ms"] = {"median": statistics.median(jumps), "worst": max(jumps)}
    page.evaluate(
        """async () => {
          const s = document.querySelector('.bcm-scroll');
          for (let top = 0; top < s.scrollHeight; top += s.clientHeight) {
            s.scrollTop = top;
            await new Promise(done => setTimeout(done, 500));
          }
        }"""
    )
    at_once = renderer_megabytes()
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    page.wait_for_timeout(1500)
    found["page_mb"] = {"before": empty, "at_once": at_once, "after_all": renderer_megabytes()}
    nb.save()
    found["notebook_mb"] = nb.path.stat().st_size / 1e6
    found["cells_on_page"] = page.locator(".bcm-cell").count()
    return found


def _measure_latency(notebook):
    nb = notebook("latency", LIVE_CODE, "print(json.dumps(finished))")
    page = nb.page
    page.evaluate(ARRIVALS)
    nb.run(1)
    page.wait_for_function("() => Object.keys(window.arrivals).length >= 24", timeout=60_000)
    nb.run(2, wait=True)
    page.wait_for_timeout(300)
    finished = json.loads(nb.output(2))
    arrivals = page.evaluate("() => window.arrivals")
    late = sorted(arrivals[i] - at for i, at in finished.items() if i in arrivals)
    # The first clips wait for the view to be there at all.
    return {"median": statistics.median(late), "worst": max(late), "clips": len(late)}


if __name__ == "__main__":
    found = measure_grid(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
    found["page"] = measure_page()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
