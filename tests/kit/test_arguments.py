"""What can be set of a model, read off the model: no list of arguments is written by hand."""

import pytest

import beecam as bc
from beecam.models.diffusers.arguments import Control, controls_of, help_lines
from beecam.models.model_set import as_model
from tiny import make


def by_name(model):
    return {control.name: control for control in controls_of(model)}


def test_pollen_has_controls_with_its_limits_and_the_words_of_its_pipeline():
    model = bc.load()
    found = by_name(model)
    assert list(found)[:3] == ["negative_prompt", "width", "height"]
    frames = found["num_frames"]
    assert (frames.kind, frames.default, frames.step, frames.base) == ("integer", 17, 8, 1)
    assert (found["width"].default, found["width"].step, found["width"].low) == (96, 96, 96)
    assert found["guidance_scale"].kind == "number"
    assert found["scheduler"].default in found["scheduler"].choices
    assert found["num_inference_steps"].help == "The number of denoising steps."
    assert found["decode_timestep"].help == "The timestep at which generated video is decoded."
    assert found["fps"].help
    assert "attention_kwargs" not in found
    assert "seed" not in found


@pytest.mark.parametrize(
    "name",
    [
        "WanPipeline",
        "CogVideoXPipeline",
        "LTX2Pipeline",
        "StableVideoDiffusionPipeline",
        "AllegroPipeline",
        "HunyuanVideoPipeline",
    ],
)
def test_each_control_of_a_pipeline_takes_what_it_says(name):
    model = bc.wrap(make(name))
    found = by_name(model)
    extra = {**model.arguments}
    assert {"width", "num_frames", "num_inference_steps"} <= {*found}
    for control in found.values():
        values = [control.default, *control.choices[:2]]
        if control.kind == "integer" and control.step and control.low is not None:
            values.append(int(control.base + control.step * 3))
        for value in values:
            if value is None or control.only_with:
                continue
            problems = [
                p
                for p in model.check(model.resolve(bc.shot("a bee", **{control.name: value})))
                if p.argument == control.name
            ]
            assert not problems, problems
        extra.pop(control.name, None)
    simple = {n for n, v in extra.items() if type(v) in (int, float, str, bool)}
    assert not simple, "what has a plain default has a control"


def test_kinds_come_from_defaults_and_annotations():
    found = by_name(bc.wrap(make("LTX2Pipeline")))
    assert found["use_cross_timestep"].kind == "flag"
    assert found["image_crf"].kind == "integer"  # None by default; its annotation says int
    assert found["system_prompt"].kind == "text"
    assert "sigmas" not in found
    assert "weaker sample" in found["modality_scale"].help


def test_what_only_other_ways_take_says_with_what():
    found = by_name(bc.wrap(make("WanPipeline")))
    assert found["strength"].only_with == ("video",)
    assert found["guidance_scale"].only_with == found["guidance_scale_2"].only_with == ()


def test_several_models_have_the_controls_of_each():
    found = by_name(as_model([bc.load(), bc.wrap(make("WanPipeline"), name="wan")]))
    assert {"decode_timestep", "guidance_scale_2"} <= {*found}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", " 8 ", 8),
        ("integer", "2.5", 2.5),
        ("integer", "many", "many"),
        ("number", "1e-2", 0.01),
        ("number", "3", 3),
        ("number", "nan", "nan"),
        ("flag", "True", True),
        ("flag", "maybe", "maybe"),
        ("text", "8", "8"),
        ("number", 4, 4),
        ("choice", "DDIM", "DDIM"),
    ],
)
def test_texts_become_values_where_they_are_some(kind, text, value):
    assert Control("x", kind).parse(text) == value


def test_docstrings_give_first_sentences():
    lines = help_lines(
        "Makes it.\n\nArgs:\n    height (`int`, defaults to `512`): The height, e.g. in px. More.\n"
        "    a, b (`float`, *optional*):\n        See [`Foo`](http://x) and ``0.5``. Then more.\n"
        "    odd:\n        No kind.\n\nReturns:\n    Something (`int`): else.\n"
    )
    assert lines["height"] == "The height, e.g. in px."
    assert lines["a"] == lines["b"] == "See Foo and 0.5."
    assert "Something" not in lines
