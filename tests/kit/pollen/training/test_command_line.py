"""Bad arguments are reported before anything is done."""

from pathlib import Path

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.evaluation.__main__ import main as evaluate
from beecam.models.pollen.networks import components
from beecam.models.pollen.networks.pipeline import load_pipeline
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.command_line import stages
from beecam.models.pollen.training.rewards import rewards

USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


def test_missing_weights_are_refused_before_anything_is_done(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train(["transformer", "--folder", str(tmp_path / "a"), "--from-weights", "nowhere"])
    assert "--from-weights: nowhere: it has no model_index.json" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match=r"nowhere has no model_index.json"):
        load_pipeline(Path("nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["transformer", "--rates", "11"],
            "--rates: '11' must be a number greater than 0 and at most 10",
        ),
        (["transformer", "--rates", "nan"], "--rates: 'nan' must be a number greater than 0"),
        (["text-encoder", "--minutes", "-5"], "--minutes: '-5' must be a number greater than 0"),
        (["render", "--clips", "0"], "--clips: '0' must be an integer, 1 or more"),
        (
            ["few-steps", "--trajectories", "many"],
            "--trajectories: 'many' must be an integer, 1 or more",
        ),
        (["text-encoder", "--rates", "3"], "--rates: only for transformer"),
        (["export", "--compile"], "--compile: only for transformer"),
        (["render", "--mean-with", str(POLLEN)], "--mean-with: only for export"),
        (["few-steps", "--finish"], "--finish: only for decoder, encoder, transformer"),
        (["transformer", "--follow"], "components.safetensors must exist: run `components`"),
        (
            ["render", "--device", "tpu9"],
            "--device: 'tpu9' is not an available device; choose from cpu",
        ),
        (["decoder", "--device", "cuda:99"], "--device: 'cuda:99' is not an available device"),
        (["render", "--folder", __file__], f"--folder: {__file__!r} is a file; a folder is needed"),
        (["render", "--folder", f"{__file__}/a/b"], f"--folder: {__file__!r} is a file; a folder"),
        (["export", "--mean-share", "0.5"], "--mean-share: needs --mean-with"),
    ],
)
def test_bad_arguments_are_reported_before_anything_is_done(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        train([arguments[0], "--folder", str(tmp_path), *arguments[1:]])
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "3"], "--clips: '3' must be an integer, 8 or more"),
        (["--only", "place"], "--only: only for classifiers"),
        (["classifiers", "--steps", "4"], "--steps: only for score"),
        (
            ["classifiers", "--from-classifiers", "nowhere"],
            "--from-classifiers: nowhere: the file does not exist",
        ),
        (["score", "--classifiers", "nowhere"], "--classifiers: nowhere: the file does not exist"),
        (["--weights", "nowhere"], "--weights: nowhere: it has no model_index.json"),
        (["--json", "/"], "--json: /: it is a folder; a file name is needed"),
        (["--json", f"{__file__}/a.json"], f"--json: {__file__!r} is a file; a folder is needed"),
        (["--device", "tpu9"], "--device: 'tpu9' is not an available device; choose from cpu"),
    ],
)
def test_bad_arguments_of_the_evaluation_are_reported(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        evaluate([*arguments, "--folder", str(tmp_path)])
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_plan_shows_the_state_and_what_each_stage_would_do(tmp_path, capsys):
    train(["--folder", str(tmp_path), "--clips", "500", "--minutes", "7"])
    text = capsys.readouterr().out
    assert "render        0 of 500 clips" in text
    assert "transformer   no step yet" in text
    assert "7 minutes" in text
    assert not list(tmp_path.iterdir()), "it only prints"


def test_follow_reports_what_it_needs_and_when_no_clips_come(tmp_path, monkeypatch, capsys):
    usual = ["components", "--folder", str(tmp_path), "--device", "cpu"]
    with pytest.raises(SystemExit):
        train([*usual, "--follow"])
    assert "components.safetensors must exist" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train(["render", "--folder", str(tmp_path), "--follow"])
    assert "--follow: only for components, transformer" in capsys.readouterr().err
    fitted = components.Components(torch.zeros(6), torch.eye(6), torch.ones(6))
    fitted.save(tmp_path / components.FILE)
    monkeypatch.setattr(stages, "_TIMEOUT", 0.1)
    with pytest.raises(RuntimeError, match=r"no new clips in .*same --clips"):
        train([*usual, "--follow"])
    with pytest.raises(FileNotFoundError, match=r"run the stage `render` first"):
        train(usual)


@pytest.mark.parametrize("more", [[], ["--from-weights", str(POLLEN), "--follow"]])
def test_retain_needs_weights_and_all_clips(tmp_path, capsys, more):
    with pytest.raises(SystemExit):
        train(["transformer", "--folder", str(tmp_path), "--retain", *more])
    assert "--retain: needs --from-weights" in capsys.readouterr().err


def test_other_weights_than_those_of_the_start_can_be_retained(tmp_path, capsys, monkeypatch):
    usual = ["transformer", *USUAL, "--folder", str(tmp_path), "--retain"]
    retained = []
    monkeypatch.setitem(
        stages.STAGES, "transformer", lambda options: retained.append(options.retain)
    )
    train(usual)
    other = tmp_path / "other"
    with pytest.raises(SystemExit):
        train([*usual, str(other)])
    assert f"--retain: {other}: it has no model_index.json" in capsys.readouterr().err
    other.mkdir()
    (other / "model_index.json").write_text("{}")
    train([*usual, str(other)])
    assert retained == [POLLEN, other]


def test_rewards_of_too_few_clips_are_refused_before_any_is_rendered(tmp_path):
    with pytest.raises(ValueError, match=r"--clips 250: rewards need more than 250"):
        train(["rewards", *USUAL, "--folder", str(tmp_path), "--clips", "250"])
    assert not (tmp_path / rewards.FOLDER).exists()


@pytest.mark.parametrize("stage", ["rewards", "tune"])
def test_weights_to_tune_are_required(stage, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train([stage, "--folder", str(tmp_path)])
    assert f"--from-weights: {stage} needs the exported weights" in capsys.readouterr().err
