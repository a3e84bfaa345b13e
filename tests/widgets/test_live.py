"""The Python side of the live view: real pollen, and a recorded comm instead of a browser."""

import comm
import numpy as np
import pytest
from page import Page, RecordingComm

import beecam as bc
import beecam_widgets as bw
from beecam.shots.weighted_prompts import parts_of
from beecam_widgets import limits
from beecam_widgets.dials import Dials, Slider, sliders_of
from helpers import frames, said

BEE, MOTH = "a bee over a meadow", "a moth in snow"


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.fixture
def show(pollen, library, monkeypatch):
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    made = []

    def make(prompt=BEE, **arguments):
        made.append(bw.live(pollen, prompt, library=library, **arguments))
        return made[-1]

    yield make
    for view in made:
        view.close()


def turn(page, n, **changes):
    page.say("ask", n=n, dials={**page.grid.dials.to_json(), **changes})


def sights(page, what=None):
    return [
        (content, buffers[0])
        for content, buffers in page.heard("sight")
        if buffers and what in (None, content["what"])
    ]


def wait_for_n(page, n, what="clip"):
    return page.wait_for(lambda: next((s for s in sights(page, what) if s[0]["n"] == n), None))


# --- what it says to a page -------------------------------------------------------------------------


def test_a_page_that_opens_gets_the_clip(show):
    page = Page(show(steps=4, num_inference_steps=8))
    page.say("hello")
    content, picture = page.wait_for(lambda: (sights(page, "clip") or [None])[0])
    assert picture[:2] == b"\xff\xd8"
    assert content["sheet"] == {"frames": 17, "width": 96, "height": 96, "count": 17, "fps": 8.0}
    assert content["label"] == f"{BEE} · seed 0"
    assert eval(content["code"], {"bc": bc}) == page.grid.shot
    second = Page(page.grid, "second")
    before = len(sights(page, "clip"))
    second.say("hello")
    second.wait_for(lambda: len(sights(second, "clip")) > before)


def test_a_dial_that_is_turned_changes_the_clip_and_the_shot(show, pollen):
    view = show(steps=4, num_inference_steps=8, prompt_b=MOTH)
    page = Page(view)
    turn(page, 5, blend=0.25, seed="7", seed_b="9", seed_blend=0.4, guidance_scale=5, steps=3)
    draft, _ = wait_for_n(page, 5, "draft")
    whole, _ = wait_for_n(page, 5)
    assert (draft["steps"], whole["steps"]) == (3, 8)
    assert view.shot.prompt == ((BEE, 0.75), (MOTH, 0.25))
    assert view.shot.noise == ((7, 0.6), (9, 0.4))
    assert view.shot.guidance_scale == 5
    assert view.dials.steps == 3
    assert not list(pollen.check(view.shot))
    page.wait_for(lambda: view._dials["by"] == "page")


def test_pictures_of_a_hand_that_moves_stay_few_and_end_with_the_last(show):
    view = show(steps=4, refine=False, prompt_b=MOTH)
    page = Page(view)
    for n in range(1, 60):
        turn(page, n, blend=n / 60)
    wait_for_n(page, 59)
    numbers = [content["n"] for content, _ in sights(page)]
    assert numbers == sorted(numbers)
    times = [t for t, kind, _, _ in view.comm.sent if kind == "comm_msg"]
    for i, start in enumerate(times):
        assert len([t for t in times[i:] if t < start + 0.99]) <= limits.MAX_PER_SECOND + 2


def test_a_page_hears_that_it_is_heard_though_no_picture_comes(show, monkeypatch, pollen):
    view = show(steps=60, num_inference_steps=80)
    page = Page(view)
    turn(page, 3)
    page.wait_for(lambda: [c for c, _ in page.heard("heard") if c["by"].get("page") == 3])


def test_what_is_wrong_is_a_sentence_and_the_next_turn_works(show, pollen, monkeypatch):
    view = show(steps=4, num_inference_steps=4)
    page = Page(view)
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "generate", lambda *a, **k: 1 / 0)
        turn(page, 1, seed="3")
        page.wait_for(lambda: page.heard("problem"))
    assert "division by zero" in page.heard("problem")[0][0]["text"]
    turn(page, 2, seed="4")
    wait_for_n(page, 2)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "ask"},
        {"kind": "ask", "dials": 7},
        {"kind": "nonsense"},
        {"kind": "ask", "n": "x", "dials": {"blend": "a", "seed": "-1", "steps": None, "more": 3}},
        {"kind": "ask", "dials": {"blend": float("nan"), "seed": "9" * 40, "guidance_scale": 1e99}},
    ],
)
def test_a_page_that_talks_nonsense_breaks_nothing(show, content):
    view = show(steps=4, num_inference_steps=4)
    page = Page(view)
    page.say(content.pop("kind", ""), **content)
    turn(page, 9, seed="5")
    wait_for_n(page, 9)
    assert view.shot.seed == 5


# --- what can be read and set -----------------------------------------------------------------------


def test_keeping_gives_the_bits_that_are_shown(show, pollen, library):
    view = show(steps=4, num_inference_steps=8, seed=3)
    page = Page(view)
    assert view.clip is None
    turn(page, 1)
    wait_for_n(page, 1)
    clip = view.keep()
    assert view.clip.key == clip.key == pollen.resolve(view.shot).key
    assert (frames(pollen, [clip.shot])[0] == view._last.frames).all()
    page.say("keep")
    page.wait_for(lambda: len(page.heard("kept")) == 2)
    assert len(view.clips) == len(library.clips()) == 1


def test_nothing_is_kept_by_itself(show, library):
    page = Page(show(steps=4, num_inference_steps=8))
    turn(page, 1)
    wait_for_n(page, 1)
    assert not len(library.clips())


def test_a_shot_can_be_set_and_comes_back(show, pollen):
    view = show(steps=4)
    page = Page(view)
    shot = bc.shot(
        [(BEE, 0.3), (MOTH, 0.7)],
        noise=((4, 0.8), (6, 0.2)),
        guidance_scale=2,
        num_inference_steps=6,
        negative_prompt="blurry",
        guidance_rescale=0.5,
    )
    view.shot = shot
    assert pollen.resolve(view.shot).key == pollen.resolve(shot).key
    assert eval(view.code, {"bc": bc}) == view.shot
    page.wait_for(lambda: sights(page, "clip"))
    assert view._about["usual_steps"] == 6
    assert view._dials["by"] == ""
    view.shot = view.clip.shot if view.clip else pollen.resolve(bc.shot("a fly", seed=2))
    assert (view.shot.prompt, view.shot.seed) == ("a fly", 2)


def test_what_a_shot_brought_along_can_be_turned_back(show):
    view = show(steps=4, num_inference_steps=4, guidance_rescale=0.5)
    assert view.shot.arguments == {"guidance_rescale": 0.5}
    page = Page(view)
    turn(page, 1, more={"guidance_rescale": 0.0})
    wait_for_n(page, 1)
    assert view.shot.arguments == {}


def test_refining_can_be_switched_off_and_on(show):
    view = show(steps=3, num_inference_steps=6)
    page = Page(view)
    turn(page, 1)
    wait_for_n(page, 1)
    view.refine = False
    page.wait_for(lambda: [s for s in sights(page, "clip") if s[0]["steps"] == 3])
    assert view.shot.num_inference_steps == 3


def test_prompts_stay_on_their_sides_when_the_other_gets_heavier():
    dials = Dials(BEE, MOTH, blend=0.4)
    base = bc.shot(BEE)
    for blend in (0.2, 0.8):
        again = dials.like(Dials(BEE, MOTH, blend=blend).shot(base), {})
        assert (again.prompt, again.prompt_b, again.blend) == (BEE, MOTH, blend)


@pytest.mark.parametrize(("blend", "prompt"), [(0.0, BEE), (1.0, MOTH)])
def test_at_the_ends_there_is_one_plain_prompt(blend, prompt):
    shot = Dials(BEE, MOTH, blend=blend, seed=3, seed_b=5, seed_blend=blend).shot(bc.shot(BEE))
    assert shot.prompt == prompt
    assert shot.noise == ((3 if prompt == BEE else 5, 1.0),)


def test_without_refining_the_shot_has_the_steps_of_the_dial(show):
    view = show(steps=5, refine=False)
    assert view.shot.num_inference_steps == 5
    assert view.shot.scheduler is None


def test_drafts_use_a_scheduler_that_needs_few_steps_where_the_model_can(show, pollen):
    view = show(steps=5, guidance_scale=2.0)
    assert view._draft(view.dials).scheduler == "UniPCMultistepScheduler"
    assert not view._quickly(view.dials)
    named = show(guidance_scale=2.0, steps=5, scheduler="FlowMatchEulerDiscreteScheduler")
    assert named._draft(named.dials).scheduler == "FlowMatchEulerDiscreteScheduler"


def test_drafts_are_made_by_the_model_for_few_steps_at_its_own_guidance(show, pollen, monkeypatch):
    """A second model stands in for it, so that what it makes can be told apart."""
    made = []

    class Few:
        """Pollen in few steps, which notes what it makes."""

        def __getattr__(self, name):
            return getattr(pollen, name)

        def beside(self):
            return self

        def resolve(self, shot):
            if shot.conditions:
                return pollen.resolve(shot)
            usual = {"num_inference_steps": 3, "guidance_scale": 1.0}
            return pollen.resolve(
                shot.replace(
                    **{name: value for name, value in usual.items() if getattr(shot, name) is None}
                )
            )

        def generate(self, shots, *args, **more):
            made.append(shots[0])
            return pollen.generate(shots, *args, **more)

    monkeypatch.setattr(type(pollen), "in_few_steps", lambda self: Few())
    view = show(num_inference_steps=6)
    assert view.dials.steps == 3
    page = Page(view)
    page.say("hello")
    page.wait_for(lambda: sights(page, "clip"))
    assert [(shot.num_inference_steps, shot.guidance_scale) for shot in made] == [(3, 1.0)]
    assert view.shot.guidance_scale in (None, 3.0), "the clip at rest is as it always was"
    given = {"keyframes": {0: np.zeros((96, 96, 3), np.uint8)}}
    for other in ({"negative_prompt": "fog"}, {"guidance_scale": 2.0}, {"steps": 5}, given):
        assert not (one := show(**other))._quickly(one.dials)
    assert show(**given).dials.steps == 6, "a draft of what it has not learnt is still a draft"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda show: show(7), "a text is needed, or texts with their weights"),
        (lambda show: show(width=100), "nearest are 96 and 192"),
        (lambda show: show(steps=0), "steps=0: a whole number from 1 to 100"),
        (lambda show: show(blend=2), "blend=2: a share from 0 to 1 is needed. The nearest is 1."),
        (lambda show: show(seed_blend=-1), "seed_blend=-1: a share"),
        (lambda show: show(seed_b=-3), "seed=-3: a whole number from 0"),
        (lambda show: show(prompt_b=3), "a text is needed"),
        (lambda show: show(refine="yes"), "refine='yes': True or False"),
        (lambda show: show(guidence_scale=3), "Did you mean guidance_scale?"),
        (lambda show: show([(BEE, 1), (MOTH, 1), ("a fly", 1)]), "blends two. The nearest are"),
        (lambda show: show(noise=((1, 1), (2, 1), (3, 1))), "blends two seeds"),
        (lambda show: setattr(show(), "shot", bc.shot(BEE, height=3)), "nearest is 96"),
        (lambda show: setattr(show(), "shot", "a bee"), "a shot is needed"),
        (lambda show: bw.live("pollen"), "a loaded model is needed"),
    ],
)
def test_what_is_wrong_is_named_before_any_compute(show, call, words):
    assert words in said(lambda: call(show))


def test_sliders_are_those_of_the_signature(pollen):
    found = sliders_of(pollen, bc.shot(BEE))
    assert found == {"guidance_rescale": Slider("guidance_rescale", 0.0, 1.0, 0.02, 0.0)}
    dials = Dials(BEE).heard({"more": {"guidance_rescale": 0.5, "strength": 0.1}}, found)
    assert dials.shot(bc.shot(BEE)).arguments == {"guidance_rescale": 0.5}
    assert Dials(BEE).heard({"more": {"guidance_rescale": 0.0}}, found).more == {}


def test_closing_ends_its_threads_and_says_nothing_more(show):
    import threading
    import time

    view = show(steps=4, num_inference_steps=90)
    page = Page(view)
    turn(page, 1)
    page.wait_for(lambda: sights(page))
    view.close()
    end = time.monotonic() + 240
    names = ("beecam-live", "beecam-teller")
    while [t for t in threading.enumerate() if t.name in names] and time.monotonic() < end:
        time.sleep(0.05)
    assert time.monotonic() < end
    assert parts_of(view.shot.prompt) == ((BEE, 1.0),)


def test_a_picture_remains_without_a_kernel(show):
    view = show("<b>bee</b>", steps=4, num_inference_steps=4)
    assert "run the cell" in view._static_html()
    page = Page(view)
    turn(page, 1)
    wait_for_n(page, 1)
    text = view._static_html()
    assert "data:image/jpeg;base64," in text
    assert "<b>" not in text
    assert len(text) < 60_000
