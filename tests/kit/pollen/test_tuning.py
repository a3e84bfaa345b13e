"""Rewards and the tuning of the denoiser by them."""

import functools
import itertools
import json
import shutil

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen import (
    components,
    data,
    export,
    judges,
    latents,
    nets,
    reading,
    rewards,
    sampling,
    train,
    training,
    tuning,
)
from beecam.models.pollen.scene import ACCIDENTS, ATTRIBUTES, draw_scene, possible
from beecam.models.pollen.training import Loop

SCENES = list(itertools.islice(data.scenes(5), 12))
USUAL = ["--device", "cpu", "--from-weights", str(POLLEN)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Two shards of a few clips, and their latents, in the space of the weights that ship."""
    folder = tmp_path_factory.mktemp("pollen")
    (folder / "clips").mkdir()
    clips = data.render_all(SCENES)
    for number, chosen in enumerate((SCENES, SCENES[::-1])):
        data.save(
            folder / "clips" / f"clips-{number:05d}.pt",
            chosen * 6,
            (clips if number == 0 else clips.flip(0)).repeat(6, 1, 1, 1, 1),
        )
    train.main(
        ["components", "--folder", str(folder), "--device", "cpu", "--from-weights", str(POLLEN)]
    )
    return folder


@pytest.fixture(scope="module")
def rewarded(rendered, tmp_path_factory):
    """Rewards after a step or two, of these clips as if they were their own."""
    folder = tmp_path_factory.mktemp("rewarded") / rewards.FOLDER
    shutil.copytree(rendered, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewards, "_BATCH", 4)
        patch.setattr(training, "_MEASURED_STEPS", 1)
        patch.setattr(data, "render_there", lambda *_, **__: 2)
        train.main(["rewards", *USUAL, "--folder", str(folder.parent), "--minutes", "0.0001"])
    return folder


def examples(folder):
    return rewards.examples(latents.files(folder))


def recognises(folder):
    """After some steps no reader does; these recognise own views and no mirrors."""
    seen = json.loads((folder / "seen.json").read_text())
    seen["right"] |= {"own view": 0.9, "mirror": 0.1}
    seen["chances"] |= {"own view": 0.05, "mirror": 0.02}
    (folder / "seen.json").write_text(json.dumps(seen))


def reader_of_texts():
    return reading.encoder(POLLEN, POLLEN)


@pytest.mark.slow
def test_the_judge_of_motion_is_shown_what_the_components_show(rendered):
    basis = components.Components.load(POLLEN)
    clips, _ = data.load(rendered / "clips")
    cells = basis.encode(clips[:6])
    view = judges.Judge("camera").view
    wanted = judges.shown(basis.decode(cells), view)
    found = rewards.Shown(basis)(cells.flatten(2).transpose(1, 2))
    assert found.shape == wanted.shape
    # what is shown is cut off at black and white; what is learnt from is not
    assert (found - wanted).abs().mean() < 0.05 * wanted.abs().mean()
    late = rewards.Shown(basis)(cells.roll(1, 2).flatten(2).transpose(1, 2))
    assert (late - wanted).abs().mean() > 0.2 * wanted.abs().mean()


@pytest.mark.slow
def test_examples_are_of_clips_and_mirror_images(rendered):
    every = examples(rendered)
    assert len(every) == 4 * 72
    for i, scene in enumerate(SCENES):
        truth = every.truth[i].tolist()
        for index, (name, values) in zip(truth, rewards.VALUES.items(), strict=False):
            assert values[index] == {**scene.attributes, "accident": scene.accident or "none"}[name]
        assert ATTRIBUTES["camera"][truth[-1]] == scene.camera
        turned = {"pan left": "pan right", "pan right": "pan left"}.get(scene.camera, scene.camera)
        assert ATTRIBUTES["camera"][every.truth[72 + i, -1]] == turned
    assert len(every.odd) > 0
    assert set(every.odd.tolist()) | set(every.usual.tolist()) == set(range(len(every)))
    part = rewards.examples(latents.files(rendered)[1:])
    assert torch.equal(part.latents, every.latents[144:])
    assert torch.equal(part.truth, every.truth[144:])


@pytest.mark.slow
def test_the_reader_learns_what_latents_show(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(rewards, "_BATCH", 8)
    loop = rewards.reader_loop(tmp_path, POLLEN, reader_of_texts())
    loss = rewards.ReaderLoss(examples(rendered))

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


@pytest.mark.slow
def test_the_reader_goes_on_to_the_same_bits(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(rewards, "_BATCH", 2)
    loss = rewards.ReaderLoss(examples(rendered))
    for name, parts in (("one", [2]), ("two", [1, 1])):
        for steps in parts:
            (tmp_path / name).mkdir(exist_ok=True)
            loop = rewards.reader_loop(tmp_path / name, POLLEN, reader_of_texts())
            loop.run(loss, steps=steps)
    one, two = (
        torch.load(tmp_path / name / "reader.pt", weights_only=True)["average"]
        for name in ("one", "two")
    )
    assert all(map(torch.equal, one, two))


@pytest.mark.slow
def test_rewards_lead_back_to_latents_and_know_what_they_recognise(rewarded):
    seen = json.loads((rewarded / "seen.json").read_text())
    there = {scene.accident for scene in SCENES} - {None}
    assert set(seen["right"]) == {*rewards.STILL, "camera", *there}
    assert set(seen["chances"]) == there
    assert all(0 <= share <= 1 for found in seen.values() for share in found.values())
    recognises(rewarded)
    found = rewards.load(rewarded, POLLEN, reader_of_texts())
    assert found.expected["own view"] == 0.05
    assert "mirror" not in found.expected
    tokens = examples(rewarded).tokens(torch.arange(2)).requires_grad_()
    scores = found(tokens, torch.Generator().manual_seed(7))
    wanted = {**rewards.VALUES, "camera": ATTRIBUTES["camera"]}
    assert {name: one.shape for name, one in scores.items()} == {
        name: (2, len(values)) for name, values in wanted.items()
    }
    for name in ("place", "camera", "accident"):
        (back,) = torch.autograd.grad(scores[name][:, 0].sum(), tokens, retain_graph=True)
        assert back.abs().sum() > 0, name


@pytest.mark.slow
def test_rewards_that_are_not_there_not_done_or_of_another_space_are_named(rewarded, tmp_path):
    texts = reader_of_texts()
    with pytest.raises(FileNotFoundError, match=r"run the stage `rewards` first"):
        rewards.load(tmp_path, POLLEN, texts)
    shutil.copytree(rewarded, tmp_path / "half")
    kept = torch.load(tmp_path / "half" / "motion.pt", weights_only=True)
    kept["finish"] = [0, kept["step"] + 5]
    torch.save(kept, tmp_path / "half" / "motion.pt")
    with pytest.raises(FileNotFoundError, match=r"motion.pt is not done"):
        rewards.load(tmp_path / "half", POLLEN, texts)
    basis = components.Components.load(POLLEN)
    other = components.Components(basis.mean, -basis.basis, basis.deviation)
    other.save(tmp_path / "half" / components.FILE)
    with pytest.raises(ValueError, match=r"rewards of other components; move it away"):
        rewards.load(tmp_path / "half", POLLEN, texts)
    (tmp_path / "latents").mkdir()
    other.save(tmp_path / components.FILE)
    with pytest.raises(ValueError, match=r"latents of other components"):
        train.main(["tune", *USUAL, "--folder", str(tmp_path)])


def chances_of(name, chance, scenes, which):
    """All have none for sure, but some have one."""
    found = torch.zeros(len(scenes), len(ACCIDENTS) + 1)
    found[:, 0] = 1
    found[which, 0] = 1 - chance
    found[which, 1 + list(ACCIDENTS).index(name)] = chance
    return found


def goals(came, name, chance, scenes, which):
    return came.goals(chances_of(name, chance, scenes, which), scenes)


@functools.cache
def where(possible_is, name="giant"):
    scenes = [draw_scene(seed) for seed in range(600)]
    return [one for one in scenes if possible(name, one.attributes) == possible_is][:200]


NUMBER = 1 + list(ACCIDENTS).index("giant")


def test_accidents_that_come_as_often_as_they_should_are_left_alone():
    scenes, came = where(True), tuning.Came({"giant": 0.02})
    for _ in range(200):
        goal = goals(came, "giant", 0.5, scenes, range(8))
    torch.testing.assert_close(goal, chances_of("giant", 0.5, scenes, range(8)))
    assert came.relative() == {"giant": pytest.approx(1.0)}


@pytest.mark.parametrize(("many", "odds"), [(2, 4.0), (32, 0.25)])
def test_accidents_that_come_too_seldom_or_too_often_are_led_back(many, odds):
    scenes, came = where(True), tuning.Came({"giant": 0.02})
    for _ in range(400):
        goal = goals(came, "giant", 0.5, scenes, range(many))
    assert came.relative()["giant"] == pytest.approx(1 / odds, rel=0.01)
    assert goal[0, NUMBER] == pytest.approx(odds / (1 + odds), rel=0.01)
    assert (goal[many:, 0] == 1).all()
    torch.testing.assert_close(goal.sum(1), torch.ones(len(scenes)))


def test_an_accident_that_hardly_ever_comes_is_not_asked_for_without_bounds():
    scenes, came = where(True), tuning.Came({"giant": 0.02})
    for _ in range(800):
        goal = goals(came, "giant", 1e-5, scenes, range(200))
    assert 0 < goal[0, NUMBER] < 1e-3


def test_what_cannot_be_told_is_left_alone_and_what_cannot_happen_is_nobodys_goal():
    scenes, came = where(True), tuning.Came({"petal": 0.02})
    for _ in range(50):
        goal = goals(came, "giant", 0.7, scenes, range(150))
    torch.testing.assert_close(goal, chances_of("giant", 0.7, scenes, range(150)))
    nobody = where(False)
    came = tuning.Came({"giant": 0.02})
    goal = goals(came, "giant", 0.7, nobody, range(len(nobody)))
    assert not goal[:, NUMBER].any()
    assert came.relative() == {"giant": pytest.approx(1.0)}, "nothing was learnt of how often"


def test_the_reader_sees_that_halves_are_alike_in_a_mirror():
    basis = components.Components.load(POLLEN)
    scenes = [
        draw_scene(seed, accident=kind, insect="none", style="plain")
        for seed in range(3)
        for kind in (None, "mirror")
    ]
    tokens = basis.encode(data.render_all(scenes)).flatten(2).transpose(1, 2)
    reader = rewards.Reader(nets.transformer(POLLEN), reader_of_texts(), basis)
    apart = reader._unlike_halves(tokens).mean(1)
    assert (apart[1::2] < apart[::2] - 0.5).all()


class Push(torch.nn.Module):
    """Goes a learnt way, whatever it is given, but for texts without words: not at all."""

    def __init__(self):
        super().__init__()
        self.way = torch.nn.Parameter(torch.linspace(-1, 1, nets.CHANNELS))

    def forward(self, hidden_states, encoder_hidden_states, timestep, **_):
        words = encoder_hidden_states[:, 0, :1, None] * timestep[:, :, None] / 1000
        found = words * self.way.expand(hidden_states.shape)
        return type("Out", (), {"sample": found})


class Words(torch.nn.Module):
    """Says whether a text has words."""

    def forward(self, ids):
        return [(ids != 0).sum(1).gt(1).float()[:, None, None].expand(-1, ids.shape[1], 4)]


class Sum(torch.nn.Module):
    def forward(self, tokens, g):
        return {"all": (tokens * torch.linspace(0, 1, nets.CHANNELS)).tanh().sum((1, 2))}


def tuned(rewarded, encoder, missed):
    made = tuning.Tuning(encoder, rewarded)
    made._missed = missed
    return made


class Run:
    def __init__(self, network):
        self.generator = torch.Generator().manual_seed(1)
        self.device = "cpu"
        self.modules = {"transformer": network, "came": None}


@pytest.fixture
def levels(monkeypatch):
    """The noise levels that are drawn."""
    drawn, real = [], tuning._levels
    monkeypatch.setattr(tuning, "_levels", lambda g: drawn.append(real(g)) or drawn[-1])
    monkeypatch.setattr(tuning, "_STEPS", (5, 5))
    monkeypatch.setattr(tuning, "_BATCH", 3)
    return drawn


class Kept(Sum):
    """Keeps where clips end."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def forward(self, tokens, g):
        self.ends.append(tokens)
        return super().forward(tokens, g)


def missed(scores, *_):
    return -scores["all"].sum()


def test_its_gradient_is_that_of_the_sampled_clip(monkeypatch, levels):
    """With all steps learnt from it is what leading back through all of sampling would give."""
    monkeypatch.setattr(tuning, "_LEARNING", 5)
    push, rewarded = Push(), Kept()
    found = tuned(rewarded, Words(), missed)(Run(push))
    assert float(found) == 0, "flow matching's loss is what is logged"
    found.backward()
    ours = push.way.grad.clone()
    push.way.grad = None
    (level,), (end,) = levels, rewarded.ends
    far = (level[:-1] * (level[:-1] - level[1:])).sum() * tuning.GUIDANCE
    noise = end.detach() + far * push.way.detach()
    missed(Sum()(noise - far * push.way, None)).backward()
    torch.testing.assert_close(ours, push.way.grad, rtol=0.02, atol=0.02)
    assert level[0] == 1
    assert level[-1] == 0
    assert (level.diff() < 0).all()


class Turn(Push):
    """Goes another way wherever it is, so that each step's gradient needs that step's input."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, hidden_states, encoder_hidden_states, timestep, **_):
        self.seen.append((hidden_states.detach(), timestep[:, 0].detach() / 1000))
        words = encoder_hidden_states[:, 0, :1, None] * timestep[:, :, None] / 1000
        return type("Out", (), {"sample": words * self.way * hidden_states})


def test_two_steps_stand_for_all_with_what_each_was_given(levels):
    turn, rewarded = Turn(), Kept()
    tuned(rewarded, Words(), missed)(Run(turn)).backward()
    (level,), (end,) = levels, rewarded.ends
    (wish,) = torch.autograd.grad(missed(Sum()(end, None)), end)
    given, at = turn.seen[-1]
    assert len(turn.seen) == 6, "five steps, and both that are learnt from at once"
    wanted = torch.zeros(nets.CHANNELS)
    for part, where in zip(given.split(3), at.split(3), strict=True):
        step = int((level - where[0]).abs().argmin())
        there = turn.seen[step][0]
        torch.testing.assert_close(part, there[:3])
        pull = -tuning.GUIDANCE * (level[step] - level[step + 1]) * level[step]
        wanted += (5 / 2) * (pull * wish * there[:3]).sum((0, 1))
    torch.testing.assert_close(turn.way.grad, wanted, rtol=0.02, atol=0.05)


@pytest.mark.slow
def test_tuning_leads_clips_to_what_is_rewarded(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_BATCH", 2)
    monkeypatch.setattr(tuning, "_STEPS", (4, 4))
    encoder = reader_of_texts()
    loop = tuning.tuning_loop(tmp_path, POLLEN, 0.3, {})
    seen = []

    class First(torch.nn.Module):
        def forward(self, tokens, g):
            seen.append(float(tokens[:, :, 0].mean()))
            return {"all": tokens[:, :, 0].mean(1)}

    work = tuned(First(), encoder, lambda scores, *_: -scores["all"].mean())

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


@pytest.mark.slow
def test_weights_are_tuned_stopped_and_go_on_to_the_same_bits(
    rendered, rewarded, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(tuning, "_BATCH", 2)
    real = Loop.run

    def tune(name, steps):
        monkeypatch.setattr(Loop, "run", lambda self, loss, **_: real(self, loss, steps=steps))
        train.main(["tune", *USUAL, "--no-compile", "--folder", str(tmp_path / name)])

    for name, parts in (("one", [2]), ("two", [1, 1])):
        shutil.copytree(rendered, tmp_path / name)
        shutil.copytree(rewarded, tmp_path / name / rewards.FOLDER)
        recognises(tmp_path / name / rewards.FOLDER)
        for steps in parts:
            tune(name, steps)
    one, two = (
        torch.load(tmp_path / name / "tune.pt", weights_only=True) for name in ("one", "two")
    )
    assert one["step"] == two["step"] == 2
    assert one["rates"] == (0.1 * 4e-4, 0.1 * 1.2e-3)
    assert all(map(torch.equal, one["average"], two["average"]))
    assert torch.equal(one["modules"]["came"]["shares"], two["modules"]["came"]["shares"])
    came = one["modules"]["came"]
    assert (came["shares"] != came["expected"]).any()
    pipe, before = export.pipeline(tmp_path / "one", POLLEN), sampling.load_pipeline(POLLEN)
    assert "the denoiser of tune.pt" in capsys.readouterr().out
    now = pipe.transformer.state_dict()
    assert any(not torch.equal(now[k], v) for k, v in before.transformer.state_dict().items())
    (tmp_path / "one" / "transformer.pt").touch()
    with pytest.raises(ValueError, match=r"transformer.pt was trained after tune.pt"):
        export.pipeline(tmp_path / "one", POLLEN)
    (tmp_path / "two" / "tune.txt").write_text("others")
    with pytest.raises(ValueError, match=r"tune.pt began from other weights"):
        tune("two", 1)


def test_rewards_of_too_few_clips_are_refused_before_any_is_rendered(tmp_path):
    with pytest.raises(ValueError, match=r"--clips 250: rewards need more than 250"):
        train.main(["rewards", *USUAL, "--folder", str(tmp_path), "--clips", "250"])
    assert not (tmp_path / rewards.FOLDER).exists()


@pytest.mark.parametrize("stage", ["rewards", "tune"])
def test_what_is_to_be_tuned_must_be_named(stage, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([stage, "--folder", str(tmp_path)])
    assert f"--from-weights: {stage} needs the exported weights" in capsys.readouterr().err
