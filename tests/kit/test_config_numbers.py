"""The numbers in a model's folder are compared with its weights before anything is built."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import beecam as bc
from beecam.errors import ModelError
from beecam.models.weights import built_size
from beecam.models.weights.config_numbers import number_problems
from beecam.models.weights.safe_files import built_problems, folder_problems
from tiny import make

CONFIG, SCHEDULER, TOKENIZER = "config.json", "scheduler_config.json", "tokenizer_config.json"


@pytest.fixture(scope="module", params=["WanPipeline", "AnimateDiffPipeline"])
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    make(request.param).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def configs(folder):
    return [
        path for name in (CONFIG, SCHEDULER, TOKENIZER) for path in sorted(folder.glob(f"*/{name}"))
    ]


def test_usual_models_pass(saved):
    assert not list(folder_problems(saved))


def test_no_number_of_a_component_builds_more_than_its_weights_have(folder):
    changed = 0
    for path in configs(folder):
        values = json.loads(path.read_text())
        for name, value in values.items():
            if type(value) is not int:
                continue
            path.write_text(json.dumps(values | {name: 200_000_000}))
            (problem, *_) = folder_problems(folder)
            assert name in problem
            assert path.parent.name in problem
            changed += 1
        path.write_text(json.dumps(values))
    assert changed > 20
    assert not list(folder_problems(folder))


@pytest.mark.parametrize("name", ["num_layers", "num_hidden_layers", "layers_per_block", "depth"])
def test_layers_are_limited_by_the_tensors(folder, name):
    path = next(folder.glob(f"text_encoder/{CONFIG}"))
    values = json.loads(path.read_text())
    for inside in ({name: 5_000}, {"text_config": {name: [1, 5_000]}}):
        path.write_text(json.dumps(values | inside))
        with pytest.raises(ModelError, match=f"'{name}'; at most"):
            bc.load(folder)


# Numbers that are possible alone, and tables of half a gigabyte or more together.
TABLES = {
    "CogVideoXPipeline": [
        {"sample_width": 2000, "sample_height": 2000},
        {"max_text_seq_length": 9_000_000},
        {"sample_frames": 9_000_000},
    ],
    "WanPipeline": [{"rope_max_seq_len": 9_000_000, "attention_head_dim": 48}],
    "LattePipeline": [{"video_length": 9_000_000}, {"sample_size": 5000}],
    "MochiPipeline": [{"num_attention_heads": 8000, "attention_head_dim": 8000}],
}


@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_measured_before_they_are_built(kind, tmp_path):
    make(kind).save_pretrained(tmp_path)
    path = tmp_path / "transformer" / CONFIG
    values = json.loads(path.read_text())
    bc.load(tmp_path)
    for changes in TABLES[kind]:
        path.write_text(json.dumps(values | changes))
        largest = max(changes, key=changes.get)
        with pytest.raises(ModelError, match=rf"transformer/{CONFIG} describes .*{largest}="):
            bc.load(tmp_path)


def test_a_network_may_be_as_large_as_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(built_size, "_ANYWAY", 10_000)
    make("WanPipeline").save_pretrained(tmp_path)
    assert not list(built_problems(tmp_path))


def test_a_base_of_frequencies_and_no_limit_are_no_sizes():
    values = {"rope_theta": 500_000_000, "rope_local_base_freq": 100_000_000, "scale": 1e300}
    assert not list(number_problems(CONFIG, values, []))
    assert not list(number_problems(TOKENIZER, {"model_max_length": 10**30}, []))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )
)
def test_any_configuration_gets_sentences(value):
    assert all(isinstance(one, str) for one in number_problems(CONFIG, {"a": value}, []))
