"""A LoRA for few steps: it learns from the teacher's trajectories, and the kit uses it."""

import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import beecam as bc
from beecam.models.loading.load import POLLEN
from beecam.models.pollen.networks import shapes
from beecam.models.pollen.networks.pipeline import load_pipeline
from beecam.models.pollen.training import distillation
from beecam.models.pollen.training.distillation import DistillationLoss
from beecam.models.speed.speed import FewSteps
from helpers import generate_frames

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipe():
    return load_pipeline(POLLEN)


@pytest.fixture(scope="module")
def trajectories(pipe, tmp_path_factory):
    """A folder with one small shard of the teacher's trajectories."""
    folder = tmp_path_factory.mktemp("trajectories")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distillation, "SHARD", 4)
        assert distillation.write_trajectories(pipe, folder, 4) == 4
        assert distillation.write_trajectories(pipe, folder, 4) == 4, "existing shards are skipped"
    return folder


def test_a_trajectory_starts_with_noise_and_ends_with_the_pipelines_clip(pipe):
    texts = ["a bee over a meadow at noon", "a desert at night in the rain"]
    states = distillation.trajectory(pipe, texts, 3)
    assert states.shape == (2, distillation.STEPS + 1, shapes.TOKENS, shapes.CHANNELS)
    noise = torch.randn(
        2, shapes.TOKENS, shapes.CHANNELS, generator=torch.Generator().manual_seed(3)
    )
    assert torch.equal(states[:, 0], noise)
    end = pipe(
        prompt=texts,
        width=96,
        height=96,
        num_frames=17,
        frame_rate=8,
        num_inference_steps=20,
        guidance_scale=distillation.GUIDANCE,
        latents=noise,
        output_type="latent",
        max_sequence_length=48,
    ).frames
    # The trajectory is in bfloat16.
    assert (states[:, -1] - end).abs().mean() < 0.1 * end.abs().mean()


def test_the_target_is_right_on_a_straight_trajectory(pipe, trajectories):
    """With the states on a straight line the target is its direction."""
    loss = DistillationLoss(pipe, trajectories)
    g = torch.Generator().manual_seed(0)
    line = torch.randn(4, shapes.TOKENS, shapes.CHANNELS, generator=g)
    start = torch.randn(4, shapes.TOKENS, shapes.CHANNELS, generator=g)
    sigmas = loss._sigmas.view(1, -1, 1, 1)
    assert sigmas.flatten().tolist() == pytest.approx([1, 0.9, 0.75, 0.5, 0], abs=1e-3)
    loss._states = start[:, None] + sigmas * line[:, None]

    class Direction(torch.nn.Module):
        def forward(self, **inputs):
            at = (inputs["timestep"] / 1000).view(-1, 1, 1)
            known = (
                (inputs["hidden_states"][:, None] - at[:, None] * line - start).abs().mean((2, 3))
            )
            return type("Out", (), {"sample": line[known.argmin(1)]})

    class Loop:
        generator = torch.Generator().manual_seed(1)
        device = "cpu"

    loss._pipe = type(
        "Pipe",
        (),
        {
            "tokenizer": pipe.tokenizer,
            "text_encoder": pipe.text_encoder,
            "transformer": Direction(),
        },
    )
    assert float(loss(Loop())) < 1e-6


def test_targets_use_the_teachers_schedule(pipe, trajectories):
    shifted = type(pipe).from_pipe(pipe)
    shifted.scheduler = type(pipe.scheduler)(shift=3.0)
    assert DistillationLoss(shifted, trajectories)._sigmas.tolist() == pytest.approx(
        [1, 0.9, 0.75, 0.5, 0]
    )


def test_weights_with_another_schedule_have_another_digest(tmp_path):
    shutil.copytree(POLLEN / "scheduler", tmp_path / "scheduler")
    shutil.copytree(POLLEN / "transformer", tmp_path / "transformer")
    assert distillation.digest(tmp_path) == distillation.digest(POLLEN)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(file.read_text().replace('"shift": ', '"shift": 1'))
    assert distillation.digest(tmp_path) != distillation.digest(POLLEN)


def test_a_lora_is_trained_saved_and_merged_as_diffusers_does(trajectories, tmp_path, monkeypatch):
    monkeypatch.setattr(distillation, "_BATCH", 4)
    student = load_pipeline(POLLEN)
    loop = distillation.student_loop(student, tmp_path / "few.pt", "cpu")
    before = student.transformer.proj_out.base_layer.weight.clone()
    loss = DistillationLoss(student, trajectories)

    def error():
        class Same:
            generator = torch.Generator().manual_seed(5)
            device = "cpu"
            modules = loop.modules

        with torch.no_grad():
            return sum(float(loss(Same())) for _ in range(4))

    at_first = error()
    loop.run(loss, steps=12)
    assert loop.step == 12
    assert error() < at_first
    assert torch.equal(student.transformer.proj_out.base_layer.weight, before), (
        "only the LoRA is trained"
    )
    loop.use_average()
    distillation.save(student, tmp_path)
    found = FewSteps.beside(tmp_path)
    lora = load_file(found.file)
    assert all(value.dtype == torch.float16 for value in lora.values())
    assert all(name.startswith("transformer.") for name in lora)
    assert sum(value.numel() for value in lora.values()) * 2 < 2.5e6

    theirs = load_pipeline(POLLEN)
    theirs.load_lora_weights(tmp_path / distillation.FOLDER)
    theirs.fuse_lora()
    ours = load_pipeline(POLLEN).transformer
    found.merge("transformer", ours)
    fused = dict(theirs.transformer.named_parameters())
    changed = 0
    for name, value in ours.named_parameters():
        other = fused.get(name, fused.get(name.replace(".weight", ".base_layer.weight")))
        other = fused[name.replace(".bias", ".base_layer.bias")] if other is None else other
        assert torch.allclose(value, other, atol=1e-5), name
        changed += not torch.equal(
            value,
            dict(student.transformer.named_parameters()).get(
                name.replace(".weight", ".base_layer.weight"), value
            ),
        )
    assert changed >= 50

    # Training continues from the saved LoRA.
    again = distillation.student_loop(load_pipeline(POLLEN), tmp_path / "other.pt", "cpu", tmp_path)
    for one, two in zip(again.modules["few_steps"], loop.modules["few_steps"], strict=True):
        assert torch.allclose(one, two, atol=1e-3)


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Pollen at speed="fast" with a LoRA that changes one layer."""
    from diffusers import LTXPipeline

    layer = bc.load().pipe.transformer.transformer_blocks[0].attn1.to_q
    g = torch.Generator().manual_seed(0)
    down = torch.randn(2, layer.in_features, generator=g) / 10
    up = torch.randn(layer.out_features, 2, generator=g) / 10
    LTXPipeline.save_lora_weights(
        tmp_path / distillation.FOLDER,
        transformer_lora_layers={
            "transformer_blocks.0.attn1.to_q.lora_A.weight": down,
            "transformer_blocks.0.attn1.to_q.lora_B.weight": up,
        },
    )
    found = FewSteps.beside(tmp_path)
    monkeypatch.setattr(FewSteps, "beside", classmethod(lambda cls, folder: found))
    return bc.load(speed="fast"), found, up @ down


def test_fast_uses_the_lora_and_leaves_the_model_alone(quick):
    model, found, more = quick
    full = model.resolve(bc.shot("a bee over a meadow", seed=2))
    assert (full.num_inference_steps, full.guidance_scale) == (distillation.STEPS, 1.0)
    assert full.speed == (f"few steps {found.digest}",)
    exact = model.at_speed("exact")
    plain = exact.resolve(
        bc.shot("a bee over a meadow", seed=2, num_inference_steps=4, guidance_scale=1.0)
    )
    before = generate_frames(exact, [plain])[0]
    fast = generate_frames(model, [full])[0]
    assert np.abs(fast.astype(int) - before).max() > 0, "the LoRA is used"
    assert np.array_equal(generate_frames(exact, [plain])[0], before), "and only there"
    # The same as with these weights in the pipeline.
    layer = exact.pipe.transformer.transformer_blocks[0].attn1.to_q
    with torch.no_grad():
        layer.weight += more
    exact.refresh()
    same = generate_frames(
        exact, [exact.resolve(plain.replace(model=None, revision=None, speed=None))]
    )[0]
    assert np.abs(fast.astype(int) - same).max() <= 1
    own = model.resolve(bc.shot("a bee", num_inference_steps=9, guidance_scale=2.0))
    assert (own.num_inference_steps, own.guidance_scale) == (9, 2.0)


def test_fast_ignores_the_lora_for_conditioned_clips(quick):
    """The LoRA was trained on texts alone."""
    model, _, _ = quick
    still = np.zeros((96, 96, 3), np.uint8)
    exact = model.at_speed("exact")
    for conditions in ({"keyframes": {0: still}}, {"image": still}):
        shot = bc.shot("a bee over a meadow", seed=2, **conditions)
        assert model.resolve(shot) == exact.resolve(shot)
    shot = bc.shot("a bee", seed=3, keyframes={-1: still}, num_inference_steps=2)
    both = [generate_frames(one, [one.resolve(shot)])[0] for one in (model, exact)]
    assert np.array_equal(*both)


def test_fast_reports_negative_prompts_without_guidance(quick):
    model, _, _ = quick
    (note,) = bc.sweep("a bee", negative_prompt="fog").check(model)
    assert note.argument == "negative_prompt"
    assert "set guidance_scale=3, too" in note.message
    assert not bc.sweep("a bee", negative_prompt="fog", guidance_scale=3).check(model)
    assert not bc.sweep("a bee", negative_prompt="fog").check(model.at_speed("exact"))
