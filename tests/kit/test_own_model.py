"""The models of docs/own_model.md: six members are enough for sweeps and grids; drafts need two more."""

import re
from pathlib import Path

import numpy as np
import pytest

import beecam as bc
import beecam_widgets as bw
from beecam.models import capabilities
from beecam.models.batching.batch_size import batching_of
from beecam.models.model_checks import loaded_model
from helpers import PATIENCE, Gate, error_message

DOCS = Path(__file__).parents[2] / "docs" / "own_model.md"
MAX_LINES = 45


@pytest.fixture(scope="module")
def docs():
    """Return the classes of the page; the block that runs a sweep is left out."""
    blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    found = {"__name__": "own_model"}
    for block in blocks:
        if "bc.run(" not in block:
            exec(block, found)
    return {**found, "blocks": blocks}


@pytest.fixture
def square(docs):
    return docs["Square"]()


@pytest.fixture
def draft_square(docs):
    return docs["DraftSquare"]()


def sweep(n=2):
    return bc.sweep("a {color} square", color=["red", "green", "blue"], seed=range(n))


def digests(run):
    assert not run.errors
    return [clip.facts["digest"] for clip in run.clips]


def test_the_class_is_a_model_of_about_thirty_lines(docs, square):
    assert isinstance(square, bc.Model)
    body = docs["blocks"][0].split("class Square:")[1]
    assert len([line for line in body.splitlines() if line.strip()]) <= MAX_LINES


def test_the_sweep_of_the_page_runs(docs, library, monkeypatch):
    monkeypatch.setattr("beecam.runs.run.open_library", lambda: library)
    (block,) = [block for block in docs["blocks"] if "bc.run(" in block]
    scope = dict(docs)
    exec(block, scope)
    assert len(set(digests(scope["run"].wait(PATIENCE)))) == 12


def test_a_sweep_is_cached_estimated_and_regenerated(square, library):
    run = bc.run(sweep(), square, library=library).wait(PATIENCE)
    assert len(set(digests(run))) == 6
    again = bc.run(sweep(), square, library=library).wait(PATIENCE)
    assert again.changes().run.counts["cached"] == 6
    assert bc.estimate(sweep(), square, library).cached == 6
    clip = run.clips[0]
    assert clip.facts["batch"] == 1
    assert clip.facts["license"] is None
    assert clip.regenerate(square).shape == (9, 48, 64, 3)


def test_its_own_check_is_reported_before_anything_is_generated(square, library):
    text = error_message(lambda: bc.run(bc.sweep("a {pink|red} square"), square, library=library))
    assert "name one of red, green, blue" in text
    assert sweep().check(square) == []


def test_exact_mode_and_batches_give_the_same_bits(square, docs, library, tmp_path):
    plain = digests(bc.run(sweep(), square, library=library).wait(PATIENCE))
    with bc.library(tmp_path / "exact") as other:
        exact = bc.run(sweep(), square, library=other, exact=True).wait(PATIENCE)
        assert digests(exact) == plain
        assert exact.clips[0].facts["exact"]
    model = docs["BatchedSquare"]()
    run = bc.run(sweep(), model, library=library).wait(PATIENCE)
    assert {clip.facts["batch"] for clip in run.clips} == {3}, "six clips in two equal batches"
    assert digests(run) == plain


def test_a_batch_is_filled_up_for_a_model_that_knows_no_pad_to(square):
    shots = [square.resolve(cell.shot) for cell in sweep()]
    found = capabilities.generate(square, shots[:2], pad_to=4)
    assert len(found) == 2
    assert batching_of(square).exact_size(shots[0]) == batching_of(square).parallel_batches == 1


def test_cancelling_stops_it_at_its_next_step(square, library, monkeypatch):
    gate = Gate(square, monkeypatch)
    run = bc.run(sweep(), square, library=library)
    assert gate.reached.wait(PATIENCE)
    run.cancel()
    gate.open.set()
    run.wait(PATIENCE)
    assert run.status == "cancelled"
    assert not len(run.clips)
    monkeypatch.undo()
    assert len(run.retry().wait(PATIENCE).clips) == 6


def test_variations_differ_gradually(square, library):
    clip = bc.run(bc.shot("a red square", seed=3), square, library=library).wait(PATIENCE).clips[0]
    run = bc.run(bc.vary(clip, 4, strength=0.3), square, library=library).wait(PATIENCE)
    assert run.clips[0].key == clip.key
    assert len(set(digests(run))) > 2


def test_without_the_capability_a_draft_is_refused(square, library):
    text = error_message(lambda: bc.run(sweep(), square, library=library, draft=0.5))
    assert text.startswith(
        "draft: square supports no drafts. Its class needs a method `steps(shot)`"
    )


def test_drafts_are_promoted_to_the_bits_of_complete_clips(draft_square, library, tmp_path):
    drafts = bc.run(sweep(), draft_square, library=library, draft=0.5).wait(PATIENCE)
    with bc.library(tmp_path / "other") as other:
        complete = digests(bc.run(sweep(), draft_square, library=other).wait(PATIENCE))
    assert not set(digests(drafts)) & set(complete)
    drafts.clips[1].stars = 5
    promoted = bc.promote(drafts.clips, draft_square).wait(PATIENCE)
    assert digests(promoted) == complete
    assert promoted.clips[1].stars == 5
    assert promoted.clips[0].facts["resumed_from"] == 2


def test_a_grid_shows_it(square, library):
    run = bc.run(sweep(), square, library=library)
    grid = bw.ClipGrid(run)
    run.wait(PATIENCE)
    try:
        assert len(grid.shown) == 6
        grid.filter = 'prompt:"red"'
        assert len(grid.shown) in (2, 6)
    finally:
        grid.close()


def test_own_models_are_compared_with_others(square, draft_square, library):
    run = bc.run(sweep(1), [square, draft_square], library=library).wait(PATIENCE)
    assert [clip.shot.model for clip in run.clips] == ["square"] * 3 + ["draft square"] * 3
    assert "square supports no drafts" in error_message(
        lambda: bc.run(sweep(1), [square, draft_square], library=library, draft=0.5)
    )


def test_the_live_engine_generates_with_it(square):
    from beecam.runs.interactive import CLIP, InteractiveEngine

    shown = []
    engine = InteractiveEngine(square, shown.append, rest=0.01)
    engine.request(1, bc.shot("a red square"))
    for _ in range(200):
        if any(frame.kind == CLIP for frame in shown):
            break
        import time

        time.sleep(0.02)
    engine.close()
    assert shown[-1].frames.shape == (9, 48, 64, 3)


def test_missing_and_invalid_members_are_reported(square, library):
    class Half:
        name = "half"

        def generate(self, shots, on_step=None):
            return []

    text = error_message(lambda: bc.run(sweep(), Half(), library=library))
    assert "it has no revision, check, resolve and no batch_key" in text
    assert "a loaded model is needed" in error_message(
        lambda: bc.run(sweep(), "pollen", library=library)
    )
    for wrong, message in (
        ([], "returned 0 clips for 1 shot."),
        ([np.zeros((2, 4, 4, 3), np.uint8)], "returned ndarray of uint8; bc.Generated"),
        ([bc.Generated(np.zeros((2, 4, 4, 3)))], "returned Generated of float64; bc.Generated"),
        ([bc.Generated(np.zeros((4, 4, 3), np.uint8))], "returned frames of shape (4, 4, 3)"),
    ):
        square.generate = lambda shots, on_step=None, wrong=wrong: wrong
        run = bc.run(sweep(1).where(color="red"), square, library=library).wait(PATIENCE)
        assert message in run.errors[0]


def test_a_model_that_looks_at_the_noise_is_asked_about_every_shot(docs, library):
    """Only a model with `ignores_noise` is asked once for cells that differ in the seed only."""

    def batch_key(self, shot):
        asked.append(shot.seed)
        return shot.seed

    def check_seed(self, shot):
        return [bc.Problem("seed", "seed 2 is taken.")] if shot.seed == 2 else []

    asked = []
    cells = bc.sweep("a red square", seed=range(3))
    careful = variant(docs, name="own", check=check_seed, batch_key=batch_key)
    assert "seed 2 is taken" in error_message(lambda: bc.run(cells, careful, library=library))
    bc.run(cells.where(seed=[0, 1]), careful, library=library).wait(PATIENCE)
    assert set(asked) == {0, 1}
    careless = variant(docs, name="own", check=check_seed, ignores_noise=True)
    assert not cells.check(careless)


# --- problems of a model, before anything is generated ---------------------------------------------


def variant(docs, base="Square", **members):
    """An instance of a class of the page with other members."""
    return type("Own", (docs[base],), members)()


def refused(model, library):
    return error_message(lambda: bc.run(sweep(), model, library=library))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"resolve": lambda self, shot: shot}, "in which width, height, num_frames, num_infer"),
        ({"resolve": lambda self, shot: None}, "own.resolve returned None; it returns a resolved"),
        ({"check": lambda self, shot: "no red"}, "own.check returned 'no red'; it yields problems"),
        ({"check": lambda self, shot: [ValueError("x")]}, "own.check returned ValueError('x')"),
    ],
)
def test_what_resolve_and_check_return_is_explained(docs, library, members, message):
    assert message in refused(variant(docs, name="own", **members), library)


def test_a_class_without_members_is_told_which_it_needs(library):
    for model in (type("Nothing", (), {})(), type("Named", (), {"name": "x"})()):
        text = refused(model, library)
        assert "needs name, revision, check, resolve, batch_key and generate" in text


def test_inputs_that_it_does_not_take_are_refused(docs, square, library, tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    lookalikes = {"image": image, "last_image": image, "video": image[None]}
    for name, value in lookalikes.items():
        call = bc.sweep("a red square", seed=[0], **{name: value})
        text = error_message(lambda c=call: bc.run(c, square, library=library))
        assert f"{name}: square doesn't take it" in text
        taking = variant(docs, takes=(name,))
        assert not bc.run(call, taking, library=library).wait(PATIENCE).errors
        two = {"plain": square, "own": taking}
        assert "doesn't take it" in error_message(lambda c=call, t=two: bc.run(c, t))
    switched = bc.shot("a red square", switch_at=0.5, then_prompt="a blue square")
    assert "switch_at: square doesn't take it" in error_message(
        lambda: bc.run(switched, square, library=library)
    )


@pytest.mark.parametrize(
    ("generate", "message"),
    [
        (lambda shots: [bc.Generated(np.zeros((9, 48, 64, 3), np.uint8))] * 2, "2 clips for 1"),
        (lambda shots: [], "returned 0 clips for 1 shot."),
        (lambda shots: None, "returned NoneType; a list"),
        (
            lambda shots: 1 / 0,
            "ZeroDivisionError: division by zero (in <lambda>, test_own_model.py:",
        ),
    ],
)
def test_what_generate_returns_is_checked(square, library, generate, message):
    square.generate = lambda shots, on_step=None: generate(shots)
    with pytest.warns(bc.BeecamWarning, match="1 of 1 cell failed"):
        run = bc.run(sweep(1).where(color="red"), square, library=library).wait(PATIENCE)
    assert message in run.errors[0]


FRAMES = np.zeros((9, 48, 64, 3), np.uint8)
LARGE = np.broadcast_to(FRAMES[:1, :1, :1], (2, 40_000, 40_000, 3))


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (bc.Generated(FRAMES[:0]), "(0, 48, 64, 3): num_frames of a clip is from 1 to 10,000"),
        (bc.Generated(FRAMES[:, :0]), "height of a clip is from 1 to 16,384"),
        (bc.Generated(FRAMES[:, :, :0]), "width of a clip is from 1 to 16,384"),
        (bc.Generated(LARGE), "(2, 40000, 40000, 3): height of a clip is from 1"),
        (bc.Generated(FRAMES.astype(">u2")), "bc.Generated of a uint8 array"),
        (bc.Generated(list(FRAMES)), "returned Generated of list"),
        (bc.Generated(FRAMES, "a"), "position='a'; its place in the batch"),
        (bc.Generated(FRAMES, -1), "position=-1; its place"),
        (bc.Generated(FRAMES, None), "position=None; its place"),
        (bc.Generated(FRAMES, checkpoint="x"), "checkpoint='x'; Checkpoint or None"),
        (bc.Generated(FRAMES, broken=3), "broken=3; str or None"),
        (bc.Generated(FRAMES, sound=[0.5]), "sound=[0.5]; Sound or None"),
        (None, "returned NoneType of NoneType"),
    ],
)
def test_a_clip_that_cannot_be_stored_is_named_and_the_others_are_kept(
    docs, library, clip, message
):
    def generate(self, shots, on_step=None, *, pad_to=0, starts=()):
        good = docs["BatchedSquare"].generate(self, shots, on_step, pad_to=pad_to, starts=starts)
        return [clip if one.seed == 1 else right for one, right in zip(shots, good, strict=True)]

    cells = sweep(3).where(color="red")
    run = bc.run(cells, variant(docs, "BatchedSquare", generate=generate), library=library)
    with pytest.warns(bc.BeecamWarning, match="1 of 3 cells failed"):
        run.wait(PATIENCE)
    assert message in run.errors[1]
    assert [clip.shot.seed for clip in run.clips] == [0, 2]


def test_numbers_of_numpy_are_positions_and_steps(docs, library):
    def generate(self, shots, on_step=None):
        on_step(bc.Step(np.int64(1), np.int64(2)))
        return [bc.Generated(FRAMES + 9, np.int64(0)) for _ in shots]

    run = bc.run(sweep(1), variant(docs, generate=generate), library=library).wait(PATIENCE)
    assert not run.errors
    assert run.clips[0].facts["position"] == 0


def test_what_is_not_a_step_is_named(docs, library):
    def generate(self, shots, on_step=None):
        on_step(3)

    run = bc.run(sweep(1), variant(docs, generate=generate), library=library)
    with pytest.warns(bc.BeecamWarning, match="on_step with 3; a bc.Step is needed"):
        run.wait(PATIENCE)


def _raising(self, shots):
    raise ZeroDivisionError("no keys")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"batch_key": lambda self, shot: [1]}, "own.batch_key returned [1], which can't be a key"),
        ({"batch_key": lambda self, shot: ({},)}, "(unhashable type: 'dict'); a tuple of numbers"),
        ({"batch_key": _raising}, "own.batch_key raised ZeroDivisionError: no keys"),
        ({"batch_keys": _raising}, "own.batch_keys raised ZeroDivisionError: no keys"),
        ({"batch_keys": lambda self, shots: [1]}, "own.batch_keys returned [1] for 6 shots"),
        ({"batch_keys": lambda self, shots: None}, "own.batch_keys returned None for 6 shots"),
        ({"batch_keys": 3}, "its batch_keys is 3, not a method; batch_keys(shots) is needed"),
        ({"revision": "\ud800"}, "its revision is '\\ud800', which can't be stored as text"),
    ],
)
def test_batch_keys_are_checked_before_anything_is_generated(docs, library, members, message):
    model = variant(docs, **{"name": "own", **members})
    with pytest.raises(bc.BeecamError) as caught:
        bc.run(sweep(), model, library=library)
    assert message in str(caught.value)


def test_many_shots_may_have_their_keys_at_once(docs, library):
    asked = []

    def batch_keys(self, shots):
        asked.append(len(shots))
        return [shot.width for shot in shots]

    model = variant(docs, batch_keys=batch_keys, batch_key=_raising)
    assert len(bc.run(sweep(), model, library=library).wait(PATIENCE).clips) == 6
    assert asked == [6]


def test_a_model_that_ignores_prompts_only_is_asked_once_per_noise(docs, library):
    """Its `batch_key` and, by their noise, its `check` are still asked about the rest."""

    def check_seed(self, shot):
        asked.append((shot.text, shot.seed))
        return [bc.Problem("seed", "seed 2 is taken.")] if shot.seed == 2 else []

    asked = []
    model = variant(docs, name="own", check=check_seed, ignores_prompt=True)
    assert "seed 2 is taken" in error_message(lambda: sweep(3).check(model))
    asked.clear()
    assert not sweep(2).check(model)
    assert {seed for _, seed in asked} == {0, 1}
    digests(bc.run(sweep(2), model, library=library).wait(PATIENCE))


def test_a_clip_of_another_size_than_requested_is_kept_with_its_own(square, library):
    frames = np.zeros((7, 32, 48, 3), np.uint8)
    square.generate = lambda shots, on_step=None: [bc.Generated(frames) for _ in shots]
    (clip,) = bc.run(sweep(1).where(color="red"), square, library=library).wait(PATIENCE)
    assert clip.frames().shape == frames.shape
    assert [clip.facts[name] for name in ("frames", "height", "width")] == [7, 32, 48]


def test_an_attribute_with_the_name_of_a_method_is_not_a_capability(docs, library):
    model = variant(docs, steps=4, notes="none", prepare=True, speed=2)
    assert len(set(digests(bc.run(sweep(), model, library=library).wait(PATIENCE)))) == 6
    assert not capabilities.supports_drafts(model)
    assert capabilities.known_words(model) == ()
    text = error_message(lambda: bc.run(sweep(), model, library=library, draft=0.5))
    assert "supports no drafts" in text


@pytest.mark.parametrize(
    ("base", "members", "message"),
    [
        (
            "Square",
            {"steps": lambda self, shot: 4},
            "its generate takes other arguments (got an unexpected keyword argument 'pad_to'); that needs",
        ),
        ("DraftSquare", {"steps": 4}, "it offers drafts, but its steps is 4, not a method"),
        ("DraftSquare", {"steps": lambda self: 4}, "its steps takes other arguments (too many"),
        ("Square", {"prepare": lambda self, shots, hold: None}, "but it has no release; that"),
        ("Square", {"notes": lambda self, shots: []}, "a vocabulary, but it has no known_words"),
        ("Square", {"at_speed": lambda self, name: self}, "offers speeds, but it has no speed, "),
        ("Square", {"refresh": lambda self, a: None}, "its refresh takes other arguments"),
        ("Square", {"batching": 4}, "its batching is 4; a bc.BatchPolicy is needed, as in"),
        ("Square", {"arguments": ["shift"]}, "its arguments is ['shift']; a dict"),
        ("Square", {"license": 3}, "its license is 3; a string or None"),
        ("Square", {"name": None}, "its name is None; a string is needed"),
        ("Square", {"check": 5}, "its check is 5, not a method; check(shot) is needed"),
        ("Square", {"generate": lambda self, shots: []}, "its generate takes other arguments (too"),
    ],
)
def test_a_wrong_member_is_reported_before_anything_is_generated(
    docs, library, base, members, message
):
    text = refused(variant(docs, base, **members), library)
    assert message in text
    assert text.startswith("model=")


def test_a_class_in_place_of_a_model_is_named(docs, library):
    assert "model=Square: a class; pass Square()." in refused(docs["Square"], library)


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "4", None])
def test_a_batch_policy_has_sizes_of_1_or_more(size):
    assert "size=" in error_message(lambda: bc.BatchPolicy(size))
    assert "=" in error_message(lambda: bc.BatchPolicy(1, parallel_batches=size))


def test_the_models_of_beecam_have_no_problems(docs, ltx):
    from beecam.models.model_set import as_model

    own = [docs[name]() for name in ("Square", "DraftSquare", "BatchedSquare")]
    assert not [p for one in (ltx, as_model([ltx, *own]), *own) for p in loaded_model(one)]


def test_an_argument_that_it_does_not_have_is_named_in_a_shot_as_in_a_sweep(square, library):
    for what in (bc.shot("a red square", steps=10), bc.sweep("a red square", steps=10)):
        message = error_message(lambda w=what: bc.run(w, square, library=library))
        assert "steps: not a" in message
        assert "an argument of square. Did you mean num_inference_steps?" in message
    assert "slot" not in error_message(
        lambda: bc.run(bc.shot("a red square", steps=10), square, library=library)
    )
    resolved = square.resolve(bc.shot("a red square", steps=10))
    assert "steps: not an argument of square" in error_message(
        lambda: bc.run(bc.vary(resolved, 2), square, library=library)
    )
    assert not library.clips()
