"""Expanded sweeps keep their cells in order, and new cells follow."""

import pytest

import beecam as bc
from beecam.errors import CheckError
from beecam.sweeps import expand

INSECTS = ["bee", "moth", "fly"]


def values(sweep):
    return [tuple(cell.values.values()) for cell in sweep.cells]


def assert_starts_with(expanded, sweep):
    assert [c.shot for c in expanded.cells[: len(sweep)]] == [c.shot for c in sweep.cells]


@pytest.mark.parametrize(
    "few",
    [
        bc.sweep("a {insect}", bc.sample(4, seed=3), insect=INSECTS, seed=range(5)),
        bc.sweep("a {insect}", insect=INSECTS, seed=range(5)).where(insect=["bee", "fly"], seed=2),
    ],
)
def test_new_cells_come_after_the_existing_ones(few):
    missing = [
        {"insect": i, "seed": s} for i in INSECTS for s in range(5) if (i, s) not in values(few)
    ]
    expanded = expand.with_value(few, [missing[3], missing[0]])
    assert_starts_with(expanded, few)
    assert values(expanded) == [
        *values(few),
        tuple(missing[3].values()),
        tuple(missing[0].values()),
    ]
    assert expanded.cells[-1].shot.prompt == f"a {missing[0]['insect']}"
    assert len(expand.with_value(expanded, [missing[0]])) == len(expanded), (
        "the cell exists already"
    )
    full = expand.with_value(expanded, missing)
    assert sorted(values(full)) == sorted((i, s) for i in INSECTS for s in range(5))


def test_new_cells_by_position():
    few = bc.sweep("a {insect}", insect=INSECTS, seed=range(2)).where(insect="bee")
    expanded = expand.with_cell(few, [{"insect": 2, "seed": 1}])
    assert values(expanded)[-1] == ("fly", 1)
    with pytest.raises(CheckError, match="no place"):
        expand.with_cell(few, [{"insect": 3, "seed": 1}])
    paired = bc.sweep("a {insect}", bc.zip(insect=INSECTS, seed=range(3))).where(insect="bee")
    assert values(expand.with_cell(paired, [{"insect": 1, "seed": 1}]))[-1] == ("moth", 1)
    with pytest.raises(CheckError, match="insect and seed: the sweep has no place"):
        expand.with_cell(paired, [{"insect": 1, "seed": 2}])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"insekt": "bee", "seed": 0}, "Did you mean insect"),
        ({"insect": "be", "seed": 0}, "Did you mean 'bee'"),
        ({"insect": "bee"}, "seed: a value of this axis is needed"),
    ],
)
def test_an_invalid_cell_is_reported(values, words):
    sweep = bc.sweep("a {insect}", insect=INSECTS, seed=range(2)).where(insect="moth")
    with pytest.raises(CheckError, match=words):
        expand.with_value(sweep, [values])


@pytest.mark.parametrize(
    "sweep",
    [
        bc.sweep("a {insect}", insect=INSECTS, seed=range(3)),
        bc.sweep("a {insect}", seed=range(3), insect=INSECTS),
        bc.sweep("a {insect}", bc.sample(5), insect=INSECTS, seed=range(3), guidance_scale=[1, 2]),
    ],
)
def test_a_repeated_cell_adds_a_value_to_the_seed_axis(sweep):
    expanded = expand.with_new_seeds(sweep, [4, 1])
    assert_starts_with(expanded, sweep)
    assert len(expanded) == len(sweep) + 2
    seeds = {cell.shot.seed for cell in sweep.cells}
    for old, more in zip([sweep.cells[4], sweep.cells[1]], expanded.cells[-2:], strict=True):
        new = more.shot.seed
        assert new not in seeds
        assert more.values == {**old.values, "seed": new}
        assert more.shot == old.shot.replace(seed=new)
    again = expand.with_new_seeds(expanded, [len(sweep)])
    assert again.cells[-1].shot.seed not in {cell.shot.seed for cell in expanded.cells}


def test_repeating_cells_creates_a_missing_seed_axis():
    sweep = bc.sweep("a {insect}", insect=INSECTS, seed=7)
    expanded = expand.with_new_seeds(sweep, [1], seed=12)
    assert_starts_with(expanded, sweep)
    assert [axis.name for axis in expanded.axes] == ["insect", "seed"]
    assert values(expanded) == [("bee", 7), ("moth", 7), ("fly", 7), ("moth", 12)]
    plain = expand.with_new_seeds(bc.sweep("a bee"), [0], seed=3)
    assert [c.shot.seed for c in plain.cells] == [0, 3]


def test_existing_shots_can_be_repeated(ltx_pipe):
    from beecam.sweeps.build import sweep_of_shots

    sweep = sweep_of_shots([bc.shot("a bee", seed=1), bc.shot("a moth", seed=2)])
    expanded = expand.with_new_seeds(sweep, [1], seed=9)
    assert_starts_with(expanded, sweep)
    assert expanded.cells[2].shot == bc.shot("a moth", seed=9)
    assert expanded.axes[0].labels == ("1", "2", "2, seed 9")
    assert not expanded.fills


def test_paired_or_mixed_seeds_cannot_be_repeated():
    paired = bc.sweep("a {insect}", bc.zip(insect=INSECTS, seed=range(3)))
    with pytest.raises(CheckError, match="pairs its seeds with other axes"):
        expand.with_new_seeds(paired, [0])
    mixed = bc.sweep("a {insect}", insect=INSECTS, noise=((1, 0.5), (2, 0.5)))
    with pytest.raises(CheckError, match="mixes them"):
        expand.with_new_seeds(mixed, [0])


@pytest.mark.slow
def test_an_expanded_run_generates_only_new_cells(library):
    model = bc.load()
    few = bc.sweep("a {insect}", insect=INSECTS, seed=range(3), num_inference_steps=2).where(
        insect="bee"
    )
    run = bc.run(few, model, library=library).wait()
    expanded = run.with_cells(expand.with_value(run.sweep, [{"insect": "moth", "seed": 2}])).wait()
    assert [cell.status for cell in expanded.changes().cells] == ["cached"] * 3 + ["done"]
    assert expanded.clips[3].shot.prompt == "a moth"
    draft = bc.run(few, model, library=library, draft=0.5).wait()
    more = draft.with_cells(expand.with_new_seeds(draft.sweep, [0])).wait()
    assert [clip.shot.draft_steps for clip in more.clips] == [1] * 4
