"""Weights of unusual kinds, and library functions in each other's place: clips are the plain call's."""

import numpy as np
import pytest
import torch
from diffusers import UniPCMultistepScheduler
from torch.nn.utils.parametrizations import weight_norm

import beecam as bc
from helpers import PATIENCE, generate_frames
from tiny import SHAPES, make

ARGUMENTS = {"num_inference_steps": 2, "width": 32, "height": 32, "num_frames": 5}


def plain_frames(pipe):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        found = pipe(
            "a bee", negative_prompt="", generator=generator, output_type="np", **ARGUMENTS
        )
    return (found.frames[0] * 255).round().astype(int)


def clip_frames(model):
    model.refresh()
    shot = bc.shot("a bee", seed=1, **ARGUMENTS)
    assert not list(model.check(shot))
    return generate_frames(model, [model.resolve(shot)])[0].astype(int)


def assert_plain(model):
    """Last bits may differ: products are added up in another order."""
    assert np.abs(clip_frames(model) - plain_frames(model.pipe)).max() <= 1


def layers(pipe):
    return [one for one in pipe.transformer.blocks.modules() if type(one) is torch.nn.Linear]


def exchange_weights(pipe, change):
    for layer in layers(pipe):
        layer.weight = torch.nn.Parameter(change(layer.weight.detach()), requires_grad=False)


class Scaled(torch.Tensor):
    """A weight whose products are larger."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func is not torch.nn.functional.linear:
            return super().__torch_function__(func, types, args, kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            return 1.5 * func(*args, **(kwargs or {}))


class Packed(torch.Tensor):
    """Integers with their scale, as libraries for quantization have them."""

    @staticmethod
    def __new__(cls, integers, _scale):
        kind = torch.float32
        return torch.Tensor._make_wrapper_subclass(cls, integers.shape, dtype=kind)

    def __init__(self, integers, scale):
        self.integers, self.scale = integers, scale

    def __tensor_flatten__(self):
        return ["integers", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
            return cls(args[0].integers, args[0].scale)
        plain = [a.integers * a.scale if isinstance(a, cls) else a for a in args]
        return func(*plain, **(kwargs or {}))


def _of_inference(pipe):
    with torch.inference_mode():
        exchange_weights(pipe, lambda weight: 1.5 * weight)


def _of_a_class(pipe):
    exchange_weights(pipe, lambda weight: weight.as_subclass(Scaled))


def _packed(pipe):
    def pack(weight):
        scale = weight.abs().max() / 127
        return Packed((weight / scale).round().to(torch.int8), scale)

    exchange_weights(pipe, pack)


def _computed_by_a_hook(pipe):
    for layer in layers(pipe):
        torch.nn.utils.spectral_norm(layer)


def _parametrized(pipe):
    for layer in layers(pipe):
        weight_norm(layer)
        layer.parametrizations.weight.original0.data *= 1.5


WEIGHTS = [_of_inference, _of_a_class, _packed, _computed_by_a_hook, _parametrized]


@pytest.mark.parametrize("change", WEIGHTS)
def test_weights_of_each_kind_are_those_of_the_plain_call(change):
    model = bc.wrap(make("WanPipeline"), name="tiny")
    before = model.revision
    assert_plain(model)
    change(model.pipe)
    assert_plain(model)
    assert model.revision != before


def test_integers_and_scales_are_part_of_the_revision():
    pipe = make("WanPipeline")
    _packed(pipe)
    model = bc.wrap(pipe, name="tiny")
    seen = {model.revision}
    weight = layers(pipe)[-1].weight
    for tensor in (weight.integers, weight.scale):
        tensor.flatten()[0] += 1
        model.refresh()
        assert model.revision not in seen
        seen.add(model.revision)


FUNCTIONS = torch.nn.functional
PUT = {
    "a function of an owner": (FUNCTIONS, "linear", lambda old: lambda *a: 1.1 * old(*a)),
    "a layer's method": (torch.nn.Linear, "forward", lambda old: lambda *a: 1.1 * old(*a)),
    "another function": (FUNCTIONS, "silu", lambda _old: FUNCTIONS.relu),
    "one in the place of C++": (FUNCTIONS, "gelu", lambda _old: lambda x, **_: FUNCTIONS.relu(x)),
    "another method": (torch.nn.Linear, "forward", lambda _old: torch.nn.Identity.forward),
    "another scheduler's": (
        UniPCMultistepScheduler,
        "set_begin_index",
        lambda _old: UniPCMultistepScheduler.__len__,
    ),
}


@pytest.mark.parametrize("way", list(PUT)[:4])
def test_a_function_in_a_librarys_place_is_used_and_counts(way, monkeypatch):
    owner, name, change = PUT[way]
    model = bc.wrap(make("WanPipeline"), name="tiny")
    before, frames = model.revision, clip_frames(model)
    monkeypatch.setattr(owner, name, change(getattr(owner, name)))
    assert_plain(model)
    assert model.revision != before
    assert (clip_frames(model) != frames).any()
    monkeypatch.undo()
    assert (clip_frames(model) == frames).all()
    assert model.revision == before


@pytest.mark.parametrize("way", list(PUT)[4:])
def test_a_method_of_another_class_counts(way, monkeypatch):
    owner, name, change = PUT[way]
    pipe = make("WanPipeline")
    pipe.scheduler = UniPCMultistepScheduler(
        use_flow_sigmas=True, prediction_type="flow_prediction"
    )
    model = bc.wrap(pipe, name="tiny")
    before = model.revision
    monkeypatch.setattr(owner, name, change(getattr(owner, name)))
    model.refresh()
    assert model.revision != before


@pytest.fixture
def precision():
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("value", ["high", "medium"])
def test_the_precision_of_products_is_part_of_the_revision(precision, value):
    model = bc.wrap(make("WanPipeline"), name="tiny")
    before, frames = model.revision, clip_frames(model)
    precision(value)
    assert_plain(model)
    assert model.revision != before
    precision("highest")
    assert (clip_frames(model) == frames).all()
    assert model.revision == before


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_the_default_type_of_numbers_is_part_of_the_revision(kind, library):
    model = bc.wrap(make("WanPipeline"), name="tiny")
    before = model.revision
    torch.set_default_dtype(kind)
    try:
        run = bc.run(bc.sweep("a bee", **SHAPES["WanPipeline"]), model, library=library)
        assert not run.wait(PATIENCE).errors
        assert model.revision != before
    finally:
        torch.set_default_dtype(torch.float32)
    model.refresh()
    assert model.revision == before
