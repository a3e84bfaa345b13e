"""What the evaluation counts, and how it is shown."""

import functools
import json

import pytest
import torch

from beecam.models.pollen.evaluation import measures, report
from beecam.models.pollen.evaluation import score as scoring
from beecam.models.pollen.evaluation.__main__ import main as evaluate
from beecam.models.pollen.evaluation.table import table
from beecam.models.pollen.networks.classifier import SCORED
from beecam.models.pollen.world.scene import (
    ACCIDENTS,
)


def test_an_interval_is_wilsons():
    # Values of Newcombe 1998, table I: 81 of 263, and 0 of 20.
    found = measures.interval(81, 263)
    assert (found["low"], found["high"]) == (
        pytest.approx(0.2553, abs=2e-4),
        pytest.approx(0.3662, abs=2e-4),
    )
    assert measures.interval(0, 20)["low"] >= 0
    assert measures.interval(0, 20)["high"] == pytest.approx(0.1611, abs=2e-4)
    assert measures.interval(0, 0)["clips"] == 0


def test_the_vendi_score_counts_different_things():
    same, different = torch.ones(5, 5), torch.eye(5)
    assert measures.vendi(same) == pytest.approx(1, abs=1e-4)
    assert measures.vendi(different) == pytest.approx(5, abs=1e-4)
    pairs = torch.block_diag(torch.ones(2, 2), torch.ones(2, 2))
    assert measures.vendi(pairs) == pytest.approx(2, abs=1e-4)


def test_the_frechet_distance_is_that_of_two_normal_distributions():
    g = torch.Generator().manual_seed(0)
    one = torch.randn(20_000, 3, generator=g)
    same = torch.randn(20_000, 3, generator=g)
    assert measures.frechet(one, same) < 0.01
    # Moved by 2 in one of three directions: 4 / 3 for each. Twice as wide: (2 - 1)^2 for each.
    moved = same + torch.tensor([2.0, 0, 0])
    assert measures.frechet(one, moved) == pytest.approx(4 / 3, abs=0.06)
    assert measures.frechet(one, 2 * same) == pytest.approx(1, abs=0.06)


def test_the_distance_of_a_few_clips_uses_the_rank_of_their_features():
    g = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 5, 40, generator=g)
    assert measures.frechet(one, one) == pytest.approx(0, abs=1e-3)
    assert 0 < measures.frechet(one, other) < 10


def test_flicker_is_what_the_autoencoder_adds_from_frame_to_frame():
    class Autoencoder:
        """Returns its input, brighter in every other frame."""

        device = "cpu"

        def __init__(self, more):
            self.more = more

        def encode(self, video):
            part = type("Part", (), {"mean": video})
            return type("Out", (), {"latent_dist": part})

        def decode(self, video):
            every = torch.arange(video.shape[2]).remainder(2).view(1, 1, -1, 1, 1)
            return type("Out", (), {"sample": video + self.more * every})

    clips = torch.full((2, 9, 8, 8, 3), 120, dtype=torch.uint8)
    still = scoring.fidelity(Autoencoder(0.0), clips)
    flickering = scoring.fidelity(Autoencoder(0.1), clips)
    assert still["flicker"] == 0
    assert still["psnr"] > 60
    # A second difference of 0, a, 0 is 2 a.
    assert flickering["flicker"] == pytest.approx(2 * 0.1 * 127.5, rel=0.01)
    assert flickering["psnr"] < still["psnr"]


@pytest.mark.slow
def test_weights_get_all_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "_MIN_RENDERED", 8)
    few = functools.partial(scoring.diversity, prompts=1, seeds=4)
    monkeypatch.setattr(scoring, "diversity", few)
    evaluate(["--clips", "8", "--steps", "2", "--folder", str(tmp_path), "--device", "cpu"])
    found = json.loads((tmp_path / "scores.json").read_text())
    for part, clips in (
        ("seen", 6),
        ("held_out", 2),
        ("few_steps", 4),
        ("autoencoded", 4),
        ("classifiers", 8),
    ):
        assert {found[part][name]["clips"] for name in SCORED} == {clips}, part
    assert found["classifiers"]["accident"]["clips"] == 16, "half of them with one"
    assert found["classifiers"]["light"]["share"] >= 0.75
    assert max(one["clips"] for one in found["any_words"].values()) <= 2
    kinds = found["accidents"]
    assert set(kinds) == set(ACCIDENTS)
    assert kinds["mirror"]["generated"]["clips"] == 8
    assert kinds["rainbow"]["generated"]["clips"] < 8, "only where it can happen"
    assert found["autoencoder"]["psnr"] > 24
    assert 0 < found["frechet"]["rendered"] < found["frechet"]["generated"]
    assert 1 <= found["diversity"]["rendered"] <= 4
    assert (tmp_path / "evaluation.png").exists()
    assert "own view" in table(found)


def scores(**more):
    share = {name: measures.interval(90, 100) for name in SCORED}
    kinds = {
        name: {
            "world": rate,
            "generated": measures.interval(2, 100),
            "rendered": measures.interval(3, 100),
        }
        for name, rate in ACCIDENTS.items()
    }
    return {
        "date": "2026-01-01",
        "clips": 100,
        "steps": 20,
        "command": "evaluate",
        "classifiers": share,
        "seen": share,
        "held_out": share,
        "any_words": share,
        "accidents": kinds,
        "autoencoder": {"psnr": 26.5, "flicker": 0.12},
        "frechet": {"generated": 0.4, "autoencoder": 0.1, "rendered": 0.05},
        "diversity": {"generated": 5.0, "rendered": 6.0, "share": 0.83},
        **more,
    }


def test_the_table_has_a_row_for_each_attribute_and_accident():
    text = table(scores())
    for name in (*SCORED, *ACCIDENTS):
        assert any(line.startswith(name) for line in text.splitlines()), name
    assert "26.50 dB, flicker +0.12" in text
    assert "in 4 steps" not in text
    assert "in 4 steps" in table(scores(few_steps=scores()["seen"]))


def test_a_curve_is_thinned(tmp_path):
    log = tmp_path / "a.jsonl"
    lines = [{"step": 50 * i, "loss": 1 / i} for i in range(1, 1001)] + [{"step": 50000, "psnr": 3}]
    # as after an interruption: the last hundred steps are there twice
    lines += [{"step": 50 * i, "loss": 1 / i} for i in range(999, 1001)]
    log.write_text("\n".join(json.dumps(line) for line in lines))
    first = report.curve_of(log)
    assert len(first) == 200
    assert first[-1] == {"step": 50_000, "loss": 0.001}


@pytest.mark.slow
def test_the_scores_are_drawn(tmp_path, capsys):
    from PIL import Image

    curve = [{"step": 50, "loss": 2.0}, {"step": 100, "loss": 1.0}]
    for arguments, message in (
        (["--scores", __file__], "it isn't a file of the evaluation's scores"),
        (["--curve", str(tmp_path / "c.json"), "--folder", str(tmp_path)], "has no steps"),
    ):
        with pytest.raises(SystemExit):
            report.main([*arguments, "--images", str(tmp_path)])
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    report.draw_scores(scores(few_steps=scores()["seen"]), curve, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 900
        assert len(image.convert("RGB").getcolors(1_000_000)) > 20
