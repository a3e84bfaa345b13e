"""What the large view says of a clip's arguments."""

import pytest

import beecam as bc
from beecam.export.view_data import clip_details

SPEED = ("few steps 66285a2e17c1", "fast attention")


@pytest.mark.parametrize("count", [1, 2])
def test_arguments_of_several_values_are_shown_as_a_list_for_people(count):
    shot = bc.shot("a bee", seed=1).replace(speed=SPEED[:count])
    assert ["speed", ", ".join(SPEED[:count])] in clip_details(shot, {})["arguments"]
    mixed = bc.shot("a bee").replace(noise=((1, 0.5), (2, 0.5)))
    assert ["noise", "((1, 0.5), (2, 0.5))"] in clip_details(mixed, {})["arguments"]
