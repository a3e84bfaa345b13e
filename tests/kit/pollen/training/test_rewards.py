"""Reward networks: what they see, and how they are trained."""

import itertools
import json
import shutil

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks import components
from beecam.models.pollen.networks.classifier import Classifier, prepare
from beecam.models.pollen.networks.transformer import build_transformer
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.rewards import examples, losses, rewards
from beecam.models.pollen.training.rewards.examples import load_examples
from beecam.models.pollen.training.rewards.networks import DecodedMotion, Reader
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import ATTRIBUTES, draw_scene
from beecam.models.pollen.world.splits import scenes

pytestmark = pytest.mark.slow

SCENES = list(itertools.islice(scenes(5), 12))


USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


def load(folder):
    return load_examples(latents.files(folder))


def test_the_motion_classifier_sees_what_the_components_decode(two_shards):
    basis = components.Components.load(POLLEN)
    clips, _ = clip_files.load(two_shards / "clips")
    cells = basis.encode(clips[:6])
    view = Classifier("camera").view
    expected = prepare(basis.decode(cells), view)
    found = DecodedMotion(basis)(cells.flatten(2).transpose(1, 2))
    assert found.shape == expected.shape
    # decoded clips are clamped to black and white; the reward's input is not
    assert (found - expected).abs().mean() < 0.05 * expected.abs().mean()
    late = DecodedMotion(basis)(cells.roll(1, 2).flatten(2).transpose(1, 2))
    assert (late - expected).abs().mean() > 0.2 * expected.abs().mean()


def test_examples_are_of_clips_and_mirror_images(two_shards):
    every = load(two_shards)
    assert len(every) == 4 * 12
    for i, scene in enumerate(SCENES):
        truth = every.truth[i].tolist()
        for index, (name, values) in zip(truth, examples.VALUES.items(), strict=False):
            assert values[index] == {**scene.attributes, "accident": scene.accident or "none"}[name]
        assert ATTRIBUTES["camera"][truth[-1]] == scene.camera
        mirrored = {"pan left": "pan right", "pan right": "pan left"}.get(
            scene.camera, scene.camera
        )
        assert ATTRIBUTES["camera"][every.truth[12 + i, -1]] == mirrored
    assert len(every.accidents) > 0
    assert set(every.accidents.tolist()) | set(every.plain.tolist()) == set(range(len(every)))
    part = load_examples(latents.files(two_shards)[1:])
    assert torch.equal(part.latents, every.latents[24:])
    assert torch.equal(part.truth, every.truth[24:])


def test_the_reader_learns_what_latents_show(two_shards, text_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(losses, "BATCH", 8)
    loop = losses.reader_loop(tmp_path, POLLEN, text_encoder)
    loss = losses.ReaderLoss(load(two_shards))

    class Same:
        generator = torch.Generator().manual_seed(3)
        device = "cpu"
        modules = loop.modules

    with torch.no_grad():
        before = float(loss(Same()))
    loop.run(loss, steps=16)
    Same.generator.manual_seed(3)
    with torch.no_grad():
        assert float(loss(Same())) < before - 1.0


def test_the_reader_resumes_to_the_same_bits(two_shards, text_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(losses, "BATCH", 2)
    loss = losses.ReaderLoss(load(two_shards))
    for name, parts in (("one", [2]), ("two", [1, 1])):
        for steps in parts:
            (tmp_path / name).mkdir(exist_ok=True)
            loop = losses.reader_loop(tmp_path / name, POLLEN, text_encoder)
            loop.run(loss, steps=steps)
    one, two = (
        torch.load(tmp_path / name / "reader.pt", weights_only=True)["average"]
        for name in ("one", "two")
    )
    assert all(map(torch.equal, one, two))


def test_rewards_are_differentiable_and_know_what_they_recognise(
    rewarded, recognising, text_encoder
):
    seen = json.loads((rewarded / "measured.json").read_text())
    there = {scene.accident for scene in SCENES} - {None}
    assert set(seen["right"]) == {*examples.STILL, "camera", *there}
    assert set(seen["probability"]) == there
    assert all(0 <= share <= 1 for found in seen.values() for share in found.values())
    found = rewards.load(recognising, POLLEN, text_encoder)
    assert found.expected["own view"] == 0.05
    assert "mirror" not in found.expected
    tokens = load(rewarded).tokens(torch.arange(2)).requires_grad_()
    scores = found(tokens, torch.Generator().manual_seed(7))
    values_of = {**examples.VALUES, "camera": ATTRIBUTES["camera"]}
    assert {name: one.shape for name, one in scores.items()} == {
        name: (2, len(values)) for name, values in values_of.items()
    }
    for name in ("place", "camera", "accident"):
        (back,) = torch.autograd.grad(scores[name][:, 0].sum(), tokens, retain_graph=True)
        assert back.abs().sum() > 0, name


def test_missing_unfinished_and_unfitting_rewards_are_reported(rewarded, text_encoder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"run the stage `rewards` first"):
        rewards.load(tmp_path, POLLEN, text_encoder)
    shutil.copytree(rewarded, tmp_path / "half")
    checkpoint = torch.load(tmp_path / "half" / "motion.pt", weights_only=True)
    checkpoint["finish"] = [0, checkpoint["step"] + 5]
    torch.save(checkpoint, tmp_path / "half" / "motion.pt")
    with pytest.raises(FileNotFoundError, match=r"motion.pt is not done"):
        rewards.load(tmp_path / "half", POLLEN, text_encoder)
    basis = components.Components.load(POLLEN)
    other = components.Components(basis.mean, -basis.basis, basis.deviation)
    other.save(tmp_path / "half" / components.FILE)
    with pytest.raises(ValueError, match=r"rewards of other components; move it away"):
        rewards.load(tmp_path / "half", POLLEN, text_encoder)
    (tmp_path / "latents").mkdir()
    other.save(tmp_path / components.FILE)
    with pytest.raises(ValueError, match=r"latents of other components"):
        train(["tune", *USUAL, "--folder", str(tmp_path)])


def test_the_reader_recognises_mirrors(text_encoder):
    basis = components.Components.load(POLLEN)
    pairs = [
        draw_scene(seed, accident=kind, insect="none", style="plain")
        for seed in range(3)
        for kind in (None, "mirror")
    ]
    tokens = basis.encode(render_all(pairs)).flatten(2).transpose(1, 2)
    reader = Reader(build_transformer(POLLEN), text_encoder, basis)
    apart = reader._asymmetry(tokens).mean(1)
    assert (apart[1::2] < apart[::2] - 0.5).all()
