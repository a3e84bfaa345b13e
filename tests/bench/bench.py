"""Measure the promised figures: `make bench` prints a table and writes out/bench.json.

Speeds are ratios within one run or medians of several, and vary with the load of the machine.
"""

import argparse
import contextlib
import functools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
PROMPTS = [
    f"{insect} over {place}"
    for insect in ("a bee", "a butterfly", "a ladybug", "a dragonfly")
    for place in ("a meadow at noon", "the ocean at night", "dunes at dawn", "a forest at sunset")
]  # 16, each with 4 seeds
# Clips in the libraries and cells of the sweep that are measured; tests use fewer.
LARGE, STARRED, CELLS, SEEDS = 100_000, 25_000, 100_000, 10


@dataclass
class Row:
    """One promise, its measurement, and whether it holds."""

    promise: str
    target: str
    measured: str
    holds: bool | None
    figures: dict


def main():
    """Measure the benchmarks of the command line, by default all; return the number of failures."""
    measures = (
        imports,
        first_clip,
        one_clip,
        few_steps,
        against_the_loop,
        other_families,
        speeds,
        overhead,
        claims,
        again,
        large_library,
        many_clips,
        many_cells,
        star,
        bundles,
        grid,
        five_grids,
        busy,
        page,
        live,
        peers,
    )
    by_name = {measure.__name__: measure for measure in measures}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*by_name, []], help="by default all")
    rows, failures = [], 0
    for name in parser.parse_args().rows or by_name:
        print(f"measuring {name.replace('_', ' ')} ...", file=sys.stderr, flush=True)
        try:
            rows += by_name[name]()
        except Exception:  # noqa: BLE001  (the other rows are worth having)
            traceback.print_exc()
            failures += 1
    print(table(rows))
    target = ROOT / "out" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    facts = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
        "rows": [row.__dict__ for row in rows],
    }
    target.write_text(json.dumps(facts, indent=1) + "\n")
    return failures


def table(rows):
    """Return the rows as a table of text."""
    promise_width = max((len(row.promise) for row in rows), default=0)
    target_width = max((len(row.target) for row in rows), default=0)
    verdict = {True: "holds", False: "MISSED", None: ""}
    return "\n".join(
        f"{row.promise:{promise_width}}  {row.target:{target_width}}  {verdict[row.holds]:6}  {row.measured}"
        for row in rows
    )


def _python(code):
    """Run code in a fresh interpreter; return the last line that it prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def imports():
    """Measure the time of `import beecam`, and check that it doesn't import torch."""
    code = (
        "import time; t = time.perf_counter(); import beecam, sys, json; "
        "print(json.dumps([time.perf_counter() - t, 'torch' in sys.modules]))"
    )
    measured = [_python(code) for _ in range(7)]
    seconds = statistics.median(f[0] for f in measured)
    holds = seconds < 0.3 and not any(f[1] for f in measured)
    return [
        Row(
            "import beecam",
            "under 0.3 s, no torch",
            f"{seconds * 1000:.0f} ms",
            holds,
            {"seconds": seconds},
        )
    ]


def first_clip():
    """Measure the time from a new interpreter to a clip in the library."""
    code = """
import json, sys, tempfile, time
start = time.perf_counter()
import torch
loaded = time.perf_counter()
import beecam as bc
with tempfile.TemporaryDirectory() as folder:
    with bc.library(folder) as library:
        clip = bc.run(bc.shot("a bee over a meadow"), bc.load(), library=library).wait().clips[0]
        assert clip.frames().shape == (17, 96, 96, 3)
        end = time.perf_counter()
print(json.dumps([end - start, end - loaded]))
"""
    measured = [_python(code) for _ in range(3)]
    total, after_import = (statistics.median(f[i] for f in measured) for i in (0, 1))
    return [
        Row(
            "new interpreter to first clip",
            "under 10 s",
            f"{total:.1f} s",
            total < 10,
            {"seconds": total},
        ),
        Row(
            "load and first clip after importing torch",
            "under 3 s",
            f"{after_import:.1f} s",
            after_import < 3,
            {"seconds": after_import},
        ),
    ]


@contextlib.contextmanager
def _fresh_library():
    import beecam as bc

    with tempfile.TemporaryDirectory() as folder, bc.library(folder) as library:
        yield library


def one_clip():
    """Compare the time of one clip with its playing time."""
    import beecam as bc

    model = bc.load()
    times = []
    with _fresh_library() as library:
        bc.run(bc.shot("a warm-up"), model, library=library).wait()
        for seed in range(5):
            start = time.perf_counter()
            clip = (
                bc.run(bc.shot("a bee over dunes", seed=seed), model, library=library)
                .wait()
                .clips[0]
            )
            times.append(time.perf_counter() - start)
        playing_time = clip.shot.num_frames / clip.shot.fps
    per_clip = statistics.median(times)
    return [
        Row(
            "one clip, alone",
            "less than it plays",
            f"{per_clip:.2f} s for {playing_time:.2f} s",
            per_clip < playing_time,
            {"seconds": per_clip, "plays": playing_time},
        )
    ]


def few_steps():
    """Measure one clip in few steps with the LoRA that ships, and its first preview."""
    import beecam as bc

    model = bc.load().few_step_variant()
    if model is None:
        return [Row("pollen in few steps", "under 0.4 s", "no LoRA ships", None, {})]
    first, total = [], []
    for seed in range(8):
        shot = model.resolve(bc.shot("a bee over dunes at noon", seed=seed))
        seen = []

        def preview_first(step, seen=seen):
            if not seen:
                step.preview()
                seen.append(time.perf_counter())

        start = time.perf_counter()
        model.generate([shot], preview_first)
        total.append(time.perf_counter() - start)
        first.append(seen[0] - start)
    # The first clip encodes the prompt and packs the weights.
    per_clip, preview = statistics.median(total[1:]), statistics.median(first[1:])
    return [
        Row(
            "pollen in few steps: a clip",
            "under 0.4 s",
            f"{per_clip:.2f} s",
            per_clip < 0.4,
            {"seconds": per_clip},
        ),
        Row(
            "pollen in few steps: first preview",
            "under 0.15 s",
            f"{preview:.3f} s",
            preview < 0.15,
            {"seconds": preview},
        ),
    ]


PLAIN_LOOP_CODE = """
import json, sys, time
import numpy as np, torch
from diffusers import LTXPipeline
from beecam.models.loading.load import POLLEN

pipe = LTXPipeline.from_pretrained(POLLEN, local_files_only=True)
pipe.set_progress_bar_config(disable=True)

def clip(prompt, seed):
    return pipe(
        prompt=prompt, width=96, height=96, num_frames=17, frame_rate=8, num_inference_steps=20,
        guidance_scale=3.0, output_type="np", generator=torch.Generator().manual_seed(seed),
    ).frames[0]

clip("a warm-up", 0)
start = time.perf_counter()
clips = [clip(prompt, seed) for prompt in PROMPTS for seed in range(4)]
seconds = time.perf_counter() - start
np.save(TARGET, np.round(np.stack(clips) * 255).astype(np.uint8))
print(json.dumps(seconds))
"""
BEECAM_SETUP = """
import json, tempfile, time
import numpy as np
import beecam as bc

model = bc.load()
with tempfile.TemporaryDirectory() as folder, bc.library(folder) as library:
    bc.run(bc.shot("a warm-up"), model, library=library).wait()
    sweep = bc.sweep(PROMPTS, seed=range(4))
    start = time.perf_counter()
"""
SWEEP_CODE = (
    BEECAM_SETUP
    + """
    run = bc.run(sweep, model, library=library).wait()
    seconds = time.perf_counter() - start
    again = []
    for _ in range(5):
        start = time.perf_counter()
        assert bc.run(sweep, model, library=library).finished
        again.append(time.perf_counter() - start)
    np.save(TARGET, np.stack([clip.regenerate(model) for clip in run.clips]))
print(json.dumps([seconds, sorted(again)[2]]))
"""
)
DRAFTS_CODE = (
    BEECAM_SETUP
    + """
    drafts = bc.run(sweep, model, library=library, draft=0.2).wait()
    first = time.perf_counter() - start
    for clip in drafts.clips[5::11]:
        clip.stars = 1
    promoted = bc.promote(drafts.clips.starred).wait()
    seconds = time.perf_counter() - start
    assert all(clip.facts["resumed_from"] == 4 for clip in promoted.clips)
    np.save(TARGET, np.stack([clip.regenerate(model) for clip in promoted.clips]))
print(json.dumps([seconds, first]))
"""
)


def against_the_loop():
    """Compare a sweep with the plain loop over the same weights, each in its own process."""
    seconds, clips = {"loop": [], "sweep": [], "drafts": []}, {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3):
            for name, code in (
                ("loop", PLAIN_LOOP_CODE),
                ("sweep", SWEEP_CODE),
                ("drafts", DRAFTS_CODE),
            ):
                target = f"{folder}/{name}.npy"
                header = f"PROMPTS = {PROMPTS!r}\nTARGET = {target!r}\n"
                seconds[name].append(_python(header + code))
                clips[name] = np.load(target).astype(int)
    levels = int(np.abs(clips["loop"] - clips["sweep"]).max())
    draft_levels = int(np.abs(clips["loop"][5::11] - clips["drafts"]).max())
    loop = statistics.median(seconds["loop"])
    sweep, repeated = (
        statistics.median(measured[i] for measured in seconds["sweep"]) for i in (0, 1)
    )
    drafts, first = (
        statistics.median(measured[i] for measured in seconds["drafts"]) for i in (0, 1)
    )
    clip_count, draft_count = len(clips["loop"]), len(clips["drafts"])
    return [
        Row(
            f"sweep of {clip_count} against the plain loop",
            "2x, pixels within 1/255",
            f"{loop / sweep:.2f}x ({loop / clip_count:.2f} to {sweep / clip_count:.2f} s per clip), pixels "
            f"within {levels}/255",
            loop / sweep >= 2 and levels <= 1,
            {**seconds, "levels": levels},
        ),
        Row(
            f"{clip_count} drafts of 4 in 20 steps, {draft_count} of them finished",
            "at most 45 % of the plain loop, pixels within 1/255",
            f"{drafts / loop:.0%} (all drafts after {first / loop:.0%}), pixels within {draft_levels}/255",
            drafts / loop <= 0.45 and draft_levels <= 1,
            {"levels": draft_levels},
        ),
        Row(
            f"the same sweep again, {clip_count} cells",
            "under 50 ms",
            f"{repeated * 1000:.0f} ms",
            repeated < 0.05,
            {"seconds": repeated},
        ),
    ]


def other_families():
    """Compare sweeps of small random Wan, CogVideoX and HunyuanVideo with the plain loop."""
    sys.path.insert(0, str(ROOT / "tests"))
    import families

    return [Row(*families.promise_row(name)) for name in families.FAMILIES]


def speeds():
    """Measure the gain of `speed=` in a sweep of pollen, and the PSNR to the exact clips."""
    import numpy as np

    import beecam as bc
    from beecam.models.speed.compare import compare
    from beecam.models.speed.onednn import multiplies_bfloat16

    sweep = bc.sweep(
        "a {insect} over {place}",
        insect=["bee", "moth"],
        place=["a meadow", "a desert"],
        seed=range(4),
    )
    exact = bc.load()
    times = {}
    for name in ("exact", "balanced", "fast") * 3:
        model = exact.at_speed(name)
        with _fresh_library() as library:
            bc.run(bc.shot("a warm-up"), model, library=library).wait()
            start = time.perf_counter()
            assert not bc.run(sweep, model, library=library).wait().errors
            times.setdefault(name, []).append(time.perf_counter() - start)
    per_clip = {name: statistics.median(measured) / len(sweep) for name, measured in times.items()}
    rows = []
    # Promised where the processor multiplies in bfloat16; all else that it may gain is not.
    promised = multiplies_bfloat16() and "balanced"
    for name in ("balanced", "fast"):
        model = exact.at_speed(name)
        gain = per_clip["exact"] / per_clip[name]
        psnr = [compare(model, cell.shot, repeats=1).psnr for cell in sweep.cells[::4]]
        rows.append(
            Row(
                f'pollen at speed="{name}", against exact',
                "1.8x, other pixels" if name == promised else "optional: other pixels",
                f"{gain:.2f}x, {per_clip[name]:.2f} s per clip, "
                f"{np.median(psnr):.0f} dB from the exact clip",
                gain >= 1.8 if name == promised else None,
                {"seconds": times, "psnr": psnr, "what": str(model.speed)},
            )
        )
    return rows


def overhead():
    """Measure what a run adds to the pipeline's own time, without batches.

    One clip per batch, one batch after the other: the wall-clock time against the time within the
    pipeline, without that of our own functions.
    """
    import beecam as bc
    from beecam.models.batching.threads import WorkerPool
    from beecam.models.batching.tuning import BatchSizes
    from beecam.models.denoise.loop import DenoisingLoop

    model = bc.load()
    model._workers, model._sizes = WorkerPool(), BatchSizes(1)
    within, calls = [0.0], [0.0]

    def timed(original, total):
        @functools.wraps(original)  # its signature says what the pipeline takes
        def call(*args, **kwargs):
            start = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                total[0] += time.perf_counter() - start

        return call

    pipeline_class = type(model.pipe)
    originals = (pipeline_class.__call__, DenoisingLoop.ended)
    pipeline_class.__call__, DenoisingLoop.ended = (
        timed(originals[0], calls),
        timed(originals[1], within),
    )
    try:
        with _fresh_library() as library:
            bc.run(bc.shot("a warm-up"), model, library=library).wait()
            within[0] = calls[0] = 0.0
            start = time.perf_counter()
            bc.run(bc.sweep(PROMPTS, seed=[1]), model, library=library).wait()
            wall = time.perf_counter() - start
    finally:
        pipeline_class.__call__, DenoisingLoop.ended = originals
    share = wall / (calls[0] - within[0]) - 1
    return [
        Row(
            "overhead over the pipeline's own calls",
            "at most 2 %",
            f"{share:.1%}",
            share <= 0.02,
            {"wall": wall, "pipeline": calls[0], "ours_within": within[0]},
        )
    ]


def claims(count=500):
    """Measure claims of single clips, while another opening of the library has some, too."""
    from beecam.clips.library import Library

    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder)) as library,
        Library(Path(folder)) as other,
    ):
        keys = [f"{i:032x}" for i in range(count)]
        assert len(other.claims.take(keys[::10], other)) == count / 10
        start = time.perf_counter()
        taken = [key for key in keys if library.claims.take([key], library)]
        between = time.perf_counter()
        library.claims.release(taken, library)
        end = time.perf_counter()
        assert len(taken) == count * 9 / 10
    each = (end - start) / count
    return [
        Row(
            "claims of clips against other processes",
            "over 500 a second",
            f"{1 / each:,.0f} a second, of which {(between - start) / (end - start):.0%} to claim",
            each < 1 / 500,
            {"seconds": each},
        )
    ]


def again():
    """Measure a repeated sweep, which generates nothing."""
    import beecam as bc
    from beecam.media import sheets

    model = bc.load()
    sweep = bc.sweep("a bee", seed=range(1000))
    frames = np.zeros((1, 16, 16, 3), np.uint8)
    facts = {"sheet": sheets.sheet_layout(frames), "width": 16, "height": 16}
    with _fresh_library() as library:
        for cell in sweep.cells:
            library.add(model.resolve(cell.shot), frames, facts)
        start = time.perf_counter()
        run = bc.run(bc.sweep("a bee", seed=range(1000)), model, library=library)
        seconds = time.perf_counter() - start
        assert run.finished
        assert run.changes().run.counts["cached"] == 1000
    return [
        Row(
            "the same sweep again, 1,000 cells",
            "under 1 s",
            f"{seconds:.2f} s",
            seconds < 1,
            {"seconds": seconds},
        )
    ]


def _add_rows(library, count):
    """Fill an index with clips that have no media."""
    from beecam.shots.shot import Shot

    base = Shot(
        prompt="",
        negative_prompt="",
        width=96,
        height=96,
        num_frames=17,
        fps=8.0,
        num_inference_steps=20,
        guidance_scale=3.0,
        scheduler="Euler",
        model="pollen",
        revision="0",
    )
    words = ("bee", "moth", "ladybug", "dragonfly", "butterfly")
    with library._index.transaction():
        for i in range(count):
            shot = base.replace(prompt=f"a {words[i % 5]} over place {i % 997}", seed=i)
            settings = {"shot": shot.to_dict(), "facts": {"seconds": 1.0}, "created": i}
            library._index.add(shot.key, settings)


def _add_files(library):
    """Give each row empty media files, which opening compares by name."""
    for key in list(library._index.keys()):
        path = library.mp4_path(key)
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.with_suffix(".jpg").touch()


def large_library():
    """Measure opening (with files and rows compared), filtering and sorting 100,000 clips."""
    from beecam.clips.library import Library

    with tempfile.TemporaryDirectory() as folder:
        with Library(Path(folder)) as library:
            _add_rows(library, LARGE)
            _add_files(library)
            for clip in library.clips(limit=LARGE)[::37]:
                clip.stars = 1 + clip.shot.seed // 5 % 5
        times = {name: [] for name in ("open", "filter", "sort")}
        for _ in range(5):
            start = time.perf_counter()
            library = Library(Path(folder))
            times["open"].append(time.perf_counter() - start)
            start = time.perf_counter()
            measured = library.clips(prompt="moth", stars=4)
            times["filter"].append(time.perf_counter() - start)
            start = time.perf_counter()
            library.clips(sort="-stars", limit=2000)
            times["sort"].append(time.perf_counter() - start)
            assert 0 < len(measured) < 2000
            assert library.healed == []
            library.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    opening = medians.pop("open")
    measurement = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in medians.items())
    return [
        Row(
            f"opening {LARGE:,} clips, files and rows compared",
            "under 1 s",
            f"{opening:.2f} s",
            opening < 1,
            {"seconds": times["open"]},
        ),
        Row(
            f"library of {LARGE:,} clips",
            "under 100 ms each",
            measurement,
            max(medians.values()) < 0.1,
            medians,
        ),
    ]


def many_clips():
    """Measure what searches, sorts and lists 25,000 clips."""
    from beecam.clips.library import Library

    with tempfile.TemporaryDirectory() as folder, Library(Path(folder)) as library:
        _add_rows(library, STARRED)
        clips = library.clips(limit=STARRED)
        for clip in clips[::500]:
            clip.stars = 5
        figures = _medians(
            {
                "query": lambda: clips.query("moth stars>=4"),
                "sort": lambda: clips.sort("-seconds"),
                "starred": lambda: clips.starred,
                "to_frame": clips.to_frame,
            }
        )
    return [_in_a_second(f"sets of {STARRED:,} clips", figures)]


def many_cells():
    """Measure what is done with all cells of a sweep of 100,000 before the first is generated."""
    import beecam as bc

    model = bc.load()
    place = ["meadow", "ocean"]

    def sweep():
        return bc.sweep("a bee over the {place}", place=place, seed=range(CELLS // len(place)))

    with _fresh_library() as library:

        def start():
            run = bc.run(sweep(), model, library=library)
            run.cancel()
            runs.append(run)

        runs = []
        figures = _medians(
            {
                "check": lambda: sweep().check(model),
                "estimate": lambda: bc.estimate(sweep(), model, library),
                "start": start,
            }
        )
        for run in runs:
            run.wait()
        side = math.isqrt(CELLS // SEEDS)
        words = {name: [f"{name} {i}" for i in range(side)] for name in ("moth", "lake")}

        def prompts():
            return bc.sweep("a {moth} over a {lake}", **words, seed=range(SEEDS))

        of_prompts = _medians(
            {
                "check": lambda: prompts().check(model),
                "estimate": lambda: bc.estimate(prompts(), model, library),
            }
        )
    return [
        _in_a_second(f"a sweep of {CELLS:,} cells", figures),
        _in_a_second(f"a sweep of {side**2:,} prompts x {SEEDS} seeds", of_prompts),
    ]


def _medians(calls, repeats=3):
    """Return the median seconds of each call, after one that isn't counted."""
    figures = {}
    for name, call in calls.items():
        seconds = []
        for _ in range(1 + repeats):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        figures[name] = statistics.median(seconds[1:])
    return figures


def _in_a_second(promise, figures):
    measured = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in figures.items())
    return Row(promise, "under 1 s each", measured, max(figures.values()) < 1, figures)


def star():
    """Measure setting a star in a library of 25,000 clips."""
    from beecam.clips.library import Library

    times = []
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder))
        _add_rows(library, STARRED)
        for clip in library.clips(limit=STARRED)[::500]:
            start = time.perf_counter()
            clip.stars = 5
            times.append((time.perf_counter() - start) * 1000)
        assert len(library.clips(stars=5)) == len(times)
        library.close()
    median, worst = statistics.median(times), max(times)
    return [
        Row(
            f"a star on a library of {STARRED:,} clips",
            "under 50 ms",
            f"{median:.2f} ms, at worst {worst:.2f} ms",
            worst < 50,
            {"ms": times},
        )
    ]


def bundles():
    """Measure the total size of the scripts and styles."""
    files = (ROOT / "widgets" / "beecam_widgets" / "static").iterdir()
    sizes = {path.name: path.stat().st_size for path in files}
    total = sum(sizes.values()) / 1000
    return [
        Row("scripts and styles in total", "under 180 KB", f"{total:.1f} KB", total < 180, sizes)
    ]


def grid():
    """Measure a grid of 2,000 clips in a real JupyterLab."""
    measured = _in_chromium().measure_grid(2000)
    delay, playing, memory = (measured[k] for k in ("finished_to_visible_ms", "playing", "page_mb"))
    fps, visible = playing["clip_frames_a_second"], playing["cells"]
    together = playing["different_frames_at_once"] == 1
    return [
        Row(
            "grid of 2,000 clips: first paint",
            "under 1 s",
            f"{measured['first_paint_ms']:.0f} ms",
            measured["first_paint_ms"] < 1000,
            measured,
        ),
        Row(
            "grid: visible cells playing in sync",
            "100 at 12 fps, 50 frames/s",
            f"{visible} at {fps:.1f} fps, {playing['animation_frames_a_second']:.0f} animation "
            f"frames/s{'' if together else ', not in sync'}",
            visible >= 100
            and fps >= 12
            and together
            and playing["animation_frames_a_second"] >= 50,
            {},
        ),
        Row(
            "grid: after a jump all visible clips show",
            "under 500 ms",
            f"{measured['jump_ms']['median']:.0f} ms, at worst {measured['jump_ms']['worst']:.0f} ms",
            measured["jump_ms"]["median"] < 500,
            {},
        ),
        Row("grid: a finished clip is on the screen", "", f"{delay['median']:.0f} ms", None, delay),
        Row(
            "grid: memory of the page after scrolling through all",
            "under 400 MB",
            f"{memory['after_all']} MB ({memory['at_once']} MB until garbage is collected), "
            f"{memory['before']} MB before the grid",
            memory["after_all"] < 400,
            {},
        ),
        Row(
            "grid: size of the saved notebook",
            "grows by under 1 MB",
            f"{measured['notebook_mb']:.2f} MB",
            measured["notebook_mb"] < 1,
            {},
        ),
    ]


def five_grids():
    """Measure five grids of 100 clips, one of them in view."""
    measured = _in_chromium().measure_five()
    share = measured["with_others"] / measured["alone"]
    painted = measured["painted_out_of_view"]
    return [
        Row(
            "five grids, one in view: animation frames",
            "at least 0.8 of one grid",
            f"{measured['with_others']:.0f}/s, {measured['alone']:.0f}/s with the others hidden, "
            f"{painted} clips painted out of view",
            share >= 0.8 and painted == 0,
            measured,
        )
    ]


def busy():
    """Measure clicks while pollen fills a grid, and 5,000 events of a very fast run."""
    measured = _in_chromium("measure_busy").measure_busy()
    clicks, storm = measured["clicks"], measured["storm"]
    running = clicks["while_running"]
    return [
        Row(
            "grid: a click is answered during a run",
            "under 100 ms",
            f"{clicks['median']:.0f} ms, at worst {clicks['worst']:.0f} ms"
            f"{'' if running else ', but the run had ended'}",
            clicks["worst"] < 100 and running,
            clicks,
        ),
        Row(
            "grid: rapid events of a run",
            "5,000 lose no final state",
            f"{storm['events']:,} in {storm['seconds']:.1f} s, {storm['wrong']} of "
            f"{storm['cells']:,} cells wrong, all known after {storm['late_ms']:.0f} ms",
            storm["wrong"] == 0 and storm["events"] >= 5000,
            storm,
        ),
    ]


def peers():
    """Measure the same clips in mediapy, in a GridBox of Video and in our grid."""
    rows = []
    for peer in _in_chromium("measure_peers").measure_peers():
        delay = "" if peer["all_ms"] is None else f", all after {peer['all_ms'] / 1000:.1f} s"
        sync = (
            f"{peer['frames_at_once']} frame(s) at once"
            if peer["way"] == "grid"
            else f"{peer['apart_ms']:.0f} ms apart"
        )
        rows.append(
            Row(
                f"{peer['way']}: {peer['clips']} clips",
                "",
                f"{peer['moved']} play{delay}; {peer['rate']:.0f} animation frames/s, {sync}, page "
                f"{peer['page_mb']} MB, notebook {peer['notebook_mb']:.2f} MB",
                None,
                peer,
            )
        )
    return rows


def live():
    """Measure the delay from a slider of the live view to its clip on the screen, in JupyterLab."""
    measured = _in_chromium("measure_live").measure_live()
    first, clip, total = (measured[name]["median"] for name in ("first", "clip", "whole"))
    drag = measured["drag"]
    return [
        Row(
            "live: slider moved to first preview painted",
            "under 250 ms",
            f"{first:.0f} ms, at worst {measured['first']['worst']:.0f} ms",
            first < 250,
            measured,
        ),
        Row(
            "live: slider moved to new clip painted, 6 steps",
            "under 600 ms",
            f"{clip:.0f} ms, at worst {measured['clip']['worst']:.0f} ms",
            clip < 600,
            {},
        ),
        Row(
            "live: to the final clip of 20 steps, including 500 ms of rest",
            "",
            f"{total:.0f} ms",
            None,
            {},
        ),
        Row(
            "live: continuous movement of a slider",
            "",
            f"{drag['pictures_a_second']:.1f} images per second, {drag['clips_a_second']:.1f} of "
            f"them finished, at most {drag['longest_gap_ms']:.0f} ms apart",
            None,
            {},
        ),
    ]


def page():
    """Measure an offline page of 100 clips, opened as a file."""
    measured = _in_chromium().measure_page(100)
    return [
        Row(
            "offline page of 100 clips",
            "under 10 MB",
            f"{measured['mb']:.1f} MB, written in {measured['seconds_to_write']:.1f} s, first paint "
            f"after {measured['first_paint_ms']:.0f} ms, {measured['visible']} visible clips after "
            f"{measured['all_visible_ms']:.0f} ms",
            measured["mb"] < 10,
            measured,
        )
    ]


def _in_chromium(program="measure"):
    """Import a program of tests/browser, which is not a package."""
    import importlib.util

    for name in ("labpage", program):
        spec = importlib.util.spec_from_file_location(
            name, ROOT / "tests" / "browser" / f"{name}.py"
        )
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[program]


if __name__ == "__main__":
    sys.exit(main())
