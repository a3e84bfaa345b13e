"""Augmentations change how clips look and not what they show."""

import pytest
import torch

from beecam.models.pollen.networks.classifier import VALUES
from beecam.models.pollen.training.data import augmentation
from beecam.models.pollen.world.rendering.render import render
from beecam.models.pollen.world.scene import CAMERAS, draw_scene


def test_reversed_time_swaps_pans_and_is_not_used_for_flights():
    g = torch.Generator().manual_seed(0)
    video = torch.randn(len(CAMERAS), 1, 17, 8, 8, generator=g).repeat(40, 1, 1, 1, 1)
    labels = torch.arange(len(CAMERAS)).repeat(40)
    back = augmentation.reversed_labels("camera")
    seen, meant = augmentation.vary_motion(video, labels, back, g)
    kinds = {}
    for one, other, before, after in zip(video, seen, labels, meant, strict=True):
        changes = {
            (s, b): torch.equal(other, s * (one.flip(1) if b else one))
            for s in (1, -1)
            for b in (False, True)
        }
        (change,) = [key for key, same in changes.items() if same]
        kinds.setdefault(CAMERAS[int(before)], set()).add((change, CAMERAS[int(after)]))
    for name in ("drone", "rise", "dive"):
        assert kinds[name] == {((1, False), name), ((-1, False), name)}, name
    other = {"pan left": "pan right", "pan right": "pan left"}
    for name in ("static", "orbit", "tracking", "handheld", "pan left", "pan right"):
        assert kinds[name] == {
            ((s, b), other.get(name, name) if b else name) for s in (1, -1) for b in (False, True)
        }, name


def test_a_crop_is_as_large_as_the_image():
    g = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 40)
    video = (axis.view(1, -1) + 2 * axis.view(-1, 1)).expand(2, 3, 5, 40, 40)
    seen = [augmentation.random_crop(video, g) for _ in range(30)]
    assert all(one.shape == video.shape for one in seen)
    assert any(torch.equal(one, video) for one in seen)
    # A crop leaves out at most a tenth, the same in all frames.
    widths = [float(one[0, 0, 0, 20, -1] - one[0, 0, 0, 20, 0]) for one in seen]
    assert 1.75 < min(widths) < 1.9
    assert max(widths) <= 2.001
    assert all(torch.equal(one[0, 0, 0], one[1, 2, 4]) for one in seen)


def test_a_crop_can_be_centred_horizontally():
    g = torch.Generator().manual_seed(0)
    axis = torch.linspace(-1, 1, 40)
    video = axis.view(1, -1).expand(2, 3, 5, 40, 40)
    middles = [
        float(augmentation.random_crop(video, g, horizontal=False).mean()) for _ in range(30)
    ]
    assert max(map(abs, middles)) < 0.03, "half a pixel"
    assert max(abs(float(augmentation.random_crop(video, g).mean())) for _ in range(30)) > 0.04


def test_some_clips_become_grey_and_keep_their_shapes():
    g = torch.Generator().manual_seed(0)
    video = torch.randn(200, 3, 2, 4, 4, generator=g)
    seen = augmentation.random_grey(video, g)
    grey = torch.tensor([bool((one == one[:1]).all()) for one in seen])
    assert 0.15 < grey.float().mean() < 0.35
    assert torch.equal(seen[~grey], video[~grey])
    assert torch.allclose(seen[grey].mean(1), video[grey].mean(1), atol=1e-6)


@pytest.mark.slow
def test_flips_and_black_and_white_look_as_rendered():
    fixed = {
        "place": "meadow",
        "light": "noon",
        "weather": "clear",
        "insect": "bee",
        "camera": "static",
    }
    kinds = [
        (None, "plain"),
        ("upside down", "plain"),
        ("mirror", "plain"),
        (None, "black and white"),
    ]
    usual, *others = (
        render([draw_scene(4, accident=accident, style=style, **fixed)], frames=2)
        for accident, style in kinds
    )
    g = torch.Generator().manual_seed(0)
    clips = usual.expand(300, -1, -1, -1, -1)
    turned, labels = augmentation.random_flips(clips, torch.zeros(300, dtype=torch.long), g)
    names = VALUES["accident"]
    for name, rendered in zip(("upside down", "mirror"), others[:2], strict=True):
        affected = labels == names.index(name)
        assert 0.06 < affected.float().mean() < 0.2
        assert torch.equal(turned[affected], rendered.expand(int(affected.sum()), -1, -1, -1, -1))
    assert torch.equal(turned[labels == 0], clips[labels == 0])
    # Clips with an accident keep it.
    with_accident = torch.full((300,), names.index("petal"))
    assert torch.equal(augmentation.random_flips(clips, with_accident, g)[1], with_accident)
    styled = augmentation.random_black_and_white(clips, g)
    grey = (styled[..., 0] == styled[..., 2]).flatten(1).all(1)
    assert 0.15 < grey.float().mean() < 0.35
    assert torch.equal(styled[~grey], clips[~grey])
    assert (styled[grey].float() - others[2].float()).abs().mean() < 2


def test_degraded_clips_are_still_the_same():
    g = torch.Generator().manual_seed(0)
    noise = torch.Generator().manual_seed(1)
    side = torch.arange(48)
    board = ((side.view(1, -1) // 12 + side.view(-1, 1) // 12) % 2 * 2.0 - 1).expand(
        2, 3, 5, 48, 48
    )
    flat = torch.zeros(2, 3, 5, 48, 48)
    steepest, rough, patchy = [], [], []
    for _ in range(40):
        seen = augmentation.degrade(board, g, noise)
        assert seen.shape == board.shape
        assert ((seen > 0) == (board > 0)).float().mean() > 0.8
        steepest.append(float(seen.mean((0, 1, 2)).diff(dim=-1).abs().max()))
        grain = augmentation.degrade(flat, g, noise)
        rough.append(float(grain.std()))
        near = torch.corrcoef(torch.stack([grain[..., 1:].flatten(), grain[..., :-1].flatten()]))
        patchy.append(float(near[0, 1]))
    assert max(steepest) > 1.8, "some are not blurred"
    assert min(steepest) < 1.1, "some are blurred"
    assert min(rough) < 0.03
    assert 0.07 < max(rough) < 0.13
    assert max(patchy) > 0.5, "blotches are wider than a pixel"
