"""Accidents are taught, and all other predictions are retained."""

import itertools

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.networks.transformer import build_transformer
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses import accidents, flow
from beecam.models.pollen.training.losses.accidents import AccidentLoss
from beecam.models.pollen.training.losses.text_encoder import trained_text_encoder
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.scene import ACCIDENTS
from beecam.models.pollen.world.splits import accident_scenes, scenes

USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six random clips and six with accidents, in the latent space of the weights."""
    temporary = tmp_path_factory.mktemp("pollen")
    for part, source in (("", scenes(5)), (accidents.FOLDER, accident_scenes(5))):
        chosen = list(itertools.islice(source, 6))
        (temporary / part / "clips").mkdir(parents=True)
        clip_files.save(temporary / part / "clips" / "clips-00000.pt", chosen, render_all(chosen))
    train(["components", *USUAL, "--folder", str(temporary)])
    return temporary


@pytest.fixture
def loss(folder):
    return AccidentLoss(
        accidents.load(folder),
        build_transformer(POLLEN),
        Components.load(POLLEN),
        trained_text_encoder(folder, POLLEN),
        batch=12,
    )


@pytest.fixture
def loop(tmp_path):
    return flow.transformer_loop(tmp_path, "cpu", POLLEN)


@pytest.mark.slow
def test_clips_come_before_mirror_images_with_their_accidents(folder):
    both = accidents.load(folder)
    usual, with_accidents = latents.load(folder), latents.load(folder / accidents.FOLDER)
    assert both.random_clips == len(usual.clips) == len(with_accidents.clips) == 6
    assert torch.equal(both.data.clips, torch.cat([usual.clips, with_accidents.clips]))
    order = [(usual, 0), (with_accidents, 0), (usual, 6), (with_accidents, 6)]
    for name in ("latents", "texts"):
        expected = torch.cat([getattr(one, name)[at : at + 6] for one, at in order])
        assert torch.equal(getattr(both.data, name), expected)
    assert both.accidents[6:12].tolist() == both.accidents[18:].tolist() == [1, 2, 3, 4, 5, 6]
    of_clips = clip_files.scenes_of(folder / "clips" / "clips-00000.pt")
    names = (None, *ACCIDENTS)
    assert [names[i] for i in both.accidents[:6]] == [scene.accident for scene in of_clips]


@pytest.mark.slow
def test_each_accident_is_drawn_with_its_weight_beside_random_clips(loss, folder):
    loss._batch = 20_000
    indices, accident = loss._draw(torch.Generator().manual_seed(0))
    assert float(accident.float().mean()) == pytest.approx(accidents.ACCIDENT_SHARE, abs=0.02)
    assert set(indices[~accident].tolist()) == {*range(6), *range(12, 18)}
    kinds = accidents.load(folder).accidents[indices[accident]]
    there = {name: accidents.WEIGHTS[name] for name in list(ACCIDENTS)[:6]}
    for i, (name, share) in enumerate(there.items(), 1):
        found = float((kinds == i).float().mean())
        assert found == pytest.approx(share / sum(there.values()), abs=0.02), name
    assert set(accidents.WEIGHTS) == set(ACCIDENTS)


@pytest.mark.slow
def test_accidents_are_learnt_and_other_predictions_retained(loss, loop, monkeypatch):
    loss.conditioned = 0.0
    monkeypatch.setattr(accidents, "GUIDANCE", 1.0)
    with torch.no_grad():
        monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 0.0)
        assert float(loss(loop)) < 1e-6, "the predictions are the same"
        monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 1.0)
        learnt = float(loss(loop))
        loss.conditioned = 1.0
        monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 0.0)
        conditioned = float(loss(loop))
    assert 0.1 < learnt < 2, "noise less latents"
    assert 0.01 < conditioned < 2, "with conditioning frames too"
    loss.conditioned = 0.0
    before = [one.clone() for one in loss._before.parameters()]
    monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 0.5)
    loop.run(loss, steps=3)
    with torch.no_grad():
        monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 0.0)
        assert float(loss(loop)) > 1e-4
    for one, other in zip(before, loss._before.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
def test_predictions_are_retained_with_guidance(loss, loop, monkeypatch):
    """Of clips with captions: without one guidance adds nothing."""
    monkeypatch.setattr(accidents, "ACCIDENT_SHARE", 0.0)
    loss.conditioned = 0.0
    found = []
    for text in (loss._texts, loss._empty.expand_as(loss._texts)):
        loss._texts = text
        loop.generator.manual_seed(0)
        with torch.no_grad():
            found.append(float(loss(loop)))
    assert found[0] > 1e-3
    assert found[1] < 1e-6


@pytest.mark.slow
def test_the_command_line_teaches_accidents(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(accidents, "BATCH", 2)
    monkeypatch.setattr(
        clip_files, "render_parallel", lambda path, count, *_, **__: len(list(path.glob("*.pt")))
    )
    train(["render", "--folder", str(folder), "--device", "cpu", "--accidents", "6"])
    assert "1 shards of 250 clips with accidents" in capsys.readouterr().out
    train(["transformer", *USUAL, "--folder", str(folder), "--retain", "--minutes", "0.01"])
    assert "6 clips and 6 with accidents" in capsys.readouterr().out
    assert (folder / "transformer.pt").exists()
