"""Sets of clips as sequences: picking by index, list and mask; sums; pivots; texts."""

import warnings

import numpy as np
import pandas as pd
import pytest

from beecam.clips.clip_set import ClipSet
from beecam.clips.library import open_library
from beecam.errors import CheckError
from beecam.export.contact_sheet import contact_sheet_html
from beecam.export.shown import complete_axes
from beecam.sweeps.axes import Axis
from helpers import error_message, fill


@pytest.fixture
def clips(library):
    return fill(library)


def seeds(clips):
    return [(clip["prompt"], clip["seed"]) for clip in clips]


def test_a_list_of_indices_picks_in_its_order_and_keeps_coordinates(clips):
    picked = clips[[4, 0, -1]]
    assert isinstance(picked, ClipSet)
    assert picked.keys == (clips.keys[4], clips.keys[0], clips.keys[5])
    assert seeds(picked) == [("a moth", 1), ("a bee", 0), ("a moth", 2)]
    assert clips[np.array([1, 2])].keys == clips.keys[1:3]
    assert clips[pd.Series([3])].keys == (clips.keys[3],)
    assert clips[range(2)].keys == clips.keys[:2]
    assert len(clips[[]]) == 0
    assert clips[np.int64(2)] == clips[2]
    assert clips[-1] == clips[5]
    assert clips[-1]["seed"] == 2


@pytest.mark.parametrize("make", [list, tuple, np.array, pd.Series])
def test_a_mask_picks_where_it_is_true(clips, make):
    mask = make([False, True, False, False, True, False])
    assert seeds(clips[mask]) == [("a bee", 1), ("a moth", 1)]
    assert len(clips[make([False] * 6)]) == 0


def test_a_mask_of_a_frame_picks_its_clips(clips):
    clips[3].stars = 4
    frame = clips.to_frame()
    assert clips[frame["stars"] > 2].keys == (clips.keys[3],)
    assert seeds(clips[frame["seed"] == 0]) == [("a bee", 0), ("a moth", 0)]


def test_a_mask_of_a_sorted_frame_is_aligned_by_its_index(clips):
    clips[3].stars, clips[1].stars = 4, 3
    frame = clips.to_frame().sort_values("stars", ascending=False)
    assert clips[frame["stars"] > 2].keys == (clips.keys[1], clips.keys[3])
    assert clips[~(frame["stars"] > 2)].keys == tuple(clips.keys[i] for i in (0, 2, 4, 5))
    assert clips[(frame["stars"] > 2).to_numpy()].keys == clips.keys[:2]
    for other in (frame.set_index("seed"), frame.set_index("key"), frame.set_axis(range(1, 7))):
        message = error_message(lambda: clips[other["stars"] > 2], CheckError)  # noqa: B023
        assert "the mask's index [" in message
        assert "mask.to_numpy()" in message
    picked = frame.index[frame["stars"] > 2]
    assert clips[picked].keys == (clips.keys[3], clips.keys[1]), "indices, not a mask"


@pytest.mark.parametrize("index", [[0, 6], [-7], np.array([99])])
def test_an_index_in_a_list_that_does_not_exist_is_named(clips, index):
    with pytest.raises(IndexError, match=r"clip (6|-7|99): there are 6, counted from 0"):
        clips[index]


def test_a_mask_of_another_length_is_named(clips):
    with pytest.raises(IndexError, match=r"the mask has 2 values, and there are 6 clips"):
        clips[[True, False]]


def test_a_string_is_answered_with_what_searches(clips):
    with pytest.raises(KeyError) as error:
        clips["bee"]
    for part in ("clips['bee']", "clips[0]", "clips.query('bee')", "library[key]"):
        assert part in error.value.args[0]


def test_a_column_as_an_index_is_answered_with_its_values(clips):
    for name, picks in (("seed", "clips.where(seed=...)"), ("stars", 'clips.query("stars:...")')):
        with pytest.raises(KeyError) as error:
            clips[name]
        assert f"clips.to_frame()[{name!r}]" in error.value.args[0]
        assert picks in error.value.args[0]


@pytest.mark.parametrize("index", ["seed", None, 1.5, [0]])
@pytest.mark.parametrize("method", ["values", "coords", "label"])
def test_the_number_of_a_clip_is_a_number(clips, method, index):
    message = error_message(lambda: getattr(clips, method)(index))
    assert "the number of a clip is needed" in message
    assert "clips.to_frame()['seed']" in message


def test_several_names_sort_by_the_first_then_the_next(clips):
    assert seeds(clips.sort(["-prompt", "seed"])) == [
        (prompt, seed) for prompt in ("a moth", "a bee") for seed in range(3)
    ]
    backwards = clips.sort(["prompt", "-seed"], reverse=True)
    assert seeds(backwards) == seeds(clips.sort(["-prompt", "seed"]))
    assert "Did you mean seed?" in error_message(lambda: clips.sort(["prompt", "sed"]))


@pytest.mark.parametrize(
    "index", [True, None, 1.5, b"bee", ["bee"], [1.5], [[0]], [0, "x"], {"insect": "bee"}, object()]
)
def test_any_other_index_is_named(clips, index):
    message = error_message(lambda: clips[index], CheckError)
    assert "a number, a slice, a list of numbers or a mask is needed" in message
    assert 'clips.where(insect="bee")' in message


def test_the_text_of_a_slice_counts_the_values_it_has(clips):
    assert repr(clips) == "ClipSet: 6 clips, prompt(2) x seed(3)"
    assert repr(clips[:2]) == "ClipSet: 2 clips, prompt(1) x seed(2)"
    assert repr(clips[::3]) == "ClipSet: 2 clips, prompt(2) x seed(1)"
    assert repr(clips[:0]) == "ClipSet: 0 clips, prompt(0) x seed(0)"
    assert repr(ClipSet(clips.library, clips.keys)) == "ClipSet: 6 clips"
    assert repr(clips[:5]) == "ClipSet: 5 clips of prompt(2) x seed(3)"
    assert repr(clips[:1]) == "ClipSet: 1 clip, prompt(1) x seed(1)"
    paired = ClipSet(
        clips.library,
        clips.keys,
        axes=[Axis("a", (1, 2, 3)), Axis("b", (4, 5, 6)), Axis("c", (7, 8))],
        coords=[{"a": i // 2, "b": i // 2, "c": i % 2} for i in range(6)],
    )
    assert repr(paired) == "ClipSet: 6 clips, a+b(3) x c(2)"
    assert repr(paired[[0, 3]]) == "ClipSet: 2 clips, a+b+c(2)"


def test_labels_and_coordinates_take_indices_as_lists_do(clips):
    plain = ClipSet(clips.library, clips.keys)
    assert (plain.label(-1), plain.label(np.int64(0))) == ("6", "1")
    assert (clips.label(-1), clips.values(-1)) == ("a moth, 2", {"prompt": "a moth", "seed": 2})
    assert (plain.coords(-1), clips.coords(-1)) == ({}, {"prompt": 1, "seed": 2})
    for one in (plain, clips):
        for method in (one.label, one.coords, one.values):
            for index in (6, 99, -7):
                with pytest.raises(IndexError, match=rf"clip {index}: there are 6, counted from"):
                    method(index)


# --- sums ----------------------------------------------------------------------------------------


def test_a_sum_has_both_sets_in_order_and_each_clip_once(clips):
    both = clips[2:4] + clips[:3]
    assert both.keys == (clips.keys[2], clips.keys[3], clips.keys[0], clips.keys[1])
    assert seeds(both) == [("a bee", 2), ("a moth", 0), ("a bee", 0), ("a bee", 1)]
    assert both.axes == clips.axes
    assert both.title == clips.title
    assert (clips + clips).keys == clips.keys
    assert (clips[:0] + clips).keys == clips.keys
    assert (clips[[1, 0, 1]] + clips[:0]).keys == (clips.keys[1], clips.keys[0])


def test_a_sum_adds_the_values_that_only_one_axis_has(library):
    bees, moths = fill(library, ["a bee"], seeds=2), fill(library, ["a moth", "a bee"], seeds=3)
    both = bees + moths
    assert both.axes[0].values == ("a bee", "a moth")
    assert both.axes[0].labels == ("a bee", "a moth")
    assert both.axes[1].values == (0, 1, 2)
    assert len(both) == 6
    for clip in both:
        assert (clip["prompt"], clip["seed"]) == (clip.prompt, clip.seed)
    assert both.where(prompt="a moth", seed=2)[0].prompt == "a moth"
    assert [both.coords(i)["seed"] for i in range(len(both))] == [0, 1, 0, 1, 2, 2]


def test_a_sum_keeps_labels_and_notes_of_added_values(clips):
    one = ClipSet(
        clips.library,
        clips.keys[:1],
        axes=[Axis("x", (1,), ("one",), ("first",))],
        coords=[{"x": 0}],
    )
    two = ClipSet(
        clips.library,
        clips.keys[1:2],
        axes=[Axis("x", ([2],), ("two",), ("second",))],  # a list has no hash
        coords=[{"x": 0}],
    )
    both = one + two
    assert both.axes[0] == Axis("x", (1, [2]), ("one", "two"), ("first", "second"))
    assert [both[i]["x"] for i in (0, 1)] == [1, [2]]
    assert both.label(1) == "two"


def test_a_clip_of_both_sets_keeps_its_value_in_the_first(clips):
    one, two = (
        ClipSet(clips.library, clips.keys[:1], axes=[Axis("take", (value,))], coords=[{"take": 0}])
        for value in ("first", "second")
    )
    both = one + two
    assert len(both) == 1
    assert both[0]["take"] == "first"


def test_a_sum_keeps_axes_that_only_one_set_has(clips):
    other = ClipSet(
        clips.library,
        clips.keys[:1],
        axes=[Axis("place", ("sea",)), Axis("seed", (0,))],
        coords=[{"place": 0, "seed": 0}],
        title="another",
    )
    both = clips[1:2] + other
    assert [axis.name for axis in both.axes] == ["prompt", "seed", "place"]
    assert dict(both[0].values) == {"prompt": "a bee", "seed": 1}
    assert dict(both[1].values) == {"seed": 0, "place": "sea"}
    assert both.title == ""
    with pytest.raises(KeyError, match=r"clip\['place'\]: this clip has no value on that axis"):
        both[0]["place"]
    assert both.where(place="sea").keys == clips.keys[:1]
    assert both.to_frame()["place"].isna().tolist() == [True, False]
    assert repr(both) == "ClipSet: 2 clips, prompt(1) x seed(2) x place(1)"


def test_a_sum_with_clips_of_no_sweep_keeps_axes_model_and_origin(clips, library):
    model, run = object(), []  # an empty run counts, too
    of_run = ClipSet(
        library,
        clips.keys[:3],
        axes=clips.axes,
        coords=[clips.coords(i) for i in range(3)],
        title="{prompt}",
        model=model,
        origin=run,
    )
    for both in (of_run[[0, 2]] + library.clips("moth"), library.clips("moth") + of_run[[0, 2]]):
        assert both.axes == clips.axes
        assert (both.model, both.title) == (model, "{prompt}")
        assert both._origin is run
        assert len(both.where(seed=[0, 2])) == 2
        moth = both.query("moth")[0]
        assert moth.seed in (0, 1, 2)
        with pytest.raises(KeyError, match="no value on that axis"):
            moth["seed"]
    other = ClipSet(library, clips.keys[3:], model=object(), origin=object())
    assert (of_run + other).model is None
    assert (of_run + other)._origin is None
    whole = library.clips() + clips
    assert all(clip["seed"] == clip.seed for clip in whole), "coordinates of the second set"


def test_a_grid_arranges_by_axes_that_all_clips_have(clips, library, tmp_path):
    both = clips[:2] + library.clips("moth")
    assert complete_axes(both) == ()
    assert complete_axes(clips) == clips.axes
    page = both.export_html(tmp_path / "page.html").read_text()
    assert '"axes":[]' in page
    assert contact_sheet_html(both).count("<img") == 5
    assert both.contact_sheet().axes
    assert both.contact_sheet()._repr_png_().startswith(b"\x89PNG")
    assert error_message(lambda: both.export_html(tmp_path / "page.html", rows="seed"), CheckError)


def test_sets_can_be_summed_with_sum_and_with_a_run(clips):
    assert sum([clips[:2], clips[2:]]).keys == clips.keys
    assert sum([clips[:2]]).axes == clips.axes

    class Run:
        def __init__(self, clips):
            self.clips = clips

    assert (clips[:2] + Run(clips[1:3])).keys == clips.keys[:3]
    for wrong in (lambda: 1 + clips, lambda: clips + 0, lambda: clips + clips.library):
        with pytest.raises(TypeError):
            wrong()


def test_a_sum_of_other_libraries_or_other_things_is_refused(clips, tmp_path):
    with open_library(tmp_path / "other") as other:
        message = error_message(lambda: clips + fill(other), CheckError)
    assert "can't be in one set; library.take(clip.path)" in message
    with pytest.raises(TypeError):
        clips + clips[0]


def test_a_sum_of_long_axes_compares_few_values(clips):
    compared = []

    class Counted(int):
        __hash__ = int.__hash__

        def __eq__(self, other):
            compared.append(1)
            return int(self) == other

    count = 400
    one, two = (
        ClipSet(
            clips.library,
            [f"{i:032x}" for i in range(start, start + count)],
            axes=[Axis("n", tuple(map(Counted, range(start, start + count))))],
            coords=[{"n": i} for i in range(count)],
        )
        for start in (0, count // 2)
    )
    compared.clear()
    both = one + two
    assert len(both) == len(both.axes[0]) == 3 * count // 2
    assert both.values(len(both) - 1) == {"n": 3 * count // 2 - 1}
    assert len(compared) < 20 * count


# --- pivots --------------------------------------------------------------------------------------


def test_pivot_warns_of_clips_that_share_a_cell(clips):
    three = ClipSet(
        clips.library,
        clips.keys[:4],
        axes=[Axis("a", (1, 2)), Axis("b", (1, 2)), Axis("c", ("x", "y"))],
        coords=[{"a": 0, "b": 0, "c": 0}, {"a": 0, "b": 0, "c": 1}, {"a": 1, "b": 1, "c": 0}, {}],
    )
    with pytest.warns(UserWarning, match=r"pivot leaves out 2 of 4 clips.*where\(c=") as caught:
        table = three.pivot("a", "b")
    assert caught[0].filename == __file__, "the warning points to the line that pivots"
    assert table.iloc[0, 0] == clips[0], "the first of those that share a cell"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clips.pivot("prompt", "seed")


# --- the library as a collection ------------------------------------------------------------------


def test_a_key_is_looked_up_by_its_first_characters_only(library):
    (clip,) = fill(library, ["a bee"], seeds=1)
    assert library[clip.key[:4]] == library[clip.key] == clip
    for text in ("", "!!!", "%", clip.key[:4] + "%", " ", clip.key[:3] + "!"):
        with pytest.raises(KeyError, match="no clip in"):
            library[text]


def test_a_library_is_a_collection_of_clips(library):
    assert list(library) == []
    assert repr(library).endswith(": 0 clips")
    clips = fill(library)
    assert list(library) == list(library.clips())
    assert clips[0] in library
    assert clips[0].shot in library
    assert clips[0].key in library
    for other in ("0" * 32, 3, None, object()):
        assert other not in library
