"""Latents as principal components."""

import itertools

import pytest
import torch

from beecam.models.pollen.networks import components, shapes
from beecam.models.pollen.networks.autoencoder import psnr, to_video
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import draw_scene
from beecam.models.pollen.world.splits import scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few clips and their components."""
    temporary = tmp_path_factory.mktemp("pollen")
    chosen = list(itertools.islice(scenes(5), 12))
    (temporary / "clips").mkdir()
    clip_files.save(temporary / "clips" / "clips-00000.pt", chosen, render_all(chosen))
    train(["components", "--folder", str(temporary), "--device", "cpu"])
    return temporary


@pytest.mark.slow
def test_components_reconstruct_clips_and_give_coarse_channels_more_spread(folder):
    clips, _ = clip_files.load(folder / "clips")
    fitted = components.Components.load(folder / components.FILE)
    cells = fitted.encode(clips)
    assert cells.shape == (12, shapes.CHANNELS, 5, 4, 4)
    spread = cells.std((0, 2, 3, 4))
    assert (cells**2).mean() == pytest.approx(1, abs=0.25)
    assert spread[:4].mean() > 1.3 * spread[-20:].mean()
    assert (fitted.deviation.diff() <= 0).all()
    decibels = psnr(to_video(fitted.decode(cells)), clips)
    assert decibels > 24
    alone = fitted.encode(clips[3:4])
    assert torch.allclose(alone[0], cells[3], atol=1e-3)
    # the first frame is a latent frame of its own, and later ones don't change it
    assert torch.allclose(fitted.encode(clips[3:4, :1])[0, :, 0], cells[3, :, 0], atol=1e-3)


@pytest.mark.slow
def test_the_same_clips_give_the_same_components():
    clips = render_all([draw_scene(seed) for seed in range(6)])
    one, two = (components.fit([clips[:a], clips[a:]], 8) for a in (3, 5))
    assert torch.equal(one.basis, two.basis)
    assert torch.allclose(one.basis.T @ one.basis, torch.eye(8), atol=1e-4)
