"""Plans: every cell once, together with those that can share a batch."""

from hypothesis import given
from hypothesis import strategies as st

from beecam.models.batching.batch_size import BatchPolicy
from beecam.runs.plan import Plan
from beecam.shots.shot import Shot


class FakeModel(BatchPolicy):
    """The members of a model that a plan uses, and its batch policy."""

    name = "fake"

    def __init__(self, size, parallel_batches=1, trials=()):
        super().__init__(size, parallel_batches=parallel_batches)
        self.trials = list(trials)
        self.batching = self

    def batch_key(self, shot):
        return shot.width

    def trial_size(self, shot, waiting):
        size = self.trials[:1]
        return self.trials.pop(0) if size and waiting >= 2 * size[0] else None


def shots(widths):
    return [Shot(prompt=str(i), width=w) for i, w in enumerate(widths)]


def drain(plan):
    out = []
    while (batch := plan.next()) is not None:
        out.append(batch)
    return out


@given(st.lists(st.sampled_from([32, 64, 96]), max_size=40), st.integers(1, 9), st.booleans())
def test_every_cell_is_in_one_batch_with_cells_of_the_same_key(widths, size, exact):
    batches = drain(Plan(FakeModel(size), shots(widths), exact=exact))
    assert sorted(i for b in batches for i in b.cells) == list(range(len(widths)))
    for batch in batches:
        assert len({widths[i] for i in batch.cells}) == 1
        assert len(batch.cells) <= size
        power = 1 << (size.bit_length() - 1)
        assert batch.size == (power if exact else len(batch.cells))
    first = [widths[b.cells[0]] for b in batches]
    assert first == sorted(first, key=widths.index)


@given(st.integers(1, 100), st.integers(1, 9), st.integers(1, 4))
def test_concurrent_batches_share_the_cells_evenly(cells, size, parallel_batches):
    batches = drain(Plan(FakeModel(size, parallel_batches), shots([32] * cells)))
    sizes = [len(batch.cells) for batch in batches]
    assert sum(sizes) == cells
    assert max(sizes) <= size
    assert len(set(sizes[:-1])) <= 1, "all but the last are equally large"
    assert len(sizes) <= -(-cells // (size * parallel_batches)) * parallel_batches
    if cells >= size * parallel_batches:
        assert len(sizes) >= parallel_batches, "no worker is idle"
    elif cells >= parallel_batches and cells % parallel_batches == 0:
        assert sizes == [cells // parallel_batches] * parallel_batches


@given(st.lists(st.sampled_from([32, 64]), min_size=1, max_size=20), st.data())
def test_dropped_cells_are_left_out_and_cells_put_back_come_first(widths, data):
    plan = Plan(FakeModel(3), shots(widths))
    dropped = data.draw(st.sets(st.integers(0, len(widths) - 1)))
    for index in dropped:
        assert plan.drop(index)
        assert not plan.drop(index)
    assert len(plan) == len(widths) - len(dropped)
    batch = plan.next()
    if batch is None:
        assert len(dropped) == len(widths)
        return
    plan.put_back(batch.cells)
    assert plan.next() == batch
    assert sorted(i for b in drain(plan) for i in b.cells) == sorted(
        set(range(len(widths))) - dropped - set(batch.cells)
    )


def test_a_size_that_is_reduced_meanwhile_is_used():
    model = FakeModel(4)
    plan = Plan(model, shots([32] * 6))
    batch = plan.next()
    model._size = 2
    plan.put_back(batch.cells)
    assert [b.cells for b in drain(plan)] == [(0, 1), (2, 3), (4, 5)]


def test_batches_follow_the_trials_of_the_policy_and_are_then_of_equal_size():
    model = FakeModel(4, trials=(4, 8))
    plan = Plan(model, shots([32] * 40))
    assert [len(plan.next().cells) for _ in range(2)] == [4, 8]
    assert [len(b.cells) for b in drain(plan)] == [4] * 7
    model = FakeModel(4, trials=(4,))
    plan = Plan(model, shots([32] * 30))
    plan.next()
    assert [len(plan.next().cells) for _ in range(2)] == [4, 4]
    model._size = 8
    assert [len(b.cells) for b in drain(plan)] == [6, 6, 6]
