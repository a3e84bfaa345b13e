"""Accidents are taught, and all else stays as it was."""

import itertools

import pytest
import torch

from beecam.models.load import POLLEN
from beecam.models.pollen.networks import architectures as nets
from beecam.models.pollen.networks import text_encoder as reading
from beecam.models.pollen.networks.components import Components
from beecam.models.pollen.training.command_line import stages as train
from beecam.models.pollen.training.data import clips as data
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses import accidents as holding
from beecam.models.pollen.training.losses import flow
from beecam.models.pollen.world.scene import ACCIDENTS

USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six clips as they come and six with accidents, in the latent space of the weights."""
    made = tmp_path_factory.mktemp("pollen")
    for part, source in (("", data.scenes(5)), (holding.FOLDER, data.odd_scenes(5))):
        chosen = list(itertools.islice(source, 6))
        (made / part / "clips").mkdir(parents=True)
        data.save(made / part / "clips" / "clips-00000.pt", chosen, data.render_all(chosen))
    train.main(["components", *USUAL, "--folder", str(made)])
    return made


@pytest.fixture
def loss(folder):
    return holding.HoldingLoss(
        holding.load(folder),
        nets.transformer(POLLEN),
        Components.load(POLLEN),
        reading.encoder(folder, POLLEN),
        batch=12,
    )


@pytest.fixture
def loop(tmp_path):
    return flow.transformer_loop(tmp_path, "cpu", POLLEN)


def test_straight_clips_come_first_and_keep_their_accidents(folder):
    both = holding.load(folder)
    usual, odd = latents.load(folder), latents.load(folder / holding.FOLDER)
    assert both.usual == len(usual.clips) == len(odd.clips) == 6
    assert torch.equal(both.known.clips, torch.cat([usual.clips, odd.clips]))
    order = [(usual, 0), (odd, 0), (usual, 6), (odd, 6)]
    for name in ("latents", "texts"):
        wanted = torch.cat([getattr(one, name)[at : at + 6] for one, at in order])
        assert torch.equal(getattr(both.known, name), wanted)
    assert both.accidents[6:12].tolist() == both.accidents[18:].tolist() == [1, 2, 3, 4, 5, 6]
    scenes = data.scenes_of(folder / "clips" / "clips-00000.pt")
    names = (None, *ACCIDENTS)
    assert [names[i] for i in both.accidents[:6]] == [scene.accident for scene in scenes]


def test_each_accident_is_drawn_in_its_share_beside_clips_as_they_come(loss, folder):
    loss._batch = 20_000
    which, odd = loss._drawn(torch.Generator().manual_seed(0))
    assert float(odd.float().mean()) == pytest.approx(holding.ODD, abs=0.02)
    assert set(which[~odd].tolist()) == {*range(6), *range(12, 18)}
    kinds = holding.load(folder).accidents[which[odd]]
    there = {name: holding.SHARES[name] for name in list(ACCIDENTS)[:6]}
    for i, (name, share) in enumerate(there.items(), 1):
        found = float((kinds == i).float().mean())
        assert found == pytest.approx(share / sum(there.values()), abs=0.02), name
    assert set(holding.SHARES) == set(ACCIDENTS)


@pytest.mark.slow
def test_what_has_no_accident_is_held_and_what_has_one_is_learnt(loss, loop, monkeypatch):
    loss.conditioned = 0.0
    monkeypatch.setattr(holding, "GUIDANCE", 1.0)
    with torch.no_grad():
        monkeypatch.setattr(holding, "ODD", 0.0)
        assert float(loss(loop)) < 1e-6, "they say what they said"
        monkeypatch.setattr(holding, "ODD", 1.0)
        data_says = float(loss(loop))
        loss.conditioned = 1.0
        monkeypatch.setattr(holding, "ODD", 0.0)
        given = float(loss(loop))
    assert 0.1 < data_says < 2, "noise less latents"
    assert 0.01 < given < 2, "with given frames too"
    loss.conditioned = 0.0
    before = [one.clone() for one in loss._before.parameters()]
    monkeypatch.setattr(holding, "ODD", 0.5)
    loop.run(loss, steps=3)
    with torch.no_grad():
        monkeypatch.setattr(holding, "ODD", 0.0)
        assert float(loss(loop)) > 1e-4
    for one, other in zip(before, loss._before.parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_is_held_to_what_is_said_with_guidance(loss, loop, monkeypatch):
    """Of clips with captions, that is; without one there is nothing that guidance could add."""
    monkeypatch.setattr(holding, "ODD", 0.0)
    loss.conditioned = 0.0
    found = []
    for text in (loss._texts, loss._nothing.expand_as(loss._texts)):
        loss._texts = text
        loop.generator.manual_seed(0)
        with torch.no_grad():
            found.append(float(loss(loop)))
    assert found[0] > 1e-3
    assert found[1] < 1e-6


@pytest.mark.slow
def test_the_command_line_teaches_accidents(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(holding, "BATCH", 2)
    monkeypatch.setattr(
        data, "render_there", lambda path, many, *_, **__: len(list(path.glob("*.pt")))
    )
    train.main(["render", "--folder", str(folder), "--device", "cpu", "--odd", "6"])
    assert "1 shards of 250 clips with accidents" in capsys.readouterr().out
    train.main(["transformer", *USUAL, "--folder", str(folder), "--hold", "--minutes", "0.01"])
    assert "6 clips and 6 with accidents" in capsys.readouterr().out
    assert (folder / "transformer.pt").exists()


@pytest.mark.parametrize("more", [[], ["--from-weights", str(POLLEN), "--follow"]])
def test_to_hold_it_must_know_what_was_said(tmp_path, capsys, more):
    with pytest.raises(SystemExit):
        train.main(["transformer", "--folder", str(tmp_path), "--hold", *more])
    assert "--hold: needs --from-weights" in capsys.readouterr().err


def test_it_can_be_held_to_other_weights_than_it_starts_from(tmp_path, capsys, monkeypatch):
    usual = ["transformer", *USUAL, "--folder", str(tmp_path), "--hold"]
    held = []
    monkeypatch.setitem(train.STAGES, "transformer", lambda chosen: held.append(chosen.hold))
    train.main(usual)
    other = tmp_path / "other"
    with pytest.raises(SystemExit):
        train.main([*usual, str(other)])
    assert f"--hold: {other}: it has no model_index.json" in capsys.readouterr().err
    other.mkdir()
    (other / "model_index.json").write_text("{}")
    train.main([*usual, str(other)])
    assert held == [POLLEN, other]
