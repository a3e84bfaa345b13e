"""A message of a front end acts on the clips that the front end showed, or on none."""

import pytest
from drawn import DrawnModel
from front_end import FrontEnd

import beecam as bc
from helpers import PATIENCE

# Each message with what it would do to the run that is shown.
MESSAGES = {
    "annotate": {"cells": [0, 1], "stars": 5, "rejected": True, "tag": "no"},
    "run": {"action": "run"},
    "fill": {"coords": [[1, 1]]},
    "regenerate": {"cells": [0]},
    "detail": {"cell": 0},
    "columns": {},
    "viewport": {"visible": [0, 1], "requested": [0, 1]},
}


@pytest.fixture
def two_runs(library):
    def started(insect):
        sweep = bc.sweep("a {x} {y}", x=[insect, "moth"], y=["here", "there"])
        return bc.run(sweep.where(x=insect), DrawnModel(), library=library).wait(PATIENCE)

    return started("bee"), started("fly")


def effects(grid, run, front_end):
    """Return everything that a message could have changed, once all that were sent are handled."""
    pongs = len(front_end.received("pong"))
    front_end.send("ping")
    front_end.wait_for(lambda: len(front_end.received("pong")) > pongs)
    answers = ("detail", "mp4", "columns", "annotations")
    return (
        [(clip.stars, clip.rejected, clip.tags) for clip in run.clips],
        grid.run is run,
        {kind: len(front_end.received(kind)) for kind in answers},
        grid._publisher._clients["page"].visible,
    )


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_about_earlier_clips_changes_nothing_of_the_later(show, two_runs, kind):
    first, second = two_runs
    grid = show(first)
    front_end = FrontEnd(grid).open()
    earlier = front_end.token()
    grid.show(second)
    front_end.wait_for(lambda: front_end.token() != earlier)
    before = effects(grid, second, front_end)
    for token in (earlier, "", None):
        front_end.send(kind, **MESSAGES[kind], token=token)
        assert effects(grid, second, front_end) == before, token
    # With the token of the clips that are shown, each has an effect.
    front_end.send(kind, **MESSAGES[kind])
    front_end.wait_for(lambda: effects(grid, second, front_end) != before)


def test_cells_keep_their_numbers_in_a_longer_run(show, two_runs):
    first, second = two_runs
    grid = show(first)
    front_end = FrontEnd(grid).open()
    tokens = [front_end.token()]
    for _ in range(2):
        front_end.send("regenerate", cells=[0])
        front_end.wait_for(lambda: front_end.token() not in tokens)
        tokens.append(front_end.token())
    grid.run.wait(PATIENCE)
    for stars, token in enumerate(tokens, 1):
        front_end.send("annotate", cells=[1], stars=stars, token=token)
        front_end.wait_for(lambda stars=stars: first.clips[1].stars == stars)
    longest = grid.run
    grid.show(second)
    front_end.send("annotate", cells=[1], stars=5)
    effects(grid, second, front_end)
    assert [clip.stars for clip in second.clips] == [0, 0]
    grid.show(longest)
    front_end.wait_for(lambda: front_end.token() == tokens[-1])
    front_end.send("annotate", cells=[1], stars=5, token=tokens[0])
    effects(grid, longest, front_end)
    assert first.clips[1].stars == 3, "the front end has not shown the shorter run since"


def test_a_front_end_that_missed_the_other_clips_gets_them(show, two_runs):
    first, second = two_runs
    grid = show(first)
    front_end = FrontEnd(grid).open()
    grid.show(second)
    front_end.wait_for(lambda: len(front_end.received("cells")) == 2)
    front_end.send("ping")
    effects(grid, second, front_end)
    assert len(front_end.received("cells")) == 2
    front_end.send("ping", token=front_end.received("cells")[0][0]["token"])
    front_end.wait_for(lambda: len(front_end.received("cells")) == 3)
