"""`library.take`: clips from other people's files are checked, and their facts measured again."""

import math
import os
import shutil

import numpy as np
import pytest

import beecam as bc
from beecam.clips.library import open_library
from beecam.errors import MediaError
from beecam.export.contact_sheet import contact_sheet_html
from beecam.media import embedded, formats, mp4, sheets
from beecam.storage.index import NAME as INDEX
from helpers import error_message, fill


@pytest.fixture
def their_clips(tmp_path):
    with open_library(tmp_path / "theirs") as library:
        yield fill(library)


@pytest.fixture
def write_forged(their_clips, tmp_path):
    """Write a clip's mp4 with other settings, and return its path."""

    def write(change, name="forged.mp4"):
        settings = mp4.read_settings(their_clips[0].path)
        changed = change(settings)
        path = tmp_path / name
        mp4.write_mp4(path, their_clips[0].frames(), 8, settings if changed is None else changed)
        return path

    return write


def show_in_every_form(clips, folder):
    """Show clips in every form; none may fail."""
    assert contact_sheet_html(clips).count("<img") == len(clips)
    clips[0].stars = 1
    assert "<video" in contact_sheet_html(clips)
    page = clips.export_html(folder / "page.html").read_text("utf-8")
    assert page.count("jpeg;base64") == len(clips)
    assert clips[0]._repr_html_().startswith("<div")
    assert len(clips.to_frame()) == len(clips)
    assert len(clips.contact_sheet().axes) == len(clips)
    assert len(clips.sort("-seconds").query("seed>=0")) == len(clips)
    assert clips[0].frames().shape[3] == 3


def test_a_file_is_taken_with_its_shot_facts_and_date(their_clips, library, tmp_path):
    path = their_clips[4].save(tmp_path / "from a friend.mp4")
    clips = library.take(path)
    assert len(clips) == len(library) == 1
    clip = clips[0]
    assert clip.key == their_clips[4].key
    assert clip.shot == their_clips[4].shot
    assert clip.created == their_clips[4].created
    assert clip.facts == {**their_clips[4].facts, "taken": True}
    assert (clip.frames() == their_clips[4].frames()).all()
    assert clip.sheet_bytes()[:2] == b"\xff\xd8"
    assert library.known([clip.key]) == {clip.key}
    assert path.exists(), "the file is copied, not moved"
    assert library._index.unfinished() == {}
    assert library.take(str(path))[0] == clip
    assert len(library) == 1
    show_in_every_form(clips, tmp_path)


def test_taken_clips_survive_a_rebuilt_index(their_clips, tmp_path):
    with open_library(tmp_path / "mine") as library:
        facts = library.take(their_clips[0].path)[0].facts
    for path in library.folder.glob(f"{INDEX}*"):
        path.unlink()
    with open_library(tmp_path / "mine") as again:
        assert again[their_clips[0].key].facts == facts


def test_sound_is_taken(their_clips, library):
    from beecam.media.types import Sound

    shot = their_clips[0].shot.replace(seed=77)
    samples = np.sin(np.arange(48_000) / 20)[None].repeat(2, 0).astype(np.float32)
    clip = their_clips.library.add(shot, their_clips[0].frames(), {}, sound=Sound(samples, 48_000))
    taken = library.take(clip.path)[0]
    assert (taken.sound().samples == clip.sound().samples).all()
    assert (taken.frames() == clip.frames()).all()


def test_seconds_of_another_machine_are_not_measurements_of_this_one(their_clips, library):
    assert their_clips.library.seconds_for(their_clips[0].shot) is not None
    assert len(library.take(their_clips.library.folder / "media" / their_clips[0].key[:2])) >= 1
    assert library.seconds_for(their_clips[0].shot) is None


def test_an_existing_clip_keeps_its_files_facts_and_rating(their_clips, library, write_forged):
    own = fill(library)[0]
    own.stars = 4
    before = own.path.read_bytes(), library.row(own.key)
    taken = library.take(
        write_forged(lambda settings: settings["facts"].update(seconds=99.0, batch=7))
    )
    assert taken[0] == own
    assert (own.path.read_bytes(), library.row(own.key)) == before


def test_a_damaged_clip_is_replaced_by_a_taken_one(their_clips, library):
    own = fill(library)[0]
    own.stars = 4
    own.path.write_bytes(own.path.read_bytes()[:300])
    library.take(their_clips[0].path)
    assert (own.frames() == their_clips[0].frames()).all()
    assert own.stars == 4


def test_files_with_a_shot_are_taken_from_a_folder(their_clips, library, tmp_path):
    folder = tmp_path / "downloads"
    (folder / "deeper.mp4").mkdir(parents=True)
    for i in (2, 1):
        their_clips[i].save(folder / f"{9 - i}.MP4")
    shutil.copy(folder / "8.MP4", folder / "twice.mp4")
    (folder / "damaged.mp4").write_bytes(their_clips[3].mp4_bytes()[:500])
    (folder / "notes.txt").write_text("no clip")
    their_clips[4].save(folder / "still.png")
    clips = library.take(folder)
    assert clips.keys == (their_clips.keys[2], their_clips.keys[1]), (
        "by the files' names, each clip once"
    )
    assert len(library) == 2
    message = error_message(lambda: library.take(folder / "deeper.mp4"), MediaError)
    assert "the folder has no mp4 files." in message


@pytest.mark.parametrize("count", [1, 2, 5])
def test_files_of_a_folder_that_are_skipped_are_named(their_clips, library, tmp_path, count):
    folder = tmp_path / "mixed"
    folder.mkdir()
    whole = their_clips[0].path.read_bytes()
    (folder / "z.mp4").write_bytes(whole)
    for n in range(count):
        (folder / f"half{n}.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(bc.BeecamWarning) as caught:
        assert len(library.take(folder)) == 1
    (warning,) = caught
    text = str(warning.message)
    assert f"skipped {count} of {count + 1} mp4 files. half0.mp4: " in text
    assert text.count("half") >= min(count, 3)
    assert ("And 2 more." in text) == (count == 5)
    assert warning.filename == __file__


def test_files_that_are_not_clips_are_reported(their_clips, library, tmp_path):
    missing = tmp_path / "missing.mp4"
    assert f"{missing} is missing" in error_message(lambda: library.take(missing), MediaError)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(their_clips[0].mp4_bytes()[:700])
    assert f"{cut} can't be read as a video: it is damaged" in error_message(
        lambda: library.take(cut), MediaError
    )
    assert "elete" not in error_message(lambda: library.take(cut), MediaError)
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    others = [their_clips[0].save(tmp_path / f"bee{end}") for end in (".gif", ".webp", ".png")]
    for path in (text, *others):
        message = error_message(lambda p=path: library.take(p), MediaError)
        assert "take reads mp4 files that beecam wrote" in message
        assert "elete" not in message
    plain = tmp_path / "plain.mp4"
    mp4.copy_mp4(their_clips[0].path, plain, {})
    with_none = tmp_path / "none.mp4"
    mp4.write_mp4(with_none, their_clips[0].frames(), 8, None)
    for path in (plain, with_none):
        assert "carries no shot of beecam" in error_message(
            lambda p=path: library.take(p), MediaError
        )
    for wrong in (3, None, "", "a\0b"):
        assert "path=" in error_message(lambda p=wrong: library.take(p))
    assert len(library) == 0
    assert not list((library.folder / "media").rglob("*.*"))


@pytest.mark.parametrize("name", ["bee.mp4", "bee", "bees.yaml"])
def test_a_pipe_that_a_user_names_is_not_waited_for(library, tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    assert "not an mp4 file" in error_message(lambda: library.take(path), MediaError)
    assert "can't be read" in error_message(lambda: bc.deck(path), bc.DeckError)
    assert "a pipe" in error_message(lambda: bc.read_media(path))


def replaced(**new):
    return lambda settings: {**settings, **new}


def in_shot(**new):
    return lambda settings: {**settings, "shot": {**settings["shot"], **new}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced(created="yesterday"), "its creation time is not a number"),
        (replaced(created=math.nan), "its creation time"),
        (replaced(created=10**400), "its creation time"),
        (replaced(created=-1), "its creation time"),
        (replaced(created=True), "its creation time"),
        (lambda s: {k: v for k, v in s.items() if k != "created"}, "created"),
        (replaced(parents="abc"), "its parents are not a list of keys"),
        (replaced(parents={"a": 1}), "its parents are not a list of keys"),
        (replaced(parents=[3]), "its parents are not a list of keys"),
        (replaced(parents=["../../etc/passwd"]), "its parents are not a list of keys"),
        (replaced(parents=["<img src=x onerror=alert(1)>"]), "its parents are not a list"),
        (replaced(parents=["a" * 32] * 1_001), "it has 1,001 parents; at most 1,000"),
        (replaced(parents=["a" * 32] * 200_000), "its settings have more than"),
        (replaced(version=99), "it was written by a newer beecam"),
        (replaced(version="2"), "it was written by a newer beecam"),
        (replaced(shot=None), "not a shot"),
        (replaced(shot=[1, 2]), "not a shot"),
        (replaced(shot={"prompt": "a bee"}), "not a shot"),
        (in_shot(teleport=True), "fields of a newer beecam"),
        (in_shot(width="48"), "width='48'"),
        (in_shot(width=10**9), "width=1000000000"),
        (in_shot(fps=math.nan), "fps=nan"),
        (in_shot(fps=10**400), "fps="),
        (in_shot(prompt=3), "prompt"),
        (in_shot(prompt="x" * 4_001), "prompt has 4,001 characters"),
        (in_shot(negative_prompt={"a": 1}), "negative_prompt="),
        (in_shot(model=["a"]), "model="),
        (in_shot(noise=[[-1, 1.0]]), "seed=-1"),
        (in_shot(noise=[[2**70, 1.0]]), "seed="),
        (in_shot(noise=[]), "noise"),
        (in_shot(revision=None), "a shot has a key once a model has resolved it"),
        (in_shot(extra={"x=1); import os #": 1}), "an identifier of Python"),
        (in_shot(extra={"x": {"y": 1}}), "x={'y': 1}"),
        (
            in_shot(conditions=[{"name": "image", "digest": "../../etc/passwd"}]),
            "digest='../../etc/passwd'",
        ),
        (in_shot(conditions=[{"name": "<b>", "digest": "a" * 32}]), "isn't an image"),
        (
            in_shot(conditions=[{"name": "image", "digest": "a" * 32, "count": math.inf}]),
            "infinity",
        ),
        (
            in_shot(conditions=[{"name": "keyframes", "digest": "a" * 32, "frame": "0"}]),
            "keyframes='0'",
        ),
        (in_shot(adapters=[["../x", 1.0]]), "digest='../x'"),
        (in_shot(adapters=[["a" * 32, math.nan]]), "lora_weight=nan"),
        (in_shot(switch={"at": "x"}), ""),
    ],
)
def test_invalid_settings_are_refused(library, write_forged, change, words):
    path = write_forged(change)
    message = error_message(lambda: library.take(path), MediaError)
    assert f"{path} carries no shot of beecam" in message
    assert words in message
    assert len(library) == 0
    assert library._index.unfinished() == {}
    assert not list((library.folder / "media").rglob("*.*"))


def test_nested_settings_are_refused(library, their_clips, tmp_path):
    path = tmp_path / "deep.mp4"
    deep = "[" * 50_000
    settings = mp4.read_settings(their_clips[0].path)
    mp4.write_mp4(path, their_clips[0].frames(), 8, settings)
    data = embedded.json.dumps
    try:
        embedded.json.dumps = lambda *_args, **_more: f'{{"beecam": {deep}'
        mp4.write_mp4(path, their_clips[0].frames(), 8, settings)
    finally:
        embedded.json.dumps = data
    assert "carries no shot of beecam" in error_message(lambda: library.take(path), MediaError)


_ODD = {"height": 31, "width": 47, "sheet": {"frames": 24, "width": 160, "height": 65_536}}


@pytest.mark.parametrize(
    "facts",
    [
        None,
        "text",
        [1, 2],
        {},
        {"frames": 10**9, "height": -5, "width": "wide", "sheet": {"frames": 10**9}},
        {"frames": True, "height": 0, "width": 31, "sheet": [1]},
        {"height": 1, "width": 1, "frames": 1, "sheet": {"frames": 1, "width": 1, "height": 1}},
        _ODD,
        {"seconds": "<b>", "batch": {"a": 1}, "broken": [1], "license": 3, "exact": "yes"},
        {
            "seconds": math.nan,
            "batch": -1,
            "position": 1.5,
            "loras": 3,
            "sound": {"rate": "x"},
        },
        {"seconds": 10**400, "license": "x" * 10_000, "motion": math.inf, "speed": [1]},
        {"prompt": "another", "seed": 9, "model": "other", "stars": 5, "key": "0", "tags": "x"},
        {"<img src=x onerror=alert(1)>": 1, "a b": 2, "x" * 500: 3, "is": 4, "": 5},
        {f"fact_{i}": i for i in range(5_000)},
    ],
)
def test_absurd_facts_break_nothing(library, write_forged, their_clips, tmp_path, facts):
    clips = library.take(write_forged(replaced(facts=facts)))
    clip, own = clips[0], their_clips[0]
    # An odd size is padded by one pixel; nothing else is cut off.
    odd = facts == _ODD
    size = (9, 32 - odd, 48 - odd)
    assert (clip.facts["frames"], clip.facts["height"], clip.facts["width"]) == size
    assert clip.frames().shape == (*size, 3)
    assert clip.facts["sheet"] == sheets.sheet_layout(clip.frames())
    assert len(clip.facts) <= 210
    assert clip.seed == own.seed
    assert (clip.stars, clip.tags) == (0, ())
    show_in_every_form(clips, tmp_path)
    row = clips.to_frame().iloc[0]
    assert (row["prompt"], row["seed"], row["key"]) == (own.prompt, own.seed, own.key)
    assert clips.query('"a bee" model:tiny').keys == clips.keys


def test_facts_of_another_version_are_kept(library, write_forged):
    new = {"motion": 0.25, "surprise": "it jumps", "looped": True}
    clip = library.take(write_forged(lambda settings: settings["facts"].update(new)))[0]
    assert {name: clip.facts[name] for name in new} == new
    assert len(library.clips().query("motion<0.5")) == 1


def test_a_forged_file_in_the_media_folder_breaks_nothing(their_clips, tmp_path):
    with open_library(tmp_path / "mine") as library:
        clip = fill(library, ["a bee"], seeds=1)[0]
        settings = mp4.read_settings(clip.path)
        settings["facts"] = {"sheet": "x", "width": -1, "seconds": "soon", "batch": 2}
        mp4.write_mp4(clip.path, clip.frames(), 8, settings)
        other = their_clips[1]
        target = library.mp4_path(other.key)
        target.parent.mkdir(exist_ok=True)
        mp4.copy_mp4(other.path, target, {**mp4.read_settings(other.path), "created": "x"})
    for path in library.folder.glob(f"{INDEX}*"):
        path.unlink()
    with open_library(tmp_path / "mine") as again:
        assert [one.key for one in again.clips()] == [clip.key]
        assert any("its creation time" in line for line in again.healed)
        facts = again[clip.key].facts
        assert facts["batch"] == 2
        assert (facts["width"], facts["height"], facts["frames"]) == (48, 32, 9)
        assert "seconds" not in facts
        show_in_every_form(again.clips(), tmp_path)


def test_an_input_that_names_a_path_is_never_read(library, tmp_path):
    formats.write_lossless(tmp_path / "secret.png", np.zeros((1, 8, 8, 3), np.uint8))
    with pytest.raises(MediaError, match="is not an input's digest"):
        library.inputs.attach([_condition("../../secret")])
    with pytest.raises(KeyError):
        library.inputs["../../secret"]


def _condition(digest):
    from beecam.shots.conditions import Condition
    from beecam.shots.inputs import Input

    return Condition("image", Input(digest))


def test_a_full_disk_leaves_nothing_behind(their_clips, library, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mp4, "copy_mp4", full)
    with pytest.raises(OSError, match="No space"):
        library.take(their_clips[0].path)
    monkeypatch.undo()
    assert len(library) == 0
    assert not list((library.folder / "media").rglob("*.*"))
    assert len(library.take(their_clips[0].path)) == 1
    assert bc.Clip(library, their_clips[0].key).facts["width"] == 48


def test_the_folder_of_a_library_is_taken(their_clips, library, tmp_path):
    taken = library.take(their_clips.library.folder)
    assert sorted(taken.keys) == sorted(their_clips.keys)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.mp4").write_bytes(b"x")
    message = error_message(lambda: library.take(tmp_path / "other"), MediaError)
    assert "the folder has 1 mp4 file, but it doesn't carry a shot of beecam." in message


def test_a_library_that_is_gone_takes_nothing(their_clips, library):
    shutil.rmtree(library.folder)
    with pytest.raises(OSError, match="the library's folder was moved or removed"):
        library.take(their_clips[0].path)
    assert not library.folder.exists()
