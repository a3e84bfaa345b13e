"""The camera words mean what they say, measured in the pixels of rendered and generated clips."""

import numpy as np
import pytest

import beecam as bc
from beecam.models.pollen.world.rendering.render import render
from beecam.models.pollen.world.scene import CAMERAS, draw_scene
from motion import motion

# What the content of the image does: pixels to the right and down, and growth. A camera that
# turns left moves the content right.
EXPECTED = {
    "static": lambda right, down, growth: right == down == 0 and abs(growth) < 0.02,
    "drone": lambda right, down, growth: growth > 0.05 and abs(right) < 30,
    "pan left": lambda right, down, growth: right > 40 and abs(down) < 8,
    "pan right": lambda right, down, growth: right < -40 and abs(down) < 8,
    "orbit": lambda right, down, growth: abs(right) > 30 and abs(down) < 8,
    "rise": lambda right, down, growth: abs(right) < 8 and growth > 0.02,
    "dive": lambda right, down, growth: down > 20 and growth > 0.1,
    "tracking": lambda right, down, growth: abs(right) > 15 and abs(down) < 8,
    "handheld": lambda right, down, growth: abs(right) < 15 and abs(down) < 15,
}


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.mark.slow
@pytest.mark.parametrize("camera", CAMERAS)
def test_a_rendered_camera_moves_as_its_word_says(camera):
    scenes = [
        draw_scene(
            seed,
            place="city",
            camera=camera,
            light="noon",
            weather="clear",
            insect="none",
            style="plain",
            speed="normal",
            accident=None,
        )
        for seed in (0, 2)
    ]
    for clip in render(scenes):
        found = motion(np.asarray(clip))
        assert EXPECTED[camera](*found), found


def test_orbits_and_tracking_shots_go_both_ways():
    for camera in ("orbit", "tracking"):
        sides = {draw_scene(seed, camera=camera).numbers["side"] > 0 for seed in range(20)}
        assert sides == {True, False}, "their captions name no side"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sign"),
    [("pan left", 1), ("the camera pans left", 1), ("panning right", -1), ("pan right", -1)],
)
def test_a_generated_pan_goes_where_its_prompt_says(pollen, words, sign):
    shot = pollen.resolve(bc.shot(f"a city at noon, {words}", seed=1, num_inference_steps=8))
    (clip,) = pollen.generate([shot])
    right, _, _ = motion(clip.frames)
    assert sign * right > 40
