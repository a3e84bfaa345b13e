"""Any diffusers pipeline as a model: the pixels of a plain loop, previews, schedulers and errors."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import CheckError, ModelError, OutOfMemoryError, Stopped
from beecam.models.diffusers.results.output import frames_from_output
from helpers import PATIENCE, generate_frames

pytestmark = pytest.mark.slow


def shots(model, prompts=("a bee", "a moth over the sea", "night"), **arguments):
    return [model.resolve(bc.shot(p, seed=i, **arguments)) for i, p in enumerate(prompts)]


def plain_loop(pipe, shots, **more):
    """Return what a loop over the pipeline generates."""
    out = []
    for shot in shots:
        frames = pipe(
            prompt=shot.prompt,
            negative_prompt=shot.negative_prompt,
            width=shot.width,
            height=shot.height,
            num_frames=shot.num_frames,
            guidance_scale=shot.guidance_scale,
            num_inference_steps=shot.num_inference_steps,
            output_type="np",
            generator=torch.Generator("cpu").manual_seed(shot.seed),
            **more,
        ).frames[0]
        out.append(np.round(np.asarray(frames) * 255).astype(np.uint8))
    return out


@pytest.fixture(params=["ltx", "wan"])
def model(request):
    return request.getfixturevalue(request.param)


def difference(a, b):
    return max(np.abs(x.astype(int) - y).max() for x, y in zip(a, b, strict=True))


def test_a_batch_has_the_pixels_of_a_plain_loop(model):
    batch = shots(model, negative_prompt="dunes")
    more = {"frame_rate": 8.0} if model.name == "tiny-ltx" else {}
    assert difference(generate_frames(model, batch), plain_loop(model.pipe, batch, **more)) <= 1


def test_padding_without_effect_is_cut_off(ltx, monkeypatch):
    seen = []
    original = ltx.pipe.transformer.forward
    monkeypatch.setattr(
        ltx.pipe.transformer,
        "forward",
        lambda *a, **k: seen.append(k["encoder_hidden_states"].shape[1]) or original(*a, **k),
    )
    a = ltx.resolve(bc.shot("a bee"))
    long = ltx.resolve(bc.shot("a bee over the sea " * 9))
    generated = generate_frames(ltx, [a])
    assert set(seen) == {32}
    assert difference(generated, plain_loop(ltx.pipe, [a], frame_rate=8.0)) <= 1
    assert ltx.batch_key(a) != ltx.batch_key(long), "a clip's bits depend on its own prompt only"
    seen.clear()
    generate_frames(ltx, [long])
    assert set(seen) == {64}


def test_concurrent_batches_do_not_disturb_each_other(ltx_pipe):
    model = bc.wrap(ltx_pipe, name="many")
    model._workers.widen(3, threads=1)
    small = {"width": 32, "height": 32, "num_frames": 9, "fps": 8.0}
    batches = [
        [
            model.resolve(bc.shot(p, seed=s, num_inference_steps=n, **small))
            for p in ("a bee", "night")
        ]
        for s, n in ((0, 3), (1, 5), (2, 8))
    ]
    alone = [generate_frames(model, batch) for batch in batches]
    generated = [[] for _ in batches]

    def generate_five_times(i):
        for _ in range(5):
            generated[i].append(generate_frames(model, batches[i]))

    threads = [threading.Thread(target=generate_five_times, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    for before, after in zip(alone, generated, strict=True):
        assert len(after) == 5
        assert all(difference(before, one) == 0 for one in after)


def test_a_batch_without_guidance_has_the_pixels_of_a_plain_loop(model):
    batch = shots(model, guidance_scale=1.0)
    more = {"frame_rate": 8.0} if model.name == "tiny-ltx" else {}
    assert difference(generate_frames(model, batch), plain_loop(model.pipe, batch, **more)) <= 1


def test_bits_depend_on_the_batch_size_and_not_on_other_clips(model):
    a, b, c = shots(model)
    both = generate_frames(model, [a, b])
    other = generate_frames(model, [c, a])
    assert np.array_equal(both[0], other[1])
    alone = generate_frames(model, [a], pad_to=2)
    assert len(alone) == 1
    assert np.array_equal(alone[0], both[0])


def test_mixed_noise_gives_a_clip_between_those_of_its_seeds(model):
    a = model.resolve(bc.shot("a bee", seed=1))
    b = a.replace(seed=2)
    near = a.replace(noise=((1, 0.95), (2, 0.05)))
    one, two, mixed = generate_frames(model, [a, b, near])
    far = np.abs(one.astype(int) - two).mean()
    assert np.abs(mixed.astype(int) - one).mean() < far / 2
    scaled = generate_frames(model, [a.replace(noise=((1, 1.9), (2, 0.1)))])[0]
    assert difference([scaled], [mixed]) <= 1


def test_steps_are_reported_in_order_with_previews_after_the_first_clip(model):
    batch = shots(model)
    generate_frames(model, batch[:1])
    steps = []
    generate_frames(model, batch, steps.append)
    assert [(s.step, s.steps) for s in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    previews = []
    generate_frames(model, batch, lambda step: previews.append(step.preview()))
    assert len(previews[0]) == len(batch)
    assert previews[0][0].ndim == 4
    assert previews[0][0].dtype == np.uint8


def test_the_last_preview_resembles_the_clip(model):
    batch = shots(model)
    generated = generate_frames(model, batch)
    last = []
    generate_frames(model, batch, lambda step: last.append(step.preview()))
    small = last[-1][0].astype(float)
    count, height, width = small.shape[:3]
    clip = generated[0][:: max(1, len(generated[0]) // count)][:count].astype(float)
    blocks = clip.reshape(count, height, 32 // height, width, 32 // width, 3).mean((2, 4))
    assert np.abs(blocks - small).mean() < 25


def test_stopping_at_a_step_keeps_the_model_usable(model):
    batch = shots(model)
    before = generate_frames(model, batch)

    def stop(step):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        generate_frames(model, batch, stop)
    assert difference(before, generate_frames(model, batch)) == 0


def test_a_prompt_is_encoded_once(model, monkeypatch):
    encoded = []
    original = type(model.pipe).encode_prompt

    def counted(self, prompt, *args, **kwargs):
        encoded.append(prompt)
        return original(self, prompt, *args, **kwargs)

    monkeypatch.setattr(type(model.pipe), "encode_prompt", counted)
    same = [model.resolve(bc.shot("the drone", seed=i)) for i in range(3)]
    generate_frames(model, same)
    generate_frames(model, same)
    assert [t for t in encoded if t is not None] == [["the drone"]]


def test_changed_weights_change_the_revision(ltx):
    before = ltx.revision
    weight = ltx.pipe.text_encoder.shared.weight
    weights = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    try:
        assert ltx.revision == before
        ltx.refresh()
        assert ltx.revision != before
    finally:
        with torch.no_grad():
            weight.copy_(weights)
    ltx.refresh()
    assert ltx.revision == before


def test_another_scheduler_is_used_for_one_batch_only(wan):
    scheduler = type(wan.pipe.scheduler).__name__
    a = wan.resolve(bc.shot("a bee"))
    before = generate_frames(wan, [a])
    other = "UniPCMultistepScheduler"
    generated = generate_frames(wan, [a.replace(scheduler=other)])
    assert type(wan.pipe.scheduler).__name__ == scheduler
    assert difference(generated, before) > 0
    assert difference(generate_frames(wan, [a]), before) == 0


def test_out_of_memory_is_recognized(ltx, monkeypatch):
    def full(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")

    monkeypatch.setattr(ltx.pipe.vae, "decode", full)
    with pytest.raises(OutOfMemoryError, match="1 clip of 32x32x9"):
        generate_frames(ltx, shots(ltx)[:1])
    monkeypatch.undo()
    assert len(generate_frames(ltx, shots(ltx)[:1])) == 1


def test_shots_with_different_batch_keys_are_refused(ltx):
    a = ltx.resolve(bc.shot("a bee"))
    with pytest.raises(CheckError, match="same batch key"):
        generate_frames(ltx, [a, a.replace(width=64)])


def test_shots_of_other_weights_are_refused(ltx, wan):
    shot = ltx.resolve(bc.shot("a bee"))
    with pytest.raises(CheckError, match=r"revision='0a': this is \w+; load the other one"):
        ltx.generate([shot, shot.replace(revision="0a")])
    with pytest.raises(CheckError, match="model='tiny-ltx': this is tiny-wan"):
        wan.generate([shot])
    with pytest.raises(CheckError, match="speed='compiled': this is exact"):
        ltx.generate([shot.replace(speed=("compiled",))])


def test_an_output_that_is_not_clips_is_refused(ltx):
    shot = ltx.resolve(bc.shot("a bee"))
    for shape in ((), (1, 9, 32, 32), (1, 9, 32, 32, 4)):
        with pytest.raises(ModelError, match="the pipeline returned frames of shape"):
            frames_from_output(SimpleNamespace(frames=np.zeros(shape)), shot)


def test_wrap_and_load_name_what_they_need(ltx_pipe):
    with pytest.raises(CheckError, match=r"wrap\(.*a loaded diffusers pipeline is needed"):
        bc.wrap("Wan-AI/Wan2.1")
    with pytest.raises(ModelError, match=r"'pollen' ships inside.*Did you mean pollen\?"):
        bc.load("polen")
    with pytest.raises(CheckError, match="batch_size=0"):
        bc.wrap(ltx_pipe, batch_size=0)


def test_repr_and_arguments_of_a_model(ltx):
    assert "32x32, 9 frames at 8 fps, 4 steps" in repr(ltx)
    assert "max_sequence_length" in ltx.arguments
    assert "prompt_embeds" not in ltx.arguments


@pytest.mark.parametrize("name", ["ltx", "wan"])
def test_every_offered_scheduler_generates_clips(request, name):
    model = request.getfixturevalue(name)
    with pytest.raises(bc.CheckError, match="can use") as error:
        bc.sweep("a bee", scheduler=["Nonsense"]).check(model)
    offered = str(error.value).split("can use ")[1].split(".")[0].split(", ")
    assert len(offered) >= 2
    assert "UniPCMultistepScheduler" in offered
    assert "DDPMScheduler" not in offered, "it doesn't support flow matching"
    bc.sweep("a bee", scheduler=offered).check(model)
    pixels = {}
    for scheduler in offered:
        shot = model.resolve(bc.shot("a bee", scheduler=scheduler, num_inference_steps=8))
        (pixels[scheduler],) = generate_frames(model, [shot])
    own = pixels[model.resolve(bc.shot("a bee")).scheduler].astype(int)
    for scheduler, generated in pixels.items():
        assert np.abs(generated - own).mean() < 40, f"{scheduler} generates other clips"
