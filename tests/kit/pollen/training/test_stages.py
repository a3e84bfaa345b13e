"""Stages of the training, on a few clips."""

import json
import re
import shutil

import pytest
import torch

from beecam.models.pollen.networks import components
from beecam.models.pollen.networks.pipeline import load_pipeline
from beecam.models.pollen.networks.transformer import build_transformer
from beecam.models.pollen.training import distillation, export
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.command_line import stages
from beecam.models.pollen.training.data import clips as clip_files
from beecam.models.pollen.training.data import latents
from beecam.models.pollen.training.losses import flow
from beecam.models.pollen.training.losses.text_encoder import trained_text_encoder
from beecam.models.pollen.training.optimization import loop
from beecam.models.pollen.training.optimization.loop import Loop


@pytest.fixture(autouse=True, scope="module")
def _short_finishes():
    """A finish takes at least one step more than are measured."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_MEASURED_STEPS", 1)
        yield


@pytest.fixture(scope="module")
def folder(rendered, tmp_path_factory):
    """A small but complete training: a few clips, a few steps, and the real networks."""
    trained = tmp_path_factory.mktemp("trained") / "pollen"
    shutil.copytree(rendered, trained)
    for stage in ("decoder", "encoder", "text-encoder", "transformer", "export"):
        train([stage, "--folder", str(trained), "--minutes", "0.01", "--device", "cpu"])
    return trained


@pytest.mark.slow
def test_a_short_training_gives_pipelines_that_load_and_run(folder):
    from diffusers import LTXConditionPipeline, LTXPipeline

    weights = folder / "weights"
    sizes = [path.stat().st_size for path in weights.rglob("*.safetensors")]
    assert max(sizes) <= 15e6
    assert sum(path.stat().st_size for path in weights.rglob("*") if path.is_file()) <= 40e6
    for pipeline in (LTXPipeline, LTXConditionPipeline):
        pipe = pipeline.from_pretrained(weights, local_files_only=True)
        frames = pipe(
            prompt="a bee over a meadow",
            width=96,
            height=96,
            num_frames=17,
            frame_rate=8,
            num_inference_steps=2,
            guidance_scale=3,
            output_type="np",
        ).frames
        assert frames.shape == (1, 17, 96, 96, 3)
    assert (folder / "samples.png").exists()


@pytest.mark.slow
def test_the_exported_preview_resembles_the_clip(folder):
    from beecam.models.denoise.preview import PreviewMap

    preview = PreviewMap.load(folder / "weights")
    assert (preview.patch, preview.frames_per_cell) == (12, 4)
    known = latents.load(folder)
    clips = known.clips
    shown = torch.from_numpy(preview.frames(known.latents[:1].float())[0]).float()
    assert shown.shape == (17, 48, 48, 3)
    small = torch.nn.functional.avg_pool2d(clips[0].float().permute(0, 3, 1, 2), 2)
    error = (shown - small.permute(0, 2, 3, 1)).abs().mean()
    assert error < (small - small.mean()).abs().mean()


@pytest.mark.slow
def test_training_continues_from_exported_weights_in_the_same_latent_space(folder, tmp_path):
    shutil.copytree(folder / "clips", tmp_path / "clips")
    start = folder / "weights"
    train(["components", "--folder", str(tmp_path), "--from-weights", str(start)])
    first, second = (latents.load(f).latents.float() for f in (folder, tmp_path))
    assert (first - second).abs().mean() < 0.02
    again = flow.transformer_loop(tmp_path, "cpu", start, rates=0.25)
    assert again.rates == (1e-4, 3e-4)
    trained = flow.transformer_loop(folder, "cpu")
    trained.use_average()
    for name, module in trained.modules.items():
        for key, value in module.state_dict().items():
            assert torch.allclose(value, again.modules[name].state_dict()[key], atol=2e-3), key
    first, second = (trained_text_encoder(at, start) for at in (folder, tmp_path))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_parts_without_a_checkpoint_are_exported_unchanged(folder, tmp_path):
    start = folder / "weights"
    with pytest.raises(FileNotFoundError, match=r"decoder.pt does not exist"):
        export.pipeline(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing was trained on .*weights yet"):
        export.pipeline(tmp_path, start)
    shutil.copytree(folder / "clips", tmp_path / "clips")
    usual = ["--folder", str(tmp_path), "--device", "cpu", "--from-weights", str(start)]
    train(["components", *usual, "--follow", "--clips", "1"])
    train(["transformer", *usual, "--minutes", "0.01"])
    # a text encoder that is trained meanwhile is not the denoiser's
    train(["text-encoder", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    pipe, before = export.pipeline(tmp_path, start), load_pipeline(start)
    for part in ("vae", "text_encoder"):
        now = getattr(pipe, part).state_dict()
        for key, value in getattr(before, part).state_dict().items():
            assert torch.equal(now[key], value), key
    now = pipe.transformer.state_dict()
    assert any(not torch.equal(now[k], v) for k, v in before.transformer.state_dict().items())
    export.export(tmp_path, tmp_path / "weights", start)
    for part in ("transformer", "vae"):
        config = (tmp_path / "weights" / part / "config.json").read_text()
        assert json.loads(config) == json.loads((start / part / "config.json").read_text())
        assert str(tmp_path.parent) not in config
    assert load_pipeline(tmp_path / "weights").scheduler.config.shift == 3.0


@pytest.mark.slow
def test_a_training_in_another_latent_space_is_left_alone(folder, tmp_path):
    shutil.copytree(folder / "weights", tmp_path / "weights")
    fitted = components.Components.load(folder / components.FILE)
    other = components.Components(fitted.mean, -fitted.basis, fitted.deviation)
    other.save(tmp_path / "weights" / components.FILE)
    usual = ["components", "--folder", str(folder), "--device", "cpu", "--from-weights"]
    with pytest.raises(ValueError, match=r"has decoder.pt, encoder.pt, transformer.pt of other"):
        train([*usual, str(tmp_path / "weights")])
    assert components.Components.load(folder / components.FILE).same(fitted)
    for stage in ("decoder", "encoder", "transformer", "export"):
        with pytest.raises(ValueError, match=r"--from-weights .* has latents of other components"):
            train([stage, *usual[1:], str(tmp_path / "weights"), "--minutes", "0.001"])
    train([*usual, str(folder / "weights")])  # its own weights
    assert latents.load(folder)
    with pytest.raises(FileNotFoundError, match=r"components.safetensors does not exist: run the"):
        train(
            [
                "transformer",
                "--folder",
                str(tmp_path / "new"),
                "--from-weights",
                str(folder / "weights"),
            ]
        )


@pytest.mark.slow
def test_resuming_a_checkpoint_is_reported(folder, capsys):
    usual = ["--folder", str(folder), "--device", "cpu", "--minutes", "0.001"]
    train(["encoder", *usual, "--from-weights", str(folder / "weights")])
    text = capsys.readouterr().out
    assert re.search(r"encoder: resumes from step [1-9]\d* of .*encoder\.pt, whatever that", text)


@pytest.mark.slow
def test_an_export_keeps_the_lora_of_the_same_denoiser(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "sample", lambda *_: None)
    for name in (components.FILE, "decoder.pt", "encoder.pt", "text_encoder.pt", "transformer.pt"):
        shutil.copy(folder / name, tmp_path / name)
    for name in ("clips", "latents"):
        shutil.copytree(folder / name, tmp_path / name)
    export.export(tmp_path, tmp_path / "weights")
    lora = tmp_path / "weights" / distillation.FOLDER / "lora.txt"
    lora.parent.mkdir()
    lora.write_text("LoRA")
    train(["decoder", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    export.export(tmp_path, tmp_path / "weights")
    assert lora.read_text() == "LoRA"
    train(["transformer", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    export.export(tmp_path, tmp_path / "weights")
    assert not lora.parent.exists(), "it doesn't fit another denoiser"


@pytest.mark.slow
def test_an_export_can_be_a_mean_with_other_weights(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "sample", lambda *_: None)
    for name in (components.FILE, "decoder.pt", "encoder.pt", "text_encoder.pt", "transformer.pt"):
        shutil.copy(folder / name, tmp_path / name)
    for name in ("clips", "latents"):
        shutil.copytree(folder / name, tmp_path / name)
    other = tmp_path / "other"
    shutil.copytree(folder / "weights", other)
    network = build_transformer(other)
    with torch.no_grad():
        for part in network.parameters():
            part.add_(1.0)
    shutil.rmtree(other / "transformer")
    network.half().save_pretrained(other / "transformer")
    usual = ["export", "--folder", str(tmp_path), "--device", "cpu"]
    train([*usual, "--mean-with", str(other), "--mean-share", "0.2"])
    now, before = (build_transformer(at / "weights") for at in (tmp_path, folder))
    for one, two in zip(now.parameters(), before.parameters(), strict=True):
        assert torch.allclose(one - two, torch.tensor(0.2), atol=5e-3)
    with pytest.raises(SystemExit):
        train([*usual, "--mean-with", "nowhere"])
    assert "--mean-with: nowhere: it has no model_index.json" in capsys.readouterr().err


@pytest.mark.slow
def test_few_steps_resume_with_the_same_trajectories(folder, monkeypatch, capsys):
    monkeypatch.setattr(distillation, "SHARD", 2)
    monkeypatch.setattr(distillation, "_BATCH", 2)
    usual = ["few-steps", "--folder", str(folder), "--device", "cpu", "--minutes", "0.02"]
    train([*usual, "--trajectories", "2"])
    (checkpoint,) = (folder / "trajectories").glob("*/few-steps.pt")
    assert checkpoint.parent.name == distillation.digest(folder / "weights")
    before = torch.load(checkpoint, weights_only=True)["step"]
    assert before > 0
    assert (folder / "weights" / distillation.FOLDER).exists()
    # With more clips of the teacher it would resume to other bits.
    train([*usual, "--trajectories", "6"])
    assert len(list(checkpoint.parent.glob("trajectories-*.pt"))) == 1
    after = torch.load(checkpoint, weights_only=True)["step"]
    assert after > before
    capsys.readouterr()
    train(["--folder", str(folder)])
    assert f"few-steps     {'step' if after >= 50 else 'no step yet'}" in capsys.readouterr().out


@pytest.mark.slow
def test_follow_uses_clips_that_are_rendered_meanwhile(rendered, tmp_path, monkeypatch):
    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    clips, of_clips = clip_files.load(folder / "clips")
    seen = []

    class Watched(flow.FlowLoss):
        """Records the number of clips, and adds some."""

        def __init__(self, data, *rest, **more):
            seen.append(len(data.clips))
            super().__init__(data, *rest, **more)
            clip_files.save(folder / "clips" / "clips-00001.pt", of_clips[:2], clips[:2])
            latents.write(folder, components.Components.load(folder / components.FILE))

    monkeypatch.setattr(clip_files, "SHARD", len(clips))
    monkeypatch.setattr(stages, "FlowLoss", Watched)
    monkeypatch.setattr(stages, "BATCH", 2)
    monkeypatch.setattr(stages, "_FOLLOW_MINUTES", 0.01)
    real, finishes = Loop.run, []

    def run(self, loss, **more):
        finishes.append(more.get("finish", False))
        return real(self, loss, **more)

    usual = ["--folder", str(folder), "--device", "cpu", "--follow"]
    # an untrained text encoder is enough
    train(["text-encoder", *usual[:-1], "--minutes", "0.001"])
    monkeypatch.setattr(Loop, "run", run)
    train(["transformer", *usual, "--clips", "14", "--minutes", "0.2", "--finish"])
    assert seen == [12, 14]
    assert finishes == [False, True], "only the last call decays the rates"
    # all clips exist: it doesn't wait
    train(["components", *usual, "--clips", "14"])
