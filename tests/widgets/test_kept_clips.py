"""The shelf of the live view: which clips front ends are sent, and what a press on one restores."""

import comm
import pytest
from drawn import DrawnModel
from front_end import FrontEnd, RecordingComm

import beecam as bc
import beecam_widgets as bw
from beecam_widgets._live import kept_clips


@pytest.fixture
def view(library, monkeypatch):
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    shown = bw.live(DrawnModel(), "a bee", library=library, prompt_b="a moth")
    yield shown
    shown.close()


def keep(view, seeds):
    for seed in seeds:
        view.shot = bc.shot("a bee", seed=seed)
        view.keep()


def shelf(front_end):
    """Return the clips that a front end has, by their places."""
    clips = {}
    for content, buffers in front_end.received("kept"):
        for i, one in enumerate(zip(content["clips"], buffers, strict=True)):
            clips[content["start"] + i] = one
    return [clips[at] for at in sorted(clips)]


@pytest.mark.parametrize(("count", "most"), [(0, 1), (1, 1), (3, 1), (3, 600_000), (40, 20_000)])
def test_a_page_that_is_reloaded_gets_all_kept_clips_in_order(view, monkeypatch, count, most):
    monkeypatch.setattr(kept_clips, "_MAX_BYTES", most)
    keep(view, range(count))
    view.comm.sent.clear()
    page = FrontEnd(view)
    page.send("hello")
    page.wait_for(lambda: page.received("result") and len(shelf(page)) == count)
    assert tuple(clip["key"] for clip, _ in shelf(page)) == view.clips.keys
    for clip, image in shelf(page):
        assert image[:2] == b"\xff\xd8"
        assert clip["sheet"]["frames"] == 17
        assert eval(clip["code"], {"bc": bc}).prompt == "a bee"
    for content, buffers in page.received("kept"):
        assert len(content["clips"]) == 1 or sum(map(len, buffers)) <= most


def test_a_clip_that_is_kept_twice_is_there_once(view):
    page = FrontEnd(view)
    keep(view, [3, 3])
    page.wait_for(lambda: page.received("saved"))  # the second one may be the same message
    assert {content["count"] for content, _ in page.received("saved")} == {1}
    assert len(shelf(page)) == 1


@pytest.mark.parametrize("refine", [True, False])
def test_a_kept_clip_restores_all_settings(view, refine):
    page = FrontEnd(view)
    view.refine = refine
    view.shot = bc.shot("a bee", seed=5, width=64, negative_prompt="fog", guidance_scale=2)
    kept, controls = view.keep(), view.controls
    code = view.code
    view.refine = not refine
    view.shot = bc.shot([("a fly", 0.6), ("a wasp", 0.4)], seed=6)
    page.send("restore", key=kept.key)
    assert (view.code, view.controls, view.refine) == (code, controls, refine)
    assert view.model.resolve(view.shot).key == kept.key
    assert view._model_info["width"] == 64


def test_controls_that_return_are_sent_although_python_had_them(view):
    """A front end may have edits that Python hasn't published, as it does at rest only."""
    keep(view, [1])
    before = view._control_values
    FrontEnd(view).send("restore", key=view.clip.key)
    assert view._control_values != before


@pytest.mark.parametrize("key", ["", "../x", None, 7, "0" * 32])
def test_an_unknown_key_restores_nothing(view, key):
    keep(view, [1])
    before = view.code
    view.shot = bc.shot("a fly")
    FrontEnd(view).send("restore", key=key)
    assert view.code != before


def test_a_clip_whose_files_are_gone_keeps_its_place_and_settings(view, library):
    keep(view, [1, 2])
    for path in library.folder.rglob(f"{view.clips[0].key}*"):
        path.unlink()
    view.comm.sent.clear()
    page = FrontEnd(view)
    page.send("hello")
    page.wait_for(lambda: len(shelf(page)) == 2)
    assert [bool(image) for _, image in shelf(page)] == [False, True]
    page.send("restore", key=view.clips.keys[0])
    assert view.shot.seed == 1


def test_kept_clips_remain_without_a_kernel(view):
    view.shot = bc.shot('a "bee" <img src=x>', seed=1)
    view.keep()
    keep(view, [2])
    page = FrontEnd(view)
    page.send("hello")
    page.wait_for(lambda: page.received("result"))
    html = view._static_html()
    assert html.count('height="64"') == 2
    assert "<img src=x" not in html
    assert "seed=2" in html
