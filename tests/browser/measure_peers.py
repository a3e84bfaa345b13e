"""The same clips in our grid, by mediapy, and in a plain GridBox of Video, in one chromium.

By hand: `python tests/browser/measure_peers.py [counts ...]` prints JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets"), str(HERE.parent)]

import labpage  # noqa: E402
from measure import ALL_SHOWN, renderer_megabytes  # noqa: E402

COLUMNS = 10
CODE = f"from filled import filled\nclips = filled('peer', {{count}}, columns={COLUMNS})"
# All look 72 pixels wide, ten in a row. mediapy gets the mp4 files as they are: what it would take
# to encode them isn't counted.
WAYS = {
    "grid": "bw.ClipGrid(clips, size=72, height=620, rows=['place'], columns=['seed'])",
    "mediapy": f"clips.show(columns={COLUMNS}, width=72)",
    "GridBox": f"""\
from ipywidgets import GridBox, Layout, Video
GridBox([Video.from_file(str(c.path), autoplay=True, loop=True, width=72) for c in clips],
        layout=Layout(grid_template_columns="repeat({COLUMNS}, 80px)"))""",
}
# Resolves when all videos of the page have moved; gives what was there, and when.
PLAYING = """async ([start, count, patience]) => {
  let first = null;
  for (;;) {
    await new Promise(requestAnimationFrame);
    const all = [...document.querySelectorAll('video')];
    const moved = all.filter(video => video.currentTime > 0).length;
    const now = performance.now() - start;
    if (moved) first ??= now;
    if (moved === count || now > patience) return { first, all: moved === count ? now : null, moved };
  }
}"""
SMOOTH = """async () => {
  const start = performance.now();
  let frames = 0;
  while (performance.now() - start < 3000) {
    await new Promise(requestAnimationFrame);
    frames++;
  }
  const rate = frames / (performance.now() - start) * 1000;
  const times = [...document.querySelectorAll('video')].filter(v => !v.paused).map(v => v.currentTime);
  const grid = new Set([...document.querySelectorAll('[data-shows=clip] canvas')].map(c => c.dataset.frame));
  return { rate, apart_ms: times.length ? (Math.max(...times) - Math.min(...times)) * 1000 : 0,
    frames_at_once: grid.size };
}"""


def measure_peers(counts=(25, 100, 400), patience=60):
    """Measure each way at each count, with clips of 24 frames of 160 x 96 at 16 fps.

    Args:
        counts: How many clips.
        patience: Seconds until a way that doesn't have all of them moving is left.

    Returns:
        For each way and count: milliseconds to the first clip that moves and to all of them (of
        the grid: all in its window; None where they never did) with how many did, memory of the
        page, bytes of the saved notebook, animation frames a second, and how far apart clips are
        that were to play together: in milliseconds, or different frames at once.
    """
    found = []
    for count in counts:
        for way, show in WAYS.items():
            # A server and a browser each, so that none pays for another's memory.
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                with (
                    labpage.launched() as browser,
                    labpage.served(folder) as address,
                    labpage.notebooks(browser, address, folder) as notebook,
                ):
                    found.append(_measure(notebook, way, count, show, patience))
    return found


def _measure(notebook, way, count, show, patience):
    nb = notebook("peer", CODE.format(count=count), show)
    page = nb.page
    page.set_default_timeout(patience * 3000)
    nb.run(1, wait=True)
    start = page.evaluate("() => performance.now()")
    nb.run(2)
    if way == "grid":
        first, _ = page.evaluate(ALL_SHOWN, [start, 1])
        everything, moved = page.evaluate(ALL_SHOWN, [start, 0])
    else:
        told = page.evaluate(PLAYING, [start, count, patience * 1000])
        first, everything, moved = told["first"], told["all"], told["moved"]
    page.wait_for_timeout(1000)
    smooth = page.evaluate(SMOOTH)
    nb.save()
    return {
        "way": way,
        "clips": count,
        "first_ms": first,
        "all_ms": everything,
        "moved": moved,
        "page_mb": renderer_megabytes(),
        "notebook_mb": nb.path.stat().st_size / 1e6,
        **smooth,
    }


if __name__ == "__main__":
    counts = [int(text) for text in sys.argv[1:]] or (25, 100, 400)
    sys.stdout.write(json.dumps(measure_peers(counts), indent=1) + "\n")
