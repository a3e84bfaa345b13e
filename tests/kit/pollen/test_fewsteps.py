"""A LoRA that makes few steps enough: it learns what its teacher did, and the kit uses it."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import beecam as bc
from beecam.models.loading.load import POLLEN
from beecam.models.pollen import fewsteps, nets, sampling
from beecam.models.speed.speed import FewSteps
from helpers import frames


@pytest.fixture(scope="module")
def pipe():
    return sampling.load_pipeline(POLLEN)


@pytest.fixture(scope="module")
def walks(pipe, tmp_path_factory):
    """One small shard of what the teacher does."""
    folder = tmp_path_factory.mktemp("walks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fewsteps, "SHARD", 4)
        assert fewsteps.teach(pipe, folder, 4) == 4
        assert fewsteps.teach(pipe, folder, 4) == 4, "what is there is not made again"
    return folder


@pytest.mark.slow
def test_a_walk_begins_with_noise_and_ends_with_the_clip_that_the_pipeline_makes(pipe):
    texts = ["a bee over a meadow at noon", "a desert at night in the rain"]
    states = fewsteps.walk(pipe, texts, 3)
    assert states.shape == (2, fewsteps.STEPS + 1, nets.TOKENS, nets.CHANNELS)
    noise = torch.randn(2, nets.TOKENS, nets.CHANNELS, generator=torch.Generator().manual_seed(3))
    assert torch.equal(states[:, 0], noise)
    end = pipe(
        prompt=texts,
        width=96,
        height=96,
        num_frames=17,
        frame_rate=8,
        num_inference_steps=20,
        guidance_scale=fewsteps.GUIDANCE,
        latents=noise,
        output_type="latent",
        max_sequence_length=48,
    ).frames
    # The walk is in bfloat16.
    assert (states[:, -1] - end).abs().mean() < 0.1 * end.abs().mean()


@pytest.mark.slow
def test_the_lessons_are_right_where_the_teacher_walks_straight(pipe, walks):
    """With the states on a straight line the loss is that of the line's own direction."""
    lessons = fewsteps.Lessons(pipe, walks)
    g = torch.Generator().manual_seed(0)
    line = torch.randn(4, nets.TOKENS, nets.CHANNELS, generator=g)
    start = torch.randn(4, nets.TOKENS, nets.CHANNELS, generator=g)
    sigmas = lessons._sigmas.view(1, -1, 1, 1)
    assert sigmas.flatten().tolist() == pytest.approx([1, 0.9, 0.75, 0.5, 0], abs=1e-3)
    lessons._states = start[:, None] + sigmas * line[:, None]

    class Direction(torch.nn.Module):
        def forward(self, **given):
            at = (given["timestep"] / 1000).view(-1, 1, 1)
            known = (
                (given["hidden_states"][:, None] - at[:, None] * line - start).abs().mean((2, 3))
            )
            return type("Out", (), {"sample": line[known.argmin(1)]})

    class Loop:
        generator = torch.Generator().manual_seed(1)
        device = "cpu"

    lessons._pipe = type(
        "Pipe",
        (),
        {
            "tokenizer": pipe.tokenizer,
            "text_encoder": pipe.text_encoder,
            "transformer": Direction(),
        },
    )
    assert float(lessons(Loop())) < 1e-6


@pytest.mark.slow
def test_lessons_are_of_where_the_teacher_was_led(pipe, walks):
    led = type(pipe).from_pipe(pipe)
    led.scheduler = type(pipe.scheduler)(shift=3.0)
    assert fewsteps.Lessons(led, walks)._sigmas.tolist() == pytest.approx([1, 0.9, 0.75, 0.5, 0])


def test_weights_that_are_led_otherwise_have_lessons_of_their_own(tmp_path):
    import shutil

    shutil.copytree(POLLEN / "scheduler", tmp_path / "scheduler")
    shutil.copytree(POLLEN / "transformer", tmp_path / "transformer")
    assert fewsteps.digest(tmp_path) == fewsteps.digest(POLLEN)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(file.read_text().replace('"shift": ', '"shift": 1'))
    assert fewsteps.digest(tmp_path) != fewsteps.digest(POLLEN)


@pytest.mark.slow
def test_a_lora_learns_is_written_as_diffusers_loads_it_and_merged_as_diffusers_fuses_it(
    walks, tmp_path, monkeypatch
):
    monkeypatch.setattr(fewsteps, "_BATCH", 4)
    student = sampling.load_pipeline(POLLEN)
    loop = fewsteps.student_loop(student, tmp_path / "few.pt", "cpu")
    before = student.transformer.proj_out.base_layer.weight.clone()
    lessons = fewsteps.Lessons(student, walks)

    def wrong():
        class Same:
            generator = torch.Generator().manual_seed(5)
            device = "cpu"
            modules = loop.modules

        with torch.no_grad():
            return sum(float(lessons(Same())) for _ in range(4))

    at_first = wrong()
    loop.run(lessons, steps=12)
    assert loop.step == 12
    assert wrong() < at_first
    assert torch.equal(student.transformer.proj_out.base_layer.weight, before), (
        "only the LoRA learns"
    )
    loop.settle()
    fewsteps.save(student, tmp_path)
    found = FewSteps.beside(tmp_path)
    kept = load_file(found.file)
    assert all(value.dtype == torch.float16 for value in kept.values())
    assert all(name.startswith("transformer.") for name in kept)
    assert sum(value.numel() for value in kept.values()) * 2 < 2.5e6

    theirs = sampling.load_pipeline(POLLEN)
    theirs.load_lora_weights(tmp_path / fewsteps.FOLDER)
    theirs.fuse_lora()
    ours = sampling.load_pipeline(POLLEN).transformer
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

    # A training that was lost goes on from what was written.
    again = fewsteps.student_loop(
        sampling.load_pipeline(POLLEN), tmp_path / "other.pt", "cpu", tmp_path
    )
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
        tmp_path / fewsteps.FOLDER,
        transformer_lora_layers={
            "transformer_blocks.0.attn1.to_q.lora_A.weight": down,
            "transformer_blocks.0.attn1.to_q.lora_B.weight": up,
        },
    )
    found = FewSteps.beside(tmp_path)
    monkeypatch.setattr(FewSteps, "beside", classmethod(lambda cls, folder: found))
    return bc.load(speed="fast"), found, up @ down


def test_fast_takes_the_few_steps_that_ship_and_leaves_the_model_alone(quick):
    model, found, more = quick
    full = model.resolve(bc.shot("a bee over a meadow", seed=2))
    assert (full.num_inference_steps, full.guidance_scale) == (fewsteps.STEPS, 1.0)
    assert full.speed == (f"few steps {found.digest}",)
    exact = model.at_speed("exact")
    plain = exact.resolve(
        bc.shot("a bee over a meadow", seed=2, num_inference_steps=4, guidance_scale=1.0)
    )
    before = frames(exact, [plain])[0]
    made = frames(model, [full])[0]
    assert np.abs(made.astype(int) - before).max() > 0, "the LoRA is used"
    assert np.array_equal(frames(exact, [plain])[0], before), "and only there"
    # The same as if the pipeline's own weights were so.
    layer = exact.pipe.transformer.transformer_blocks[0].attn1.to_q
    with torch.no_grad():
        layer.weight += more
    exact.refresh()
    same = frames(exact, [exact.resolve(plain.replace(model=None, revision=None, speed=None))])[0]
    assert np.abs(made.astype(int) - same).max() <= 1
    given = model.resolve(bc.shot("a bee", num_inference_steps=9, guidance_scale=2.0))
    assert (given.num_inference_steps, given.guidance_scale) == (9, 2.0)


def test_fast_makes_what_is_given_more_than_text_as_ever(quick):
    """The LoRA has learnt from texts alone."""
    model, _, _ = quick
    still = np.zeros((96, 96, 3), np.uint8)
    exact = model.at_speed("exact")
    for given in ({"keyframes": {0: still}}, {"image": still}):
        shot = bc.shot("a bee over a meadow", seed=2, **given)
        assert model.resolve(shot) == exact.resolve(shot)
    shot = bc.shot("a bee", seed=3, keyframes={-1: still}, num_inference_steps=2)
    both = [frames(one, [one.resolve(shot)])[0] for one in (model, exact)]
    assert np.array_equal(*both)


def test_fast_says_that_without_guidance_nothing_can_be_left_out(quick):
    model, _, _ = quick
    (problem,) = model.check(bc.shot("a bee", negative_prompt="fog"))
    assert problem.argument == "negative_prompt"
    assert "give guidance_scale=3 too" in problem.message
    assert not list(model.check(bc.shot("a bee", negative_prompt="fog", guidance_scale=3)))
    assert not list(model.at_speed("exact").check(bc.shot("a bee", negative_prompt="fog")))
