"""Sweeps: how axes become cells, which problems are found, and how sweeps show themselves."""

import html
import itertools
import math
import re
from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import beecam as bc
from beecam._util.words import path_names
from beecam.errors import CheckError
from beecam.sweeps.build import sweep_of_shots
from helpers import PATIENCE, error_message

lengths = st.lists(st.integers(1, 5), min_size=1, max_size=4)


def axes(sizes):
    return {f"axis{i}": [f"v{i}{j}" for j in range(n)] for i, n in enumerate(sizes)}


def template(names):
    return " ".join(f"{{{name}}}" for name in names)


@given(lengths)
def test_a_product_has_every_combination_once_the_last_axis_fastest(sizes):
    named = axes(sizes)
    sweep = bc.sweep(template(named), **named)
    expected = [dict(zip(named, c, strict=True)) for c in itertools.product(*named.values())]
    assert [cell.values for cell in sweep.cells] == expected
    assert [cell.shot.prompt for cell in sweep.cells] == [" ".join(e.values()) for e in expected]
    assert [cell.index for cell in sweep.cells] == list(range(math.prod(sizes)))
    assert sweep.shape == tuple(sizes)


@given(st.integers(1, 6), st.integers(1, 4))
def test_zip_pairs_and_multiplies_with_the_rest(n, seeds):
    sweep = bc.sweep(
        "{a} {b}",
        bc.zip(a=[f"a{i}" for i in range(n)], b=[f"b{i}" for i in range(n)]),
        seed=range(seeds),
    )
    assert len(sweep) == n * seeds
    assert {cell.shot.prompt for cell in sweep.cells} == {f"a{i} b{i}" for i in range(n)}


@given(lengths, st.data())
def test_a_sample_has_no_repeats_keeps_the_order_and_is_reproducible(sizes, data):
    total = math.prod(sizes)
    n = data.draw(st.integers(1, total))
    named = axes(sizes)
    sweep = bc.sweep(template(named), bc.sample(n, seed=3), **named)
    prompts = [cell.shot.prompt for cell in sweep.cells]
    everything = [cell.shot.prompt for cell in bc.sweep(template(named), **named).cells]
    assert len(set(prompts)) == n
    assert prompts == sorted(prompts, key=everything.index)
    again = bc.sweep(template(named), bc.sample(n, seed=3), **named)
    assert again.key == sweep.key


def test_where_selects_by_value_and_by_function():
    sweep = bc.sweep("a {insect}", insect=["bee", "moth", "fly"], seed=range(4))
    few = sweep.where(insect=["bee", "fly"]).where(lambda cell: cell.values["seed"] % 2)
    assert [(c.values["insect"], c.shot.seed) for c in few.cells] == [
        ("bee", 1),
        ("bee", 3),
        ("fly", 1),
        ("fly", 3),
    ]
    assert few.cells[2].coords == {"insect": 2, "seed": 1}
    assert len(sweep.where(insect="moth")) == 4
    with pytest.raises(CheckError, match=r"where\(insekt=.*Did you mean insect"):
        sweep.where(insekt="bee")


def test_variants_written_in_place_are_an_axis():
    sweep = bc.sweep("a {bee|moth} over {place}", place=["dunes", "sea"])
    assert [cell.shot.prompt for cell in sweep.cells] == [
        "a bee over dunes",
        "a bee over sea",
        "a moth over dunes",
        "a moth over sea",
    ]
    assert [axis.name for axis in sweep.axes] == ["bee|moth", "place"]


def test_several_prompts_single_values_labels_and_notes():
    sweep = bc.sweep(
        ["a {insect}", "two of {insect}"],
        bc.Axis("insect", ["bee", "moth"], labels=["B", "M"], notes=["has stripes", None]),
        seed=7,
        guidance_scale={"low": 1.5, "high": 6},
    )
    assert len(sweep) == 8
    assert [a.name for a in sweep.axes] == ["prompt", "insect", "guidance_scale"]
    assert sweep.axes[1].labels == ("B", "M")
    assert sweep.axes[2].labels == ("low", "high")
    assert {c.shot.seed for c in sweep.cells} == {7}
    assert {c.shot.guidance_scale for c in sweep.cells} == {1.5, 6.0}


def test_any_argument_of_the_pipeline_can_be_an_axis(ltx):
    sweep = bc.sweep("a bee", max_sequence_length=[8, 16], num_inference_steps=[2, 3])
    sweep.check(ltx)
    assert {c.shot.arguments["max_sequence_length"] for c in sweep.cells} == {8, 16}


def test_to_frame_has_a_row_per_cell():
    frame = bc.sweep("a {insect}", insect=["bee", "moth"], seed=[1, 5]).to_frame()
    assert list(frame.columns) == ["insect", "seed", "prompt"]
    assert frame.loc[3].to_dict() == {"insect": "moth", "seed": 5, "prompt": "a moth"}


def test_existing_shots_can_be_laid_out(ltx):
    sweep = sweep_of_shots([bc.shot("a bee", seed=1), bc.shot("a moth {not a slot}", seed=2)])
    sweep.check(ltx)
    assert [c.shot.prompt for c in sweep.cells] == ["a bee", "a moth {not a slot}"]
    assert [c.shot.seed for c in sweep.where(shot=2).cells] == [2]


def check_message(ltx, *args, **kwargs):
    with pytest.raises(CheckError) as error:
        bc.sweep(*args, **kwargs).check(ltx)
    return str(error.value)


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (["a bee"], {"guidence_scale": 3}, ["guidence_scale", "Did you mean guidance_scale?"]),
        (
            ["a {insect}"],
            {"insct": ["bee"]},
            ["slot {insect} is not filled", "insct= fills no slot"],
        ),
        (["a {insect}"], {"insect": []}, ["axis 'insect' is empty", "at least one value"]),
        (["a {a}", bc.Axis("a", ["x"])], {"a": ["y"]}, ["'a' is given 2 times"]),
        (["a {a}"], {"a": ["x", "x"]}, ["'a' has the value 'x' twice"]),
        (["a {insect"], {}, ["brace at character 2", "never closed"]),
        (["a bee}"], {}, ["brace at character 5", "closes nothing"]),
        (["a bee"], {"width": 50}, ["width=50", "multiples of 32", "nearest are 32 and 64"]),
        (["a bee"], {"height": 16}, ["height=16", "nearest is 32"]),
        (["a bee"], {"num_frames": 16}, ["num_frames=16", "8k+1", "nearest are 9 and 17"]),
        (["a bee"], {"num_frames": [9, 12]}, ["num_frames=12", "9 and 17"]),
        (["a bee"], {"seed": -1}, ["seed=-1", "nearest is 0"]),
        (["a bee"], {"seed": [0, 2**70]}, ["seed=", "nearest is 9223372036854775807"]),
        (["x" * 10_000], {}, ["10,000 characters", "4,000"]),
        (["a bee"], {"scheduler": "Eulr"}, ["scheduler='Eulr'", "FlowMatchEulerDiscrete"]),
        (["a bee"], {"max_sequence_length": "8"}, ["max_sequence_length='8'", "int is needed"]),
        (["a bee"], {"other": [1, 2]}, ["other: not a slot of the template or an argument"]),
        (["a bee", bc.zip(seed=[1, 2], width=[32])], {}, ["seed has 2 and width has 1"]),
        (["a bee", bc.sample(9)], {"seed": range(3)}, ["sample(9)", "1 to 3 cells"]),
        (["a bee", ["bee"]], {}, ["['bee']", "after the prompt come"]),
        ([[]], {}, ["prompt=[]"]),
        (["a bee"], {"seed": range(200_000)}, ["axis 'seed' has over 100,000 values"]),
        (["a {a}"], {"a": range(500), "seed": range(500)}, ["250,000 cells", "bc.sample(n)"]),
        (["a bee"], {"seed": [1], "noise": [((1, 1.0),)]}, ["seed and noise"]),
        (["a {a}"], {"a": ["b ", "b "[:2]]}, ["twice"]),
        (["a bee"], {"revision": "abc"}, ["revision"]),
        (["a bee"], {"prompt_embeds": 3}, ["prompt_embeds"]),
        ([3], {}, ["prompt=3: a string, or a list of strings"]),
        ([["a bee", None]], {}, ["prompt=None: a string, or a list of strings"]),
    ],
)
def test_invalid_input_is_reported_before_any_compute(ltx, args, kwargs, words):
    message = check_message(ltx, *args, **kwargs)
    for word in words:
        assert word in message


def test_a_misspelt_argument_is_one_problem_with_the_nearest_spelling(ltx):
    with pytest.raises(CheckError) as error:
        bc.sweep("a bee", guidence_scale=[1, 2]).check(ltx)
    assert len(error.value.problems) == 1
    with pytest.raises(
        CheckError, match=r"sead: not an argument of tiny-ltx\. Did you mean seed\?"
    ):
        sweep_of_shots([bc.shot("a bee", sead=3)]).check(ltx)


def test_all_problems_are_reported_at_once(ltx):
    message = check_message(
        ltx, "a {insect} over {place", insect=[], guidence_scale=[1], seed=[1, 1], width=33
    )
    for word in ("never closed", "'insect' is empty", "guidance_scale", "twice"):
        assert word in message
    assert "problems:" in message


def test_two_cells_with_the_same_shot_are_reported(ltx):
    message = check_message(ltx, "a {a|b}", bc.Axis("seed", [1, 1.0]))
    assert "twice" in message or "same shot" in message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("steps", "num_inference_steps"),
        ("num_steps", "num_inference_steps"),
        ("cfg", "guidance_scale"),
        ("guidance", "guidance_scale"),
        ("frames", "num_frames"),
        ("n_frames", "num_frames"),
        ("negative", "negative_prompt"),
        ("sampler", "scheduler"),
    ],
)
def test_names_of_other_tools_get_the_argument_that_is_meant(ltx, name, meant):
    message = check_message(ltx, "a bee", **{name: 10})
    assert message == (
        f"{name}: not a slot of the template or an argument of tiny-ltx. Did you mean {meant}?"
    )
    with pytest.raises(CheckError, match=f"{name}: .*Did you mean {meant}"):
        sweep_of_shots([bc.shot("a bee", **{name: 10})]).check(ltx)


def test_a_slot_and_an_axis_of_similar_names_point_to_each_other(ltx):
    message = check_message(ltx, "a {insekt}", insect=["bee", "moth"])
    assert (
        "the slot {insekt} is not filled: give insekt=[...]. insect= fills no slot: use one name for both."
        in message
    )
    assert "insect: not a slot" in message
    assert "Did you mean the slot {insekt}?" in message
    message = check_message(ltx, "a {insekt}", seed=range(2))
    assert "Did you mean" not in message


def test_a_sweep_with_problems_still_has_a_repr():
    assert "the slot {insect} is not filled" in repr(bc.sweep("a {insect}"))
    assert bc.sweep("a {insect}")._repr_html_() is None


def test_the_repr_shows_the_values_that_a_sweep_has():
    sweep = bc.sweep("a {insect}", insect=["bee", "moth", "fly"], seed=range(4))
    assert repr(sweep) == "Sweep 'a {insect}': 12 cells, insect(3) x seed(4)"
    assert repr(sweep[:3]) == "Sweep 'a {insect}': 3 cells, seed(3), insect='bee'"
    assert repr(sweep[:5]) == "Sweep 'a {insect}': 5 cells of insect(2) x seed(4)"
    assert repr(sweep[5:6]) == "Sweep 'a {insect}': 1 cell, insect='moth', seed=1"
    some = sweep.where(insect=["bee", "fly"], seed=[1, 3])
    assert repr(some) == "Sweep 'a {insect}': 4 cells, insect(2) x seed(2)"
    assert repr(sweep[:0]) == "Sweep 'a {insect}': 0 cells"
    assert repr(sweep[[0, 5]]) == "Sweep 'a {insect}': 2 cells of insect(2) x seed(2)"
    drawn = bc.sweep("a bee", bc.sample(3), seed=range(100))
    assert repr(drawn) == "Sweep 'a bee': 3 cells, seed(3)"
    paired = bc.sweep("a {insect}", bc.zip(insect=["bee", "moth"], seed=[1, 2]), width=[32, 64])
    assert repr(paired) == "Sweep 'a {insect}': 4 cells, insect+seed(2) x width(2)"
    assert repr(bc.sweep("a bee")) == "Sweep 'a bee': 1 cell"


def cells_of_html(page):
    """Return the text of all cells of the tables in a page."""
    return [html.unescape(text) for text in re.findall(r"<t[dh]>(.*?)</t[dh]>", page)]


def test_a_notebook_shows_axes_with_counts_and_the_first_cells():
    insect = bc.Axis("insect", ["a big bee", "a moth"], labels=["bee", "moth"])
    page = bc.sweep("{insect}", insect, seed=range(4))._repr_html_()
    assert "8 cells, insect(2) x seed(4)" in page
    assert cells_of_html(page) == [
        *("axis", "count", "values"),
        *("insect", "2", "bee, moth"),
        *("seed", "4", "0, 1, 2, 3"),
        *("cell", "insect", "seed", "prompt"),
        *("0", "bee", "0", "a big bee"),
        *("1", "bee", "1", "a big bee"),
        *("2", "bee", "2", "a big bee"),
        *("3", "bee", "3", "a big bee"),
        *("4", "moth", "0", "a moth"),
    ]
    assert "and 3 more cells" in page
    one = bc.sweep("a bee", seed=7)._repr_html_()
    assert cells_of_html(one) == ["cell", "prompt", "seed", "0", "a bee", "7"]
    assert "more cell" not in one


def test_html_in_prompts_axes_and_labels_is_escaped():
    bad = "<img src=x onerror=alert(1)>"
    sweep = bc.sweep(
        [f"a bee {bad}", f"{{{bad}|b}} {{insect}}"],
        bc.Axis("insect", [bad, "&amp;"], labels=[f"{bad}1", "<b>"]),
        seed=range(2),
    )
    for part in (sweep, sweep[:1], sweep[-1:]):
        page = part._repr_html_()
        assert "<img" not in page
        assert "<b>" not in page.replace("<b>Sweep</b>", "")
        assert html.escape(bad, quote=False) in page


def test_no_clip_is_generated_from_a_sweep_with_problems(ltx, library):
    with pytest.raises(CheckError):
        bc.run(bc.sweep("a bee", seed=[0, -1]), ltx, library=library)
    assert len(library) == 0


def test_estimate_counts_cached_cells_and_measures_the_rest(ltx, library):
    first = bc.sweep("a bee", seed=range(2))
    assert bc.estimate(first, ltx, library).seconds is None
    bc.run(first, ltx, library=library).wait(PATIENCE)
    more = bc.estimate(bc.sweep("a bee", seed=range(5)), ltx, library)
    assert (more.cells, more.cached) == (5, 2)
    each = sorted(clip.facts["seconds"] for clip in library.clips())
    assert more.seconds == pytest.approx(3 * each[1], rel=0.5)
    assert "2 in the library, 3 to generate" in str(more)


def test_a_list_and_a_mask_select_cells():
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3))
    places = lambda picked: [tuple(cell.coords.values()) for cell in picked]  # noqa: E731
    assert places(sweep[[0, 2]]) == places(sweep[np.array([0, 2])]) == [(0, 0), (0, 2)]
    assert places(sweep[[-1, 0]]) == [(1, 2), (0, 0)]
    mask = sweep.to_frame()["seed"] == 1
    assert places(sweep[mask]) == places(sweep[mask.tolist()]) == [(0, 1), (1, 1)]
    assert sweep[np.int64(1)] == sweep.cells[1]
    assert len(sweep[[]]) == 0
    for index in (6, -7, [0, 6]):
        with pytest.raises(IndexError, match=r"cell (6|-7): there are 6, counted from 0"):
            sweep[index]
    with pytest.raises(IndexError, match="the mask has 2 values, and there are 6 cells"):
        sweep[[True, False]]
    for wrong in (True, None, "bee", 1.5, [1.5], [0, 0], slice("x")):
        message = error_message(lambda i=wrong: sweep[i], CheckError)
        assert "sweep[" in message
        assert "a list of different numbers or a mask is needed" in message


def test_an_empty_selection_is_legal_until_it_is_used(ltx, library):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth"], seed=range(3))
    for empty in (sweep[:0], sweep[[]], sweep.where(lambda cell: False)):
        assert (len(empty), list(empty), len(empty.to_frame())) == (0, [], 0)
        assert repr(empty) == "Sweep 'a {insect}': 0 cells"
        assert "0 cells" in empty._repr_html_()
        assert empty.key
        for use in (
            lambda e=empty: e.check(ltx),
            lambda e=empty: e.resolve(ltx),
            lambda e=empty: bc.run(e, ltx, library=library),
            lambda e=empty: bc.estimate(e, ltx, library),
        ):
            assert "the selection is empty: " in error_message(use, CheckError)


def test_resolve_takes_several_models_as_check_does(ltx, cog):
    sweep = bc.sweep("a bee", seed=range(2))
    shots = sweep.resolve([ltx, cog])
    assert [(shot.model, shot.seed) for shot in shots] == [
        *(("tiny-ltx", 0), ("tiny-ltx", 1)),
        *(("tiny-cog", 0), ("tiny-cog", 1)),
    ]
    assert sweep.resolve({"one": ltx, "other": cog}) == shots
    assert "limit='x'" in error_message(lambda: sweep.to_frame("x"))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=6, unique=True))
def test_a_number_is_shown_as_it_is_sent(values):
    axis = bc.Axis("guidance_scale", values)
    assert [float(label) for label in axis.labels] == values


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(["a", "b", "c"]), max_size=3),
            st.sampled_from(["bee.png", "bee.jpg", "moth.png"]),
        ),
        min_size=1,
        max_size=5,
        unique_by=str,
    )
)
def test_files_have_names_that_tell_them_apart(parts):
    names = path_names([PurePath("x", *folders, file) for folders, file in parts])
    assert len(set(names)) == len(names)


def test_values_of_equal_text_have_different_labels(tmp_path):
    for i, folder in enumerate(("spring", "autumn")):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / folder / "bee.png")
    paths = [tmp_path / folder / "bee.png" for folder in ("spring", "autumn")]
    assert bc.sweep("a", image=paths).axes[0].labels == ("spring/bee", "autumn/bee")
    read = bc.sweep("a", image=[bc.read_media(path) for path in paths]).axes[0]
    assert len(set(read.labels)) == 2
    assert all(label.startswith("bee (") for label in read.labels)
    assert bc.Axis("x", [1, "1"]).labels == ("1", "'1'")
    assert bc.sweep("a", image=paths[:1]).axes[0].labels == ("bee",)
