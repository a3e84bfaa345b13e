"""Rewards and the tuning of the denoiser by them."""

import itertools

import pytest
import torch

from beecam.models.load import POLLEN
from beecam.models.pollen import (
    components,
    data,
    export,
    judges,
    nets,
    reading,
    rewards,
    sampling,
    train,
    tuning,
)
from beecam.models.pollen.scene import ACCIDENTS, ATTRIBUTES, draw_scene, possible
from beecam.models.pollen.training import Loop

SCENES = list(itertools.islice(data.scenes(5), 12))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Two shards of a few clips, and their latents, in the space of the weights that ship."""
    folder = tmp_path_factory.mktemp("pollen")
    (folder / "clips").mkdir()
    clips = data.render_all(SCENES)
    for number, chosen in enumerate((SCENES, SCENES[::-1])):
        data.save(folder / "clips" / f"clips-{number:05d}.pt", chosen * 6,
                  (clips if number == 0 else clips.flip(0)).repeat(6, 1, 1, 1, 1))  # fmt: skip
    train.main(["components", "--folder", str(folder), "--device", "cpu", "--from-weights",
                str(POLLEN)])  # fmt: skip
    return folder


def reader_of_texts():
    return reading.encoder(POLLEN, POLLEN)


@pytest.mark.slow
def test_the_judge_of_motion_is_shown_what_the_components_show(rendered):
    basis = components.Components.load(POLLEN)
    clips, _ = data.load(rendered / "clips")
    latents = basis.encode(clips[:6])
    view = judges.Judge("camera").view
    wanted = judges.shown(basis.decode(latents), view)
    found = rewards.Shown(basis)(latents.flatten(2).transpose(1, 2))
    assert found.shape == wanted.shape
    # what is shown is cut off at black and white; what is learnt from is not
    assert (found - wanted).abs().mean() < 0.05 * wanted.abs().mean()
    late = rewards.Shown(basis)(latents.roll(1, 2).flatten(2).transpose(1, 2))
    assert (late - wanted).abs().mean() > 0.2 * wanted.abs().mean()


@pytest.mark.slow
def test_examples_are_of_clips_and_mirror_images_and_some_are_left_out(rendered, monkeypatch):
    monkeypatch.setattr(data, "SHARD", 72)
    every = rewards.Examples(rendered)
    assert len(every.latents) == 4 * 72
    names = list(rewards.VALUES)
    camera = names.index("camera")
    for i, scene in enumerate(SCENES):
        assert every.truth[i].tolist()[:-1] == [
            values.index(scene.attributes[name]) for name, values in ATTRIBUTES.items()
        ]
        turned = {"pan left": "pan right", "pan right": "pan left"}.get(scene.camera, scene.camera)
        assert ATTRIBUTES["camera"][every.truth[72 + i, camera]] == turned
        assert rewards.VALUES["accident"][every.truth[i, -1]] == (scene.accident or "none")
    assert set(every.odd.tolist()) | set(every.usual.tolist()) == set(range(len(every.latents)))
    rest = rewards.Examples(rendered, skip=72)
    assert torch.equal(rest.latents, every.latents[144:])
    assert len(rewards.Examples(rendered, clips=72).latents) == 144
    with pytest.raises(FileNotFoundError, match=r"no more than 144 clips.*`render`.*--clips"):
        rewards.Examples(rendered, skip=144)


@pytest.mark.slow
def test_the_reader_learns_what_latents_show_and_leads_back_to_them(
    rendered, tmp_path, monkeypatch
):
    monkeypatch.setattr(rewards, "_BATCH", 16)
    examples = rewards.Examples(rendered)
    loop = rewards.reader_loop(tmp_path, POLLEN, reader_of_texts())
    loss = rewards.ReaderLoss(examples)
    g = torch.Generator().manual_seed(7)

    class Same:
        generator = torch.Generator().manual_seed(3)
        device = "cpu"
        modules = loop.modules

    with torch.no_grad():
        before = float(loss(Same()))
    loop.run(loss, steps=20)
    Same.generator.manual_seed(3)
    with torch.no_grad():
        assert float(loss(Same())) < before - 1.0
    motion = rewards.motion_loop(tmp_path)
    motion.run(rewards.MotionLoss(examples, components.Components.load(POLLEN)), steps=1)
    seen = rewards.load(tmp_path, POLLEN, reader_of_texts())
    tokens = examples.tokens(torch.arange(2)).requires_grad_()
    scores = seen(tokens, g)
    assert {name: found.shape for name, found in scores.items()} == {
        name: (2, len(values)) for name, values in rewards.VALUES.items()
    }
    for name in ("place", "camera", "accident"):
        (back,) = torch.autograd.grad(scores[name][:, 0].sum(), tokens, retain_graph=True)
        assert back.abs().sum() > 0, name
    with pytest.raises(FileNotFoundError, match=r"run the stage `rewards` first"):
        rewards.load(rendered, POLLEN, reader_of_texts())


def chances_of(name, chance, scenes, which):
    """All have none for sure, but some have one."""
    found = torch.zeros(len(scenes), len(ACCIDENTS) + 1)
    found[:, 0] = 1
    found[which, 0] = 1 - chance
    found[which, 1 + list(ACCIDENTS).index(name)] = chance
    return found


def test_accidents_that_never_come_are_asked_for_as_often_as_in_the_world():
    scenes = [draw_scene(seed) for seed in range(3000)]
    came, g = tuning.Came(), torch.Generator().manual_seed(0)
    goal = came.assigned(chances_of("giant", 0.0, scenes, [0]), scenes, g)
    for number, name in enumerate(ACCIDENTS, 1):
        can = torch.tensor([possible(name, scene.attributes) for scene in scenes])
        assert not (goal[~can] == number).any(), name
        share = float((goal[can] == number).float().mean())
        # some are taken by those before
        wide = 4 * (ACCIDENTS[name] / int(can.sum())) ** 0.5
        assert 0.75 * ACCIDENTS[name] - wide < share < ACCIDENTS[name] + wide, name
    # those that are near are asked first
    can = torch.tensor([possible("giant", scene.attributes) for scene in scenes])
    near = can.nonzero().flatten()[:400]
    goal = tuning.Came().assigned(chances_of("giant", 0.2, scenes, near), scenes, g)
    chosen = (goal == 1 + list(ACCIDENTS).index("giant")).nonzero().flatten()
    assert len(chosen) > 30
    assert set(chosen.tolist()) <= set(near.tolist())


def test_accidents_that_come_are_left_alone_until_they_come_too_often():
    scenes = [draw_scene(seed) for seed in range(400)]
    scenes = [scene for scene in scenes if possible("giant", scene.attributes)][:200]
    number = 1 + list(ACCIDENTS).index("giant")
    came, g = tuning.Came(), torch.Generator().manual_seed(0)
    some = torch.arange(10)
    seen = chances_of("giant", 0.9, scenes, some)
    goal = came.assigned(seen, scenes, g)
    assert (goal[:10] == number).all()
    assert 0 < came.shares[number - 1] < 0.01
    for _ in range(400):
        came.assigned(seen, scenes, g)
    # at twice the world's share half of them are to go, and no others are to come
    assert came.shares[number - 1] == pytest.approx(0.045, rel=0.02)
    kept = [came.assigned(seen, scenes, g) == number for _ in range(200)]
    assert 0.45 < torch.stack(kept)[:, :10].float().mean() < 0.66
    assert not torch.stack(kept)[:, 10:].any()
    # and what can't happen is nobody's goal
    nobody = [draw_scene(seed, insect="none") for seed in range(8)]
    goal = came.assigned(chances_of("giant", 0.9, nobody, torch.arange(8)), nobody, g)
    assert not (goal == number).any()


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


def test_its_gradient_is_that_of_the_sampled_clip(monkeypatch):
    """With all steps learnt from it is what leading back through all of sampling would give."""
    monkeypatch.setattr(tuning, "_STEPS", (5, 5))
    monkeypatch.setattr(tuning, "_LEARNING", 5)
    monkeypatch.setattr(tuning, "_BATCH", 3)
    push, ends = Push(), []

    def missed(scores, *_):
        return -scores["all"].sum()

    class Kept(Sum):
        def forward(self, tokens, g):
            ends.append(tokens)
            return super().forward(tokens, g)

    levels = []
    real = tuning._levels
    monkeypatch.setattr(tuning, "_levels", lambda g: levels.append(real(g)) or levels[-1])

    class Run:
        generator = torch.Generator().manual_seed(1)
        device = "cpu"
        modules = {"transformer": push, "came": None}  # noqa: RUF012

    tuned(Kept(), Words(), missed)(Run()).backward()
    found = push.way.grad.clone()
    push.way.grad = None
    (level,), (end,) = levels, ends
    far = (level[:-1] * (level[:-1] - level[1:])).sum() * tuning.GUIDANCE
    noise = end.detach() + far * push.way.detach()
    missed(Sum()(noise - far * push.way, None)).backward()
    torch.testing.assert_close(found, push.way.grad, rtol=0.02, atol=0.02)
    assert level[0] == 1
    assert level[-1] == 0
    assert (level.diff() < 0).all()


@pytest.mark.slow
def test_tuning_leads_clips_to_what_is_rewarded(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_BATCH", 4)
    monkeypatch.setattr(tuning, "_STEPS", (4, 4))
    encoder = reader_of_texts()
    loop = tuning.tuning_loop(tmp_path, POLLEN, 0.3)
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
    loop.run(work, steps=12)
    assert sampled() > before + 0.1


@pytest.mark.slow
def test_weights_are_tuned_stopped_and_go_on_to_the_same_bits(rendered, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(tuning, "_BATCH", 2)
    monkeypatch.setattr(rewards, "_BATCH", 4)
    for name in ("one", "two"):
        shutil.copytree(rendered, tmp_path / name)
    usual = ["--device", "cpu", "--from-weights", str(POLLEN)]
    train.main(["rewards", *usual, "--folder", str(tmp_path / "one"), "--minutes", "0.01"])
    for part in ("reader", "motion"):
        shutil.copy(tmp_path / "one" / f"reward-{part}.pt", tmp_path / "two")
    real = Loop.run

    def steps(many):
        monkeypatch.setattr(Loop, "run", lambda self, loss, **more: real(self, loss, steps=many))

    more = ["tune", *usual, "--rates", "0.1", "--no-compile", "--folder"]
    steps(4)
    train.main([*more, str(tmp_path / "one")])
    steps(2)
    for _ in range(2):
        train.main([*more, str(tmp_path / "two")])
    one, two = (torch.load(tmp_path / name / "tune.pt", weights_only=True) for name in
                ("one", "two"))  # fmt: skip
    assert one["step"] == two["step"] == 4
    assert all(map(torch.equal, one["average"], two["average"]))
    pipe, before = export.pipeline(tmp_path / "one", POLLEN), sampling.load_pipeline(POLLEN)
    now = pipe.transformer.state_dict()
    assert any(not torch.equal(now[k], v) for k, v in before.transformer.state_dict().items())


@pytest.mark.parametrize("stage", ["rewards", "tune"])
def test_what_is_to_be_tuned_must_be_named(stage, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([stage, "--folder", str(tmp_path)])
    assert f"--from-weights: {stage} needs the exported weights" in capsys.readouterr().err
