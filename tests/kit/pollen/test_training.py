"""Training can stop at any step, and what comes out is a pipeline."""

import argparse
import json
import re
import signal
from pathlib import Path

import pytest
import torch

from beecam.models.loading.load import POLLEN
from beecam.models.pollen import (
    captions,
    codec,
    components,
    data,
    evaluate,
    export,
    fewsteps,
    flow,
    latents,
    muon,
    nets,
    precision,
    reading,
    sampling,
    stored,
    train,
)
from beecam.models.pollen.muon import Muon
from beecam.models.pollen.scene import ACCIDENTS, draw_scene, held_out
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
    for turn in range(2):
        part = loop(tmp_path / "part.pt")
        if finish and not turn:
            # a finish knows its end from its first call on
            part._finish = (80, 40)
        part.run(loss, steps=30, finish=finish)
    assert part.step == whole.step == 120
    for name, value in state(whole).items():
        assert torch.equal(value, state(part)[name]), name


@pytest.fixture
def heard():
    """As where a person presses ctrl-C: in the background of a script it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("finish", [False, True])
def test_an_interrupted_step_is_done_and_kept(tmp_path, finish, capsys):
    whole = loop(tmp_path / "whole.pt")
    whole.run(loss, steps=60, finish=finish)

    def interrupted(run):
        if run.step == 39:
            signal.raise_signal(signal.SIGINT)
        return loss(run)

    part = loop(tmp_path / "part.pt")
    with pytest.raises(KeyboardInterrupt):
        part.run(interrupted, steps=60, finish=finish)
    assert "stops after this step" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    part = loop(tmp_path / "part.pt")
    assert part.step == 40
    assert part.finishing == finish
    part.run(loss, steps=20, finish=finish)
    for name, value in state(whole).items():
        assert torch.equal(value, state(part)[name]), name


def test_an_interrupt_that_is_ignored_stays_so(tmp_path):
    def interrupted(run):
        signal.raise_signal(signal.SIGINT)
        return loss(run)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        part = loop(tmp_path / "part.pt")
        part.run(interrupted, steps=3)
    finally:
        signal.signal(signal.SIGINT, before)
    assert part.step == 3


@pytest.mark.usefixtures("heard")
def test_a_second_interrupt_stops_at_once(tmp_path):
    def twice(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")

    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "part.pt").run(twice, steps=2)
    assert not (tmp_path / "part.pt").exists()


def test_matrices_within_blocks_are_moved_by_muon_and_all_else_by_adam(tmp_path):
    class Blocks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = torch.nn.Linear(4, 8)
            self.blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8)])

    def go(run):
        x = torch.randn(8, 4, generator=run.generator)
        part = run.modules["part"]
        return ((part.blocks[0](part.first(x))[:, :1] - x.sum(1, keepdim=True)) ** 2).mean()

    made = Loop(
        {"part": Blocks()},
        tmp_path / "a.pt",
        rate=1e-3,
        betas=(0.9, 0.99),
        decay=0.9,
        matrices=1e-2,
    )
    before = made.modules["part"].blocks[0].weight.detach().clone()
    made.run(go, steps=60)
    part = made.modules["part"]
    assert [p.shape for p in made._optimizers[1].param_groups[0]["params"]] == [(8, 8)]
    kept = {id(p) for p in made._optimizers[0].param_groups[0]["params"]}
    assert kept == {id(part.first.weight), id(part.first.bias), id(part.blocks[0].bias)}
    assert (part.blocks[0].weight - before).abs().max() > 0.01
    resumed = Loop(
        {"part": Blocks()},
        tmp_path / "a.pt",
        rate=1e-3,
        betas=(0.9, 0.99),
        decay=0.9,
        matrices=1e-2,
    )
    assert resumed.resume()
    for run in (made, resumed):
        run.run(go, steps=20)
    for one, two in zip(made.average, resumed.average, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    ("device", "instructions", "wanted"),
    [
        ("cpu", {"avx2": True, "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ("cpu", {"neon": True, "bf16": True}, torch.bfloat16),
        ("cpu", {"avx2": True, "avx512_f": True, "avx512_bf16": False}, torch.float32),
        ("cuda:0", {}, torch.bfloat16),
    ],
)
def test_training_is_in_bfloat16_only_where_the_processor_multiplies_in_it(
    monkeypatch, device, instructions, wanted
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    precision.number.cache_clear()
    try:
        assert precision.number(device) == wanted
        if device == "cpu":
            with precision.autocast(device):
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == wanted
    finally:
        precision.number.cache_clear()


@pytest.mark.parametrize(("bits", "near"), [(torch.bfloat16, 2e-4), (torch.float32, 2e-3)])
def test_muon_does_for_all_matrices_of_a_shape_what_torchs_does_one_by_one(monkeypatch, bits, near):
    monkeypatch.setattr(muon, "number", lambda _: bits)  # torch's is in bfloat16 everywhere

    def matrices():
        g = torch.Generator().manual_seed(0)
        shapes = [(24, 24), (48, 24), (24, 48), (24, 24), (48, 24)]
        return [torch.nn.Parameter(torch.randn(shape, generator=g)) for shape in shapes]

    ours, theirs, before = matrices(), matrices(), matrices()
    each = [
        (ours, Muon(ours, 1e-2)),
        (theirs, torch.optim.Muon(theirs, 1e-2, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")),
    ]
    for turn in range(4):
        for some, optimizer in each:
            g = torch.Generator().manual_seed(turn)
            for one in some:
                one.grad = torch.randn(one.shape, generator=g)
            some[3].grad = some[3].grad if turn else None  # it may have none
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (turn + 1)
            optimizer.step()
    for one, other, first in zip(ours, theirs, before, strict=True):
        torch.testing.assert_close(one, other, atol=near, rtol=0)
        assert (one - first).abs().mean() > 1e-3
    with pytest.raises(ValueError, match=r"matrices: one of shape \(3,\)"):
        Muon([torch.zeros(3)], 1e-2)


def test_training_goes_on_at_the_rates_that_it_began_with(tmp_path, capsys):
    first = loop(tmp_path / "a.pt")
    first.run(loss, steps=10)
    other = Loop({"line": Line()}, tmp_path / "a.pt", rate=0.5, betas=(0.9, 0.99), decay=0.9)
    assert other.resume()
    assert "a: goes on at its own learning rates, 0.01 and 0.01" in capsys.readouterr().out
    for run in (first, other):
        run.run(loss, steps=10)
    assert torch.equal(state(first)["layer.weight"], state(other)["layer.weight"])


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
    assert run._optimizers[0].param_groups[0]["lr"] < 2e-4
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=10)
    assert run.step == 210
    assert run._optimizers[0].param_groups[0]["lr"] == 1e-2


@pytest.mark.slow
def test_processes_render_what_one_alone_renders(tmp_path):
    """Each shard once, the same clips whoever makes them, and nothing again."""
    assert data.render_beside(tmp_path / "two", 4, 2, shard=2) == 2
    assert data.render_shards(tmp_path / "one", 4, shard=2) == 2
    both = [data.load(tmp_path / name) for name in ("one", "two")]
    assert torch.equal(both[0][0], both[1][0])
    assert both[0][1] == both[1][1]
    assert len({scene.seed for scene in both[0][1]}) == 4
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").iterdir())]
    data.render_beside(tmp_path / "two", 4, 2, shard=2)
    assert times == [path.stat().st_mtime_ns for path in sorted((tmp_path / "two").iterdir())]


def test_clips_of_two_worlds_are_not_mixed(tmp_path, monkeypatch):
    data.render_shards(tmp_path, 1, shard=1, frames=3, size=24)
    data.render_shards(tmp_path, 2, shard=1, frames=3, size=24)
    monkeypatch.setattr(data, "_WORLD", ("land", "plants"))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"another state of the world: move them away"):
            data.render_shards(tmp_path, 3, shard=1, frames=3, size=24)
        # clips that don't say of which world they are may be of any
        (tmp_path / "world.txt").unlink(missing_ok=True)
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_weights_that_are_none_are_refused_before_anything_is_done(tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(["transformer", "--folder", str(tmp_path / "a"), "--from-weights", "nowhere"])
    assert "--from-weights: nowhere: it has no model_index.json" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match=r"nowhere has no model_index.json"):
        sampling.load_pipeline(Path("nowhere"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["transformer", "--rates", "11"], "--rates: '11' must be a number over 0 and at most 10"),
        (["transformer", "--rates", "nan"], "--rates: 'nan' must be a number over 0"),
        (["reading", "--minutes", "-5"], "--minutes: '-5' must be a number over 0"),
        (["render", "--clips", "0"], "--clips: '0' must be a whole number, 1 or more"),
        (["few-steps", "--walks", "many"], "--walks: 'many' must be a whole number, 1 or more"),
        (["reading", "--rates", "3"], "--rates: only of transformer"),
        (["export", "--compile"], "--compile: only of transformer"),
        (["render", "--mean-with", str(POLLEN)], "--mean-with: only of export"),
        (["few-steps", "--finish"], "--finish: only of decoder, encoder, transformer"),
        (["transformer", "--follow"], "components.safetensors must be there: run `components`"),
        (["render", "--device", "tpu9"], "--device: 'tpu9' is no device here; there is cpu"),
        (["decoder", "--device", "cuda:99"], "--device: 'cuda:99' is no device here"),
        (["render", "--folder", __file__], f"--folder: {__file__!r} is a file; a folder is needed"),
        (["render", "--folder", f"{__file__}/a/b"], f"--folder: {__file__!r} is a file; a folder"),
        (["export", "--mean-share", "0.5"], "--mean-share: needs --mean-with"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_done(tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit):
        train.main([arguments[0], "--folder", str(tmp_path), *arguments[1:]])
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--clips", "3"], "--clips: '3' must be a whole number, 8 or more"),
        (["--only", "place"], "--only: only of judges"),
        (["judges", "--steps", "4"], "--steps: only of score"),
        (["judges", "--from-judges", "nowhere"], "--from-judges: nowhere: there is no such file"),
        (["score", "--judges", "nowhere"], "--judges: nowhere: there is no such file"),
        (["--weights", "nowhere"], "--weights: nowhere: it has no model_index.json"),
        (["--json", "/"], "--json: /: it is a folder; a file's name is needed"),
        (["--json", f"{__file__}/a.json"], f"--json: {__file__!r} is a file; a folder is needed"),
        (["--device", "tpu9"], "--device: 'tpu9' is no device here; there is cpu"),
    ],
)
def test_so_are_those_of_the_evaluation(tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit):
        evaluate.main([*arguments, "--folder", str(tmp_path)])
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_it_says_what_there_is_and_what_it_will_do(tmp_path, capsys):
    train.main(["--folder", str(tmp_path), "--clips", "500", "--minutes", "7"])
    said = capsys.readouterr().out
    assert "render       0 of 500 clips" in said
    assert "transformer  no step yet" in said
    assert "7 minutes" in said
    assert not list(tmp_path.iterdir()), "it only says so"


@pytest.fixture(autouse=True, scope="module")
def _few_at_once():
    """Steps of a few clips, and exports that show two, do as well as large ones here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "BATCH", 2)
        patch.setattr(reading, "_BATCH", 4)
        patch.setattr(export, "_SAMPLES", export._SAMPLES[:1])
        yield


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
    for stage in ("decoder", "encoder", "reading", "transformer", "export"):
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
def test_the_preview_that_is_exported_shows_what_the_clip_shows(folder):
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
def test_components_show_clips_and_give_coarse_channels_more_spread(rendered):
    clips, _ = data.load(rendered / "clips")
    kept = components.Components.load(rendered / components.FILE)
    cells = kept.encode(clips)
    assert cells.shape == (72, nets.CHANNELS, 5, 4, 4)
    spread = cells.std((0, 2, 3, 4))
    assert (cells**2).mean() == pytest.approx(1, abs=0.25)
    assert spread[:4].mean() > 1.3 * spread[-20:].mean()
    assert (kept.deviation.diff() <= 0).all()
    near = codec.nearness(codec.to_video(kept.decode(cells)), clips)
    assert near > 24
    alone = kept.encode(clips[3:4])
    assert torch.allclose(alone[0], cells[3], atol=1e-3)
    # the first frame is a latent frame of its own, and later ones don't change it
    assert torch.allclose(kept.encode(clips[3:4, :1])[0, :, 0], cells[3, :, 0], atol=1e-3)


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
    first, second = (latents.load(f).latents.float() for f in (folder, tmp_path))
    assert (first - second).abs().mean() < 0.02
    again = flow.transformer_loop(tmp_path, "cpu", start, rates=0.25)
    assert again.rates == (1e-4, 3e-4)
    trained = flow.transformer_loop(folder, "cpu")
    trained.settle()
    for name, module in trained.modules.items():
        for key, value in module.state_dict().items():
            assert torch.allclose(value, again.modules[name].state_dict()[key], atol=2e-3), key
    kept, read = (reading.encoder(at, start) for at in (folder, tmp_path))
    for one, two in zip(kept.parameters(), read.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_what_was_not_trained_on_is_exported_as_it_was(folder, tmp_path):
    import shutil

    start = folder / "weights"
    with pytest.raises(FileNotFoundError, match=r"decoder.pt is not there"):
        export.pipeline(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nothing was trained on .*weights yet"):
        export.pipeline(tmp_path, start)
    shutil.copytree(folder / "clips", tmp_path / "clips")
    usual = ["--folder", str(tmp_path), "--device", "cpu", "--from-weights", str(start)]
    train.main(["components", *usual, "--follow", "--clips", "1"])
    train.main(["transformer", *usual, "--minutes", "0.01"])
    # an encoder that learns to read meanwhile is none that the denoiser has listened to
    train.main(["reading", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    pipe, before = export.pipeline(tmp_path, start), sampling.load_pipeline(start)
    for part in ("vae", "text_encoder"):
        now = getattr(pipe, part).state_dict()
        for key, value in getattr(before, part).state_dict().items():
            assert torch.equal(now[key], value), key
    now = pipe.transformer.state_dict()
    assert any(not torch.equal(now[k], v) for k, v in before.transformer.state_dict().items())
    export.export(tmp_path, tmp_path / "weights", start)
    for part in ("transformer", "vae"):
        kept = (tmp_path / "weights" / part / "config.json").read_text()
        assert json.loads(kept) == json.loads((start / part / "config.json").read_text())
        assert str(tmp_path.parent) not in kept
    assert sampling.load_pipeline(tmp_path / "weights").scheduler.config.shift == 3.0


@pytest.mark.slow
def test_a_training_in_another_latent_space_is_left_alone(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "weights", tmp_path / "weights")
    kept = components.Components.load(folder / components.FILE)
    other = components.Components(kept.mean, -kept.basis, kept.deviation)
    other.save(tmp_path / "weights" / components.FILE)
    usual = ["components", "--folder", str(folder), "--device", "cpu", "--from-weights"]
    with pytest.raises(ValueError, match=r"has decoder.pt, encoder.pt, transformer.pt of other"):
        train.main([*usual, str(tmp_path / "weights")])
    assert components.Components.load(folder / components.FILE).same(kept)
    for stage in ("decoder", "encoder", "transformer", "export"):
        with pytest.raises(ValueError, match=r"--from-weights .* has latents of other components"):
            train.main([stage, *usual[1:], str(tmp_path / "weights"), "--minutes", "0.001"])
    train.main([*usual, str(folder / "weights")])  # these are its own
    assert latents.load(folder)
    with pytest.raises(FileNotFoundError, match=r"components.safetensors is not there: run the"):
        train.main(
            [
                "transformer",
                "--folder",
                str(tmp_path / "new"),
                "--from-weights",
                str(folder / "weights"),
            ]
        )


@pytest.mark.slow
def test_where_a_training_goes_on_from_its_own_checkpoint_it_says_so(folder, capsys):
    usual = ["--folder", str(folder), "--device", "cpu", "--minutes", "0.001"]
    train.main(["encoder", *usual, "--from-weights", str(folder / "weights")])
    said = capsys.readouterr().out
    assert re.search(r"encoder: goes on from step [1-9]\d* of .*encoder\.pt, wherever that", said)


@pytest.mark.slow
def test_an_export_keeps_the_lora_of_the_same_denoiser(folder, tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(export, "sample", lambda *_: None)
    for name in (components.FILE, "decoder.pt", "encoder.pt", "reading.pt", "transformer.pt"):
        shutil.copy(folder / name, tmp_path / name)
    for name in ("clips", "latents"):
        shutil.copytree(folder / name, tmp_path / name)
    export.export(tmp_path, tmp_path / "weights")
    learnt = tmp_path / "weights" / fewsteps.FOLDER / "kept.txt"
    learnt.parent.mkdir()
    learnt.write_text("learnt")
    train.main(["decoder", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    export.export(tmp_path, tmp_path / "weights")
    assert learnt.read_text() == "learnt"
    train.main(["transformer", "--folder", str(tmp_path), "--device", "cpu", "--minutes", "0.001"])
    export.export(tmp_path, tmp_path / "weights")
    assert not learnt.parent.exists(), "of another denoiser it is none"


@pytest.mark.slow
def test_an_export_can_be_a_mean_with_other_weights(folder, tmp_path, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr(export, "sample", lambda *_: None)
    for name in (components.FILE, "decoder.pt", "encoder.pt", "reading.pt", "transformer.pt"):
        shutil.copy(folder / name, tmp_path / name)
    for name in ("clips", "latents"):
        shutil.copytree(folder / name, tmp_path / name)
    other = tmp_path / "other"
    shutil.copytree(folder / "weights", other)
    network = nets.transformer(other)
    with torch.no_grad():
        for part in network.parameters():
            part.add_(1.0)
    shutil.rmtree(other / "transformer")
    network.half().save_pretrained(other / "transformer")
    usual = ["export", "--folder", str(tmp_path), "--device", "cpu"]
    train.main([*usual, "--mean-with", str(other), "--mean-share", "0.2"])
    now, before = (nets.transformer(at / "weights") for at in (tmp_path, folder))
    for one, two in zip(now.parameters(), before.parameters(), strict=True):
        assert torch.allclose(one - two, torch.tensor(0.2), atol=5e-3)
    with pytest.raises(SystemExit):
        train.main([*usual, "--mean-with", "nowhere"])
    assert "--mean-with: nowhere: it has no model_index.json" in capsys.readouterr().err


def test_what_is_damaged_is_named(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save({"a": torch.zeros(1000)}, path)
    assert len(stored.tensors(path)["a"]) == 1000
    for kept in (b"", path.read_bytes()[:900], b"something else"):
        path.write_bytes(kept)
        with pytest.raises(ValueError, match=r"whole.pt: it can't be read .*; remove it"):
            stored.tensors(path)
    with pytest.raises(FileNotFoundError):
        stored.tensors(tmp_path / "none.pt")


def test_of_a_log_that_was_cut_the_whole_lines_count(tmp_path):
    log = tmp_path / "a.jsonl"
    assert stored.lines(log) == []
    log.write_text('{"step": 50, "loss": 1}\n{"step": 100, "lo')
    assert stored.lines(log) == [{"step": 50, "loss": 1}]
    assert train.steps_of(log) == 50


@pytest.mark.slow
def test_few_steps_go_on_with_the_lessons_they_began_with(folder, monkeypatch, capsys):
    monkeypatch.setattr(fewsteps, "SHARD", 2)
    monkeypatch.setattr(fewsteps, "_BATCH", 2)
    usual = ["few-steps", "--folder", str(folder), "--device", "cpu", "--minutes", "0.02"]
    train.main([*usual, "--walks", "2"])
    (checkpoint,) = (folder / "walks").glob("*/few-steps.pt")
    assert checkpoint.parent.name == fewsteps.digest(folder / "weights")
    before = torch.load(checkpoint, weights_only=True)["step"]
    assert before > 0
    assert (folder / "weights" / fewsteps.FOLDER).exists()
    # More clips of the teacher would be other lessons, with which it would come to other bits.
    train.main([*usual, "--walks", "6"])
    assert len(list(checkpoint.parent.glob("walks-*.pt"))) == 1
    after = torch.load(checkpoint, weights_only=True)["step"]
    assert after > before
    capsys.readouterr()
    train.main(["--folder", str(folder)])
    assert f"few-steps    {'step' if after >= 50 else 'no step yet'}" in capsys.readouterr().out


@pytest.mark.slow
def test_shards_that_come_later_get_latents_and_those_there_are_left(rendered, tmp_path):
    import shutil

    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    clips, scenes = data.load(folder / "clips")
    data.save(folder / "clips" / "clips-00001.pt", scenes[:2], clips[:2].flip(0))
    before = latents.load(folder)
    times = (folder / "latents" / "latents-00000.pt").stat().st_mtime_ns
    kept = components.Components.load(folder / components.FILE)
    assert latents.write(folder, kept) == 2
    assert times == (folder / "latents" / "latents-00000.pt").stat().st_mtime_ns
    after = latents.load(folder)
    many = len(before.clips)
    assert len(after.clips) == many + 2
    assert len(after.latents) == len(after.texts) == 2 * many + 4
    assert torch.equal(after.latents[:many], before.latents[:many])
    # all mirror images stand behind all clips
    assert torch.equal(after.latents[many + 2 : -2], before.latents[many:])
    turned = kept.encode(after.clips[many:].flip(3))
    assert torch.allclose(after.latents[-2:].float(), turned, atol=0.02)
    assert len(latents.load(folder, 1).clips) == many, "whole shards"


@pytest.mark.slow
def test_clips_that_come_while_it_trains_are_taken_in(rendered, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    clips, scenes = data.load(folder / "clips")
    seen = []

    class Watched(flow.FlowLoss):
        """Sees how many clips there are, and lets some come."""

        def __init__(self, known, *rest, **more):
            seen.append(len(known.clips))
            super().__init__(known, *rest, **more)
            data.save(folder / "clips" / "clips-00001.pt", scenes[:2], clips[:2])
            latents.write(folder, components.Components.load(folder / components.FILE))

    monkeypatch.setattr(data, "SHARD", len(clips))
    monkeypatch.setattr(train, "FlowLoss", Watched)
    monkeypatch.setattr(train, "_FOLLOWED", 0.01)
    real, finishes = Loop.run, []

    def run(self, loss, **more):
        finishes.append(more.get("finish", False))
        return real(self, loss, **more)

    usual = ["--folder", str(folder), "--device", "cpu", "--follow"]
    # an untrained text encoder does for it
    train.main(["reading", *usual[:-1], "--minutes", "0.001"])
    monkeypatch.setattr(Loop, "run", run)
    train.main(["transformer", *usual, "--clips", "74", "--minutes", "0.2", "--finish"])
    assert seen == [72, 74]
    assert finishes == [False, True], "only the last call lets the rates fall"
    # what is asked for is there: nothing is waited for
    train.main(["components", *usual, "--clips", "74"])


@pytest.mark.slow
def test_latents_of_other_components_are_not_learnt_from_and_made_anew(rendered, tmp_path):
    import shutil

    shutil.copytree(rendered, tmp_path / "more")
    folder = tmp_path / "more"
    kept = components.Components.load(folder / components.FILE)
    other = components.Components(kept.mean, -kept.basis, kept.deviation)
    other.save(folder / components.FILE)
    with pytest.raises(ValueError, match=r"other components.*`components` again"):
        latents.load(folder)
    before = latents.load(rendered).latents
    assert latents.write(folder, other) == 1
    assert torch.equal(latents.load(folder).latents, -before)


def test_following_says_what_it_needs_and_when_nothing_comes(tmp_path, monkeypatch, capsys):
    usual = ["components", "--folder", str(tmp_path), "--device", "cpu"]
    with pytest.raises(SystemExit):
        train.main([*usual, "--follow"])
    assert "components.safetensors must be there" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train.main(["render", "--folder", str(tmp_path), "--follow"])
    assert "--follow: only of components, transformer" in capsys.readouterr().err
    some = components.Components(torch.zeros(6), torch.eye(6), torch.ones(6))
    some.save(tmp_path / components.FILE)
    monkeypatch.setattr(train, "_NO_NEWS", 0.1)
    with pytest.raises(RuntimeError, match=r"no new clips in .*same --clips"):
        train.main([*usual, "--follow"])
    with pytest.raises(FileNotFoundError, match=r"run the stage `render` first"):
        train.main(usual)


def test_captions_of_mirror_images_name_the_other_pan():
    scene = draw_scene(3, camera="pan left")
    assert latents.mirrored(scene)["camera"] == "pan right"
    assert latents.mirrored(draw_scene(3, camera="orbit"))["camera"] == "orbit"
    tokens = latents.written([scene.attributes], "a")
    assert tokens.shape == (1, latents.CAPTIONS, nets.TEXT_LENGTH)
    assert torch.equal(tokens, latents.written([scene.attributes], "a"))
    assert not torch.equal(tokens, latents.written([scene.attributes], "b"))


def test_without_latents_the_stage_that_makes_them_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="run the stage `components` first"):
        latents.load(tmp_path)


def test_scenes_for_training_are_never_held_out():
    first = [scene for scene, _ in zip(data.scenes(0), range(300), strict=False)]
    assert not any(held_out(scene) for scene in first)
    held = [scene for scene, _ in zip(data.scenes(0, held=True), range(5), strict=False)]
    assert all(held_out(scene) for scene in held)


def flow_loss(cells, truth, batch=2, odd=()):
    """As the training has it, with clips of noise."""
    g = torch.Generator().manual_seed(1)
    clips = torch.randint(0, 256, (len(cells) // 2 or 1, 17, 96, 96, 3), generator=g).byte()
    reader = nets.text_encoder(len(nets.tokenizer(captions.vocabulary()))).eval()
    fitted = components.fit([clips], nets.CHANNELS)
    known = latents.Known(clips, cells, latents.written(truth), torch.tensor(odd, dtype=torch.long))
    return flow.FlowLoss(known, fitted, reader, batch=batch)


def test_accidents_come_oftener_and_only_those_never_lose_their_captions():
    truth = [draw_scene(seed).attributes for seed in range(6)]
    loss = flow_loss(torch.zeros(6, nets.CHANNELS, 5, 4, 4), truth, batch=4000, odd=(1, 4))
    g = torch.Generator().manual_seed(0)
    which, odd = loss._drawn(g)
    assert abs(odd.float().mean() - flow._ODD) < 0.03
    assert set(which[odd].tolist()) == {1, 4}
    others = torch.bincount(which[~odd], minlength=6) / float((~odd).sum())
    assert ((others - 1 / 6).abs() < 0.03).all(), "as in the world"
    silent = (loss._captions(which, odd, g) == loss._nothing).all(1)
    assert not silent[odd].any()
    assert 0.08 < silent[~odd].float().mean() < 0.12
    without = flow_loss(torch.zeros(6, nets.CHANNELS, 5, 4, 4), truth, batch=400)
    assert not without._drawn(g)[1].any()


@pytest.mark.slow
def test_each_accident_is_drawn_as_often_as_guidance_needs(rendered):
    known = latents.load(rendered)
    _, scenes = data.load(rendered / "clips")
    assert set(latents.MORE) == set(ACCIDENTS)
    found = torch.bincount(known.odd, minlength=len(known.latents)).tolist()
    assert found == [latents.MORE.get(scene.accident or "", 0) for scene in [*scenes, *scenes]]
    assert sum(found) > 0


def flow_loop(path):
    torch.manual_seed(1)
    return flow.transformer_loop(path, "cpu")


@pytest.mark.slow
def test_the_real_training_of_the_denoiser_goes_on_to_the_same_bits(tmp_path):
    g = torch.Generator().manual_seed(0)
    cells = torch.randn(6, nets.CHANNELS, 5, 4, 4, generator=g)
    truth = [draw_scene(seed).attributes for seed in range(6)]
    loss = flow_loss(cells, truth)
    for name in ("whole", "part"):
        (tmp_path / name).mkdir()
        flow_loop(tmp_path / name).save()
    whole = flow_loop(tmp_path / "whole")
    whole.run(loss, steps=2)
    for _ in range(2):
        part = flow_loop(tmp_path / "part")
        part.run(loss, steps=1)
    assert part.step == whole.step == 2
    for one, two in zip(whole.average, part.average, strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_what_is_compiled_does_not_depend_on_which_texts_and_frames_came_first(
    tmp_path, monkeypatch
):
    """Or a training that was stopped would go on in other code, and to other bits."""
    from torch._dynamo.utils import counters

    lengths = iter([48, 128, 48, 96])
    monkeypatch.setattr(flow.FlowLoss, "_length", lambda *_: next(lengths))
    given = iter([(0, []), (0, []), (1, [16]), (2, [])])
    monkeypatch.setattr(flow, "conditions", lambda *_: next(given))
    made = flow_loop(tmp_path / "a.pt")
    network = made.modules["transformer"]
    real = network.compile_repeated_blocks
    # how it is traced is what counts; to make code of it takes a minute
    network.compile_repeated_blocks = lambda **how: real(backend="eager", **how)
    train._compiled(made, argparse.Namespace(device="cpu", compile=True, minutes=1.0))
    loss = flow_loss(torch.randn(8, nets.CHANNELS, 5, 4, 4), [draw_scene(1).attributes] * 8)
    torch._dynamo.reset()
    counters.clear()
    with torch.no_grad():
        for _ in range(4):
            loss(made)
    # one time for all of a clip, and a time for each token
    assert counters["stats"]["unique_graphs"] == 2


def test_training_places_cells_where_the_pipelines_do():
    from diffusers import LTXConditionPipeline

    def theirs(frames, index):
        ids = LTXConditionPipeline._prepare_video_ids(1, frames, 4, 4)
        ids = LTXConditionPipeline._scale_video_ids(ids, nets.SPACE, nets.TIME, index).float()
        ids[:, 0] /= nets.FPS
        return ids[0]

    assert torch.equal(flow.coordinates(5, 4, 4), theirs(5, 0))
    # a single frame somewhere in the clip, as it is put before the clip's own
    assert torch.equal(flow.coordinates(1, 4, 4, 11), theirs(1, 11))
    truth = [draw_scene(seed).attributes for seed in range(2)]
    loss = flow_loss(torch.zeros(2, nets.CHANNELS, 5, 4, 4), truth)
    g = torch.Generator().manual_seed(0)
    ours = [loss._places(5, 4, 4, g, conditioned=False) for _ in range(40)]
    assert 2 <= sum("video_coords" in o for o in ours) <= 18
    # LTXPipeline: frames and pixels a cell
    scales = {o["rope_interpolation_scale"] for o in ours if "rope_interpolation_scale" in o}
    assert scales == {(4 / 8.0, 24, 24)}
    assert "video_coords" in loss._places(5, 4, 4, g, conditioned=True)


def test_given_frames_are_learned_in_every_way_that_the_pipelines_give_them():
    g = torch.Generator().manual_seed(0)
    drawn = [flow.conditions(g, 5, 0.2) for _ in range(2000)]
    none = sum(d == (0, []) for d in drawn) / len(drawn)
    assert none == pytest.approx(0.8, abs=0.05)
    kinds = {(given, tuple(s == 16 for s in stills)) for given, stills in drawn}
    assert {(1, ()), (2, ()), (3, ()), (1, (True,)), (0, (True,)), (0, (False,))} <= kinds
    assert {s for _, stills in drawn for s in stills} == set(range(1, 17))


def test_every_noise_level_is_learned_and_high_ones_often():
    drawn = flow.levels(20_000, torch.Generator().manual_seed(0))
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() <= 1
    assert (drawn > 0.85).float().mean() == pytest.approx(0.25, abs=0.03)
    assert (drawn < 0.3).float().mean() == pytest.approx(0.11, abs=0.03)


@pytest.mark.slow
def test_what_is_given_is_nearly_clean_and_counts_for_nothing(monkeypatch, tmp_path):
    """Given tokens are called clean, and aren't judged; LTXConditionPipeline adds a little noise."""
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, **called):
            seen.update(called)
            found = torch.zeros_like(called["hidden_states"])
            return type("Out", (), {"sample": found})

    monkeypatch.setattr(flow, "conditions", lambda g, frames, share: (2, [9]))
    cells = torch.randn(4, nets.CHANNELS, 5, 4, 4)
    truth = [draw_scene(seed).attributes for seed in range(4)]
    loss = flow_loss(cells, truth, batch=4)
    run = flow_loop(tmp_path)
    run.modules["transformer"] = Spy()
    value = loss(run)
    tokens, times = seen["hidden_states"], seen["timestep"]
    assert tokens.shape == (4, 16 + 80, nets.CHANNELS)
    assert times.shape == (4, 96)
    assert (times[:, :48] == 0).all()
    assert (times[:, 48:] > 0).all()
    clean = cells.flatten(2).transpose(1, 2)[:, :32]
    for found, level in zip(tokens[:, 16:48], times[:, -1] / 1000, strict=True):
        off = min((found - one).std() for one in clean)
        assert float(off) == pytest.approx(0.15 * float(level) ** 2, rel=0.05, abs=1e-4)
    assert seen["video_coords"].shape == (4, 3, 96)
    assert 1.2 < float(value) < 3, "noise less latents, over the tokens that were not given"


class Blank(torch.nn.Module):
    """Says nothing of whatever it is shown: what it was shown is what counts."""

    def forward(self, **called):
        return type("Out", (), {"sample": torch.zeros_like(called["hidden_states"])})


@pytest.mark.slow
def test_what_is_given_frames_is_oftener_without_a_caption(monkeypatch, tmp_path):
    truth = [draw_scene(seed).attributes for seed in range(4)]
    loss = flow_loss(torch.zeros(4, nets.CHANNELS, 5, 4, 4), truth, batch=400)
    run, shares = flow_loop(tmp_path), {}
    run.modules["transformer"] = Blank()
    asked = loss._captions

    def heard(*given):
        ids = asked(*given)
        shares[run.step] = float((ids == loss._nothing).all(1).float().mean())
        return ids

    monkeypatch.setattr(loss, "_captions", heard)
    with torch.no_grad():
        for run.step, loss.conditioned in enumerate([0.0, 1.0]):
            loss(run)
    assert shares[0] == pytest.approx(0.1, abs=0.05)
    assert shares[1] == pytest.approx(0.3, abs=0.07)
