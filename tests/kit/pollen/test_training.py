"""Training can stop at any step, and what comes out is a pipeline."""

import json

import pytest
import torch

from beecam.models.pollen import codec, components, data, nets, train
from beecam.models.pollen.scene import draw_scene, held_out
from beecam.models.pollen.training import Loop


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 1)


def loop(path):
    made = Loop({"line": Line()}, path, rate=1e-2, betas=(0.9, 0.99), decay=0.9)
    made.resume()
    return made


def loss(run):
    x = torch.randn(8, 4, generator=run.generator)
    return ((run.modules["line"].layer(x) - x.sum(1, keepdim=True)) ** 2).mean()


def state(run):
    run.settle()
    return run.modules["line"].state_dict()


@pytest.mark.parametrize("finish", [False, True])
def test_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, finish):
    whole = loop(tmp_path / "whole.pt")
    whole.run(loss, steps=60)
    whole.run(loss, steps=60, finish=finish)
    part = loop(tmp_path / "part.pt")
    part.run(loss, steps=60)
    for _ in range(2):
        part = loop(tmp_path / "part.pt")
        if finish:
            # a finish knows its end from its first call on
            part._finish = part._finish or (80, 40)
        part.run(loss, steps=30, finish=finish)
    assert part.step == whole.step == 120
    for name, value in state(whole).items():
        assert torch.equal(value, state(part)[name]), name


def test_training_learns_and_logs(tmp_path):
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=400)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(50, 401, 50))
    assert lines[-1]["loss"] < lines[0]["loss"] / 3


def test_a_finish_ends_at_a_rate_of_zero_and_training_goes_on_after_it(tmp_path):
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=200, finish=True)
    assert run.step == 200
    assert run._optimizer.param_groups[0]["lr"] < 2e-4
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=10)
    assert run.step == 210
    assert run._optimizer.param_groups[0]["lr"] == 1e-2


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A few clips and their latents."""
    folder = tmp_path_factory.mktemp("pollen")
    chosen = [scene for scene, _ in zip(data.scenes(5), range(12), strict=False)]
    (folder / "clips").mkdir()
    clips = data.render_all(chosen).repeat(6, 1, 1, 1, 1)
    data.save(folder / "clips" / "clips-00000.pt", chosen * 6, clips)
    train.main(["components", "--folder", str(folder), "--device", "cpu"])
    return folder


@pytest.fixture(scope="module")
def folder(rendered):
    """A whole training in small: a few clips, a few steps, and the real networks."""
    for stage in ("decoder", "encoder", "transformer", "export"):
        train.main([stage, "--folder", str(rendered), "--minutes", "0.01", "--device", "cpu"])
    return rendered


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
            prompt="a bee over a meadow", width=96, height=96, num_frames=17, frame_rate=8,
            num_inference_steps=2, guidance_scale=3, output_type="np",
        ).frames  # fmt: skip
        assert frames.shape == (1, 17, 96, 96, 3)
    assert (folder / "samples.png").exists()


@pytest.mark.slow
def test_the_preview_that_is_exported_shows_what_the_clip_shows(folder):
    from beecam.models.preview import PreviewMap

    preview = PreviewMap.load(folder / "weights")
    assert (preview.patch, preview.frames_per_cell) == (12, 4)
    kept = torch.load(folder / "latents.pt", weights_only=True)
    shown = torch.from_numpy(preview.frames(kept["latents"][:1].float())[0]).float()
    clips, _ = data.load(folder / "clips")
    assert shown.shape == (17, 48, 48, 3)
    small = torch.nn.functional.avg_pool2d(clips[0].float().permute(0, 3, 1, 2), 2)
    error = (shown - small.permute(0, 2, 3, 1)).abs().mean()
    assert error < (small - small.mean()).abs().mean()


@pytest.mark.slow
def test_components_show_clips_and_give_coarse_channels_more_spread(rendered):
    clips, _ = data.load(rendered / "clips")
    kept = components.Components.load(rendered / components.FILE)
    latents = kept.encode(clips)
    assert latents.shape == (72, nets.CHANNELS, 5, 4, 4)
    spread = latents.std((0, 2, 3, 4))
    assert (latents**2).mean() == pytest.approx(1, abs=0.25)
    assert spread[:4].mean() > 1.3 * spread[-20:].mean()
    assert (kept.deviation.diff() <= 0).all()
    near = codec.nearness(codec.to_video(kept.decode(latents)), clips)
    assert near > 24
    alone = kept.encode(clips[3:4])
    assert torch.allclose(alone[0], latents[3], atol=1e-3)
    # the first frame is a latent frame of its own, and later ones don't change it
    assert torch.allclose(kept.encode(clips[3:4, :1])[0, :, 0], latents[3, :, 0], atol=1e-3)


def test_the_same_clips_give_the_same_components():
    clips = data.render_all([draw_scene(seed) for seed in range(6)])
    one, two = (components.fit([clips[:a], clips[a:]], 8) for a in (3, 5))
    assert torch.equal(one.basis, two.basis)
    assert torch.allclose(one.basis.T @ one.basis, torch.eye(8), atol=1e-4)


@pytest.mark.slow
def test_training_goes_on_from_exported_weights_in_the_same_latent_space(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "clips", tmp_path / "clips")
    start = folder / "weights"
    train.main(["components", "--folder", str(tmp_path), "--from-weights", str(start)])
    first, second = (train.latents_of(f).float() for f in (folder, tmp_path))
    assert (first - second).abs().mean() < 0.02
    again = train.transformer_loop(tmp_path, "cpu", start)
    trained = train.transformer_loop(folder, "cpu")
    trained.settle()
    for name, module in trained.modules.items():
        for key, value in module.state_dict().items():
            assert torch.allclose(value, again.modules[name].state_dict()[key], atol=2e-3), key


def test_scenes_for_training_are_never_held_out():
    first = [scene for scene, _ in zip(data.scenes(0), range(300), strict=False)]
    assert not any(held_out(scene) for scene in first)
    held = [scene for scene, _ in zip(data.scenes(0, held=True), range(5), strict=False)]
    assert all(held_out(scene) for scene in held)


def flow_loss(latents, truth, batch=2):
    """As the training has it, with clips of noise."""
    g = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (len(latents) // 2 or 1, 17, 96, 96, 3), generator=g).byte()
    return train.FlowLoss(latents, truth, clips, components.fit([clips], nets.CHANNELS), batch)


def flow_loop(path):
    torch.manual_seed(1)
    return train.transformer_loop(path, "cpu")


@pytest.mark.slow
def test_the_real_training_of_the_denoiser_goes_on_to_the_same_bits(tmp_path):
    g = torch.Generator().manual_seed(0)
    latents = torch.randn(6, nets.CHANNELS, 5, 4, 4, generator=g)
    truth = [draw_scene(seed).attributes for seed in range(6)]
    loss = flow_loss(latents, truth)
    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
        flow_loop(tmp_path / name).save()
    whole = flow_loop(tmp_path / "whole")
    whole.run(loss, steps=4)
    for _ in range(2):
        part = flow_loop(tmp_path / "part")
        part.run(loss, steps=2)
    assert part.step == whole.step == 4
    for one, two in zip(whole.average, part.average, strict=True):
        assert torch.equal(one, two)


def test_training_places_cells_where_the_pipelines_do():
    from diffusers import LTXConditionPipeline

    def theirs(frames, index):
        ids = LTXConditionPipeline._prepare_video_ids(1, frames, 4, 4)
        ids = LTXConditionPipeline._scale_video_ids(ids, nets.SPACE, nets.TIME, index).float()
        ids[:, 0] /= nets.FPS
        return ids[0]

    assert torch.equal(train._coordinates(5, 4, 4), theirs(5, 0))
    # a single frame somewhere in the clip, as it is put before the clip's own
    assert torch.equal(train._coordinates(1, 4, 4, 11), theirs(1, 11))
    loss = flow_loss(torch.zeros(2, nets.CHANNELS, 5, 4, 4), [])
    g = torch.Generator().manual_seed(0)
    ours = [loss._places(5, 4, 4, g, conditioned=False) for _ in range(40)]
    assert 2 <= sum("video_coords" in o for o in ours) <= 18
    # LTXPipeline: frames and pixels a cell
    scales = {o["rope_interpolation_scale"] for o in ours if "rope_interpolation_scale" in o}
    assert scales == {(4 / 8.0, 24, 24)}
    assert "video_coords" in loss._places(5, 4, 4, g, conditioned=True)


def test_given_frames_are_learned_in_every_way_that_the_pipelines_give_them():
    g = torch.Generator().manual_seed(0)
    drawn = [train._conditions(g, 5) for _ in range(2000)]
    none = sum(d == (0, []) for d in drawn) / len(drawn)
    assert none == pytest.approx(0.7, abs=0.05)
    kinds = {(given, tuple(s == 16 for s in stills)) for given, stills in drawn}
    assert {(1, ()), (2, ()), (3, ()), (1, (True,)), (0, (True,)), (0, (False,))} <= kinds
    assert {s for _, stills in drawn for s in stills} == set(range(1, 17))


@pytest.mark.slow
def test_what_is_given_is_clean_and_counts_for_nothing(monkeypatch, tmp_path):
    """The denoiser is told that given tokens are clean, and isn't judged by what it makes of them."""
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, **called):
            seen.update(called)
            found = torch.zeros_like(called["hidden_states"])
            return type("Out", (), {"sample": found})

    monkeypatch.setattr(train, "_conditions", lambda g, frames: (2, [9]))
    latents = torch.randn(4, nets.CHANNELS, 5, 4, 4)
    truth = [draw_scene(seed).attributes for seed in range(4)]
    loss = flow_loss(latents, truth, batch=4)
    run = flow_loop(tmp_path)
    run.modules["transformer"] = Spy()
    value = loss(run)
    tokens, times = seen["hidden_states"], seen["timestep"]
    assert tokens.shape == (4, 16 + 80, nets.CHANNELS)
    assert times.shape == (4, 96)
    assert (times[:, :48] == 0).all()
    assert (times[:, 48:] > 0).all()
    known = {tuple(row.flatten(1).T[:32].flatten().tolist()[:9]) for row in latents}
    assert all(tuple(t[16:48].flatten().tolist()[:9]) in known for t in tokens)
    assert seen["video_coords"].shape == (4, 3, 96)
    assert 1.2 < float(value) < 3, "noise less latents, over the tokens that were not given"
