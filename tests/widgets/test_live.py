"""The Python half of the live view: real pollen, and a recording comm instead of a browser."""

import threading
import time

import comm
import numpy as np
import pytest
from front_end import FrontEnd, RecordingComm

import beecam as bc
import beecam_widgets as bw
from beecam.shots.weighted_prompts import parts_of
from beecam_widgets._live.controls import LiveControls, Slider, sliders_of
from beecam_widgets._notebook import flow_control
from helpers import PATIENCE, error_message, generate_frames

pytestmark = pytest.mark.slow

BEE, MOTH = "a bee over a meadow", "a moth in snow"


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.fixture
def show(pollen, library, monkeypatch):
    monkeypatch.setattr(comm, "create_comm", RecordingComm)
    views = []

    def create(prompt=BEE, **arguments):
        views.append(bw.live(pollen, prompt, library=library, **arguments))
        return views[-1]

    yield create
    for view in views:
        view.close()


def edit(front_end, n, **changes):
    front_end.send("update", edit=n, controls={**front_end.widget.controls.to_json(), **changes})


def results(front_end, phase=None):
    return [
        (content, buffers[0])
        for content, buffers in front_end.received("result")
        if buffers and phase in (None, content["phase"])
    ]


def wait_for_edit(front_end, n, phase="clip"):
    return front_end.wait_for(
        lambda: next((s for s in results(front_end, phase) if s[0]["edit"] == n), None)
    )


# --- messages ---------------------------------------------------------------------------------------


def test_new_front_end_gets_the_clip(show):
    front_end = FrontEnd(show(steps=4, num_inference_steps=8))
    front_end.send("hello")
    content, image = front_end.wait_for(lambda: (results(front_end, "clip") or [None])[0])
    assert image[:2] == b"\xff\xd8"
    assert content["sheet"] == {"frames": 17, "width": 96, "height": 96, "count": 17, "fps": 8.0}
    assert content["label"] == f"{BEE} · seed 0"
    assert eval(content["code"], {"bc": bc}) == front_end.widget.shot
    second = FrontEnd(front_end.widget, "second")
    before = len(results(front_end, "clip"))
    second.send("hello")
    second.wait_for(lambda: len(results(second, "clip")) > before)


def test_controls_change_clip_and_shot(show, pollen):
    view = show(steps=4, num_inference_steps=8, prompt_b=MOTH)
    front_end = FrontEnd(view)
    edit(front_end, 5, blend=0.25, seed="7", seed_b="9", seed_blend=0.4, guidance_scale=5, steps=3)
    draft, _ = wait_for_edit(front_end, 5, "draft")
    final, _ = wait_for_edit(front_end, 5)
    assert (draft["steps"], final["steps"]) == (3, 8)
    assert view.shot.prompt == ((BEE, 0.75), (MOTH, 0.25))
    assert view.shot.noise == ((7, 0.6), (9, 0.4))
    assert view.shot.guidance_scale == 5
    assert view.controls.steps == 3
    assert not list(pollen.check(view.shot))
    front_end.wait_for(lambda: view._control_values["client"] == "page")


def test_images_are_limited_in_rate_and_end_with_the_last(show):
    view = show(steps=4, refine=False, prompt_b=MOTH)
    front_end = FrontEnd(view)
    for n in range(1, 60):
        edit(front_end, n, blend=n / 60)
    wait_for_edit(front_end, 59)
    numbers = [content["edit"] for content, _ in results(front_end)]
    assert numbers == sorted(numbers)
    times = [t for t, kind, _, _ in view.comm.sent if kind == "comm_msg"]
    for i, start in enumerate(times):
        assert len([t for t in times[i:] if t < start + 0.99]) <= flow_control.MAX_PER_SECOND + 2


def test_edit_is_acknowledged_without_an_image(show, monkeypatch, pollen):
    view = show(steps=60, num_inference_steps=80)
    front_end = FrontEnd(view)
    edit(front_end, 3)
    front_end.wait_for(
        lambda: [c for c, _ in front_end.received("ack") if c["edits"].get("page") == 3]
    )


def test_error_is_reported_and_next_edit_works(show, pollen, monkeypatch):
    view = show(steps=4, num_inference_steps=4)
    front_end = FrontEnd(view)
    with monkeypatch.context() as patch:
        patch.setattr(type(pollen), "generate", lambda *a, **k: 1 / 0)
        edit(front_end, 1, seed="3")
        front_end.wait_for(lambda: front_end.received("problem"))
    assert "division by zero" in front_end.received("problem")[0][0]["text"]
    edit(front_end, 2, seed="4")
    wait_for_edit(front_end, 2)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"kind": "update"},
        {"kind": "update", "controls": 7},
        {"kind": "nonsense"},
        {
            "kind": "update",
            "edit": "x",
            "controls": {"blend": "a", "seed": "-1", "steps": None, "arguments": 3},
        },
        {
            "kind": "update",
            "controls": {"blend": float("nan"), "seed": "9" * 40, "guidance_scale": 1e99},
        },
    ],
)
def test_invalid_messages_do_no_harm(show, content):
    view = show(steps=4, num_inference_steps=4)
    front_end = FrontEnd(view)
    front_end.send(content.pop("kind", ""), **content)
    edit(front_end, 9, seed="5")
    wait_for_edit(front_end, 9)
    assert view.shot.seed == 5


# --- attributes -------------------------------------------------------------------------------------


def test_keep_saves_the_bits_that_are_shown(show, pollen, library):
    view = show(steps=4, num_inference_steps=8, seed=3)
    front_end = FrontEnd(view)
    assert view.clip is None
    edit(front_end, 1)
    wait_for_edit(front_end, 1)
    clip = view.keep()
    assert view.clip.key == clip.key == pollen.resolve(view.shot).key
    assert (generate_frames(pollen, [clip.shot])[0] == view._last.frames).all()
    front_end.send("keep")
    front_end.wait_for(lambda: len(front_end.received("saved")) == 2)
    assert len(view.clips) == len(library.clips()) == 1


def test_nothing_is_saved_without_keep(show, library):
    front_end = FrontEnd(show(steps=4, num_inference_steps=8))
    edit(front_end, 1)
    wait_for_edit(front_end, 1)
    assert not len(library.clips())


def test_words_that_do_not_reach_the_model_are_noted_while_they_are_typed(show):
    view = show("a zebra over dunes", prompt_b="a moth in snow")
    ignored = "pollen ignores {}, which it doesn't know."
    assert view._notes[0].startswith("pollen ignores 'zebra'")
    front_end = FrontEnd(view)
    edit(front_end, 1, prompt="a bee", prompt_b="a bee over a xylophone", blend=0.0)
    wait_for_edit(front_end, 1)
    assert view._notes == [ignored.format("'xylophone'")]
    edit(front_end, 2, prompt_b="", blend=0.5, seed_blend=0.3)
    wait_for_edit(front_end, 2)
    assert view._notes == []
    view.shot = bc.shot([("a bee", 0.5), ("a kolibri", 0.5)])
    assert view._notes == [ignored.format("'kolibri'")]


def test_a_kept_clip_of_unknown_words_is_not_warned_of_again(show, recwarn):
    show("a zebra", num_inference_steps=2).keep()
    assert not [one for one in recwarn if issubclass(one.category, bc.BeecamWarning)]


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("kept_with", [True, False])
def test_returning_to_settings_is_one_request(show, monkeypatch, refine, kept_with):
    view = show(num_inference_steps=2, refine=kept_with)
    front_end = FrontEnd(view)
    front_end.send("hello")
    front_end.wait_for(lambda: results(front_end))
    key = view.keep().key
    view.refine = refine
    view.shot = bc.shot("a moth", num_inference_steps=2)
    requests = []
    monkeypatch.setattr(view._engine, "request", lambda *args, **_: requests.append(args))
    front_end.send("restore", key=key)
    front_end.wait_for(lambda: view.refine == kept_with and requests)
    assert len(requests) == 1
    assert requests[0][2].prompt == BEE


def test_an_empty_shelf_says_where_kept_clips_are(show, library):
    text = show()._model_info["shelf"]
    assert str(library.folder) in text
    assert len(eval(text.split(": ")[-1].split(" has")[0], {"bc": bc})) == 0
    show().keep()
    assert len(eval(text.split(": ")[-1].split(" has")[0], {"bc": bc})) == 1


def test_assigned_shot_is_read_back(show, pollen):
    view = show(steps=4)
    front_end = FrontEnd(view)
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
    front_end.wait_for(lambda: results(front_end, "clip"))
    assert view._model_info["default_steps"] == 6
    assert view._control_values["client"] == ""
    view.shot = view.clip.shot if view.clip else pollen.resolve(bc.shot("a fly", seed=2))
    assert (view.shot.prompt, view.shot.seed) == ("a fly", 2)


def test_arguments_of_a_shot_can_be_reset(show):
    view = show(steps=4, num_inference_steps=4, guidance_rescale=0.5)
    assert view.shot.arguments == {"guidance_rescale": 0.5}
    front_end = FrontEnd(view)
    edit(front_end, 1, arguments={"guidance_rescale": 0.0})
    wait_for_edit(front_end, 1)
    assert view.shot.arguments == {}


def test_refine_can_be_switched_off(show):
    view = show(steps=3, num_inference_steps=6)
    front_end = FrontEnd(view)
    edit(front_end, 1)
    wait_for_edit(front_end, 1)
    view.refine = False
    front_end.wait_for(lambda: [s for s in results(front_end, "clip") if s[0]["steps"] == 3])
    assert view.shot.num_inference_steps == 3


def test_prompts_keep_their_sides_when_the_other_is_heavier():
    controls = LiveControls(BEE, MOTH, blend=0.4)
    base = bc.shot(BEE)
    for blend in (0.2, 0.8):
        shot = LiveControls(BEE, MOTH, blend=blend).shot(base)
        result = controls.with_shot(shot, {})
        assert (result.prompt, result.prompt_b, result.blend) == (BEE, MOTH, blend)


@pytest.mark.parametrize(("blend", "prompt"), [(0.0, BEE), (1.0, MOTH)])
def test_full_weight_gives_one_plain_prompt(blend, prompt):
    shot = LiveControls(BEE, MOTH, blend=blend, seed=3, seed_b=5, seed_blend=blend).shot(
        bc.shot(BEE)
    )
    assert shot.prompt == prompt
    assert shot.noise == ((3 if prompt == BEE else 5, 1.0),)


def test_without_refine_the_shot_has_the_draft_steps(show):
    view = show(steps=5, refine=False)
    assert view.shot.num_inference_steps == 5
    assert view.shot.scheduler is None


def test_drafts_use_a_fast_scheduler_if_the_model_accepts_it(show, pollen):
    view = show(steps=5, guidance_scale=2.0)
    assert view._shots.draft(view.controls, refine=True).scheduler == "UniPCMultistepScheduler"
    assert not view._shots.uses_distilled(view.controls, refine=True)
    named = show(guidance_scale=2.0, steps=5, scheduler="FlowMatchEulerDiscreteScheduler")
    draft = named._shots.draft(named.controls, refine=True)
    assert draft.scheduler == "FlowMatchEulerDiscreteScheduler"


def test_distilled_model_generates_drafts_at_default_guidance(show, pollen, monkeypatch):
    """A stand-in records the shots that it generates."""
    generated = []

    class Distilled:
        """Pollen with other defaults, which records its shots."""

        def __getattr__(self, name):
            return getattr(pollen, name)

        def for_single_clips(self):
            return self

        def resolve(self, shot):
            if shot.conditions:
                return pollen.resolve(shot)
            defaults = {"num_inference_steps": 3, "guidance_scale": 1.0}
            return pollen.resolve(
                shot.replace(
                    **{
                        name: value
                        for name, value in defaults.items()
                        if getattr(shot, name) is None
                    }
                )
            )

        def generate(self, shots, *args, **more):
            generated.append(shots[0])
            return pollen.generate(shots, *args, **more)

    monkeypatch.setattr(type(pollen), "few_step_variant", lambda self: Distilled())
    view = show(num_inference_steps=6)
    assert view.controls.steps == 3
    front_end = FrontEnd(view)
    front_end.send("hello")
    front_end.wait_for(lambda: results(front_end, "clip"))
    assert [(shot.num_inference_steps, shot.guidance_scale) for shot in generated] == [(3, 1.0)]
    assert view.shot.guidance_scale in (None, 3.0), "the final clip must not change"
    keyframes = {"keyframes": {0: np.zeros((96, 96, 3), np.uint8)}}
    for other in ({"negative_prompt": "fog"}, {"guidance_scale": 2.0}, {"steps": 5}, keyframes):
        one = show(**other)
        assert not one._shots.uses_distilled(one.controls, refine=True)
    assert show(**keyframes).controls.steps == 6, "not distilled for keyframes: default steps"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda show: show(7), "a string is needed, or strings with their weights"),
        (lambda show: show(width=100), "nearest are 96 and 192"),
        (lambda show: show(steps=0), "steps=0: an integer from 1 to 100"),
        (lambda show: show(blend=2), "blend=2: a number from 0 to 1 is needed. The nearest is 1."),
        (lambda show: show(seed_blend=-1), "seed_blend=-1: a number from 0 to 1"),
        (lambda show: show(seed_b=-3), "seed=-3: an integer from 0"),
        (lambda show: show(prompt_b=3), "a string is needed"),
        (lambda show: show(refine="yes"), "refine='yes': True or False"),
        (lambda show: show(guidence_scale=3), "Did you mean guidance_scale?"),
        (lambda show: show([(BEE, 1), (MOTH, 1), ("a fly", 1)]), "blends two. The nearest are"),
        (lambda show: show(noise=((1, 1), (2, 1), (3, 1))), "blends two seeds"),
        (lambda show: setattr(show(), "shot", bc.shot(BEE, height=3)), "nearest is 96"),
        (lambda show: setattr(show(), "shot", "a bee"), "a shot is needed"),
        (lambda show: bw.live("pollen"), "a loaded model is needed"),
    ],
)
def test_invalid_arguments_are_reported_before_any_computation(show, call, message):
    assert message in error_message(lambda: call(show))


def test_sliders_match_the_signature(pollen):
    sliders = sliders_of(pollen, bc.shot(BEE))
    assert sliders == {"guidance_rescale": Slider("guidance_rescale", 0.0, 1.0, 0.02, 0.0)}
    edited = {"arguments": {"guidance_rescale": 0.5, "strength": 0.1}}
    controls = LiveControls(BEE).updated(edited, sliders)
    assert controls.shot(bc.shot(BEE)).arguments == {"guidance_rescale": 0.5}
    reset = LiveControls(BEE).updated({"arguments": {"guidance_rescale": 0.0}}, sliders)
    assert reset.arguments == {}


def test_edits_that_meet_are_both_applied(show, monkeypatch):
    view = show(steps=4, num_inference_steps=4)
    page, other = FrontEnd(view), FrontEnd(view, "other")
    second = threading.Thread(
        target=other.send, args=["update"], kwargs={"controls": {"seed": "9"}}
    )
    updated = LiveControls.updated

    def meets(controls, data, sliders):
        changed = updated(controls, data, sliders)
        if data.get("prompt") == MOTH:
            second.start()
            second.join(0.3)  # long enough for it, if nothing held it up
        return changed

    monkeypatch.setattr(LiveControls, "updated", meets)
    page.send("update", edit=1, controls={"prompt": MOTH})
    second.join()
    assert (view.controls.prompt, view.controls.seed) == (MOTH, 9)
    assert view._engine._request is None or view._engine._request.number == view._number


def test_close_ends_threads_and_messages(show):
    view = show(steps=4, num_inference_steps=90)
    front_end = FrontEnd(view)
    edit(front_end, 1)
    front_end.wait_for(lambda: results(front_end))
    view.close()
    end = time.monotonic() + PATIENCE
    names = ("beecam-live", "beecam-sender")
    while [t for t in threading.enumerate() if t.name in names] and time.monotonic() < end:
        time.sleep(0.05)
    assert time.monotonic() < end
    assert parts_of(view.shot.prompt) == ((BEE, 1.0),)


def test_static_html_needs_no_kernel(show):
    view = show("<b>bee</b>", steps=4, num_inference_steps=4)
    assert "run the cell" in view._static_html()
    front_end = FrontEnd(view)
    edit(front_end, 1)
    wait_for_edit(front_end, 1)
    text = view._static_html()
    assert "data:image/webp;base64," in text
    assert "<b>" not in text
    assert len(text) < 60_000
