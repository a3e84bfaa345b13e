"""Invalid sweeps: messages name the argument, the value, what is allowed and the nearest choice."""

import inspect

import numpy as np
import pytest

import beecam as bc
from beecam.errors import CheckError
from beecam.models.diffusers.checking.problems import fits_annotation
from helpers import error_message


def check_message(model, *args, **kwargs):
    return error_message(lambda: bc.sweep(*args, **kwargs).check(model))


# --- axes ------------------------------------------------------------------------------------------


def test_an_axis_given_by_name_is_an_axis(ltx):
    sweep = bc.sweep(
        "a {view} bee",
        view=bc.Axis("view", ["drone", "near"], labels=["D", "N"]),
        max_sequence_length=bc.Axis("max_sequence_length", [8, 16]),
    )
    sweep.check(ltx)
    assert [c.shot.prompt for c in sweep.cells] == ["a drone bee"] * 2 + ["a near bee"] * 2
    assert sweep.axes[0].labels == ("D", "N")
    assert [c.shot.arguments["max_sequence_length"] for c in sweep.cells] == [8, 16] * 2
    assert len(bc.sweep("a", bc.zip(seed=bc.Axis("seed", [1, 2]), width=[32, 64]))) == 2


def test_prompts_can_be_paired_and_labelled():
    paired = bc.sweep(bc.zip(prompt=["a {x}", "two {x}"], seed=[1, 2]), x=["bee", "moth"])
    assert [(c.shot.prompt, c.shot.seed) for c in paired.cells] == [
        ("a bee", 1),
        ("a moth", 1),
        ("two bee", 2),
        ("two moth", 2),
    ]
    for prompt in (
        bc.Axis("prompt", ["a bee", "a moth"], labels=["B", "M"]),
        {"B": "a bee", "M": "a moth"},
    ):
        labelled = bc.sweep(prompt, seed=[1, 2])
        assert labelled.axes[0].labels == ("B", "M")
        assert [c.shot.prompt for c in labelled.cells] == ["a bee"] * 2 + ["a moth"] * 2


@pytest.mark.parametrize(
    "layout",
    [bc.zip(prompt=["a bee", "a moth"], seed=[1, 2]), bc.Axis("prompt", ["a bee", "a moth"])],
)
@pytest.mark.parametrize("prompt", ["x", ["x", "y"]])
def test_two_prompts_get_a_message_with_the_right_call(ltx, prompt, layout):
    message = check_message(ltx, prompt, layout)
    assert "prompt: it is given twice" in message
    assert 'bc.sweep(bc.zip(prompt=["a bee", "a moth"], seed=[1, 2]))' in message


def test_another_axis_cannot_replace_the_prompt(ltx):
    message = check_message(ltx, bc.Axis("insect", ["bee"]), seed=[1])
    assert "(insect), of which none is called prompt" in message
    assert "prompt=3: a string" in check_message(ltx, bc.zip(prompt=["a bee", 3]))
    assert "prompt=Sample" in check_message(ltx, bc.sample(3))


def test_a_slot_cannot_be_named_prompt_or_as_a_reserved_argument(ltx):
    message = check_message(ltx, "a {prompt} bee")
    assert "a slot can't be called prompt" in message
    assert "prompt=[...]" not in message
    assert 'give bc.Axis("class", [...])' in check_message(ltx, "a {class} bee")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bc.zip(i="red"), ["zip(i='red'): a list", "zip(i=['red'])"]),
        (lambda: bc.zip(seed=5, i="red"), ["zip(seed=[5])", "zip(i=['red'])"]),
        (lambda: bc.zip("insect"), ["zip('insect'): axes are needed", "bc.zip(insect=["]),
        (bc.zip, ["zip(): axes are needed"]),
        (lambda: bc.Axis("i", "red"), ["Axis('i', ...): values='red' is not a list", "['red']"]),
        (lambda: bc.Axis("seed", 5), ["Axis('seed', ...): values=5", "values=[5]"]),
        (lambda: bc.Axis("i", ["a"], labels="b"), ["labels='b' is not a list"]),
        (lambda: bc.Axis(["a", "b"], "i"), ["Axis(['a', 'b'], ...): the name"]),
    ],
)
def test_a_value_in_place_of_a_list_gets_the_right_spelling(call, words):
    message = error_message(call)
    for word in words:
        assert word in message


def test_zip_and_sample_cannot_be_keyword_arguments(ltx):
    assert "pair=bc.zip(...): bc.zip has no name" in check_message(
        ltx, "a bee", pair=bc.zip(seed=[1])
    )
    assert "few=bc.sample(...): bc.sample has" in check_message(ltx, "a {few}", few=bc.sample(3))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"red", "insect=b'red': the slot {insect} takes strings and numbers. Did you mean 'red'?"),
        (None, "insect=None: the slot {insect} takes strings and numbers"),
        (["bee", float("nan")], "insect=nan"),
        ([["bee", "moth"]], "insect=['bee', 'moth']"),
    ],
)
def test_only_strings_and_numbers_fill_slots(ltx, value, words):
    assert words in check_message(ltx, "a {insect}", insect=value)


def test_slots_take_numbers_of_any_type(ltx):
    sweep = bc.sweep("{n} of {m}", n=[1, 2.5, np.int64(3)], m=np.float32(0.5))
    sweep.check(ltx)
    assert [c.shot.prompt for c in sweep.cells] == ["1 of 0.5", "2.5 of 0.5", "3 of 0.5"]


def test_a_slot_with_the_name_of_an_argument_sets_both(ltx):
    sweep = bc.sweep("{seed} bees at {width}", seed=[3, 4], width=64)
    sweep.check(ltx)
    assert [(c.shot.prompt, c.shot.seed, c.shot.width) for c in sweep.cells] == [
        ("3 bees at 64", 3, 64),
        ("4 bees at 64", 4, 64),
    ]
    assert "width=33" in check_message(ltx, "{width}", width=33)
    message = check_message(ltx, "{max_sequence_length} bees", max_sequence_length=[8, 16])
    assert "the name of an argument of tiny-ltx" in message
    assert "{max_sequence_length_text}" in message


# --- which cells -----------------------------------------------------------------------------------


def test_samples_that_cannot_be_drawn_are_reported(ltx):
    def drawn(*samples):
        return check_message(ltx, "a bee", *samples, seed=range(9))

    assert "given 2 times: keep one" in drawn(bc.sample(1), bc.sample(2))
    assert "sample(12): from 1 to 9 cells can be drawn. The nearest is 9" in drawn(bc.sample(12))


def test_samples_of_wrong_types_are_reported_at_once():
    assert "seed=[1]: an integer or None is needed" in error_message(lambda: bc.sample(1, seed=[1]))
    message = error_message(lambda: bc.sample("3", seed=True))
    assert "n='3': an integer of 1 or more is needed" in message
    assert "seed=True" in message
    assert "n=0: an integer of 1 or more is needed. The nearest is 1." in error_message(
        lambda: bc.sample(0)
    )


def test_where_selects_among_sampled_cells():
    for _ in range(5):
        sweep = bc.sweep("a bee", bc.sample(3, seed=None), seed=range(1000))
        drawn = [cell.shot.seed for cell in sweep.cells]
        selected = sweep.where(lambda cell, d=drawn: cell.shot.seed == d[1])
        assert [cell.shot.seed for cell in selected.cells] == drawn[1:2]
        assert [cell.values["seed"] for cell in selected.cells] == drawn[1:2]
        assert [cell.shot.seed for cell in sweep.where().cells] == drawn


def test_where_reports_values_that_do_not_exist():
    sweep = bc.sweep(
        "a {insect} {view}",
        insect=["bee", "moth"],
        seed=[1, 20],
        view=bc.Axis("view", ["from above"], labels=["drone"]),
    )
    message = error_message(lambda: sweep.where(insect=["bee", "mothh"], seed=18, place="x"))
    assert "where(insect='mothh'): no such value. Did you mean 'moth'?" in message
    assert "The values are 'bee', 'moth'" in message
    assert "where(seed=18): no such value. Did you mean 20?" in message
    assert "where(place=...): no such axis" in message
    assert "Did you mean 'bee'?" in error_message(lambda: sweep.where(insect="beee"))
    assert "a label; its value is 'from above'" in error_message(lambda: sweep.where(view="drone"))
    assert "where(5): a function of a cell" in error_message(lambda: sweep.where(5))
    assert len(sweep.where(lambda cell: False)) == 0
    assert len(sweep.where(seed=range(1, 2))) == 2


# --- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [5, "abc", [3, 4], [((1, 2, 3),)], [[1, [2]]]])
def test_an_invalid_noise_is_reported(ltx, noise):
    message = check_message(ltx, "a bee", noise=noise)
    assert "noise" in message
    assert "needed" in message or "finite number" in message
    assert "noise" in error_message(lambda: bc.shot("a", noise=noise))


def test_a_number_in_place_of_a_noise_gets_seed_suggested():
    assert "noise=3: pairs of a seed and its weight" in error_message(lambda: bc.shot("a", noise=3))
    assert "noise=3: pairs" in error_message(bc.sweep("a", noise=3).to_frame)
    assert "seed=3 is one plain seed" in error_message(lambda: bc.shot("a", noise=3))
    assert "seed and noise both" in error_message(lambda: bc.shot("a", seed=1, noise=((2, 1.0),)))


def test_one_noise_is_for_all_cells_and_a_list_of_them_an_axis(ltx):
    noise = ((3, 0.8), (9, 0.2))
    one = bc.sweep("a bee", noise=noise, guidance_scale=[2, 3])
    one.check(ltx)
    assert [c.shot.noise for c in one.cells] == [noise] * 2
    assert bc.sweep("a bee", noise=np.array([[4, 0.5]])).cells[0].shot.noise == ((4, 0.5),)
    two = bc.sweep("a bee", noise=[noise, [[4, 1]]])
    two.check(ltx)
    assert [c.shot.noise for c in two.cells] == [noise, ((4, 1.0),)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"attention_kwargs": [{"scale": 1.0}]}, "attention_kwargs={'scale': 1.0}: a shot stores"),
        ({"attention_kwargs": {"scale": 1.0}}, "attention_kwargs=1.0: tiny-ltx needs dict"),
        ({"decode_noise_scale": "x"}, "decode_noise_scale='x': tiny-ltx needs float | list[float]"),
        ({"decode_noise_scale": object()}, "object can't be stored"),
        ({"decode_noise_scale": [[1.0, float("nan")]]}, "decode_noise_scale=(1.0, nan)"),
        (
            {"timesteps": [[1000, 500]]},
            "timesteps: set by beecam, not by a sweep; use num_inference_steps=.",
        ),
    ],
)
def test_arguments_are_checked_whatever_their_default(ltx, library, arguments, words):
    assert words in check_message(ltx, "a bee", **arguments)
    assert words in error_message(
        lambda: bc.run(bc.sweep("a bee", **arguments), ltx, library=library)
    )


def test_valid_arguments_pass(ltx):
    bc.sweep("a bee", decode_noise_scale=[0.1, 1, None, np.array([0.1])]).check(ltx)
    assert fits_annotation(float | list[float] | None, (0.1, 1))
    assert not fits_annotation(list[int], (0.5,))
    assert not fits_annotation(int | None, True)
    assert fits_annotation(inspect.Parameter.empty, 3)
    assert fits_annotation(float | None, None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_inference_steps": 10**9}, "an integer from 1 to 1,000"),
        ({"width": 320_000}, "width=320000: an integer from 1 to 16,384"),
        ({"num_frames": 10**6}, "num_frames=1000000: an integer from 1 to 10,000"),
        ({"width": True}, "width=True: an integer"),
        ({"guidance_scale": 10**400}, "guidance_scale=1000"),
        ({"prompt": None}, "prompt=None: a string"),
        ({"seed": "7"}, "Did you mean 7 without quotes?"),
        ({"seed": 2.5}, "The nearest is 2."),
    ],
)
def test_numbers_have_limits(arguments, words):
    assert words in error_message(lambda: bc.shot(**{"prompt": "a bee", **arguments}))


def test_a_boolean_has_no_nearest_seed():
    assert error_message(lambda: bc.shot("a", seed=True)).endswith(
        "from 0 to 9223372036854775807 is needed."
    )


def test_of_many_problems_of_one_argument_ten_are_listed(ltx):
    with pytest.raises(CheckError) as error:
        bc.sweep("a {x", seed=range(-3000, 0)).check(ltx)
    assert "never closed" in str(error.value)
    with pytest.raises(CheckError) as error:
        bc.sweep("a bee", seed=range(-3000, 0)).check(ltx)
    text = str(error.value)
    assert len(error.value.problems) == 3000
    assert text.startswith("3,000 problems:")
    assert "and 2,990 more of seed." in text
    assert text.count("\n") == 11
    assert len(text) < 2_000


# --- all at once -----------------------------------------------------------------------------------

# Arguments that are wrong for every model, for LTX, and before that: in a file or a name.
WRONG = {
    "seed": "four",
    "guidance_scale": "x",
    "num_inference_steps": 0,
    "fps": "fast",
    "width": 33,
    "num_frames": 6,
    "scheduler": "nope",
    "max_sequence_length": "long",
    "imag": 3,
}
FILES = {"image": "no-1.png", "last_image": "no-2.png"}


def named(error):
    return {problem.argument for problem in error.problems}


@pytest.mark.parametrize("axis", [False, True])
def test_types_ranges_and_choices_are_named_in_one_pass(ltx, axis):
    values = {name: [value] if axis else value for name, value in WRONG.items()}
    with pytest.raises(CheckError) as error:
        bc.sweep("a bee", **values).check(ltx)
    assert named(error.value) == set(WRONG)


def test_what_a_sweep_sets_is_checked_beside_missing_files(ltx):
    with pytest.raises(CheckError) as error:
        bc.sweep("a bee", **FILES, lora="no.safetensors", width=33, seed="four").check(ltx)
    assert named(error.value) == {*FILES, "lora", "width", "seed"}


def test_every_file_that_can_not_be_read_is_named(ltx):
    images = ["no-1.png", "no-2.png", "no-3.png"]
    calls = (
        lambda: bc.sweep("a bee", image=images).check(ltx),
        lambda: bc.shot("a bee", reference_images=images, width=0),
        lambda: bc.shot("a bee", keyframes=dict(enumerate(images)), lora="no.safetensors"),
        lambda: bc.shot("a bee", image=images[0], last_image=images[1], video=images[2]),
        lambda: bc.shot("a bee").replace(image=images[0], last_image=images[1], mask=images[2]),
    )
    for call in calls:
        with pytest.raises(CheckError) as error:
            call()
        assert all(name in str(error.value) for name in images), error.value


@pytest.mark.parametrize("wrong", [{"seed": "four"}, {"guidance_scale": "x"}, {"num_frames": 9.5}])
def test_a_replaced_value_of_a_wrong_type_is_refused_before_any_compute(ltx, wrong):
    shot = bc.shot("a bee", width=32, height=32).replace(**wrong)
    assert {problem.argument for problem in ltx.check(shot)} == set(wrong)
    resolved = ltx.resolve(bc.shot("a bee", width=32, height=32)).replace(**wrong)
    with pytest.raises(CheckError, match=next(iter(wrong))):
        ltx.generate([resolved])
