"""Weighted prompts: one canonical form and key for equal mixes; clips that lie between prompts."""

import inspect
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam.models.text.mix import mix_embeddings
from beecam.shots.shot import Shot
from beecam.shots.weighted_prompts import MAX_TEXTS
from helpers import PATIENCE, error_message, generate_frames
from tiny import SHAPES, make

BEE, MOTH = "a bee over dunes", "a moth in the deep snow at night, seen from far away"
MIX = [(BEE, 0.7), (MOTH, 0.3)]
RESOLVED = {
    "negative_prompt": "",
    "width": 64,
    "height": 64,
    "num_frames": 17,
    "fps": 8.0,
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
    "scheduler": "Euler",
    "model": "pollen",
    "revision": "0",
}
texts = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), st.floats(0.01, 50)),
    min_size=1,
    max_size=MAX_TEXTS,
)


def key(prompt):
    return bc.shot(prompt).replace(**RESOLVED).key


# --- the shot ---------------------------------------------------------------------------------------


def test_a_plain_prompt_keeps_its_key():
    """Clips of libraries from before weighted prompts are still found."""
    assert key("a bee over a meadow") == "92c921daef1257fe1a53d9a33c533394"


@given(texts)
def test_a_mix_is_restored_from_json_and_from_its_code(pairs):
    shot = bc.shot(pairs)
    if not isinstance(shot.prompt, str):
        assert sum(weight for _, weight in shot.prompt) == pytest.approx(1, abs=1e-4)
    full = shot.replace(**RESOLVED)
    back = Shot.from_dict(json.loads(json.dumps(full.to_dict())))
    assert (back, back.key) == (full, full.key)
    assert eval(shot.code(), {"bc": bc}) == shot


def test_equal_mixes_have_one_canonical_form():
    forms = (
        MIX,
        tuple(MIX),
        [(BEE, 7), (MOTH, 3)],
        MIX[::-1],
        [(BEE, 0.3), (MOTH, 0.3), (BEE, np.float32(0.4))],
        [*MIX, ("a fly", 0)],
    )
    assert {bc.shot(form) for form in forms} == {bc.shot(MIX)}
    assert bc.shot(MIX).prompt == ((BEE, 0.7), (MOTH, 0.3))
    assert bc.shot(MIX).text == f"0.7 {BEE} + 0.3 {MOTH}"
    assert len({key(MIX), key([(BEE, 0.6), (MOTH, 0.4)]), key(BEE), key(MOTH)}) == 4
    assert bc.shot([(BEE, 1), (MOTH, 0)]) == bc.shot([(BEE, 0.2)]) == bc.shot(BEE)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ([(BEE, -0.2), (MOTH, 1)], r"prompt weight -0.2 .*0 or more.*nearest is 0"),
        ([(BEE, float("nan")), (MOTH, 1)], r"prompt weight nan"),
        ([(BEE, 0), (MOTH, 0.0)], r"all its weights are 0"),
        ([(f"bee {i}", 1) for i in range(MAX_TEXTS + 1)], r"17 weighted prompts; at most 16"),
        ([(0.7, BEE), (0.3, MOTH)], r"as in \[\('a bee over dunes', 0.7\)"),
        ({BEE: 0.7, MOTH: 0.3}, r"as in \[\('a bee over dunes', 0.7\)"),
        ([BEE, MOTH], r"as in \[\('a bee over dunes', 1\)"),
        ([(BEE, "0.7")], r"weights, as in \[\(\"a bee\", 0.7\)"),
        ([(BEE, 0.5), ("x" * 5000, 0.5)], r"5,000 characters; at most 4,000"),
        ([(BEE, 0.5), ("\ud800", 0.5)], r"surrogate"),
        ([], r"a string is needed, or strings"),
        (7, r"prompt=7: a string is needed"),
    ],
)
def test_invalid_mixes_are_reported(prompt, words):
    import re

    assert re.search(words, error_message(lambda: bc.shot(prompt)))


# --- sweeps and the library -------------------------------------------------------------------------


def test_mixes_are_values_of_an_axis_with_readable_labels():
    sweep = bc.sweep([MIX, "a {insect}"], insect=["fly", "wasp"])
    assert sweep.axes[0].labels == (f"0.7 {BEE} + 0.3 {MOTH}", "a {insect}")
    named = bc.sweep({"both": MIX, "bee": BEE}, seed=range(2))
    assert named.axes[0].labels == ("both", "bee")
    assert [cell.shot.text for cell in named.cells][::2] == [f"0.7 {BEE} + 0.3 {MOTH}", BEE]
    assert len(named.where(prompt=MIX)) == 2
    assert named.to_frame()["prompt"][0] == f"0.7 {BEE} + 0.3 {MOTH}"


def test_slots_are_filled_in_each_part():
    sweep = bc.sweep([("a {insect} at {dawn|noon}", 3), ("a {insect} in snow", 1)], insect=["bee"])
    assert [cell.shot.prompt for cell in sweep.cells] == [
        (("a bee at dawn", 0.75), ("a bee in snow", 0.25)),
        (("a bee at noon", 0.75), ("a bee in snow", 0.25)),
    ]
    assert "slot {insekt}" in bc.sweep([("a {insekt}", 1), ("b", 1)]).problems[0].message
    assert "0 or more" in bc.sweep([[("a", -1), ("b", 1)], "c"]).problems[0].message


def test_a_mix_can_be_searched_and_regenerated(ltx, library):
    run = bc.run(bc.sweep([MIX, "a fly"]), ltx, library=library).wait(PATIENCE)
    assert not run.errors
    (clip,) = library.clips(prompt="moth in the deep")
    assert clip.shot.text == f"0.7 {BEE} + 0.3 {MOTH}"
    assert np.array_equal(clip.regenerate(ltx), generate_frames(ltx, [clip.shot])[0])
    assert bc.run(bc.sweep([[(BEE, 7), (MOTH, 3)]]), ltx, library=library).finished, (
        "the clip exists"
    )


def test_a_mix_can_be_drafted_promoted_switched_and_exact(ltx, library):
    sweep = bc.sweep([MIX, BEE], seed=range(2), num_inference_steps=4)
    drafts = bc.run(sweep, ltx, library=library, draft=0.5).wait(PATIENCE)
    finished = bc.promote(drafts.clips).wait(PATIENCE)
    assert not finished.errors
    alone = generate_frames(ltx, [finished.clips[0].shot], pad_to=finished.clips[0].facts["batch"])[
        0
    ]
    assert np.array_equal(finished.clips[0].regenerate(ltx), alone)
    both = bc.sweep([MIX, MOTH], switch_at=2, then_prompt=BEE, num_inference_steps=4)
    assert not bc.run(both, ltx, library=library, exact=True).wait(PATIENCE).errors


# --- the model --------------------------------------------------------------------------------------

FAMILIES = (
    "LTXPipeline",
    "LTXConditionPipeline",
    "WanPipeline",
    "CogVideoXPipeline",
    "HunyuanVideoPipeline",
    "HunyuanVideo15Pipeline",
    "MochiPipeline",
    "LTX2Pipeline",
    "LattePipeline",
    "Kandinsky5T2VPipeline",
    "AnimateDiffPipeline",
    "HunyuanVideoImageToVideoPipeline",
)

# These encode the position of a word, so that the same word later in a prompt differs.
POSITIONAL = ("LTX2Pipeline", "HunyuanVideo15Pipeline", "Kandinsky5T2VPipeline", "MochiPipeline")


def model_and_shot(name):
    """Return a tiny model, and a function that returns a resolved shot of a prompt."""
    model = bc.wrap(make(name))
    renamed = {"video_length": "num_frames", "frames": "num_frames"}
    shape = {
        renamed.get(n, n): v for n, v in SHAPES[name].items() if not isinstance(v, (list, dict))
    }

    def shot(prompt, seed=3):
        return model.resolve(bc.shot(prompt, seed=seed, **shape))

    return model, shot


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_clips_of_a_mix_lie_between_those_of_its_prompts(name):
    model, shot = model_and_shot(name)
    a, b, between, mostly_a = (
        generate_frames(model, [shot(p)])[0].astype(int)
        for p in (BEE, MOTH, [(BEE, 1), (MOTH, 1)], [(BEE, 999), (MOTH, 1)])
    )
    distance = np.abs(a - b).mean()
    assert np.abs(between - a).mean() > 0
    assert np.abs(between - b).mean() > 0
    if name not in POSITIONAL:
        assert np.abs(mostly_a - a).mean() < distance / 2, "a small weight changes little"
    assert np.array_equal(generate_frames(model, [shot([(BEE, 1.0), (MOTH, 0.0)])])[0], a)
    with pytest.MonkeyPatch.context() as patch:
        # In a batch with other clips it has the same pixels.
        mixed_shot = shot([(BEE, 1), (MOTH, 1)])
        batches = (
            model.task_for(mixed_shot).family.batches
            and not model.task_for(mixed_shot).requires_any
        )
        if batches and model.batch_key(mixed_shot) == model.batch_key(shot(BEE)):
            patch.setattr(model, "batch_key", lambda shot: 0)
            batch = generate_frames(model, [shot(BEE), mixed_shot, shot(MOTH)])
            assert np.abs(batch[1].astype(int) - between).max() <= 1
            assert np.abs(batch[0].astype(int) - a).max() <= 1


def test_each_prompt_is_encoded_once(wrap_ltx, ltx_pipe, monkeypatch):
    model = wrap_ltx()
    texts = []
    original = type(ltx_pipe).encode_prompt

    def counted(self, prompt, *args, **kwargs):
        texts.append(*prompt)
        assert type(prompt[0]) is str
        return original(self, prompt, *args, **kwargs)

    monkeypatch.setattr(type(ltx_pipe), "encode_prompt", counted)
    for weight in (0.2, 0.5, 0.8):
        generate_frames(model, [model.resolve(bc.shot([(BEE, weight), (MOTH, 1 - weight)]))])
    generate_frames(model, [model.resolve(bc.shot(BEE))])
    assert sorted(texts) == [BEE, MOTH]


def test_a_pipeline_that_alters_its_prompt_is_reported(wrap_ltx, monkeypatch):
    model = wrap_ltx()
    shot = model.resolve(bc.shot(MIX))
    pipeline_class = type(model.pipe)
    original = pipeline_class.__call__

    def upper_case(self, prompt, **kwargs):
        return original(self, prompt=[text.upper() for text in prompt], **kwargs)

    upper_case.__signature__ = inspect.signature(original)
    monkeypatch.setattr(pipeline_class, "__call__", upper_case)
    assert "use a single prompt" in error_message(
        lambda: generate_frames(model, [shot]), bc.ModelError
    )


def test_a_pipeline_without_an_encoder_is_reported_before_any_compute(wrap_ltx, monkeypatch):
    model = wrap_ltx()
    monkeypatch.delattr(type(model.pipe), "encode_prompt")
    assert "prompts can't be mixed; the nearest is 'a bee" in error_message(
        lambda: bc.sweep([MIX]).check(model)
    )


def test_equal_embeddings_are_unchanged_and_masks_united():
    a, b = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
    short, long = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 1, 1, 0]])
    same, pooled = torch.randn(1, 4, 8), (torch.randn(1, 8), torch.randn(1, 8))
    mixed, mask, unchanged, none, pool = mix_embeddings(
        [(a, short, same, None, pooled[0]), (b, long, same.clone(), None, pooled[1])], [0.75, 0.25]
    )
    assert mask.tolist() == [[1, 1, 1, 0]]
    assert unchanged is same
    assert none is None
    assert torch.allclose(pool, 0.75 * pooled[0] + 0.25 * pooled[1])
    assert torch.allclose(mixed[0, :2], 0.75 * a[0, :2] + 0.25 * b[0, :2])
    # The shorter prompt is padded with its own first token.
    assert torch.allclose(mixed[0, 2], 0.75 * a[0, 0] + 0.25 * b[0, 2])


def test_prompts_of_different_length_without_a_mask():
    a, b = torch.randn(1, 2, 8), torch.randn(1, 3, 8)
    mixed, total = mix_embeddings(
        [(a, torch.tensor([0, 2])), (b, torch.tensor([0, 3]))], [0.5, 0.5]
    )
    assert total.tolist() == [0, 3]
    assert torch.allclose(mixed[0, 2], (a[0, 0] + b[0, 2]) / 2)


def test_half_precision_is_kept():
    a, b = torch.randn(1, 2, 8).bfloat16(), torch.randn(1, 2, 8).bfloat16()
    assert mix_embeddings([a, b], [0.5, 0.5]).dtype == torch.bfloat16
