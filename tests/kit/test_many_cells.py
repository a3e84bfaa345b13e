"""Very many cells: what they share is done once, and each is what it would be alone."""

import hashlib
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import CheckError
from beecam.models.capabilities import batch_keys_of
from beecam.models.diffusers.adapter import DiffusersModel
from beecam.models.loading.load import wrap
from beecam.models.resolving import resolve_shot
from beecam.runs.progress import FINISHED, CellState, Progress, Status
from beecam.shots import noise
from beecam.shots.shot import Shot
from beecam.shots.shot_list import ShotList, distinct_shots
from helpers import PATIENCE

# What can be an axis, with values that make different shots.
AXES = {
    # Equal values of different types are different words.
    "insect": ["bee", "moth", 1, 1.0, True],
    "thing": ["a web", "rain"],
    "seed": [3, 0, 2**40],
    "noise": [((1, 0.5), (2, 0.5)), ((7, 1.0),)],
    "guidance_scale": [1.0, 2, 3.5],
    "width": [32, 64],
    "negative_prompt": ["dark", "no {thing}", None],
    "max_sequence_length": [8, 16],
}
PROMPTS = [
    "a {insect}",
    ["a {insect}", "{insect} and {thing}"],
    "{thing} {a|b::2}, seed {seed}",
    "a bee in {dark=night|day}",
    "[a {insect}:a fly:2]",
    [("a {insect}", 0.5), ("{thing}", 0.5)],
]


@pytest.fixture(scope="module")
def model(ltx_pipe):
    return wrap(ltx_pipe, name="tiny")


@st.composite
def sweeps(draw):
    """Return a sweep with axes, constants, paired axes and a selection."""
    names = draw(st.lists(st.sampled_from(sorted(AXES)), unique=True))
    if {"seed", "noise"} <= set(names):
        names.remove("seed")
    paired = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    length = min((len(AXES[name]) for name in paired), default=0)
    pairs = [bc.zip(**{name: AXES[name][:length] for name in paired})] if paired else []
    rest = {name: AXES[name] for name in names if name not in paired}
    for name in draw(st.lists(st.sampled_from(names), unique=True)) if names else []:
        if name in rest and name != "noise":
            rest[name] = rest[name][0]
    rest |= {name: AXES[name][0] for name in ("insect", "thing", "seed") if name not in names}
    if "noise" in names:
        del rest["seed"]
    prompt = draw(st.sampled_from(PROMPTS))
    if "{seed}" in str(prompt) and "noise" in names:
        prompt = PROMPTS[0]
    sweep = bc.sweep(prompt, *pairs, **rest)
    if not sweep.problems and draw(st.booleans()):
        sweep = sweep[draw(st.permutations(range(len(sweep))))[: 1 + len(sweep) // 2]]
    return sweep


@given(sweeps())
def test_each_cell_has_the_shot_that_its_values_make_alone(sweep):
    if sweep.problems:
        return
    assert len(sweep.cells) == len(sweep.shot_list) == len(sweep)
    for index, cell in enumerate(sweep.cells):
        assert cell == sweep[index] == sweep.cells[index : index + 1][0]
        assert cell.index == index
        template = sweep.templates[cell.coords.get("prompt", 0)]
        alone = sweep._shot(template, {**sweep.constants, **cell.values})
        assert cell.shot == alone == sweep.shot_list[index]
        assert vars(alone).keys() <= vars(cell.shot).keys()


@given(sweeps())
def test_shots_are_resolved_as_each_alone_and_have_its_key(model, sweep):
    try:
        shots = sweep.resolved_shots(model)
    except CheckError:
        return
    assert sweep.resolve(model) == tuple(shots)
    for index, cell in enumerate(sweep.cells):
        alone, problems = resolve_shot(model, cell.shot)
        assert problems == []
        assert shots[index] == alone
        text = json.dumps(alone.to_dict(), sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        assert shots.keys[index] == shots[index].key == alone.key == digest
    found = batch_keys_of(model, shots)
    assert found == [model.batch_key(shot) for shot in shots]


@given(sweeps(), st.data())
def test_lists_of_shots_are_those_of_tuples(sweep, data):
    if sweep.problems:
        return
    shots = sweep.shot_list
    plain = tuple(shots)
    assert ShotList.of(plain) == plain == shots
    assert hash(shots) == hash(plain)
    indices = data.draw(st.lists(st.integers(0, len(plain) - 1)))
    assert shots.take(indices) == tuple(plain[i] for i in indices)
    assert shots[1:] == plain[1:]
    assert shots[-1] == plain[-1]
    wide = shots.select(lambda shot: shot.width == 64)
    assert wide == tuple(shot for shot in plain if shot.width == 64)
    few = shots.map(lambda shot: shot.replace(num_inference_steps=3))
    assert few == tuple(shot.replace(num_inference_steps=3) for shot in plain)
    for some in (plain, shots, shots.take(indices)):
        kinds = [shot.without_noise() for shot in distinct_shots(some)]
        assert Counter(kinds) == Counter({shot.without_noise() for shot in some})


# --- what is asked of a model ----------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of what costs time for each cell."""
    found = Counter()

    def count(owner, name):
        original = getattr(owner, name)

        def counted(*args, **keywords):
            found[name] += 1
            return original(*args, **keywords)

        monkeypatch.setattr(owner, name, counted)

    for name in ("resolve", "check", "batch_key"):
        count(DiffusersModel, name)
    for name in ("__post_init__", "_copy", "to_dict", "without_noise"):
        count(Shot, name)
    count(noise, "_is_valid")
    return found


def calls_for(calls, seeds, use):
    calls.clear()
    use(bc.sweep("a {insect}", insect=["bee", "moth"], guidance_scale=[1.0, 3.0], seed=seeds))
    return dict(calls)


def test_the_work_for_a_sweep_does_not_grow_with_its_seeds(ltx, library, calls):
    def start(sweep):
        run = bc.run(sweep, ltx, library=library)
        run.cancel()
        run.wait(PATIENCE)

    for use in (
        lambda sweep: sweep.check(ltx),
        lambda sweep: bc.estimate(sweep, ltx, library),
        start,
    ):
        few = calls_for(calls, range(1_000, 1_040), use)
        many = calls_for(calls, range(2_000, 2_400), use)
        assert few.pop("_is_valid") >= 40, "each seed is checked"
        assert 400 <= many.pop("_is_valid") <= 2 * 400, "and not for each insect"
        if use is start:  # it may have begun a batch
            assert sum(many.values()) < sum(few.values()) + 100
        else:
            assert many == few


def test_a_model_is_asked_once_about_all_prompts(model, calls):
    insects = [f"bee {i}" for i in range(50)]
    bc.sweep("a {insect}", insect=insects, guidance_scale=[1.0, 3.0]).resolve(model)
    assert calls["check"] == 2
    assert calls["__post_init__"] < 20


def test_wrong_prompts_and_seeds_among_right_ones_are_all_named(model):
    long = "x" * 5_000
    with pytest.raises(CheckError) as caught:
        bc.sweep("{a}", a=["bee", long, "moth"], seed=[1, -2, 3, -4], width=33).check(model)
    named = [problem.argument for problem in caught.value.problems]
    assert sorted(named) == ["prompt", "seed", "seed", "width"]


# --- the states of a run's cells ---------------------------------------------------------------------

updates = st.one_of(
    st.tuples(
        st.just("set"),
        st.integers(0, 4),
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(list(Status)),
                "step": st.integers(0, 4),
                "steps": st.integers(0, 4),
                "preview": st.none() | st.binary(max_size=2),
                "error": st.none() | st.text(max_size=2),
                "seconds": st.none() | st.floats(0, 9),
            },
        ),
    ),
    st.tuples(st.just("drop"), st.integers(0, 4)),
    st.tuples(st.just("mark_generated"), st.integers(0, 4)),
    st.tuples(st.just("cancel")),
)


@given(st.lists(updates))
def test_states_kept_by_column_are_those_of_each_cell(steps):
    progress, cells, generated = Progress("abcde"), [{} for _ in range(5)], set()

    def cancel(index):
        if cells[index].get("status", "queued") not in FINISHED and index not in generated:
            cells[index] |= {"status": Status.CANCELLED, "preview": None}

    seen = 0
    for name, *arguments in steps:
        before = [progress[i] for i in range(5)]
        if name == "set":
            index, new = arguments
            progress.set(index, **new)
            has_clip = new.get("status") in (Status.DONE, Status.CACHED)
            if cells[index].get("status") != Status.CANCELLED or has_clip:
                cells[index] |= new
        else:
            getattr(progress, name)(*arguments)
            if name == "mark_generated":
                generated.add(*arguments)
            for index in arguments or range(5) if name != "mark_generated" else ():
                cancel(index)
        after = [CellState(i, key, **cells[i]) for i, key in enumerate("abcde")]
        assert [progress[i] for i in range(5)] == after == list(progress.changes(0, None).cells)
        changed = progress.changes(seen, None) if seen else None
        if changed:
            missed = {i for i in range(5) if before[i] != after[i]}
            assert missed <= {cell.index for cell in changed.cells}
        seen = progress.version
        assert progress.counts == Counter(str(cell.status) for cell in after)
        assert progress.cells(Status.QUEUED) == [c for c in after if c.status == Status.QUEUED]


def test_a_cancelled_run_is_one_change_to_those_who_watch():
    progress = Progress([str(i) for i in range(1_000)])
    before = progress.version
    progress.cancel()
    assert progress.version - before == 2  # its cells, and itself
    assert len(progress.changes(before, None).cells) == 1_000


# --- rows of a library ------------------------------------------------------------------------------


def test_rows_come_in_the_order_of_the_keys(library, monkeypatch):
    monkeypatch.setattr("beecam.storage.store.KEYS_PER_QUERY", 3)
    shots = [_whole(seed=i) for i in range(8)]
    for shot in shots:
        library._index.add(shot.key, {"shot": shot.to_dict(), "facts": {}, "created": 1.0})
    keys = [shot.key for shot in reversed(shots)]
    keys[4] = "0" * 32
    rows = list(library.rows(keys))
    assert [row and row["shot"]["noise"][0][0] for row in rows] == [7, 6, 5, 4, None, 2, 1, 0]


def test_many_keys_are_known_as_few_are(library, monkeypatch):
    known = [_whole(seed=i) for i in range(5)]
    for shot in known:
        library._index.add(shot.key, {"shot": shot.to_dict(), "facts": {}, "created": 1.0})
    asked = [shot.key for shot in known[1:]] + [f"{i:032x}" for i in range(9)] + ["no digest"]
    few = library._index.known(asked)
    monkeypatch.setattr("beecam.storage.index.KEYS_PER_QUERY", 1)
    assert library._index.known(asked) == few == {shot.key for shot in known[1:]}


def _whole(**arguments):
    return bc.shot("a bee", **arguments).replace(
        negative_prompt="",
        width=32,
        height=32,
        num_frames=9,
        fps=8.0,
        num_inference_steps=4,
        guidance_scale=3.0,
        scheduler="Euler",
        model="own",
        revision="0",
    )
