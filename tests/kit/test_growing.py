"""Sweeps that grow keep the cells that they have, in their order, and get others after them."""

import pytest

import beecam as bc
from beecam.errors import CheckError
from beecam.sweeps import expand as growing

INSECTS = ["bee", "moth", "fly"]


def values(sweep):
    return [tuple(cell.values.values()) for cell in sweep.cells]


def same_beginning(grown, sweep):
    assert [c.shot for c in grown.cells[: len(sweep)]] == [c.shot for c in sweep.cells]


@pytest.mark.parametrize(
    "few",
    [
        bc.sweep("a {insect}", bc.sample(4, seed=3), insect=INSECTS, seed=range(5)),
        bc.sweep("a {insect}", insect=INSECTS, seed=range(5)).where(insect=["bee", "fly"], seed=2),
    ],
)
def test_places_are_filled_after_those_that_are_there(few):
    free = [
        {"insect": i, "seed": s} for i in INSECTS for s in range(5) if (i, s) not in values(few)
    ]
    grown = growing.with_value(few, [free[3], free[0]])
    same_beginning(grown, few)
    assert values(grown) == [*values(few), tuple(free[3].values()), tuple(free[0].values())]
    assert grown.cells[-1].shot.prompt == f"a {free[0]['insect']}"
    assert len(growing.with_value(grown, [free[0]])) == len(grown), "it is there already"
    full = growing.with_value(grown, free)
    assert sorted(values(full)) == sorted((i, s) for i in INSECTS for s in range(5))


def test_places_by_position():
    few = bc.sweep("a {insect}", insect=INSECTS, seed=range(2)).where(insect="bee")
    grown = growing.with_cell(few, [{"insect": 2, "seed": 1}])
    assert values(grown)[-1] == ("fly", 1)
    with pytest.raises(CheckError, match="no place"):
        growing.with_cell(few, [{"insect": 3, "seed": 1}])
    paired = bc.sweep("a {insect}", bc.zip(insect=INSECTS, seed=range(3))).where(insect="bee")
    assert values(growing.with_cell(paired, [{"insect": 1, "seed": 1}]))[-1] == ("moth", 1)
    with pytest.raises(CheckError, match="insect and seed: the sweep has no place"):
        growing.with_cell(paired, [{"insect": 1, "seed": 2}])


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"insekt": "bee", "seed": 0}, "Did you mean insect"),
        ({"insect": "be", "seed": 0}, "Did you mean 'bee'"),
        ({"insect": "bee"}, "seed: a value of this axis is needed"),
    ],
)
def test_what_is_no_place_is_said(place, said):
    sweep = bc.sweep("a {insect}", insect=INSECTS, seed=range(2)).where(insect="moth")
    with pytest.raises(CheckError, match=said):
        growing.with_value(sweep, [place])


@pytest.mark.parametrize(
    "sweep",
    [
        bc.sweep("a {insect}", insect=INSECTS, seed=range(3)),
        bc.sweep("a {insect}", seed=range(3), insect=INSECTS),
        bc.sweep("a {insect}", bc.sample(5), insect=INSECTS, seed=range(3), guidance_scale=[1, 2]),
    ],
)
def test_once_more_is_one_more_value_of_the_seed(sweep):
    grown = growing.with_new_seeds(sweep, [4, 1])
    same_beginning(grown, sweep)
    assert len(grown) == len(sweep) + 2
    seeds = {cell.shot.seed for cell in sweep.cells}
    for old, more in zip([sweep.cells[4], sweep.cells[1]], grown.cells[-2:], strict=True):
        new = more.shot.seed
        assert new not in seeds
        assert more.values == {**old.values, "seed": new}
        assert more.shot == old.shot.replace(seed=new)
    twice = growing.with_new_seeds(grown, [len(sweep)])
    assert twice.cells[-1].shot.seed not in {cell.shot.seed for cell in grown.cells}


def test_once_more_makes_the_axis_where_there_is_none():
    sweep = bc.sweep("a {insect}", insect=INSECTS, seed=7)
    grown = growing.with_new_seeds(sweep, [1], seed=12)
    same_beginning(grown, sweep)
    assert [axis.name for axis in grown.axes] == ["insect", "seed"]
    assert values(grown) == [("bee", 7), ("moth", 7), ("fly", 7), ("moth", 12)]
    plain = growing.with_new_seeds(bc.sweep("a bee"), [0], seed=3)
    assert [c.shot.seed for c in plain.cells] == [0, 3]


def test_once_more_of_shots_that_were_made_already(ltx_pipe):
    from beecam.sweeps.build import sweep_of_shots

    sweep = sweep_of_shots([bc.shot("a bee", seed=1), bc.shot("a moth", seed=2)])
    grown = growing.with_new_seeds(sweep, [1], seed=9)
    same_beginning(grown, sweep)
    assert grown.cells[2].shot == bc.shot("a moth", seed=9)
    assert grown.axes[0].labels == ("1", "2", "2, seed 9")
    assert not grown.fills


def test_seeds_that_are_tied_are_left_alone():
    paired = bc.sweep("a {insect}", bc.zip(insect=INSECTS, seed=range(3)))
    with pytest.raises(CheckError, match="pairs its seeds with other axes"):
        growing.with_new_seeds(paired, [0])
    mixed = bc.sweep("a {insect}", insect=INSECTS, noise=((1, 0.5), (2, 0.5)))
    with pytest.raises(CheckError, match="mixes them"):
        growing.with_new_seeds(mixed, [0])


def test_a_run_grows_and_makes_only_what_is_new(library):
    model = bc.load()
    few = bc.sweep("a {insect}", insect=INSECTS, seed=range(3), num_inference_steps=2).where(
        insect="bee"
    )
    run = bc.run(few, model, library=library).wait()
    grown = run.with_cells(growing.with_value(run.sweep, [{"insect": "moth", "seed": 2}])).wait()
    assert [cell.status for cell in grown.changes().cells] == ["cached"] * 3 + ["done"]
    assert grown.clips[3].shot.prompt == "a moth"
    draft = bc.run(few, model, library=library, draft=0.5).wait()
    more = draft.with_cells(growing.with_new_seeds(draft.sweep, [0])).wait()
    assert [clip.shot.draft_steps for clip in more.clips] == [1] * 4
