"""Prompt embeddings cached on disk, and encoders offloaded while memory is short."""

import functools
import os

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import Stopped
from beecam.models.model_set import ModelSet
from beecam.models.revision.fingerprint import text_fingerprint
from beecam.models.text import disk_cache, offload
from beecam.models.text.disk_cache import EmbeddingCache, cache_for
from helpers import PATIENCE, generate_frames
from tiny import SHAPES, make


@pytest.fixture
def cache_small_encoders(monkeypatch):
    """Cache embeddings of tiny encoders on disk, too."""
    monkeypatch.setattr(disk_cache, "LARGE", 0)


@pytest.fixture
def encoded(ltx_pipe, monkeypatch):
    """Return the prompts that an encoder has encoded."""
    prompts = []
    original = type(ltx_pipe).encode_prompt

    def counted(self, prompt, *args, **kwargs):
        prompts.append(prompt)
        return original(self, prompt, *args, **kwargs)

    monkeypatch.setattr(type(ltx_pipe), "encode_prompt", counted)
    return prompts


def generate(model, prompt="a bee", **more):
    return generate_frames(model, [model.resolve(bc.shot(prompt, **more))])[0]


def files(cache):
    return sorted((cache / "texts").glob("*.safetensors"))


@pytest.mark.usefixtures("cache_small_encoders")
def test_a_prompt_is_encoded_once_for_all_kernels(wrap_ltx, encoded, cache):
    first = generate(wrap_ltx())
    assert len(encoded) == 1
    second = wrap_ltx()
    assert np.array_equal(generate(second), first)
    generate(second, seed=3)
    assert len(encoded) == 1
    generate(second, "a moth")
    generate(second, "a bee", max_sequence_length=64)
    assert len(encoded) == len(files(cache)) == 3
    assert not list((cache / "texts").glob("*.part"))
    assert b"bee" not in b"".join(path.read_bytes() for path in files(cache))


@pytest.mark.usefixtures("cache_small_encoders")
def test_cached_embeddings_give_the_same_bits(wrap_ltx, monkeypatch, cache):
    first = generate(wrap_ltx())
    read = generate(wrap_ltx())
    assert len(files(cache)) == 1
    monkeypatch.setattr(disk_cache, "LARGE", 10**12)
    assert np.array_equal(generate(wrap_ltx()), first)
    assert np.array_equal(read, first)


@pytest.mark.usefixtures("cache_small_encoders")
def test_another_encoder_or_tokenizer_has_its_own_cache(wrap_ltx, ltx_pipe, encoded, monkeypatch):
    generate(wrap_ltx())
    before = text_fingerprint(ltx_pipe)
    weight = ltx_pipe.text_encoder.shared.weight
    original = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    try:
        generate(wrap_ltx())
        assert len(encoded) == 2
    finally:
        with torch.no_grad():
            weight.copy_(original)
    assert text_fingerprint(ltx_pipe) == before
    monkeypatch.setattr(ltx_pipe.tokenizer, "padding_side", "left")
    assert text_fingerprint(ltx_pipe) != before


def _epsilon(pipe):
    pipe.text_encoder.encoder.final_layer_norm.variance_epsilon = 50.0


def _hook(pipe):
    pipe.text_encoder.encoder.final_layer_norm.register_forward_hook(lambda _m, _i, found: -found)


def _layer_method(pipe):
    layer = pipe.text_encoder.encoder.final_layer_norm
    layer.forward = lambda values, forward=layer.forward: -forward(values)


def _tokenizer_method(pipe):
    encode = type(pipe.tokenizer).__call__

    class Loud(type(pipe.tokenizer)):
        def __call__(self, texts, *args, **more):
            return encode(self, ["a moth"] * len(texts), *args, **more)

    pipe.tokenizer.__class__ = Loud


CHANGED_ENCODERS = (_epsilon, _hook, _layer_method, _tokenizer_method)


@pytest.mark.parametrize("change", CHANGED_ENCODERS)
def test_an_encoder_that_was_changed_shares_no_files_with_a_plain_one(change, monkeypatch, cache):
    def clip(changed):
        pipe = make("LTXPipeline")
        if changed:
            change(pipe)
        return generate(bc.wrap(pipe, name="tiny"), seed=1, **SHAPES["LTXPipeline"])

    plain, other = clip(changed=False), clip(changed=True)
    assert not np.array_equal(plain, other)
    monkeypatch.setattr(disk_cache, "LARGE", 0)
    for changed in (False, True, True, False):
        assert np.array_equal(clip(changed), other if changed else plain)
    assert files(cache)


def test_embeddings_of_small_encoders_are_not_cached(wrap_ltx, cache):
    generate(wrap_ltx())
    assert not cache.joinpath("texts").exists()


def test_embeddings_of_offloaded_encoders_are_not_cached(monkeypatch):
    monkeypatch.setattr(disk_cache, "LARGE", 0)
    pipe = make("LTXPipeline")
    assert cache_for(pipe) is not None
    pipe.text_encoder.to("meta")
    assert cache_for(pipe) is None


@pytest.mark.usefixtures("cache_small_encoders")
@pytest.mark.parametrize("damage", [b"", b"no file", None])
def test_a_damaged_file_is_encoded_again(wrap_ltx, encoded, cache, damage):
    first = generate(wrap_ltx())
    (path,) = files(cache)
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert np.array_equal(generate(wrap_ltx()), first)
    assert len(encoded) == 2
    generate(wrap_ltx())
    assert len(encoded) == 2, "the file was replaced"


@pytest.mark.usefixtures("cache_small_encoders")
def test_without_a_cache_folder_prompts_are_encoded(wrap_ltx, encoded, cache):
    cache.write_text("a file where the folder should be")
    generate(wrap_ltx())
    generate(wrap_ltx())
    assert len(encoded) == 2


def test_the_least_recently_used_files_are_removed_first(tmp_path, monkeypatch):
    embeddings = EmbeddingCache(tmp_path, "an encoder")
    monkeypatch.setattr(disk_cache, "_MAX_BYTES", 20_000)
    for i, name in enumerate("abc"):
        embeddings.put(name, torch.full((1000,), i))
        for path in tmp_path.glob("*.safetensors"):
            os.utime(path, (1, path.stat().st_mtime - 100))
        assert embeddings.get("a") is not None
    assert embeddings.get("b") is None
    assert embeddings.get("c")[0] == 2
    assert EmbeddingCache(tmp_path, "another").get("a") is None


def test_every_type_of_encoder_output_is_restored(tmp_path):
    embeddings = EmbeddingCache(tmp_path, "an encoder")
    values = (
        torch.randn(2, 3).bfloat16().T,
        None,
        [torch.arange(3), "text", 2.5],
        {"mask": torch.ones(2, dtype=torch.bool), "same": torch.randn(1).expand(4)},
    )
    for stored in (embeddings.put("a", values), embeddings.get("a")):
        assert torch.equal(stored[0], values[0])
        assert (stored[0].dtype, stored[0].is_contiguous()) == (torch.bfloat16, True)
        assert stored[1] is None
        assert (type(stored[2]), stored[2][1:]) == (list, ["text", 2.5])
        assert torch.equal(stored[3]["mask"], values[3]["mask"])
        assert torch.equal(stored[3]["same"], values[3]["same"])
    unsupported = (torch.ones(1), object())
    assert embeddings.put("b", unsupported) is unsupported
    assert embeddings.get("b") is None


# --- offloading of encoders ------------------------------------------------------------------------


class EncoderLog:
    """Records moves and uses of the encoders; fails if an offloaded encoder is used."""

    def __init__(self, pipe, monkeypatch):
        self.events = []
        self.offloaded = False
        monkeypatch.setattr(offload, "is_short", lambda pipe: True)
        monkeypatch.setattr(offload, "_move", self._move)
        monkeypatch.setattr(
            offload.EncoderOffload, "_move", self._counted(offload.EncoderOffload._move)
        )
        # In their classes: with a method replaced on itself, each clip would get its own call.
        for part, event in ((pipe.text_encoder, "encode"), (pipe.transformer, "step")):
            logged = self._logged(type(part).forward, part, event)
            monkeypatch.setattr(type(part), "forward", logged)

    def _logged(self, original, part, event):
        def forward(this, *args, **kwargs):
            if this is part:
                encodes = event == "encode"
                assert not (encodes and self.offloaded), "its weights are on another device"
                self.events.append(event)
            return original(this, *args, **kwargs)

        return functools.wraps(original)(forward)

    def _counted(self, original):
        def move(this, *, away):
            original(this, away=away)
            self.offloaded = away
            self.events.append("away" if away else "home")

        return move

    def _move(self, part, device):
        part.to(device)


@pytest.fixture
def encoder_log(ltx_pipe, monkeypatch):
    return EncoderLog(ltx_pipe, monkeypatch)


def test_all_prompts_are_encoded_first_and_then_the_encoder_is_offloaded(ltx, library, encoder_log):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth", "fly"], seed=range(3))
    run = bc.run(sweep, ltx, library=library).wait(PATIENCE)
    assert not run.errors
    events = encoder_log.events
    assert set(events[: events.index("away")]) == {"encode"}
    after = events[events.index("away") + 1 :]
    assert set(after[:-1]) == {"step"}
    assert after[-1] == "home", "the encoder is moved back at the end"
    encodes = events.count("encode")
    assert encodes == 6, "three prompts, each with a negative prompt"
    bc.run(sweep, ltx, library=library).wait(PATIENCE)
    assert events.count("encode") == encodes


def test_a_later_prompt_brings_the_encoder_back_temporarily(ltx, encoder_log):
    shots = [ltx.resolve(bc.shot(text)) for text in ("a bee", "a moth")]
    plain = generate(ltx, "a moth")
    ltx._resources.prompts.clear()
    ltx.prepare(shots[:1], lambda: None)
    ltx.prepare(shots[:1], lambda: None)
    encoder_log.events.clear()
    assert np.array_equal(generate_frames(ltx, shots[1:])[0], plain)
    assert [entry for entry in encoder_log.events if entry != "step"] == [
        "home",
        "encode",
        "encode",
        "away",
    ]
    ltx.release()
    assert encoder_log.offloaded, "another run continues"
    ltx.release()
    assert not encoder_log.offloaded


def test_a_cancelled_run_restores_the_pipeline(ltx, library, encoder_log, monkeypatch):
    def stop():
        raise Stopped("the run was cancelled.")

    with pytest.raises(Stopped):
        ltx.prepare([ltx.resolve(bc.shot("a bee"))], stop)
    ltx.release()
    assert not encoder_log.offloaded
    monkeypatch.setattr(ltx, "generate", lambda *a, **k: 1 / 0)
    assert bc.run(bc.sweep("a bee"), ltx, library=library).wait(PATIENCE).errors
    assert not encoder_log.offloaded
    assert not ltx._resources.encoders._homes


def test_encoders_of_several_models_are_offloaded_and_restored(ltx, wan, library, encoder_log):
    run = bc.run(bc.sweep(["a bee", "a moth"]), [ltx, wan], library=library).wait(PATIENCE)
    assert not run.errors
    assert [entry for entry in encoder_log.events if entry != "step"].count("encode") == 4
    for model in (ltx, wan):
        assert not model._resources.encoders._homes
        assert model._resources.encoders._users == 0


def test_encoders_of_several_models_are_restored_when_stopped(ltx, wan, encoder_log):
    def stop():
        raise Stopped("the run was cancelled.")

    both = ModelSet({"one": ltx, "two": wan})
    shots = [both.resolve(bc.shot("a bee").replace(model=name)) for name in ("one", "two")]
    with pytest.raises(Stopped):
        both.prepare(shots, stop)
    both.release()
    assert (ltx._resources.encoders._users, wan._resources.encoders._users) == (0, 0)
    assert not encoder_log.offloaded


def test_the_prompt_after_a_switch_is_encoded_ahead(ltx, library, encoder_log):
    sweep = bc.sweep("a bee", switch_at=0.5, then_prompt="a moth")
    assert not bc.run(sweep, ltx, library=library).wait(PATIENCE).errors
    assert "encode" not in encoder_log.events[encoder_log.events.index("away") :]


@pytest.mark.parametrize(
    ("free_memory", "total_memory", "is_short"),
    [(90, 100, False), (20, 100, True), (90, 10**9, False)],
)
def test_memory_is_short_when_the_encoders_do_not_fit(
    monkeypatch, ltx_pipe, free_memory, total_memory, is_short
):
    from beecam.models.text.disk_cache import encoders

    size = sum(
        p.numel() * p.element_size()
        for part in encoders(ltx_pipe).values()
        for p in part.parameters()
    )
    monkeypatch.setattr(
        offload, "memory", lambda device: (free_memory * size / 20, total_memory * size / 20)
    )
    assert not offload.is_short(ltx_pipe), "on a CPU nothing is offloaded"
    monkeypatch.setattr(offload, "device_of", lambda pipe: torch.device("cuda"))
    assert offload.is_short(ltx_pipe) == is_short
    monkeypatch.setattr(offload, "offload", lambda pipe: "model")
    assert offload.is_short(ltx_pipe)


@pytest.mark.parametrize("name", ["WanPipeline", "HunyuanVideoPipeline", "LattePipeline"])
def test_other_families_encode_ahead_with_their_own_arguments(name, monkeypatch):
    from tiny import SHAPES

    pipe = make(name)
    counted = []
    for part in offload.encoders(pipe).values():
        original = part.forward
        monkeypatch.setattr(
            part, "forward", lambda *a, f=original, **k: counted.append(1) or f(*a, **k)
        )
    model = bc.wrap(pipe)
    shape = {n: v for n, v in SHAPES[name].items() if not isinstance(v, (list, dict))}
    renamed = {"video_length": "num_frames", "frames": "num_frames"}
    shot = model.resolve(bc.shot("a bee", **{renamed.get(n, n): v for n, v in shape.items()}))
    monkeypatch.setattr(offload, "is_short", lambda pipe: True)
    model.prepare([shot], lambda: None)
    count = len(counted)
    assert count
    generate_frames(model, [shot])
    assert len(counted) == count
    model.release()
