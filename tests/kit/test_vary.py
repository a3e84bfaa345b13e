"""Variations of a clip: `bc.vary`."""

import numpy as np
import pytest

import beecam as bc
from beecam.runs.progress import Status
from helpers import PATIENCE, statuses


@pytest.mark.slow
def test_vary_generates_variations_of_a_clip(ltx, library):
    clip = bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE).clips[0]
    close = bc.run(bc.vary(clip, 3, strength=0.1), ltx, library=library).wait(PATIENCE)
    assert statuses(close) == [Status.CACHED] + [Status.DONE] * 3
    assert [axis.labels for axis in close.sweep.axes] == [("original", "1", "2", "3")]
    assert close.clips[0] == clip
    assert {c.parents for c in close.clips[1:]} == {(clip.key,)}
    assert clip.parents == ()
    far = bc.run(bc.vary(clip, 3, strength=1), ltx, library=library).wait(PATIENCE)
    base = clip.regenerate(ltx).astype(float)

    def distance(run):
        return np.mean([np.abs(c.regenerate(ltx) - base).mean() for c in run.clips[1:]])

    assert distance(close) < distance(far) / 2
    deeper = bc.vary(close.clips[1], 1, strength=0.5)
    assert len(deeper.shots[1].noise) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"clip": 3}, "clip=3: a clip, as in run.clips[0]"),
        ({"n": 0}, "n=0: an integer from 1"),
        ({"strength": 0}, "strength=0: a number over 0 and up to 1"),
        ({"strength": float("nan")}, "strength=nan"),
        ({"seed": "x"}, "seed='x'"),
    ],
)
def test_vary_names_what_is_out_of_range(arguments, words):
    with pytest.raises(bc.CheckError) as error:
        bc.vary(**{"clip": bc.shot("a bee"), **arguments})
    assert words in str(error.value)
