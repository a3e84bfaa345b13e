"""How quickly the live view follows, measured in chromium: `measure_live()`, for `make bench`.

By hand: `python tests/browser/measure_live.py [times]` prints JSON.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "widgets")]

import labpage  # noqa: E402

LIVE_CODE = "view = bw.live(bc.load(){more})\nview"

# Turns a slider as a hand does, and waits until what it asked for is painted; milliseconds.
TURN = """async ([index, share]) => {
  const root = document.querySelector('.bcm-root');
  const slider = root.querySelectorAll('.bcm-slider')[index];
  const before = Number(slider.value);
  slider.value = Number(slider.min) + share * (Number(slider.max) - Number(slider.min));
  if (Number(slider.value) === before) throw new Error('the slider is there already');
  const start = performance.now();
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  const wanted = Number(root.dataset.requested);
  const found = {};
  while (!found.whole && performance.now() - start < 20000) {
    await new Promise(requestAnimationFrame);
    if (!(Number(root.dataset.shown) >= wanted)) continue;
    const now = performance.now() - start;
    found.first ??= now;
    if (root.dataset.phase !== 'preview') found.clip ??= now;
    if (root.dataset.phase === 'clip') found.whole ??= now;
  }
  return found;
}"""
# Drags without a rest for so many seconds; how many clips were seen, and the longest time without.
DRAG = """async seconds => {
  const root = document.querySelector('.bcm-root');
  const slider = root.querySelectorAll('.bcm-slider')[0];
  const start = performance.now();
  let last = start, worst = 0, seen = new Set();
  while (performance.now() - start < seconds * 1000) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    slider.value = 0.5 + 0.45 * Math.sin((now - start) / 400);
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    const shown = `${root.dataset.shown}${root.dataset.phase}`;
    if (!seen.has(shown)) {
      if (seen.size) worst = Math.max(worst, now - last);
      last = now;
      seen.add(shown);
    }
  }
  const clips = [...seen].filter(one => !one.endsWith('preview')).length;
  return { pictures_a_second: seen.size / seconds, clips_a_second: clips / seconds,
    longest_gap_ms: worst, behind: Number(root.dataset.requested) - Number(root.dataset.shown) };
}"""


def measure_live(times=12):
    """Measure pollen's live view: a slider is turned, and its clip is waited for.

    Returns:
        Medians and the worst, in milliseconds: to the first image, to the clip of few steps and
        to that of all steps, which waits for the hand to rest; and what a hand sees that never
        rests.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (
            labpage.launched() as browser,
            labpage.served(folder) as address,
            labpage.notebooks(browser, address, folder) as notebook,
        ):
            nb = notebook("live", LIVE_CODE.format(more=""))
            page = nb.page
            nb.run(1)
            page.locator(".bcm-root[data-phase=clip]").wait_for()
            found = []
            for turn in range(times):
                found.append(page.evaluate(TURN, [turn % 2, 0.05 + turn / (times + 2)]))
                page.wait_for_timeout(300)
            dragged = page.evaluate(DRAG, 5)
    columns = {name: [one[name] for one in found] for name in ("first", "clip", "whole")}
    return {
        **{n: {"median": statistics.median(v), "worst": max(v)} for n, v in columns.items()},
        "drag": dragged,
        "times": times,
    }


if __name__ == "__main__":
    found = measure_live(int(sys.argv[1]) if len(sys.argv) > 1 else 12)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
