"""What a LoRA says about itself: what is understood is loaded, the rest is named before."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import beecam as bc
from beecam.models.weights.lora_settings import settings_problem
from tiny import SHAPES, make
from tiny.loras import write_lora

USUAL = {"r": 4, "lora_alpha": 4, "target_modules": ["to_q", "to_v"]}
GOOD = {
    "alpha": {"lora_alpha": 2.5},
    "rslora": {"use_rslora": True},
    "pattern": {"target_modules": r"(.*to_q|.*to_v)"},
    "patterns": {"rank_pattern": {"blocks.0.attn1.to_q": 4}, "alpha_pattern": {"to_q": 8.0}},
    "notes": {"peft_version": "0.17.0", "base_model_name_or_path": "someone/model"},
    "defaults": {"bias": "none", "megatron_core": "megatron.core", "loftq_config": {}},
}
BAD = {
    "dora": {"use_dora": True},
    "nan": {"lora_alpha": math.nan},
    "infinite": {"lora_alpha": math.inf},
    "nan pattern": {"alpha_pattern": {"to_q": math.nan}},
    "rank": {"r": 2**20},
    "ranks": {"rank_pattern": {"to_q": 2**20}},
    "regular expression": {"rank_pattern": {"(a+)+$": 4}},
    "target": {"target_modules": "(a+)+$"},
    "targets": {"target_modules": ".*.*.*.*.*to_q"},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "orthogonal": {"init_lora_weights": "orthogonal"},
    "code": {"megatron_config": {"a": 1}, "megatron_core": "evil"},
    "weights": {"modules_to_save": ["proj_out"]},
    "layers": {"layer_replication": [[0, 4], [2, 6]]},
    "bias": {"bias": "all"},
    "parameters": {"target_parameters": ["weight"]},
    "kind": {"peft_type": "IA3"},
    "unknown": {"rnak": 4},
}


@pytest.fixture(scope="module")
def pipe():
    return make("WanPipeline")


@pytest.fixture(scope="module")
def lora(pipe, tmp_path_factory):
    return write_lora(pipe, tmp_path_factory.mktemp("loras") / "plain.safetensors")


def with_settings(lora, path, more, **tensors):
    values = {f"transformer.{name}": value for name, value in (USUAL | more).items()}
    text = {"format": "pt", "lora_adapter_metadata": json.dumps(values)}
    save_file(load_file(lora) | tensors, path, metadata=text)
    return path


@pytest.mark.parametrize("name", GOOD)
def test_settings_that_are_understood_are_loaded(pipe, lora, tmp_path, name):
    path = with_settings(lora, tmp_path / "bee.safetensors", GOOD[name])
    assert settings_problem(path) is None
    model = bc.wrap(pipe, name="tiny")
    size = {k: v for k, v in SHAPES["WanPipeline"].items() if k != "num_inference_steps"}
    shot = bc.shot("a bee", lora=str(path), num_inference_steps=1, **size)
    assert not list(model.check(model.resolve(shot)))


@pytest.mark.parametrize("name", BAD)
def test_other_settings_are_named_before_weights_are_loaded(pipe, lora, tmp_path, name):
    path = with_settings(lora, tmp_path / f"{name}.safetensors", BAD[name])
    model = bc.wrap(pipe, name="tiny")
    before = sum(value.numel() for value in pipe.transformer.state_dict().values())
    shot = bc.shot("a bee", lora=str(path), num_inference_steps=1)
    (problem,) = model.check(model.resolve(shot))
    assert any(f"transformer.{setting}" in str(problem) for setting in BAD[name])
    assert sum(value.numel() for value in pipe.transformer.state_dict().values()) == before


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_scale_among_the_weights_is_a_finite_number(lora, tmp_path, value, kind):
    alpha = {"transformer.blocks.0.attn1.to_q.alpha": torch.tensor(value, dtype=kind)}
    path = with_settings(lora, tmp_path / "bee.safetensors", {}, **alpha)
    assert "to_q.alpha' is not a finite number" in settings_problem(path)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, '"r"', '{"transformer.r": [' + "["])
def test_damaged_settings_are_named(lora, tmp_path, text):
    path = tmp_path / "bee.safetensors"
    save_file(load_file(lora), path, metadata={"lora_adapter_metadata": text})
    assert "lora_adapter_metadata is damaged" in settings_problem(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(values=st.dictionaries(st.sampled_from([*USUAL, "use_dora", "bias", "x"]), JSON))
def test_any_settings_are_either_understood_or_named(lora, tmp_path_factory, values):
    path = with_settings(lora, tmp_path_factory.mktemp("any") / "bee.safetensors", values)
    found = settings_problem(path)
    assert found is None or found.endswith(".")


def test_a_lora_of_more_tensors_than_any_network_has_is_refused(tmp_path):
    path = tmp_path / "many.safetensors"
    save_file({f"transformer.x{i}.alpha": torch.ones(1) for i in range(20_001)}, path)
    assert "20,001 tensors" in settings_problem(path)
