"""Flow matching: what the denoiser is trained on."""

import argparse

import pytest
import torch

from beecam.models.pollen.networks import components, shapes
from beecam.models.pollen.networks.text_encoder import build_text_encoder
from beecam.models.pollen.networks.transformer import coordinates
from beecam.models.pollen.training.command_line import stages
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses import flow
from beecam.models.pollen.world.scene import (
    draw_scene,
)

pytestmark = pytest.mark.slow


def flow_loss(cells, truth, batch=2, accidents=()):
    """Return the loss of the training, with clips of noise."""
    g = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (len(cells) // 2 or 1, 17, 96, 96, 3), generator=g).byte()
    encoder = build_text_encoder().eval()
    fitted = components.fit([clips], shapes.CHANNELS)
    data = latents.TrainingData(
        clips, cells, latents.caption_tokens(truth), torch.tensor(accidents, dtype=torch.long)
    )
    return flow.FlowLoss(data, fitted, encoder, batch=batch)


def test_accidents_are_drawn_more_often_and_always_with_captions():
    truth = [draw_scene(seed).attributes for seed in range(6)]
    loss = flow_loss(torch.zeros(6, shapes.CHANNELS, 5, 4, 4), truth, batch=4000, accidents=(1, 4))
    g = torch.Generator().manual_seed(0)
    indices, accident = loss._draw(g)
    assert abs(accident.float().mean() - flow._ACCIDENTS) < 0.03
    assert set(indices[accident].tolist()) == {1, 4}
    others = torch.bincount(indices[~accident], minlength=6) / float((~accident).sum())
    assert ((others - 1 / 6).abs() < 0.03).all(), "as in the world"
    silent = (loss._captions(indices, accident, g) == loss._empty).all(1)
    assert not silent[accident].any()
    assert 0.08 < silent[~accident].float().mean() < 0.12
    without = flow_loss(torch.zeros(6, shapes.CHANNELS, 5, 4, 4), truth, batch=400)
    assert not without._draw(g)[1].any()


def flow_loop(path):
    torch.manual_seed(1)
    return flow.transformer_loop(path, "cpu")


def test_the_training_of_the_denoiser_resumes_to_the_same_bits(tmp_path):
    g = torch.Generator().manual_seed(0)
    cells = torch.randn(6, shapes.CHANNELS, 5, 4, 4, generator=g)
    truth = [draw_scene(seed).attributes for seed in range(6)]
    loss = flow_loss(cells, truth)
    for name in ("complete", "part"):
        (tmp_path / name).mkdir()
        flow_loop(tmp_path / name).save()
    complete = flow_loop(tmp_path / "complete")
    complete.run(loss, steps=2)
    for _ in range(2):
        part = flow_loop(tmp_path / "part")
        part.run(loss, steps=1)
    assert part.step == complete.step == 2
    for one, two in zip(complete.average, part.average, strict=True):
        assert torch.equal(one, two)


def test_compiled_code_does_not_depend_on_the_first_texts_and_frames(tmp_path, monkeypatch):
    """Otherwise a stopped training would resume with other code, to other bits."""
    from torch._dynamo.utils import counters

    lengths = iter([48, 128, 48, 96])
    monkeypatch.setattr(flow.FlowLoss, "_length", lambda *_: next(lengths))
    conditions_drawn = iter([(0, []), (0, []), (1, [16]), (2, [])])
    monkeypatch.setattr(flow, "conditions", lambda *_: next(conditions_drawn))
    training = flow_loop(tmp_path / "a.pt")
    network = training.modules["transformer"]
    real = network.compile_repeated_blocks
    # tracing is what counts; code generation takes a minute
    network.compile_repeated_blocks = lambda **how: real(backend="eager", **how)
    stages._compile(training, argparse.Namespace(device="cpu", compile=True, minutes=1.0))
    loss = flow_loss(torch.randn(8, shapes.CHANNELS, 5, 4, 4), [draw_scene(1).attributes] * 8)
    torch._dynamo.reset()
    counters.clear()
    with torch.no_grad():
        for _ in range(4):
            loss(training)
    # one time for all tokens of a clip, and a time for each token
    assert counters["stats"]["unique_graphs"] == 2


def test_positions_are_those_of_the_pipelines():
    from diffusers import LTXConditionPipeline

    def theirs(frames, index):
        ids = LTXConditionPipeline._prepare_video_ids(1, frames, 4, 4)
        ids = LTXConditionPipeline._scale_video_ids(ids, shapes.SPACE, shapes.TIME, index).float()
        ids[:, 0] /= shapes.FPS
        return ids[0]

    assert torch.equal(coordinates(5, 4, 4), theirs(5, 0))
    # a single frame somewhere in the clip, prepended to its tokens
    assert torch.equal(coordinates(1, 4, 4, 11), theirs(1, 11))
    truth = [draw_scene(seed).attributes for seed in range(2)]
    loss = flow_loss(torch.zeros(2, shapes.CHANNELS, 5, 4, 4), truth)
    g = torch.Generator().manual_seed(0)
    ours = [loss._positions(5, 4, 4, g, conditioned=False) for _ in range(40)]
    assert 2 <= sum("video_coords" in o for o in ours) <= 18
    # LTXPipeline: frames and pixels a cell
    scales = {o["rope_interpolation_scale"] for o in ours if "rope_interpolation_scale" in o}
    assert scales == {(4 / 8.0, 24, 24)}
    assert "video_coords" in loss._positions(5, 4, 4, g, conditioned=True)


def test_conditions_are_those_of_the_pipelines():
    g = torch.Generator().manual_seed(0)
    drawn = [flow.conditions(g, 5, 0.2) for _ in range(2000)]
    none = sum(d == (0, []) for d in drawn) / len(drawn)
    assert none == pytest.approx(0.8, abs=0.05)
    kinds = {(count, tuple(s == 16 for s in stills)) for count, stills in drawn}
    assert {(1, ()), (2, ()), (3, ()), (1, (True,)), (0, (True,)), (0, (False,))} <= kinds
    assert {s for _, stills in drawn for s in stills} == set(range(1, 17))


def test_every_noise_level_is_drawn_and_high_ones_often():
    drawn = flow.noise_levels(20_000, torch.Generator().manual_seed(0))
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() <= 1
    assert (drawn > 0.85).float().mean() == pytest.approx(0.25, abs=0.03)
    assert (drawn < 0.3).float().mean() == pytest.approx(0.11, abs=0.03)


class Spy(torch.nn.Module):
    """Records its last call, and predicts nothing."""

    def forward(self, **called):
        self.seen = called
        return type("Out", (), {"sample": torch.zeros_like(called["hidden_states"])})


def test_given_tokens_are_nearly_clean_and_have_no_loss(monkeypatch, tmp_path):
    """Given tokens have time 0 and no loss; LTXConditionPipeline adds a little noise."""
    monkeypatch.setattr(flow, "conditions", lambda g, frames, share: (2, [9]))
    cells = torch.randn(4, shapes.CHANNELS, 5, 4, 4)
    truth = [draw_scene(seed).attributes for seed in range(4)]
    loss = flow_loss(cells, truth, batch=4)
    run = flow_loop(tmp_path)
    spy = run.modules["transformer"] = Spy()
    value, seen = loss(run), spy.seen
    tokens, times = seen["hidden_states"], seen["timestep"]
    assert tokens.shape == (4, 16 + 80, shapes.CHANNELS)
    assert times.shape == (4, 96)
    assert (times[:, :48] == 0).all()
    assert (times[:, 48:] > 0).all()
    clean = cells.flatten(2).transpose(1, 2)[:, :32]
    for found, level in zip(tokens[:, 16:48], times[:, -1] / 1000, strict=True):
        off = min((found - one).std() for one in clean)
        assert float(off) == pytest.approx(0.15 * float(level) ** 2, rel=0.05, abs=1e-4)
    assert seen["video_coords"].shape == (4, 3, 96)
    assert 1.2 < float(value) < 3, "noise less latents, over the other tokens"


def test_conditioned_batches_have_fewer_captions(monkeypatch, tmp_path):
    truth = [draw_scene(seed).attributes for seed in range(4)]
    loss = flow_loss(torch.zeros(4, shapes.CHANNELS, 5, 4, 4), truth, batch=400)
    run, shares = flow_loop(tmp_path), {}
    run.modules["transformer"] = Spy()
    original = loss._captions

    def recorded(*inputs):
        ids = original(*inputs)
        shares[run.step] = float((ids == loss._empty).all(1).float().mean())
        return ids

    monkeypatch.setattr(loss, "_captions", recorded)
    with torch.no_grad():
        for run.step, loss.conditioned in enumerate([0.0, 1.0]):
            loss(run)
    assert shares[0] == pytest.approx(0.1, abs=0.05)
    assert shares[1] == pytest.approx(0.3, abs=0.07)
