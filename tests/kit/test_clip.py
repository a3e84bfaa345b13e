"""Clips and clip sets: collections, pandas frames, files, and HTML without widgets."""

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

import beecam as bc
from beecam.clips.clip_set import ClipSet
from beecam.errors import BeecamError, CheckError, MediaError
from beecam.export import notebook
from beecam.media import mp4, sheets
from beecam.shots.shot import Shot
from beecam.sweeps.axes import Axis
from helpers import PATIENCE, error_message, fill

HOSTILE = "<img src=x onerror=alert(1)> </script><script>alert(2)</script> a 🐝 \u202enحلة"


@pytest.fixture
def clips(library):
    return fill(library)


def test_filter_sort_where_and_slices_keep_coordinates(clips):
    assert len(clips) == 6
    assert [c.shot.seed for c in clips.where(prompt="a moth")] == [0, 1, 2]
    odd = clips.filter(lambda clip: clip.shot.seed % 2)
    assert [odd.values(i) for i in range(2)] == [
        {"prompt": "a bee", "seed": 1},
        {"prompt": "a moth", "seed": 1},
    ]
    turned = clips.sort(lambda clip: clip.shot.seed, reverse=True)
    assert [c.shot.seed for c in turned] == [2, 2, 1, 1, 0, 0]
    assert turned.values(0) == {"prompt": "a bee", "seed": 2}
    assert [c.shot.seed for c in clips[1:3]] == [1, 2]
    assert clips[1:3].values(1) == {"prompt": "a bee", "seed": 2}
    clips[4].stars = 2
    assert list(clips.starred) == [clips[4]]


def test_a_missing_axis_or_clip_is_named(clips):
    for call in (lambda: clips.where(promt="bee"), lambda: clips.pivot("promt", "seed")):
        with pytest.raises(CheckError, match=r"no axis 'promt': .*Did you mean prompt\?"):
            call()
    with pytest.raises(IndexError, match=rf"clip 99: there are {len(clips)}, counted from 0"):
        clips[99]


def test_to_frame_has_a_row_per_clip(clips):
    clips[1].stars, clips[1].tags = 3, ["keep"]
    frame = clips.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert list(frame["prompt"]) == ["a bee"] * 3 + ["a moth"] * 3
    assert list(frame["stars"]) == [0, 3, 0, 0, 0, 0]
    assert frame.loc[1, "tags"] == ("keep",)
    assert frame["seconds"].iloc[2] == pytest.approx(0.2)
    assert len(clips[:0].to_frame()) == 0
    named = ClipSet(
        clips.library, clips.keys[:1], axes=[Axis("width", ("wide",))], coords=[{"width": 0}]
    )
    assert named.to_frame().loc[0, "width"] == "wide", (
        "an axis takes precedence over a fact of its name"
    )


def test_axes_take_precedence_over_ratings_as_in_queries(clips):
    names = ("key", "stars", "tags", "rejected", "place")
    named = ClipSet(
        clips.library,
        clips.keys[:1],
        axes=[Axis(name, ("mine",)) for name in names],
        coords=[dict.fromkeys(names, 0)],
    )
    row = named.to_frame().iloc[0]
    assert [row[name] for name in names] == ["mine"] * 5
    assert (row["prompt"], row["seed"]) == ("a bee", 0)
    assert all(len(named.query(f"{name}:mine")) == 1 for name in names)
    assert clips.to_frame().columns.tolist() == [
        *("prompt", "seed", "stars", "rejected", "tags"),
        *("frames", "height", "width", "seconds", "key"),
    ]


def test_misspelled_attributes_are_refused(clips):
    with pytest.raises(AttributeError, match=r"Clip has no attribute 'star'. Did you mean stars\?"):
        clips[0].star = 3
    with pytest.raises(AttributeError, match=r"ClipSet has no attribute 'titel'. Did you mean tit"):
        clips.titel = "x"
    clips.title = "bees"
    assert clips.title == "bees"
    with pytest.raises(AttributeError):
        clips[0].seed = 3


def test_pivot_has_axes_as_rows_and_columns(clips):
    table = clips.filter(lambda c: c.shot.seed < 2).pivot("prompt", "seed")
    assert list(table.index) == ["a bee", "a moth"]
    assert list(table.columns) == [0, 1], "values, without those that no clip has"
    assert (table.index.name, table.columns.name) == ("prompt", "seed")
    assert table.loc["a moth", 1] == clips[4]
    assert clips[:4].pivot("prompt", "seed").loc["a moth", 2] is None
    assert clips[:0].pivot("prompt", "seed").shape == (0, 0)
    with pytest.raises(CheckError, match="no axis 'place': the axes are prompt, seed"):
        clips.pivot("place", "seed")


def test_the_contact_sheet_is_small_static_and_shows_frames(clips):
    page = notebook.contact_sheet_html(clips, title="<b>")
    assert page.count("<img") == 6
    assert "&lt;b&gt;" in page
    assert "<script" not in page
    data = re.findall(r'base64,([^"]+)"', page)
    image = Image.open(io.BytesIO(base64.b64decode(data[0])))
    assert image.size == (sheets.strip_width(48, 4), 32)
    opaque = np.asarray(image)[..., 3].min(axis=0) > 0
    assert np.count_nonzero(np.diff(opaque.astype(int)) < 0) == 3, "gaps between four frames"
    assert opaque.sum() == 4 * 48
    assert "No clips yet" in notebook.contact_sheet_html(clips[:0])


def test_the_contact_sheet_stays_below_its_size_and_counts_what_is_left_out(clips):
    many_clips = ClipSet(clips.library, clips.keys * 40)
    page = notebook.contact_sheet_html(many_clips, max_bytes=60_000)
    assert len(page) <= 60_000
    left_out = int(re.search(r"and (\d+) more clips", page).group(1))
    assert left_out == len(many_clips) - page.count("<img") > 0


def test_prompts_are_escaped_everywhere(library, monkeypatch):
    clips = fill(library, [HOSTILE], seeds=1)
    videos = []
    monkeypatch.setattr("IPython.display.display", videos.append)
    clips.show()
    assert "&lt;img src=x" in videos[0].data
    for shown in (
        videos[0].data,
        notebook.contact_sheet_html(clips, HOSTILE),
        clips[0]._repr_html_(),
    ):
        assert "<img src=x" not in shown
        assert "<script>alert" not in shown


def test_clips_are_shown_through_mediapy_and_matplotlib(clips, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    clips.library.mp4_path(clips.keys[2]).unlink()
    clips.show(columns=2)
    page = shown[0].data
    assert page.count("<video") == 5
    assert page.count("<tr>") == 3
    assert "is missing; run its sweep again" in page
    figure = clips.contact_sheet(columns=3, frames=3)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 6
    figure.savefig(io.BytesIO())
    with pytest.raises(BeecamError, match="no clips to draw"):
        clips[:0].contact_sheet()


def test_without_widgets_a_run_and_its_clips_show_a_contact_sheet(ltx, library, monkeypatch):
    monkeypatch.setattr(notebook, "_registered", {})
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    run = bc.run(bc.sweep("a <b> bee", seed=range(2)), ltx, library=library).wait(PATIENCE)
    run._ipython_display_()
    run.clips._ipython_display_()
    assert "2 done" in shown[0]["text/html"]
    assert [bundle["text/html"].count("<img") for bundle in shown] == [2, 2]
    assert all(bundle["image/jpeg"] for bundle in shown)
    notebook.register(run=lambda run: shown.append("a grid"))
    run._ipython_display_()
    assert shown[-1] == "a grid"


def test_a_clip_is_a_playing_video(clips):
    page = clips[0]._repr_html_()
    assert "<video" in page
    assert "a bee · seed 0" in page
    assert repr(clips[0]).startswith("Clip ")
    assert clips[0] == clips.library[clips.keys[0]]
    assert len({clips[0], clips.library[clips.keys[0]]}) == 1


# --- one clip --------------------------------------------------------------------------------------


def test_a_clip_has_its_prompt_and_its_seed(clips, library):
    assert (clips[4].prompt, clips[4].seed) == ("a moth", 1)
    mixed = bc.Shot(
        **{
            **vars(clips[0].shot),
            "prompt": (("a bee", 0.7), ("a moth", 0.3)),
            "noise": ((3, 0.2), (8, 0.9)),
        }
    )
    clip = library.add(mixed, clips[0].frames(), clips[0].facts)
    assert clip.prompt == "0.7 a bee + 0.3 a moth"
    assert clip.seed == 8
    assert repr(clip) == f"Clip {clip.key[:8]}: '0.7 a bee + 0.3 a moth', seed 8"


def test_a_clip_of_a_sweep_has_its_values_by_axis(clips):
    assert (clips[5]["prompt"], clips[5]["seed"]) == ("a moth", 2)
    assert dict(clips[5].values) == {"prompt": "a moth", "seed": 2}
    with pytest.raises(KeyError) as error:
        clips[5]["promt"]
    assert error.value.args[0] == (
        "clip['promt']: no such axis; its axes are prompt, seed. Did you mean prompt?"
    )
    with pytest.raises(
        KeyError,
        match=r"this clip has no axes here; run\.clips and library\.sweep\(name\)\.clips have them",
    ):
        clips.library[clips.keys[5]]["prompt"]


def test_image_is_one_frame(clips):
    frames = clips[1].frames()
    for index in (0, 3, -1, -9):
        assert (np.asarray(clips[1].image(index)) == frames[index]).all()
    for wrong in (9, -10, 1.0, None, True):
        with pytest.raises(CheckError, match=r"frame=.* from -9 to 8"):
            clips[1].image(wrong)


def test_save_as_mp4_keeps_the_shot_inside(clips, tmp_path):
    path = clips[2].save(tmp_path / "new" / "bee.MP4")
    assert path == tmp_path / "new" / "bee.MP4"
    assert path.read_bytes() == clips[2].mp4_bytes()
    assert Shot.from_dict(mp4.read_settings(path)["shot"]) == clips[2].shot
    assert [one.name for one in path.parent.iterdir()] == ["bee.MP4"], "no temporary file is left"


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_save_as_an_animation_keeps_frames_and_time(clips, tmp_path, suffix):
    path = clips[2].save(str(tmp_path / f"bee.{suffix}"))
    with Image.open(path) as image:
        assert image.format == suffix.upper()
        assert image.size == (48, 32)
        assert image.n_frames == 9
        assert image.info["loop"] == 0
        for index, frame in enumerate(clips[2].frames()):
            image.seek(index)
            image.load()
            # 8 frames per second; GIF counts in hundredths.
            assert image.info["duration"] == pytest.approx(125, abs=5)
            drawn = np.asarray(image.convert("RGB")).astype(int)
            assert np.abs(drawn - frame).mean() < 12


def test_save_as_an_image_writes_one_frame(clips, tmp_path):
    frames = clips[2].frames()
    png = clips[2].save(tmp_path / "bee.png", frame=-1)
    assert (np.asarray(Image.open(png)) == frames[-1]).all()
    for suffix in ("jpg", "jpeg"):
        jpg = clips[2].save(tmp_path / f"bee.{suffix}")
        with Image.open(jpg) as image:
            assert image.format == "JPEG"
            assert np.abs(np.asarray(image).astype(int) - frames[0]).mean() < 12
    clips[3].save(png)
    assert (np.asarray(Image.open(png)) == clips[3].frames()[0]).all(), "an old file is replaced"


def test_save_refuses_a_frame_of_what_has_all_frames(clips, tmp_path):
    for name in ("bee.gif", "bee.webp", "bee.mp4"):
        message = error_message(lambda n=name: clips[0].save(tmp_path / n, frame=0), CheckError)
        assert "frame=0: " in message
        assert "files have all frames" in message


@pytest.mark.parametrize("name", ["bee.gif", "bee.mp4", "bee.png"])
def test_save_wraps_errors_of_the_disk(clips, tmp_path, name, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("beecam.media.formats.atomic_write", full)
    message = error_message(lambda: clips[0].save(tmp_path / name), BeecamError)
    assert "the file can't be written there: No space left on device." in message


def test_save_names_what_it_can_not_write(clips, tmp_path):
    for path, words in {
        "bee.mov": "the suffix is one of .mp4, .gif, .webp, .png, .jpg, .jpeg",
        "bee": "the suffix is one of",
        "bee.jpge": "Did you mean .jpg?",
    }.items():
        assert words in error_message(lambda p=path: clips[0].save(tmp_path / p))
    assert "is a folder" in error_message(lambda: clips[0].save(tmp_path))
    assert "a path is needed, as in 'bee.gif'" in error_message(lambda: clips[0].save(3))
    assert "frame=9" in error_message(lambda: clips[0].save(tmp_path / "bee.png", frame=9))
    clips[0].path.unlink()
    for name in ("bee.mp4", "bee.gif", "bee.png"):
        assert "is missing" in error_message(lambda n=name: clips[0].save(tmp_path / n), MediaError)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith((".", "bee"))]
