"""Any pipeline as a model: the pixels of a plain loop, in less time, with plain messages."""

import threading

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import CheckError, ModelError, OutOfMemoryError, Stopped
from beecam.models.diffusers.call import frames_from_output
from helpers import frames


def shots(model, prompts=("a bee", "a moth over the sea", "night"), **arguments):
    return [model.resolve(bc.shot(p, seed=i, **arguments)) for i, p in enumerate(prompts)]


def plain_loop(pipe, shots, **more):
    """What a user writes without the kit."""
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
    some = shots(model, negative_prompt="dunes")
    more = {"frame_rate": 8.0} if model.name == "tiny-ltx" else {}
    assert difference(frames(model, some), plain_loop(model.pipe, some, **more)) <= 1


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
    made = frames(ltx, [a])
    assert set(seen) == {32}
    assert difference(made, plain_loop(ltx.pipe, [a], frame_rate=8.0)) <= 1
    assert ltx.batch_key(a) != ltx.batch_key(long), "a clip's bits depend on its own text only"
    seen.clear()
    frames(ltx, [long])
    assert set(seen) == {64}


def test_concurrent_batches_do_not_disturb_each_other(ltx_pipe):
    model = bc.wrap(ltx_pipe, name="many")
    model._workers.widen(3, threads=1)
    small = {"width": 32, "height": 32, "num_frames": 9, "fps": 8.0}
    kinds = [
        [
            model.resolve(bc.shot(p, seed=s, num_inference_steps=n, **small))
            for p in ("a bee", "night")
        ]
        for s, n in ((0, 3), (1, 5), (2, 8))
    ]
    alone = [frames(model, kind) for kind in kinds]
    made = [[] for _ in kinds]

    def work(i):
        for _ in range(5):
            made[i].append(frames(model, kinds[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for before, after in zip(alone, made, strict=True):
        assert len(after) == 5
        assert all(difference(before, one) == 0 for one in after)


def test_without_guidance_too(model):
    some = shots(model, guidance_scale=1.0)
    more = {"frame_rate": 8.0} if model.name == "tiny-ltx" else {}
    assert difference(frames(model, some), plain_loop(model.pipe, some, **more)) <= 1


def test_the_bits_depend_on_the_number_of_clips_and_never_on_the_neighbours(model):
    a, b, c = shots(model)
    both = frames(model, [a, b])
    other = frames(model, [c, a])
    assert np.array_equal(both[0], other[1])
    alone = frames(model, [a], pad_to=2)
    assert len(alone) == 1
    assert np.array_equal(alone[0], both[0])


def test_a_weighted_noise_lies_between(model):
    a = model.resolve(bc.shot("a bee", seed=1))
    b = a.replace(seed=2)
    near = a.replace(noise=((1, 0.95), (2, 0.05)))
    one, two, mixed = frames(model, [a, b, near])
    far = np.abs(one.astype(int) - two).mean()
    assert np.abs(mixed.astype(int) - one).mean() < far / 2
    scaled = frames(model, [a.replace(noise=((1, 1.9), (2, 0.1)))])[0]
    assert difference([scaled], [mixed]) <= 1


def test_steps_come_one_by_one_with_previews_after_the_first_clip(model):
    some = shots(model)
    frames(model, some[:1])
    steps = []
    frames(model, some, steps.append)
    assert [(s.step, s.steps) for s in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    previews = []
    frames(model, some, lambda step: previews.append(step.preview()))
    assert len(previews[0]) == len(some)
    assert previews[0][0].ndim == 4
    assert previews[0][0].dtype == np.uint8


def test_the_last_preview_looks_like_the_clip(model):
    some = shots(model)
    made = frames(model, some)
    last = []
    frames(model, some, lambda step: last.append(step.preview()))
    small = last[-1][0].astype(float)
    many, high, wide = small.shape[:3]
    clip = made[0][:: max(1, len(made[0]) // many)][:many].astype(float)
    blocks = clip.reshape(many, high, 32 // high, wide, 32 // wide, 3).mean((2, 4))
    assert np.abs(blocks - small).mean() < 25


def test_leaving_from_a_step_keeps_the_model_usable(model):
    some = shots(model)
    before = frames(model, some)

    def leave(step):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        frames(model, some, leave)
    assert difference(before, frames(model, some)) == 0


def test_a_text_is_encoded_once(model, monkeypatch):
    texts = []
    original = type(model.pipe).encode_prompt

    def counted(self, prompt, *args, **kwargs):
        texts.append(prompt)
        return original(self, prompt, *args, **kwargs)

    monkeypatch.setattr(type(model.pipe), "encode_prompt", counted)
    same = [model.resolve(bc.shot("the drone", seed=i)) for i in range(3)]
    frames(model, same)
    frames(model, same)
    assert [t for t in texts if t is not None] == [["the drone"]]


def test_changed_weights_are_another_revision_and_forget_texts(ltx):
    before = ltx.revision
    weight = ltx.pipe.text_encoder.shared.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    try:
        assert ltx.revision == before
        ltx.refresh()
        assert ltx.revision != before
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    ltx.refresh()
    assert ltx.revision == before


def test_another_scheduler_is_used_for_one_call_only(wan):
    usual = type(wan.pipe.scheduler).__name__
    a = wan.resolve(bc.shot("a bee"))
    before = frames(wan, [a])
    other = "UniPCMultistepScheduler"
    made = frames(wan, [a.replace(scheduler=other)])
    assert type(wan.pipe.scheduler).__name__ == usual
    assert difference(made, before) > 0
    assert difference(frames(wan, [a]), before) == 0


def test_out_of_memory_is_recognized(ltx, monkeypatch):
    def full(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")

    monkeypatch.setattr(ltx.pipe.vae, "decode", full)
    with pytest.raises(OutOfMemoryError, match="1 clip of 32x32x9"):
        frames(ltx, shots(ltx)[:1])
    monkeypatch.undo()
    assert len(frames(ltx, shots(ltx)[:1])) == 1


def test_shots_of_different_kinds_are_refused(ltx):
    a = ltx.resolve(bc.shot("a bee"))
    with pytest.raises(CheckError, match="same batch key"):
        frames(ltx, [a, a.replace(width=64)])


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
            frames_from_output(np.zeros(shape), shot)


def test_wrap_and_load_name_what_they_need(ltx_pipe):
    with pytest.raises(CheckError, match=r"wrap\(.*a loaded diffusers pipeline is needed"):
        bc.wrap("Wan-AI/Wan2.1")
    with pytest.raises(ModelError, match=r"'pollen' ships inside.*Did you mean pollen\?"):
        bc.load("polen")
    with pytest.raises(CheckError, match="batch_size=0"):
        bc.wrap(ltx_pipe, batch_size=0)


def test_the_model_says_what_it_is(ltx):
    assert "32x32, 9 frames at 8 fps, 4 steps" in repr(ltx)
    assert "max_sequence_length" in ltx.arguments
    assert "prompt_embeds" not in ltx.arguments


@pytest.mark.parametrize("name", ["ltx", "wan"])
def test_every_scheduler_that_is_offered_makes_clips(request, name):
    model = request.getfixturevalue(name)
    with pytest.raises(bc.CheckError, match="can use") as said:
        bc.sweep("a bee", scheduler=["Nonsense"]).check(model)
    offered = str(said.value).split("can use ")[1].split(".")[0].split(", ")
    assert len(offered) >= 2
    assert "UniPCMultistepScheduler" in offered
    assert "DDPMScheduler" not in offered, "it was not made for flows"
    bc.sweep("a bee", scheduler=offered).check(model)
    pixels = {}
    for scheduler in offered:
        shot = model.resolve(bc.shot("a bee", scheduler=scheduler, num_inference_steps=8))
        (pixels[scheduler],) = frames(model, [shot])
    own = pixels[model.resolve(bc.shot("a bee")).scheduler].astype(int)
    for scheduler, made in pixels.items():
        assert np.abs(made - own).mean() < 40, f"{scheduler} does something else"
