"""Sweeps are found again by name: later, after a crash, and from two kernels."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import Library, open_library
from beecam.errors import LibraryError
from beecam.storage import own_files, sweep_files
from helpers import PATIENCE, error_message

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return bc.load()


@pytest.fixture(scope="module")
def small_sweep():
    return bc.sweep(
        "a {insect} over {place}",
        insect=bc.Axis("insect", ["bee", "moth"], notes=["x", None]),
        place={"sea": "the ocean"},
        seed=[3, 1],
        num_inference_steps=2,
    )


def reopen(library):
    """Open the library again, as another kernel would."""
    library.close()
    return open_library(library.folder)


def test_a_sweep_is_found_by_name_with_its_grid(library, model, small_sweep):
    run = bc.run(
        small_sweep, model, library=library, name="  bees at\tdusk ".replace("\t", " ")
    ).wait()
    assert run.name == "bees at dusk"
    library = reopen(library)
    found = library.sweep("Bees at  dusk")
    assert (len(found), found.finished, found.model, found.draft) == (4, 4, "pollen", None)
    assert found.sweep.key == small_sweep.key
    assert [a.notes for a in found.axes] == [a.notes for a in small_sweep.axes]
    assert found.axes[1].labels == ("sea",)
    clips = found.clips
    assert [c.key for c in clips] == [c.key for c in run.clips]
    assert clips.where(insect="moth", seed=1)[0].key == run.clips[3].key
    rerun = bc.run(found.sweep, model, library=library).wait()
    assert {c.status for c in rerun.changes().cells} == {"cached"}
    assert rerun.name == "bees at dusk", "a sweep keeps its name until it gets another one"
    assert len(library.sweeps()) == 1
    bc.run(small_sweep, model, library=library, name="moths").wait()
    assert [one.name for one in library.sweeps()] == ["moths"]


def test_the_default_name_is_the_template(library, model):
    bc.run(bc.sweep("a {x}", x=["bee"], num_inference_steps=1), model, library=library).wait()
    bc.run(bc.shot("a bee", num_inference_steps=1), model, library=library).wait()
    drafts = bc.run(bc.sweep("a moth", seed=[1]), model, library=library, draft=0.1).wait()
    first, second = library.sweeps()
    assert (first.name, first.draft, second.name) == ("a moth", 0.1, "a {x}")
    assert first.clips[0].key == drafts.clips[0].key
    assert "1 of 1" in repr(library.sweeps())
    assert list(library.sweeps().to_frame()["name"]) == ["a moth", "a {x}"]


def test_missing_clips_keep_the_positions_of_the_others(library, model, small_sweep):
    run = bc.run(small_sweep, model, library=library)
    run.cancel(0)
    run.cancel(2)
    run.wait()
    found = library.sweep(small_sweep.template)
    generated = [i for i, c in enumerate(run.changes().cells) if c.status == "done"]
    assert found.finished == len(generated)
    assert [found.clips.coords(i) for i in range(len(generated))] == [
        dict(small_sweep.cells[i].coords) for i in generated
    ]


def test_zips_samples_templates_images_and_variations_are_restored(library, model, tmp_path):
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    blue = np.full((64, 64, 3), (30, 30, 200), np.uint8)
    wildcards = tmp_path / "wildcards"
    wildcards.mkdir()
    (wildcards / "insect.txt").write_text("bee\n3::moth\n")
    sweeps = [
        bc.sweep("{a} {b|c}", bc.zip(a=["x", "y"], seed=[1, 2]), bc.sample(3, seed=4)),
        bc.sweep("a bee", seed=range(4)).where(lambda cell: cell.values["seed"] != 2),
        bc.sweep(["one {s}", "two {s}"], s=["t", 2.5], max_sequence_length=64),
        bc.sweep("a bee", image=[bc.read_media(red, name="red"), blue], fps=[8]),
        bc.sweep("a bee", keyframes=[{0: red, -1: blue}]),
        bc.sweep("a {{brace}} {x}", x=["{not a slot}"], negative_prompt=["", None]),
        bc.sweep("a {bee|moth} by a {bee|moth}, \\(big\\)", negative_prompt="{a|b} fly"),
        bc.sweep(["a {bee|moth}", "snow"], seed=range(2)),
        bc.sweep([("a {x} {b|c}", 3), ("a {b|c}", 1)], x=["y", "z"]),
        bc.sweep("a {bee|moth} (big:1.4)", negative_prompt="((ugly))", seed=[1, 2], plain=True),
        bc.sweep("a [{x}:{b|c}:0.5]", x=["y", "z"]),
        bc.sweep("a {9::b|1::c}", bc.sample(5), seed=range(9)),
        bc.sweep("a __insect__ {2$$__insect__|c}", wildcards=wildcards),
    ]
    for i, sweep in enumerate(sweeps):
        run = bc.run(sweep, model, library=library, name=f"sweep {i}")
        run.cancel()
        run.wait()
    # Wildcards are kept as values.
    (wildcards / "insect.txt").unlink()
    library = reopen(library)
    for i, sweep in enumerate(sweeps):
        found = library.sweep(f"sweep {i}").sweep
        assert found.key == sweep.key
        assert [a.labels for a in found.axes] == [a.labels for a in sweep.axes]
        found.check(model)
    image = library.sweep("sweep 3").sweep.cells[0].shot.conditions[0].input
    assert (image.frames == red).all()
    assert str(image) == "red"
    clip = bc.run(bc.shot("a bee", num_inference_steps=1), model, library=library).wait().clips[0]
    follow = bc.run(bc.vary(clip, 2), model, library=library, name="near it").wait()
    found = reopen(library).sweep("near it")
    assert found.sweep.parents == (clip.key,)
    assert [c.key for c in found.clips] == [c.key for c in follow.clips]


def test_an_unknown_name_gets_the_nearest_one(library, model, small_sweep):
    bc.run(small_sweep, model, library=library, name="bees").cancel()
    assert "Did you mean 'bees'?" in error_message(lambda: library.sweep("beas"), LibraryError)
    assert "a sweep's name" in error_message(lambda: library.sweep(3), LibraryError)
    for name in ("", " ", "x" * 121, "two\nlines", 7):
        assert "name=" in error_message(
            lambda n=name: bc.run(small_sweep, model, library=library, name=n)
        )
    assert library.sweep(library.sweeps()[0].key[:6]).name == "bees"


def test_damaged_records_are_skipped_and_reported(library, model, small_sweep):
    bc.run(small_sweep, model, library=library, name="bees").wait()
    folder = library.folder / "sweeps"
    record = next(folder.glob("*.json")).read_text()
    data = json.loads(record)
    bad = [
        "",
        record[: len(record) // 2],
        "[]",
        "[" * 100_000,
        json.dumps({**data, "clips": [3]}),
        json.dumps({**data, "version": 99}),
        json.dumps({**data, "created": "now"}),
        json.dumps({**data, "kept": [0] * 4}),
        json.dumps({**data, "kept": list(range(100_000))}),
        # As parts of shots were recorded once: with the shots that aren't part of it.
        json.dumps({**data, "shots": [{}] * 9}),
        json.dumps({**data, "shots": []}),
    ]
    for i, text in enumerate(bad):
        (folder / f"{i:016x}.json").write_text(text)
    (folder / f"{1:x<16}.json").write_bytes(b"\xff\xfe")
    (folder / f"{2:a<16}.json").write_text(json.dumps({**data, "name": "odd", "groups": 3}))
    tampered = {"input": ["../../etc", 1, ""]}
    data["groups"][0][0]["values"][0] = tampered
    (folder / f"{3:a<16}.json").write_text(json.dumps({**data, "name": "evil"}))
    found = library.sweeps()
    assert len(found.problems) == len(bad) + 1
    assert all("it is damaged" in one for one in found.problems)
    assert {one.name for one in found} == {"bees", "odd", "evil"}
    for name in ("odd", "evil"):
        assert "can't be read" in error_message(lambda n=name: library.sweep(n).sweep, LibraryError)


@pytest.mark.parametrize("name", [b"copy of 0123456789abcdef", b"\xff\xfe", b"\x1b[2J", b"0" * 15])
def test_a_record_of_another_name_is_skipped_and_reported(library, model, small_sweep, name):
    bc.run(small_sweep, model, library=library, name="bees").wait()
    folder = library.folder / "sweeps"
    record = next(folder.glob("*.json")).read_bytes()
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".json")).write_bytes(record)
    found = library.sweeps()
    assert len(found) == len(found.problems) == 1
    repr(found).encode()


def test_a_full_disk_loses_the_record_but_no_clip(library, model, small_sweep, monkeypatch):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_files, "atomic_write", full)
    run = bc.run(small_sweep, model, library=library, name="bees")
    assert "this sweep was not recorded: No space left" in run.changes().run.message
    assert len(run.wait().clips) == 4
    assert [p.name for p in (library.folder / "sweeps").iterdir()] == []


def test_a_record_that_could_not_be_read_is_named_when_the_run_starts(
    library, model, small_sweep, monkeypatch
):
    monkeypatch.setattr(sweep_files, "_MAX_BYTES", 100)
    run = bc.run(small_sweep, model, library=library, name="bees")
    assert "this sweep was not recorded: its record has" in run.changes().run.message
    assert "run it in parts" in run.changes().run.message
    assert len(run.wait().clips) == 4
    assert len(library.sweeps()) == 0
    assert library.sweeps().problems == ()


def test_two_kernels_write_at_the_same_time(library, small_sweep):
    code = (
        f"import sys\nsys.path.append({str(Path(__file__).parents[1])!r})\n"
        "import beecam as bc, helpers\n"
        "library, model = bc.library(sys.argv[1]), helpers.PlainModel()\n"
        "print('ready', flush=True)\ninput()\n"
        "for i in range(20):\n"
        "    for name in ('shared %d' % i, sys.argv[2] + ' %d' % i):\n"
        "        prompt = 'a bee {n}' if 'shared' in name else sys.argv[2] + ' {n}'\n"
        "        run = bc.run(bc.sweep(prompt, n=[i]), model, library=library, name=name)\n"
        "        assert 'not recorded' not in str(run.changes().run.message)\n"
        "        run.cancel()\n"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(library.folder), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("left", "right")
    ]
    assert [one.stdout.readline() for one in both] == ["ready\n"] * 2
    for one in both:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in both:
        one.communicate(timeout=PATIENCE)
    assert [one.returncode for one in both] == [0, 0]
    names = {one.name for one in library.sweeps()}
    assert names == {f"{n} {i}" for n in ("shared", "left", "right") for i in range(20)}
    assert library.sweeps().problems == ()


def test_a_reopened_library_lists_the_same_sweeps(tmp_path, model, small_sweep):
    with Library(tmp_path / "one") as first:
        bc.run(small_sweep, model, library=first, name="bees").cancel()
    with Library(tmp_path / "one") as second:
        assert [one.name for one in second.sweeps()] == ["bees"]
