"""Several models as an axis."""

import pytest

import beecam as bc
from beecam.models.model_set import as_model
from helpers import error_message

SHAPE = {"width": 32, "height": 32, "num_frames": 9, "num_inference_steps": 2}


@pytest.mark.slow
def test_every_model_generates_every_cell_one_model_after_the_other(wan, ltx, library):
    order = []
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=[1, 2], **SHAPE)
    for one in (wan, ltx):
        original = one.generate

        def record(shots, *args, one=one, original=original, **more):
            order.append(one.name)
            return original(shots, *args, **more)

        one.generate = record
    run = bc.run(sweep, [ltx, wan], library=library).wait()
    assert not run.errors
    assert run.sweep.axes[0].name == "model"
    assert run.sweep.axes[0].values == (ltx.name, wan.name)
    assert [clip.shot.model for clip in run.clips] == [ltx.name] * 4 + [wan.name] * 4
    assert order == sorted(order, key=[ltx.name, wan.name].index), "one model after the other"
    assert run.clips.to_frame()["model"].nunique() == 2
    # Each clip equals the one that its model generates alone.
    alone = bc.run(sweep, wan, library=library)
    assert alone.changes().run.counts["cached"] == 4
    assert library[run.clips[5].key].regenerate(wan).shape == (9, 32, 32, 3)


@pytest.mark.slow
def test_labels_subsets_and_samples(wan, ltx, library):
    sweep = bc.sweep("a bee", bc.sample(3, seed=1), seed=range(10), **SHAPE)
    seeds = [cell.values["seed"] for cell in sweep.cells]
    run = bc.run(sweep, {"big": wan, "small": ltx}, library=library).wait()
    assert [clip.shot.seed for clip in run.clips] == seeds * 2, "the same cells for each"
    assert run.sweep.axes[0].labels == ("big", "small")
    subset = bc.sweep("a bee", seed=range(4), **SHAPE).where(seed=[1, 3])
    assert len(bc.run(subset, [wan, ltx], library=library).wait().clips) == 4
    one = bc.run(bc.shot("a bee", seed=9, **SHAPE), [wan, ltx], library=library).wait()
    assert {clip.shot.model for clip in one.clips} == {wan.name, ltx.name}


def test_a_model_axis_in_the_users_order(wan, ltx, library):
    sweep = bc.sweep("a bee", seed=[1, 2], model=["b", "a"], **SHAPE)
    run = bc.run(sweep, {"a": wan, "b": ltx}, library=library).wait()
    assert [clip.shot.model for clip in run.clips] == [ltx.name, wan.name] * 2
    wrong = bc.sweep("a bee", model=["a", "c"], **SHAPE)
    assert "model='c': one of a and b." in error_message(lambda: wrong.check({"a": wan, "b": ltx}))


def test_what_one_model_does_not_support_is_reported(wan, ltx):
    sweep = bc.sweep("a bee", **{**SHAPE, "width": 48})
    text = error_message(lambda: bc.run(sweep, [wan, ltx]))
    assert "width=48" in text
    assert ltx.name in text
    assert "two are called" in error_message(lambda: bc.run(sweep, [wan, wan]))
    assert "a loaded model is needed" in error_message(lambda: bc.run(sweep, [wan, "pollen"]))
    assert "at least one model" in error_message(lambda: bc.run(sweep, []))
    assert bc.estimate(sweep, {"a": wan}).cells == 1


def test_drafts_of_several_models_are_promoted_by_their_models(wan, ltx, library):
    sweep = bc.sweep("a bee", seed=[1], **{**SHAPE, "num_inference_steps": 4})
    drafts = bc.run(sweep, [wan, ltx], library=library, draft=0.5).wait()
    finished = bc.promote(drafts.clips).wait()
    assert not finished.errors
    assert [clip.facts["resumed_from"] for clip in finished.clips] == [2, 2]


def test_labels_that_are_equal_as_text_are_refused(ltx, wan):
    assert "two are called '1'" in error_message(lambda: as_model({1: ltx, "1": wan}))
