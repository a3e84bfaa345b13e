"""What a run tells of its cells is what a look at all of them would tell."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from beecam.runs.progress import FINISHED, Progress, Status

CELLS = 6
CHANGE = st.tuples(
    st.lists(st.integers(0, CELLS - 1), min_size=1, max_size=3),
    st.sampled_from([None, *Status]),
    st.dictionaries(st.sampled_from(["step", "steps"]), st.integers(1, 9)),
    st.none() | st.floats(0.1, 9),
)


@given(changes=st.lists(CHANGE, max_size=12), read=st.integers(0, 12))
def test_changes_are_those_of_a_look_at_every_cell(changes, read):
    progress = Progress([str(i) for i in range(CELLS)])
    seen = progress.changes(0, None)
    assert [cell.index for cell in seen.cells] == list(range(CELLS))
    cells = {cell.index: cell for cell in seen.cells}
    for number, (indices, status, fields, seconds) in enumerate(changes):
        more = {} if seconds is None else {"seconds": seconds}
        progress.set_all(indices, status=status, **fields, **more)
        if number == read:
            seen = progress.changes(seen.version, None)
            cells.update((cell.index, cell) for cell in seen.cells)
    seen = progress.changes(seen.version, None)
    assert list(seen.cells) == sorted(seen.cells, key=lambda cell: cell.index)
    cells.update((cell.index, cell) for cell in seen.cells)
    assert cells == {i: progress[i] for i in range(CELLS)}, "a change was not told"
    assert not seen.version or not progress.changes(seen.version, None).cells
    every = list(cells.values())
    assert progress.counts == Counter(cell.status for cell in every)
    measured = sorted(cell.seconds for cell in every if cell.seconds is not None)
    left = [cell for cell in every if cell.status not in FINISHED]
    steps = sum(cell.step / cell.steps for cell in left if cell.steps)
    expected = measured[len(measured) // 2] * (len(left) - steps) if measured else None
    assert progress.changes(0, None).run.seconds_left == expected
