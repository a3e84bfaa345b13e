"""Encoded texts on disk, and encoders that go where memory is short: always the same bits."""

import os

import numpy as np
import pytest
import torch

import beecam as bc
from beecam.errors import Stopped
from beecam.models.model_set import ModelSet
from beecam.models.text import disk_cache as shelf
from beecam.models.text import offload as preparing
from beecam.models.text.disk_cache import EmbeddingCache, cache_for
from beecam.models.weights.fingerprint import text_fingerprint
from helpers import generate_frames
from tiny import make


@pytest.fixture
def large(monkeypatch):
    """Have tiny encoders kept on disk, too."""
    monkeypatch.setattr(shelf, "LARGE", 0)


@pytest.fixture
def encoded(ltx_pipe, monkeypatch):
    """The texts that are really encoded."""
    texts = []
    original = type(ltx_pipe).encode_prompt

    def counted(self, prompt, *args, **kwargs):
        texts.append(prompt)
        return original(self, prompt, *args, **kwargs)

    monkeypatch.setattr(type(ltx_pipe), "encode_prompt", counted)
    return texts


def made(model, prompt="a bee", **more):
    return generate_frames(model, [model.resolve(bc.shot(prompt, **more))])[0]


def files(cache):
    return sorted((cache / "texts").glob("*.safetensors"))


@pytest.mark.usefixtures("large")
def test_a_text_is_encoded_once_for_all_kernels(wrap_ltx, encoded, cache):
    first = made(wrap_ltx())
    assert len(encoded) == 1
    again = wrap_ltx()
    assert np.array_equal(made(again), first)
    made(again, seed=3)
    assert len(encoded) == 1
    made(again, "a moth")
    made(again, "a bee", max_sequence_length=64)
    assert len(encoded) == len(files(cache)) == 3
    assert not list((cache / "texts").glob("*.part"))
    assert b"bee" not in b"".join(path.read_bytes() for path in files(cache))


@pytest.mark.usefixtures("large")
def test_the_bits_are_those_of_encoding(wrap_ltx, monkeypatch, cache):
    kept = made(wrap_ltx())
    read = made(wrap_ltx())
    assert len(files(cache)) == 1
    monkeypatch.setattr(shelf, "LARGE", 10**12)
    assert np.array_equal(made(wrap_ltx()), kept)
    assert np.array_equal(read, kept)


@pytest.mark.usefixtures("large")
def test_another_encoder_or_tokenizer_has_other_texts(wrap_ltx, ltx_pipe, encoded, monkeypatch):
    made(wrap_ltx())
    before = text_fingerprint(ltx_pipe)
    weight = ltx_pipe.text_encoder.shared.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight += 1
    try:
        made(wrap_ltx())
        assert len(encoded) == 2
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    assert text_fingerprint(ltx_pipe) == before
    monkeypatch.setattr(ltx_pipe.tokenizer, "padding_side", "left")
    assert text_fingerprint(ltx_pipe) != before


def test_small_encoders_are_quicker_than_a_disk(wrap_ltx, cache):
    made(wrap_ltx())
    assert not cache.joinpath("texts").exists()


def test_encoders_whose_weights_are_elsewhere_keep_nothing(monkeypatch):
    monkeypatch.setattr(shelf, "LARGE", 0)
    pipe = make("LTXPipeline")
    assert cache_for(pipe) is not None
    pipe.text_encoder.to("meta")
    assert cache_for(pipe) is None


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("damage", [b"", b"no file", None])
def test_a_damaged_file_costs_only_time(wrap_ltx, encoded, cache, damage):
    first = made(wrap_ltx())
    (path,) = files(cache)
    path.write_bytes(path.read_bytes()[:-40] if damage is None else damage)
    assert np.array_equal(made(wrap_ltx()), first)
    assert len(encoded) == 2
    made(wrap_ltx())
    assert len(encoded) == 2, "it was mended"


@pytest.mark.usefixtures("large")
def test_without_a_folder_it_goes_on(wrap_ltx, encoded, cache):
    cache.write_text("a file where the folder should be")
    made(wrap_ltx())
    made(wrap_ltx())
    assert len(encoded) == 2


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path, monkeypatch):
    kept = EmbeddingCache(tmp_path, "an encoder")
    monkeypatch.setattr(shelf, "_MAX_BYTES", 20_000)
    for i, name in enumerate("abc"):
        kept.put(name, torch.full((1000,), i))
        for path in tmp_path.glob("*.safetensors"):
            os.utime(path, (1, path.stat().st_mtime - 100))
        assert kept.get("a") is not None
    assert kept.get("b") is None
    assert kept.get("c")[0] == 2
    assert EmbeddingCache(tmp_path, "another").get("a") is None


def test_all_that_encoders_return_comes_back(tmp_path):
    kept = EmbeddingCache(tmp_path, "an encoder")
    given = (
        torch.randn(2, 3).bfloat16().T,
        None,
        [torch.arange(3), "text", 2.5],
        {"mask": torch.ones(2, dtype=torch.bool), "same": torch.randn(1).expand(4)},
    )
    for back in (kept.put("a", given), kept.get("a")):
        assert torch.equal(back[0], given[0])
        assert (back[0].dtype, back[0].is_contiguous()) == (torch.bfloat16, True)
        assert back[1] is None
        assert (type(back[2]), back[2][1:]) == (list, ["text", 2.5])
        assert torch.equal(back[3]["mask"], given[3]["mask"])
        assert torch.equal(back[3]["same"], given[3]["same"])
    odd = (torch.ones(1), object())
    assert kept.put("b", odd) is odd
    assert kept.get("b") is None


# --- where memory is short --------------------------------------------------------------------------


class Moves:
    """Where the encoders are; away, they can't be used."""

    def __init__(self, pipe, monkeypatch):
        self.log = []
        self.away = False
        monkeypatch.setattr(preparing, "is_short", lambda pipe: True)
        monkeypatch.setattr(preparing, "_move", self._move)
        monkeypatch.setattr(
            preparing.EncoderOffload, "_move", self._counted(preparing.EncoderOffload._move)
        )
        original = pipe.text_encoder.forward

        def forward(*args, **kwargs):
            assert not self.away, "its weights are on another device"
            self.log.append("encode")
            return original(*args, **kwargs)

        monkeypatch.setattr(pipe.text_encoder, "forward", forward)
        denoise = pipe.transformer.forward
        monkeypatch.setattr(
            pipe.transformer, "forward", lambda *a, **k: self.log.append("step") or denoise(*a, **k)
        )

    def _counted(self, original):
        def move(this, *, away):
            original(this, away=away)
            self.away = away
            self.log.append("away" if away else "home")

        return move

    def _move(self, part, device):
        part.to(device)


@pytest.fixture
def moves(ltx_pipe, monkeypatch):
    return Moves(ltx_pipe, monkeypatch)


def test_all_texts_are_encoded_before_the_first_step_and_the_encoder_goes(ltx, library, moves):
    sweep = bc.sweep("a {insect}", insect=["bee", "moth", "fly"], seed=range(3))
    run = bc.run(sweep, ltx, library=library).wait(60)
    assert not run.errors
    log = moves.log
    assert set(log[: log.index("away")]) == {"encode"}
    after = log[log.index("away") + 1 :]
    assert set(after[:-1]) == {"step"}
    assert after[-1] == "home", "its owner finds it as it was"
    encodes = log.count("encode")
    assert encodes == 6, "three prompts, each with what to avoid"
    bc.run(sweep, ltx, library=library).wait(60)
    assert log.count("encode") == encodes


def test_a_text_that_comes_later_brings_the_encoder_back_for_as_long_as_that_takes(ltx, moves):
    shots = [ltx.resolve(bc.shot(text)) for text in ("a bee", "a moth")]
    plain = made(ltx, "a moth")
    ltx._resources.prompts.clear()
    ltx.prepare(shots[:1], lambda: None)
    ltx.prepare(shots[:1], lambda: None)
    moves.log.clear()
    assert np.array_equal(generate_frames(ltx, shots[1:])[0], plain)
    assert [one for one in moves.log if one != "step"] == ["home", "encode", "encode", "away"]
    ltx.release()
    assert moves.away, "another run continues"
    ltx.release()
    assert not moves.away


def test_a_run_that_is_cancelled_leaves_the_pipeline_as_it_was(ltx, library, moves, monkeypatch):
    def stop():
        raise Stopped("the run was cancelled.")

    with pytest.raises(Stopped):
        ltx.prepare([ltx.resolve(bc.shot("a bee"))], stop)
    ltx.release()
    assert not moves.away
    monkeypatch.setattr(ltx, "generate", lambda *a, **k: 1 / 0)
    assert bc.run(bc.sweep("a bee"), ltx, library=library).wait(60).errors
    assert not moves.away
    assert not ltx._resources.encoders._homes


def test_several_models_get_ready_and_come_back_together(ltx, wan, library, moves):
    run = bc.run(bc.sweep(["a bee", "a moth"]), [ltx, wan], library=library).wait(60)
    assert not run.errors
    assert [one for one in moves.log if one != "step"].count("encode") == 4
    for model in (ltx, wan):
        assert not model._resources.encoders._homes
        assert model._resources.encoders._users == 0


def test_several_models_that_are_stopped_come_back_together(ltx, wan, moves):
    def stop():
        raise Stopped("the run was cancelled.")

    both = ModelSet({"one": ltx, "two": wan})
    shots = [both.resolve(bc.shot("a bee").replace(model=name)) for name in ("one", "two")]
    with pytest.raises(Stopped):
        both.prepare(shots, stop)
    both.release()
    assert (ltx._resources.encoders._users, wan._resources.encoders._users) == (0, 0)
    assert not moves.away


def test_what_a_clip_switches_to_is_encoded_ahead(ltx, library, moves):
    sweep = bc.sweep("a bee", switch_at=0.5, then_prompt="a moth")
    assert not bc.run(sweep, ltx, library=library).wait(60).errors
    assert "encode" not in moves.log[moves.log.index("away") :]


@pytest.mark.parametrize(
    ("free", "total", "short"), [(90, 100, False), (20, 100, True), (90, 10**9, False)]
)
def test_memory_is_short_by_what_the_encoders_need(monkeypatch, ltx_pipe, free, total, short):
    from beecam.models.text.disk_cache import encoders

    size = sum(
        p.numel() * p.element_size()
        for part in encoders(ltx_pipe).values()
        for p in part.parameters()
    )
    monkeypatch.setattr(preparing, "memory", lambda device: (free * size / 20, total * size / 20))
    assert not preparing.is_short(ltx_pipe), "a CPU has nowhere to put them"
    monkeypatch.setattr(preparing, "device_of", lambda pipe: torch.device("cuda"))
    assert preparing.is_short(ltx_pipe) == short
    monkeypatch.setattr(preparing, "offload", lambda pipe: "model")
    assert preparing.is_short(ltx_pipe)


@pytest.mark.parametrize("name", ["WanPipeline", "HunyuanVideoPipeline", "LattePipeline"])
def test_other_families_encode_ahead_with_the_arguments_of_their_calls(name, monkeypatch):
    from tiny import SHAPES

    pipe = make(name)
    model = bc.wrap(pipe)
    counted = []
    for part in preparing.encoders(pipe).values():
        original = part.forward
        monkeypatch.setattr(
            part, "forward", lambda *a, f=original, **k: counted.append(1) or f(*a, **k)
        )
    shape = {n: v for n, v in SHAPES[name].items() if not isinstance(v, (list, dict))}
    renamed = {"video_length": "num_frames", "frames": "num_frames"}
    shot = model.resolve(bc.shot("a bee", **{renamed.get(n, n): v for n, v in shape.items()}))
    monkeypatch.setattr(preparing, "is_short", lambda pipe: True)
    model.prepare([shot], lambda: None)
    ahead = len(counted)
    assert ahead
    generate_frames(model, [shot])
    assert len(counted) == ahead
    model.release()
