"""Controls of a model's arguments, derived from its signature and docstring."""

import pytest

import beecam as bc
from beecam.models.diffusers.arguments import Control, controls_of, help_lines
from beecam.models.model_set import as_model
from tiny import make


def by_name(model):
    return {control.name: control for control in controls_of(model)}


def test_pollen_has_controls_with_its_limits_and_help_texts():
    model = bc.load()
    controls = by_name(model)
    assert list(controls)[:3] == ["negative_prompt", "width", "height"]
    frames = controls["num_frames"]
    assert (frames.kind, frames.default, frames.step, frames.base) == ("integer", 17, 8, 1)
    assert (controls["width"].default, controls["width"].step, controls["width"].low) == (
        96,
        96,
        96,
    )
    assert controls["guidance_scale"].kind == "number"
    assert controls["scheduler"].default in controls["scheduler"].choices
    assert controls["num_inference_steps"].help == "The number of denoising steps."
    assert controls["decode_timestep"].help == "The timestep at which generated video is decoded."
    assert controls["fps"].help
    assert "attention_kwargs" not in controls
    assert "seed" not in controls


@pytest.mark.slow
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
def test_each_control_accepts_its_default_and_choices(name):
    model = bc.wrap(make(name))
    controls = by_name(model)
    uncovered = {**model.arguments}
    assert {"width", "num_frames", "num_inference_steps"} <= {*controls}
    for control in controls.values():
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
            if (name, control.name) == ("CogVideoXPipeline", "max_sequence_length"):
                continue  # the texts of its tiny weights have another length
            assert not problems, problems
        uncovered.pop(control.name, None)
    missing = {n for n, v in uncovered.items() if type(v) in (int, float, str, bool)}
    assert not missing, "every argument with a simple default has a control"


@pytest.mark.slow
def test_kinds_come_from_defaults_and_annotations():
    controls = by_name(bc.wrap(make("LTX2Pipeline")))
    assert controls["use_cross_timestep"].kind == "flag"
    assert controls["image_crf"].kind == "integer"  # None by default; its annotation says int
    assert controls["system_prompt"].kind == "text"
    assert "sigmas" not in controls
    assert "weaker sample" in controls["modality_scale"].help


def test_arguments_of_other_tasks_name_what_they_need():
    controls = by_name(bc.wrap(make("WanPipeline")))
    assert controls["strength"].only_with == ("video",)
    assert controls["guidance_scale"].only_with == controls["guidance_scale_2"].only_with == ()


def test_a_model_set_has_the_controls_of_each_model():
    controls = by_name(as_model([bc.load(), bc.wrap(make("WanPipeline"), name="wan")]))
    assert {"decode_timestep", "guidance_scale_2"} <= {*controls}


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
def test_text_is_parsed_to_the_type_of_its_control(kind, text, value):
    assert Control("x", kind).parse(text) == value


def test_help_texts_are_the_first_sentences_of_docstrings():
    help_texts = help_lines(
        "Makes it.\n\nArgs:\n    height (`int`, defaults to `512`): The height, e.g. in px. More.\n"
        "    a, b (`float`, *optional*):\n        See [`Foo`](http://x) and ``0.5``. Then more.\n"
        "    odd:\n        No kind.\n\nReturns:\n    Something (`int`): else.\n"
    )
    assert help_texts["height"] == "The height, e.g. in px."
    assert help_texts["a"] == help_texts["b"] == "See Foo and 0.5."
    assert "Something" not in help_texts
