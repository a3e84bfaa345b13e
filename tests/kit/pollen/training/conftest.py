"""Fixtures of the training's tests."""

import itertools
import json
import shutil

import pytest

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks.text_encoder import load_text_encoder
from beecam.models.pollen.training import export
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.command_line import stages
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.losses import autoencoder
from beecam.models.pollen.training.losses import text_encoder as text_encoder_loss
from beecam.models.pollen.training.optimization import loop as loops
from beecam.models.pollen.training.rewards import losses, rewards
from beecam.models.pollen.world.rendering.render import render_all
from beecam.models.pollen.world.splits import scenes


@pytest.fixture(autouse=True, scope="module")
def _small_batches():
    """Steps of a few clips, and exports that show one, test the same as large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "BATCH", 2)
        patch.setattr(text_encoder_loss, "_BATCH", 4)
        patch.setattr(autoencoder, "HELD_BACK", 4)
        patch.setattr(export, "_SAMPLES", export._SAMPLES[:1])
        yield


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A folder with a few clips and their latents, which tests must not change."""
    folder = tmp_path_factory.mktemp("pollen")
    chosen = list(itertools.islice(scenes(5), 12))
    (folder / "clips").mkdir()
    clip_files.save(folder / "clips" / "clips-00000.pt", chosen, render_all(chosen))
    train(["components", "--folder", str(folder), "--device", "cpu"])
    return folder


@pytest.fixture(scope="session")
def text_encoder():
    """The text encoder of the weights that ship."""
    return load_text_encoder(POLLEN)


@pytest.fixture(scope="session")
def two_shards(tmp_path_factory):
    """A folder with two shards and their latents, in the latent space of the weights that ship."""
    folder = tmp_path_factory.mktemp("pollen")
    chosen = list(itertools.islice(scenes(5), 12))
    (folder / "clips").mkdir()
    clips = render_all(chosen)
    for number, part in enumerate((chosen, chosen[::-1])):
        clip_files.save(
            folder / "clips" / f"clips-{number:05d}.pt",
            part,
            clips if number == 0 else clips.flip(0),
        )
    train(["components", "--folder", str(folder), "--device", "cpu", "--from-weights", str(POLLEN)])
    return folder


@pytest.fixture(scope="session")
def rewarded(two_shards, tmp_path_factory):
    """A folder with reward networks after a step or two, trained on these clips."""
    folder = tmp_path_factory.mktemp("rewarded") / rewards.FOLDER
    shutil.copytree(two_shards, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "BATCH", 4)
        patch.setattr(rewards, "BATCH", 4)
        patch.setattr(loops, "_MEASURED_STEPS", 1)
        patch.setattr(clip_files, "render_parallel", lambda *_, **__: 2)
        usual = ["--device", "cpu", "--from-weights", str(POLLEN)]
        train(["rewards", *usual, "--folder", str(folder.parent), "--minutes", "0.0001"])
    return folder


@pytest.fixture(scope="session")
def recognising(rewarded, tmp_path_factory):
    """Reward networks with a record of recognising own views and no mirrors."""
    folder = tmp_path_factory.mktemp("recognising") / rewards.FOLDER
    shutil.copytree(rewarded, folder)
    found = json.loads((folder / "measured.json").read_text())
    found["right"] |= {"own view": 0.9, "mirror": 0.1}
    found["probability"] |= {"own view": 0.05, "mirror": 0.02}
    (folder / "measured.json").write_text(json.dumps(found))
    return folder
