"""Files from strangers: settings, lines, checkpoints and text are valid or left out alone."""

import contextlib
import functools
import json
import math
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beecam._util.digests import is_digest
from beecam.errors import BeecamError, CheckError, LibraryError, MediaError
from beecam.media import mp4
from beecam.media.embedded import comment_of, settings_of
from beecam.media.types import Sound
from beecam.models.model import Checkpoint
from beecam.shots.conditions import Condition
from beecam.shots.inputs import Input
from beecam.shots.loras import Adapter
from beecam.shots.prompt_switch import Switch
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam.storage.annotations import AnnotationLog, tag_problems
from beecam.storage.checkpoints import Checkpoints
from beecam.storage.clip_settings import INVALID, check_settings, is_fact, new_settings
from beecam.storage.folder import LibraryUnavailableError
from beecam.storage.index_file import NAME
from beecam.storage.rows import checked_row, plain_row
from helpers import fill
from strangers import JSON, KEY, ONCE, opened, six_clips

# --- settings and lines ----------------------------------------------------------------------------


@pytest.mark.slow
@ONCE
@given(st.data())
def test_settings_are_valid_or_refused_with_a_known_error(original, data):
    path = next((original / "media").glob("*/*.mp4"))
    changed = mp4.read_settings(path)
    for _ in range(data.draw(st.integers(1, 3))):
        part = data.draw(st.sampled_from([changed, changed["shot"], changed["facts"]]))
        if not isinstance(part, dict):
            continue
        name = data.draw(st.sampled_from([*part, "extra", "switch", "conditions", "adapters"]))
        part[name] = data.draw(JSON)
        if not isinstance(changed["shot"], dict) or not isinstance(changed["facts"], dict):
            break
    try:
        key, found = check_settings(changed)
    except INVALID:
        return
    assert is_digest(key)
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert check_settings(json.loads(text)) == (key, found)


@pytest.mark.slow
@settings(ONCE, max_examples=25)
@given(JSON, st.sampled_from(["shot", "facts", "created", "parents", "version"]))
def test_a_hostile_video_is_left_out_alone(tmp_path_factory, original, value, name):
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("hostile") / "library"))
    path = min((folder / "media").glob("*/*.mp4"))
    changed = {**mp4.read_settings(path), name: value}
    mp4.copy_mp4(path, folder / "new.mp4", changed)
    (folder / "new.mp4").replace(path)
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert 5 <= len(library) <= 6
        assert len(library) == 6 or any(path.name in line for line in library.healed)
        frame = library.clips().to_frame()
        assert len(frame) == len(library)
        assert len(library.clips().contact_sheet().axes) >= len(library)
        library.clips().export_html(folder / "page.html")
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize("depth", [30, 1_000, 100_000])
def test_deep_nesting_is_left_out(folder, depth):
    deep = "[" * depth + "]" * depth
    path = min((folder / "media").glob("*/*.mp4"))
    text = json.dumps({"beecam": {**mp4.read_settings(path), "facts": "DEEP"}})
    import av

    with (
        av.open(str(path)) as source,
        av.open(
            str(folder / "new.mp4"), "w", format="mp4", options={"movflags": "use_metadata_tags"}
        ) as target,
    ):
        target.metadata["comment"] = text.replace('"DEEP"', deep)
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    (folder / "new.mp4").replace(path)
    with (folder / "annotations.jsonl").open("a") as file:
        file.write(f'{{"key": "{path.stem}", "tags": {deep}}}\n')
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "deep.json").write_text(deep)
    (folder / NAME).unlink()
    with opened(folder) as library:
        assert len(library) == 5
        assert any(path.name in line for line in library.healed)
        assert library.sweeps().problems


@ONCE
@given(st.lists(st.binary(max_size=60) | JSON.map(lambda v: json.dumps(v).encode()), max_size=6))
def test_only_whole_and_valid_lines_of_the_log_count(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("log") / "annotations.jsonl"
    log = AnnotationLog(path)
    log.add(KEY, stars=4)
    for line in lines:
        with path.open("ab") as file:  # without its end, as after a short write
            file.write(line.replace(b"\n", b" "))
        log.add(KEY, stars=2, tags=["a"])
    found, damaged = log.read()
    assert found == {KEY: {"stars": 2, "tags": ["a"]} if lines else {"stars": 4}}
    assert damaged <= len(lines)
    assert log.since(0)[1] == found


@ONCE
@given(JSON, st.sampled_from(["stars", "tags", "rejected"]))
def test_annotations_of_others_are_valid_or_ignored(tmp_path_factory, value, name):
    path = tmp_path_factory.mktemp("log") / "annotations.jsonl"
    path.write_text(json.dumps({"key": KEY, name: value}) + "\n")
    found, damaged = AnnotationLog(path).read()
    for change in found.values():
        json.dumps(change, ensure_ascii=False, allow_nan=False).encode()
    assert bool(found) != bool(damaged)


HALF = "half \ud83d"
SHOT = {
    "prompt": "a bee",
    "negative_prompt": "",
    "noise": ((3, 1.0),),
    "width": 48,
    "height": 32,
    "num_frames": 9,
    "fps": 8.0,
    "num_inference_steps": 4,
    "guidance_scale": 3.0,
    "scheduler": "Euler",
    "model": "tiny",
    "revision": "0",
}

# --- what is stored can be read --------------------------------------------------------------------

TEXTS = st.sampled_from(
    ["", "a bee", "é" * 2_000, "🐝" * 4_000, "x" * 4_001, "\0", HALF, "a" * 2_001, "\x1b"]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.just(10**400) | st.integers(0, 300)
CHANGES = {
    "prompt": TEXTS | st.just(tuple((f"bee {i}" + "🐝" * 3_990, 1 / 16) for i in range(16))),
    "negative_prompt": TEXTS,
    "scheduler": TEXTS,
    "model": TEXTS,
    "revision": TEXTS,
    "noise": st.integers(0, 1_500).map(lambda count: tuple((i, 0.5) for i in range(count)))
    | st.tuples(st.tuples(NUMBERS, NUMBERS)),
    **dict.fromkeys(("width", "num_frames", "draft_steps", "fps", "guidance_scale"), NUMBERS),
    "extra": st.dictionaries(
        st.sampled_from(["strength", "class", "two words", "", "ﬁ", HALF]),
        JSON
        | NUMBERS
        | TEXTS
        | st.sampled_from(["x" * 499_980, "x" * 500_001, list(range(80_000))])
        | st.integers(1, 40).map(lambda depth: functools.reduce(lambda a, _: [a], range(depth))),
        max_size=2,
    ),
    "switch": st.builds(Switch, at=st.just(2), prompt=TEXTS, negative_prompt=TEXTS),
    "adapters": st.builds(Adapter, st.sampled_from([KEY, "../x"]), st.floats()).map(
        lambda one: (one,)
    ),
    "conditions": st.builds(
        Condition,
        st.sampled_from(["keyframes", "image", "<b>"]),
        st.builds(Input, st.sampled_from([KEY, "x"]), st.integers(-1, 3)),
        st.none() | NUMBERS,
    ).map(lambda one: (one,)),
}


@settings(max_examples=400, suppress_health_check=list(HealthCheck))
@given(st.data(), st.integers(0, 1_200))
def test_what_passes_the_checks_of_a_shot_can_be_read_from_its_clip(data, count):
    names = data.draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=3, unique=True))
    try:
        shot = Shot(**SHOT | {name: data.draw(CHANGES[name]) for name in names})
        accepted = not list(check_values(shot))
    except INVALID:
        return
    if not accepted:
        return
    settings = new_settings(shot, {"frames": 5, "source": "x" * 2_000}, [KEY] * count)
    text = comment_of(settings, None)
    key, found = check_settings(settings_of({"comment": text}))
    assert key == shot.key
    row = [key, *(json.dumps(found[part]) for part in ("shot", "facts", "parents")), 1.0, 0, 0]
    assert checked_row([*row, "[]"])["shot"] == shot
    assert plain_row([*row, "[]"])["shot"] == json.loads(json.dumps(shot.to_dict()))


def test_a_library_stores_no_shot_that_it_would_not_read(library):
    clip = fill(library)[0]
    with pytest.raises(CheckError, match=r"at most 500,000 can be stored"):
        library.store(clip.shot.replace(sigmas=list(range(100_000))), clip.frames(), {})


@pytest.mark.parametrize(
    "tags", [["x" * 2_000_000], [f"{i:04}" + "é" * 2_000 for i in range(1_000)], ["🐝" * 500_000]]
)
def test_tags_that_could_not_be_read_again_are_refused(library, tags):
    clip = fill(library)[0]
    clip.tags = ["keep"]
    with pytest.raises(CheckError, match="at most 500,000 are allowed"):
        clip.tags = tags
    assert clip.tags == ("keep",)
    assert len(library.clips()) == 6


@ONCE
@given(st.lists(st.text(st.characters(), max_size=30) | st.just("🐝" * 300), max_size=100))
def test_tags_that_are_accepted_can_be_read_again(tmp_path_factory, tags):
    if list(tag_problems(tags)):
        return
    log = AnnotationLog(tmp_path_factory.mktemp("log") / "annotations.jsonl")
    log.add(KEY, tags=tags)
    assert log.read() == ({KEY: {"tags": tags}}, 0)


@pytest.mark.parametrize(
    ("layout", "valid"),
    [
        ({"frames": 24, "width": 160, "height": 160}, True),
        ({"frames": 24, "width": 160, "height": 4_000}, True),
        ({"frames": 24, "width": 160, "height": 46_000}, False),
        ({"frames": 1, "width": 160, "height": 65_536}, True),
    ],
)
def test_a_sheet_has_no_more_pixels_than_a_view_can_decode(layout, valid):
    assert is_fact("sheet", layout) is valid


def test_sound_of_many_channels_has_the_limit_of_all_together(tmp_path, monkeypatch):
    path = tmp_path / "bee.mp4"
    sound = Sound(np.zeros((2, 12_000), np.float32), 24_000)
    mp4.write_mp4(path, np.zeros((4, 32, 32, 3), np.uint8), 8, {}, sound)
    found = mp4.read_sound(path)
    monkeypatch.setattr(mp4, "_MAX_SAMPLES", found.samples.size)
    assert mp4.read_sound(path).samples.size == found.samples.size
    monkeypatch.setattr(mp4, "_MAX_SAMPLES", found.samples.size - 1)
    with pytest.raises(MediaError, match="sound is longer"):
        mp4.read_sound(path)


def axis_record(name, count):
    values = list(range(count))
    return [
        {"name": name, "values": values, "labels": list(map(str, values)), "notes": [None] * count}
    ]


RECORDS = {
    "a huge sample": {
        "groups": [axis_record(f"x{i}", 1_000) for i in range(6)],
        "samples": [[10**9, 0]],
    },
    "a sample of more than there are": {"samples": [[5, 0]]},
    "a huge grid": {"groups": [axis_record(f"x{i}", 1_000) for i in range(30)]},
    "an infinite place": {"kept": [math.inf]},
    "a place outside": {"kept": [10**30]},
    "another place outside": {"kept": [-1]},
    "an endless text": {"templates": ["{a|" * 5_000 + "b" + "}" * 5_000]},
    "labels of another type": {"groups": [[axis_record("x", 1)[0] | {"labels": 3}]]},
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_a_sweep_fits_its_clips_or_gets_a_sentence(folder, name):
    with opened(folder) as library:
        key = library.clips().keys[0]
        record = {
            "version": 1,
            "name": "bees",
            "created": 1.0,
            "model": "tiny",
            "draft": None,
            "clips": [key],
            "template": "a bee",
            "templates": ["a bee"],
            "plain": False,
            "groups": [axis_record("seed", 1)],
            "constants": {},
            "samples": [],
            "kept": None,
            "shots": None,
            "parents": [],
        }
        path = folder / "sweeps" / f"{'0' * 16}.json"
        path.parent.mkdir()
        path.write_text(json.dumps(record))
        assert library.sweep("bees").clips.keys == (key,)
        path.write_text(json.dumps(record | RECORDS[name]))
        repr(library.sweeps())
        library.sweeps().to_frame()
        for use in (lambda one: one.axes, lambda one: one.sweep, lambda one: one.clips.keys):
            with contextlib.suppress(LibraryError):
                use(library.sweep("bees"))
        with pytest.raises(LibraryError, match="bees"):
            _ = library.sweep("bees").clips


# --- checkpoints -----------------------------------------------------------------------------------


def checkpoint(step=3, batch=2):
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(2, 3)).astype(np.float32), "n": np.int64(4)[None]}
    return Checkpoint(step, batch, 1, arrays, {"parts": {"x": 1}})


@ONCE
@given(st.integers(0), st.integers(1, 255))
def test_a_damaged_checkpoint_is_not_used(tmp_path_factory, at, change):
    stored = Checkpoints(tmp_path_factory.mktemp("checkpoints"))
    stored.store(KEY, checkpoint())
    (path,) = stored._folder.iterdir()
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= change
    path.write_bytes(data)
    found = stored.load(KEY)
    if found is not None:  # a byte that means nothing, such as a space
        assert found.notes == checkpoint().notes
        assert all((found.arrays[n] == a).all() for n, a in checkpoint().arrays.items())
    else:
        assert stored.find([KEY]) == {}


@pytest.mark.parametrize("name", [f"{'b' * 32}-3-2", f"{KEY}-4-2", f"{KEY}-3-3"])
def test_a_checkpoint_under_another_name_is_not_used(tmp_path, name):
    stored = Checkpoints(tmp_path)
    stored.store(KEY, checkpoint())
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / f"{name}.safetensors")
    assert stored.load(name[:32]) is None


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "header",
    [
        {"a": {**TENSOR, "dtype": "F8_E4M3", "shape": [8]}},
        {"a": {**TENSOR, "dtype": "F8_E5M2", "shape": [8]}},
        {"a": {**TENSOR, "dtype": "BF16", "shape": [4]}},
        {"a": {**TENSOR, "dtype": "X"}},
        {"a": {**TENSOR, "shape": [2**33, 2**33]}},
        {"a": TENSOR, "__metadata__": {"state": 3}},
        {"a": TENSOR, "__metadata__": {"state": "[" * 999, "digest": "x"}},
    ],
)
def test_a_checkpoint_with_a_strange_header_is_removed(tmp_path, header):
    text = json.dumps({"__metadata__": {"state": "{}", "digest": "x"}, **header}).encode()
    path = tmp_path / f"{KEY}-3-2.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    assert Checkpoints(tmp_path).load(KEY) is None
    assert not path.exists()


def test_a_checkpoint_larger_than_any_of_ours_is_removed_unread(tmp_path):
    path = tmp_path / f"{KEY}-3-2.safetensors"
    text = json.dumps({"a": {"dtype": "U8", "shape": [2**40], "data_offsets": [0, 2**40]}}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + 2**40)  # takes no room on the disk
    assert Checkpoints(tmp_path).load(KEY) is None
    assert not path.exists()


def test_a_state_too_large_for_a_checkpoint_is_an_error_of_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("beecam.storage.checkpoints._MAX_BYTES", 20_000_000)
    with pytest.raises(OSError, match="too large"):
        Checkpoints(tmp_path).store(KEY, checkpoint())


def test_other_files_among_checkpoints_are_left_alone(tmp_path):
    stored = Checkpoints(tmp_path)
    names = ["x-y-z.safetensors", f"{KEY}.safetensors", f"{KEY}-a-b.safetensors", "-.safetensors"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert stored.find([KEY, "x"]) == {}
    assert stored.load(KEY) is None
    stored.remove(KEY)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


# --- text, and disks that don't answer -------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda library: library.clips(HALF),
        lambda library: library.clips(model=HALF),
        lambda library: library.clips(tag=HALF),
        lambda library: library.clips(sort=HALF),
        lambda library: library.clips().sort(HALF),
        lambda library: library.clips().query(f"{HALF}:3"),
        lambda library: library.clips().query(f"{HALF}>=3"),
        lambda library: library.clips().where(**{HALF: 3}),
        lambda library: library.sweep(HALF),
        lambda library: library.tag(library.clips()[0].key, [HALF]),
        lambda library: library.rate(HALF, stars=3),
        lambda library: library.row(HALF),
        lambda library: library.take(HALF),
        lambda library: library[HALF],
        lambda library: library.clips().pivot(HALF, "seed"),
    ],
)
def test_half_of_a_surrogate_pair_gets_a_sentence_that_can_be_shown(folder, call):
    with opened(folder) as library:
        with pytest.raises((BeecamError, KeyError)) as error:
            call(library)
        str(error.value).encode()


def test_searching_for_half_of_a_surrogate_pair_finds_nothing(folder):
    with opened(folder) as library:
        assert len(library.clips().query("\ud83d")) == 0
        assert HALF not in library
        assert library.keys_with_prefix(HALF) == []


def test_a_locked_index_gets_a_sentence(folder, monkeypatch):
    monkeypatch.setattr("beecam.storage.index_file._BUSY_TIMEOUT", 0.05)
    with opened(folder) as library, closing(sqlite3.connect(folder / NAME)) as other:
        clip = library.clips()[0]
        other.execute("BEGIN IMMEDIATE")
        for change in (
            lambda: setattr(clip, "stars", 1),
            lambda: setattr(clip, "tags", ["a"]),
            lambda: library.copy_annotations(clip.key, library.clips(stars=5)[0].key),
            lambda: library.store(clip.shot, clip.frames(), clip.facts),
        ):
            with pytest.raises(LibraryUnavailableError, match="has locked the index; close that"):
                change()
        with opened(folder) as second:  # nothing has to be written
            six_clips(second)
        other.rollback()
        clip.stars = 1
        assert clip.stars == 1


def test_a_full_disk_gets_a_sentence(folder):
    with opened(folder) as library:
        clip = library.clips()[0]
        pages = library._index._db.execute("PRAGMA page_count").fetchone()[0]
        library._index._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LibraryUnavailableError, match="the disk is full; free some space"):
            clip.tags = [f"tag {i} {'x' * 200}" for i in range(900)]
        with pytest.raises(OSError, match="the disk is full"):
            library.store(clip.shot.replace(prompt="x" * 4_000), clip.frames(), clip.facts)
        clip.stars = 2
        assert clip.stars == 2


def test_tags_that_cannot_be_shown_are_refused(library):
    clip = fill(library)[0]
    with pytest.raises(CheckError, match="half of a surrogate pair, at character 5"):
        clip.tags = ["fine", HALF]
    assert clip.tags == ()
