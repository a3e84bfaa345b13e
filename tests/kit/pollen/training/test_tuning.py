"""Tuning of the denoiser by reward."""

import shutil

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.pipeline import load_pipeline
from beecam.models.pollen.training import export
from beecam.models.pollen.training.__main__ import main as train
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.training.rewards import rewards, tuning
from beecam.models.pollen.training.rewards.tuning import AccidentFrequency
from beecam.models.pollen.world.scene import ACCIDENTS, draw_scene, possible

pytestmark = pytest.mark.slow

USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


def chances_of(name, chance, drawn, which):
    """Return the probabilities of each accident, with this one in some clips."""
    probabilities = torch.zeros(len(drawn), len(ACCIDENTS) + 1)
    probabilities[:, 0] = 1
    probabilities[which, 0] = 1 - chance
    probabilities[which, 1 + list(ACCIDENTS).index(name)] = chance
    return probabilities


def targets(frequency, name, chance, drawn, which):
    return frequency.targets(chances_of(name, chance, drawn, which), drawn)


def where(possible_is, name="giant"):
    drawn = [draw_scene(seed) for seed in range(600)]
    return [one for one in drawn if possible(name, one.attributes) == possible_is][:200]


NUMBER = 1 + list(ACCIDENTS).index("giant")


def test_accidents_at_the_right_rate_are_left_alone():
    drawn, frequency = where(True), AccidentFrequency({"giant": 0.02})
    for _ in range(200):
        target = targets(frequency, "giant", 0.5, drawn, range(8))
    torch.testing.assert_close(target, chances_of("giant", 0.5, drawn, range(8)))
    assert frequency.relative() == {"giant": pytest.approx(1.0)}


@pytest.mark.parametrize(("clips_with_accident", "odds"), [(2, 4.0), (32, 0.25)])
def test_accidents_that_are_too_rare_or_too_frequent_are_corrected(clips_with_accident, odds):
    drawn, frequency = where(True), AccidentFrequency({"giant": 0.02})
    for _ in range(400):
        target = targets(frequency, "giant", 0.5, drawn, range(clips_with_accident))
    assert frequency.relative()["giant"] == pytest.approx(1 / odds, rel=0.01)
    assert target[0, NUMBER] == pytest.approx(odds / (1 + odds), rel=0.01)
    assert (target[clips_with_accident:, 0] == 1).all()
    torch.testing.assert_close(target.sum(1), torch.ones(len(drawn)))


def test_the_correction_of_rare_accidents_is_bounded():
    drawn, frequency = where(True), AccidentFrequency({"giant": 0.02})
    for _ in range(800):
        target = targets(frequency, "giant", 1e-5, drawn, range(200))
    assert 0 < target[0, NUMBER] < 1e-3


def test_unrecognised_accidents_are_left_alone_and_impossible_ones_never_a_target():
    drawn, frequency = where(True), AccidentFrequency({"petal": 0.02})
    for _ in range(50):
        target = targets(frequency, "giant", 0.7, drawn, range(150))
    torch.testing.assert_close(target, chances_of("giant", 0.7, drawn, range(150)))
    impossible = where(False)
    frequency = AccidentFrequency({"giant": 0.02})
    target = targets(frequency, "giant", 0.7, impossible, range(len(impossible)))
    assert not target[:, NUMBER].any()
    assert frequency.relative() == {"giant": pytest.approx(1.0)}, "the running mean is not updated"


class Push(torch.nn.Module):
    """Predicts a trained velocity whatever its input; none for the empty prompt."""

    def __init__(self):
        super().__init__()
        self.velocity = torch.nn.Parameter(torch.linspace(-1, 1, shapes.CHANNELS))

    def forward(self, hidden_states, encoder_hidden_states, timestep, **_):
        words = encoder_hidden_states[:, 0, :1, None] * timestep[:, :, None] / 1000
        prediction = words * self.velocity.expand(hidden_states.shape)
        return type("Out", (), {"sample": prediction})


class Words(torch.nn.Module):
    """Returns whether a text has words."""

    def forward(self, ids):
        return [(ids != 0).sum(1).gt(1).float()[:, None, None].expand(-1, ids.shape[1], 4)]


class Sum(torch.nn.Module):
    def forward(self, tokens, g):
        return {"all": (tokens * torch.linspace(0, 1, shapes.CHANNELS)).tanh().sum((1, 2))}


def tuned(rewarded, encoder, missed):
    reward = tuning.RewardLoss(encoder, rewarded)
    reward._missed = missed
    return reward


class Run:
    def __init__(self, network):
        self.generator = torch.Generator().manual_seed(1)
        self.device = "cpu"
        self.modules = {"transformer": network, "accident_frequency": None}


@pytest.fixture
def levels(monkeypatch):
    """Record the noise levels that are drawn."""
    drawn, real = [], tuning._noise_levels
    monkeypatch.setattr(tuning, "_noise_levels", lambda g: drawn.append(real(g)) or drawn[-1])
    monkeypatch.setattr(tuning, "_STEPS", (5, 5))
    monkeypatch.setattr(tuning, "_BATCH", 3)
    return drawn


class Recorded(Sum):
    """Records the final latents of clips."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def forward(self, tokens, g):
        self.ends.append(tokens)
        return super().forward(tokens, g)


def missed(scores, *_):
    return -scores["all"].sum()


def test_the_gradient_is_that_of_the_sampled_clip(monkeypatch, levels):
    """With all steps trained it is that of backpropagation through all of sampling."""
    monkeypatch.setattr(tuning, "_TRAINED_STEPS", 5)
    push, rewarded = Push(), Recorded()
    loss = tuned(rewarded, Words(), missed)(Run(push))
    assert float(loss) == 0, "only flow matching's loss is logged"
    loss.backward()
    ours = push.velocity.grad.clone()
    push.velocity.grad = None
    (level,), (end,) = levels, rewarded.ends
    distance = (level[:-1] * (level[:-1] - level[1:])).sum() * tuning.GUIDANCE
    noise = end.detach() + distance * push.velocity.detach()
    missed(Sum()(noise - distance * push.velocity, None)).backward()
    torch.testing.assert_close(ours, push.velocity.grad, rtol=0.02, atol=0.02)
    assert level[0] == 1
    assert level[-1] == 0
    assert (level.diff() < 0).all()


class Turn(Push):
    """Predicts a velocity that depends on its input, as each step's gradient then does."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, hidden_states, encoder_hidden_states, timestep, **_):
        self.seen.append((hidden_states.detach(), timestep[:, 0].detach() / 1000))
        words = encoder_hidden_states[:, 0, :1, None] * timestep[:, :, None] / 1000
        return type("Out", (), {"sample": words * self.velocity * hidden_states})


def test_two_steps_represent_all_with_their_own_inputs(levels):
    turn, rewarded = Turn(), Recorded()
    tuned(rewarded, Words(), missed)(Run(turn)).backward()
    (level,), (end,) = levels, rewarded.ends
    (gradient,) = torch.autograd.grad(missed(Sum()(end, None)), end)
    inputs, at = turn.seen[-1]
    assert len(turn.seen) == 6, "five steps, and the two trained ones at once"
    expected = torch.zeros(shapes.CHANNELS)
    for part, where in zip(inputs.split(3), at.split(3), strict=True):
        step = int((level - where[0]).abs().argmin())
        there = turn.seen[step][0]
        torch.testing.assert_close(part, there[:3])
        pull = -tuning.GUIDANCE * (level[step] - level[step + 1]) * level[step]
        expected += (5 / 2) * (pull * gradient * there[:3]).sum((0, 1))
    torch.testing.assert_close(turn.velocity.grad, expected, rtol=0.02, atol=0.05)


def test_tuning_increases_the_reward(text_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_BATCH", 2)
    monkeypatch.setattr(tuning, "_STEPS", (4, 4))
    loop = tuning.tuning_loop(tmp_path, POLLEN, 0.3, {})
    seen = []

    class First(torch.nn.Module):
        def forward(self, tokens, g):
            seen.append(float(tokens[:, :, 0].mean()))
            return {"all": tokens[:, :, 0].mean(1)}

    work = tuned(First(), text_encoder, lambda scores, *_: -scores["all"].mean())

    def sampled():
        class Same:
            generator = torch.Generator().manual_seed(5)
            device = "cpu"
            modules = loop.modules

        work(Same())
        return seen[-1]

    before = sampled()
    loop.run(work, steps=8)
    assert sampled() > before + 0.1


def test_stopped_tuning_resumes_to_the_same_bits(
    two_shards, recognising, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tuning, "_BATCH", 2)
    monkeypatch.setattr(tuning, "_STEPS", (3, 4))
    real = Loop.run

    def tune(name, steps):
        monkeypatch.setattr(Loop, "run", lambda self, loss, **_: real(self, loss, steps=steps))
        train(["tune", *USUAL, "--no-compile", "--folder", str(tmp_path / name)])

    for name, parts in (("one", [2]), ("two", [1, 1])):
        shutil.copytree(two_shards, tmp_path / name)
        shutil.copytree(recognising, tmp_path / name / rewards.FOLDER)
        for steps in parts:
            tune(name, steps)
    one, two = (
        torch.load(tmp_path / name / "tune.pt", weights_only=True) for name in ("one", "two")
    )
    assert one["step"] == two["step"] == 2
    assert one["rates"] == (0.1 * 4e-4, 0.1 * 1.2e-3)
    assert all(map(torch.equal, one["average"], two["average"]))
    assert torch.equal(
        one["modules"]["accident_frequency"]["shares"],
        two["modules"]["accident_frequency"]["shares"],
    )
    frequency = one["modules"]["accident_frequency"]
    assert (frequency["shares"] != frequency["expected"]).any()
    pipe, before = export.pipeline(tmp_path / "one", POLLEN), load_pipeline(POLLEN)
    assert "the denoiser of tune.pt" in capsys.readouterr().out
    now = pipe.transformer.state_dict()
    assert any(not torch.equal(now[k], v) for k, v in before.transformer.state_dict().items())
    (tmp_path / "one" / "transformer.pt").touch()
    with pytest.raises(ValueError, match=r"transformer.pt was trained after tune.pt"):
        export.pipeline(tmp_path / "one", POLLEN)
    (tmp_path / "two" / "tune.txt").write_text("others")
    with pytest.raises(ValueError, match=r"tune.pt started from other weights"):
        tune("two", 1)
