"""Only whole safetensors are loaded, by every route: folders, shards, single files and LoRAs."""

import contextlib
import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import beecam as bc
from beecam.errors import ModelError
from beecam.models.weights.safe_files import folder_problems
from tiny.loras import write_lora

RAN = []


class Bomb:
    """An object whose pickle calls a function when it is opened."""

    def __reduce__(self):
        return RAN.append, (1,)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, wan_pipe):
    folder = tmp_path_factory.mktemp("models") / "tiny-wan"
    wan_pipe.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def weights_of(folder, part):
    (path,) = (folder / part).glob("*.safetensors")
    return path


def shard(folder, part, name, content=None):
    """Turn a component's weights into a list of shards, with one shard of this name."""
    weights = weights_of(folder, part)
    index = weights.with_name(f"{weights.name}.index.json")
    tensors = load_file(weights)
    target = Path(folder, part, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        weights.rename(target)
    else:
        weights.unlink()
        target.write_bytes(content)
    index.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(tensors, name)}))


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


PARTS = ("transformer", "text_encoder", "vae")


@pytest.mark.parametrize("part", PARTS)
def test_shards_of_safetensors_are_loaded(folder, part):
    shard(folder, part, "model-00001-of-00001.safetensors")
    assert not list(folder_problems(folder))
    assert bc.load(folder).pipe.components[part] is not None


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "name",
    [
        "model.bin",
        "model.safetensors.bin",
        "model.pt",
        "../other.safetensors",
        "../../other.bin",
        "sub/model.safetensors",
        "sub\\model.safetensors",
    ],
)
def test_no_list_of_shards_names_another_kind_of_file_or_another_folder(folder, part, name):
    safe = name.endswith(".safetensors")
    shard(folder, part, name, None if safe else pickle.dumps(Bomb()))
    with pytest.raises(bc.ModelError, match=r"[oO]nly safetensors (of its own folder )?are loaded"):
        bc.load(folder)
    assert not RAN


def test_a_list_of_shards_names_no_file_by_its_whole_path(folder, tmp_path):
    shard(folder, "text_encoder", str(tmp_path / "elsewhere.safetensors"))
    with pytest.raises(bc.ModelError, match=r"only safetensors of its own folder"):
        bc.load(folder)


@pytest.mark.parametrize("other", ["adapter_model.bin", "../vae/x.safetensors", 3])
def test_no_configuration_names_other_weights(folder, other):
    (folder / "text_encoder" / "adapter_model.bin").write_bytes(pickle.dumps(Bomb()))
    change(folder / "text_encoder" / "config.json", transformers_weights=other)
    with pytest.raises(bc.ModelError, match="as its weights"):
        bc.load(folder)
    assert not RAN


@pytest.mark.parametrize("kind", ["DiffusionPipeline", "WanPipeline"])
@pytest.mark.parametrize("depth", ["transformer", "transformer/more", "transformer_1"])
def test_no_component_is_a_pipeline_of_its_own(folder, saved, kind, depth):
    change(folder / "model_index.json", transformer=["diffusers", kind])
    if depth == "transformer":
        shutil.rmtree(folder / depth)
    shutil.copytree(saved, folder / depth)
    weights_of(folder / depth, "vae").unlink()
    (folder / depth / "vae" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match=rf"{depth} is a pipeline of its own"):
        bc.load(folder)
    assert not RAN


@pytest.mark.parametrize("depth", ["", "more", "more/still"])
def test_pickles_and_lists_are_found_in_every_folder_of_a_component(folder, depth):
    place = folder / "transformer" / depth
    place.mkdir(parents=True, exist_ok=True)
    (place / "x.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "x.bin"}}))
    with pytest.raises(ModelError, match=r"only safetensors of its own folder"):
        bc.load(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"attn_implementation": "someone/kernel"},
        {"_attn_implementation": "someone/kernel@main:forward"},
        {"text_config": {"attn_implementation": {"text": "someone/kernel"}}},
        {"layers": [{"_attn_implementation_internal": "paged|someone/kernel"}]},
    ],
)
@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_no_configuration_takes_its_attention_from_a_hub(folder, part, values):
    change(folder / part / "config.json", attn_implementation="sdpa")
    assert not list(folder_problems(folder))
    change(folder / part / "config.json", **values)
    with pytest.raises(ModelError, match=r"takes its attention from .*someone/kernel"):
        bc.load(folder)


@pytest.mark.parametrize(
    "name",
    [
        "model_index.json",
        "transformer/config.json",
        "tokenizer/tokenizer.json",
        "vae/x.safetensors",
    ],
)
def test_a_pipe_in_a_pipelines_folder_hangs_nothing(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match=r"regular file|not the folder of a pipeline"):
        bc.load(folder)


@pytest.mark.parametrize("name", ["model_index.json", "transformer/config.json"])
def test_json_that_is_too_large_is_refused_unread(folder, name):
    os.truncate(folder / name, 2**40)  # takes no room on the disk
    with pytest.raises(ModelError, match="more than 50,000,000 bytes"):
        bc.load(folder)


def test_no_component_names_another_model(folder, tmp_path):
    (folder / "text_encoder" / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(tmp_path), "peft_type": "LORA"})
    )
    with pytest.raises(bc.ModelError, match=r"adapter_config\.json names another model"):
        bc.load(folder)


@pytest.mark.parametrize(
    "entry",
    [
        {"transformer": ["evil", "Model"]},
        {"transformer": ["os", "system"]},
        {"transformer": ["torch", "load"]},
        {"transformer": ["transformer", "Model"]},
        {"transformer": [["diffusers"], "Model"]},
        {"transformer": ["diffusers"]},
        {"../vae": ["diffusers", "AutoencoderKLWan"]},
        {"_class_name": ["evil", "Pipeline"]},
    ],
)
def test_an_index_takes_classes_from_diffusers_and_transformers_only(folder, entry, monkeypatch):
    code = "import test_safe_files; raise SystemExit('code of the folder ran')"
    for path in (folder / "evil.py", folder / "transformer" / "evil.py"):
        path.write_text(code)
    (folder / "transformer" / "transformer.py").write_text(code)
    monkeypatch.syspath_prepend(str(folder))
    change(folder / "model_index.json", **entry)
    with pytest.raises(bc.ModelError, match=r"model_index\.json"):
        bc.load(folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
JSON_FILES = (
    "model_index.json",
    "transformer/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "transformer/diffusion_pytorch_model.safetensors.index.json",
)


@given(
    name=st.sampled_from(JSON_FILES),
    content=json_values.map(json.dumps)
    | json_values.map(lambda value: json.dumps({"weight_map": value, "transformer": value}))
    | st.sampled_from(["", "{", "[" * 100_000, "\ud800".encode("utf-8", "replace").decode()]),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_a_damaged_file_of_json_is_reported_in_a_sentence(saved, tmp_path_factory, name, content):
    folder = shutil.copytree(saved, tmp_path_factory.mktemp("m") / "copy")
    (folder / name).write_text(content)
    # Any other error would fail; some of these files are not needed, or are valid.
    with contextlib.suppress(bc.ModelError):
        bc.load(folder)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("length", [0, 4, 200, -1])
def test_damaged_weights_are_reported_with_their_file(folder, part, length):
    path = weights_of(folder, part)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(bc.ModelError, match=rf"{part}/{path.name}: the file is not a safetensors"):
        bc.load(folder)


def test_a_download_is_checked_as_a_folder_is(folder, monkeypatch):
    shard(folder, "text_encoder", "model.bin", pickle.dumps(Bomb()))
    monkeypatch.setattr("diffusers.DiffusionPipeline.download", lambda *_, **__: str(folder))
    with pytest.raises(bc.ModelError, match="safetensors"):
        bc.load("bees/tiny-wan")
    assert not RAN


@pytest.mark.parametrize("content", [b"", pickle.dumps(Bomb()), b"\xff" * 64, b"PK\x03\x04" * 9])
def test_a_pickle_with_the_suffix_of_safetensors_is_not_loaded(saved, tmp_path, content, wan):
    path = tmp_path / "bee.safetensors"
    path.write_bytes(content)
    with pytest.raises(bc.ModelError, match="not a safetensors file, or is damaged"):
        bc.load(path, base=str(saved))
    with pytest.raises(bc.CheckError, match="not a safetensors file, or is damaged"):
        wan.with_lora(path)
    with pytest.raises(bc.CheckError, match="not a safetensors file, or is damaged"):
        bc.sweep("a bee", lora=path).check(wan)
    assert not RAN


def test_a_lora_is_never_replaced_by_a_pickle_beside_it(tmp_path, wan):
    path = write_lora(wan.pipe, tmp_path / "bee.safetensors", seed=99)  # loaded by no other test
    torch.save({"a": torch.zeros(1)}, tmp_path / "pytorch_lora_weights.bin")
    adapter = bc.lora(path)
    save_file({"a": torch.zeros(1)}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(bc.ModelError, match="is damaged"):
        wan.with_lora(adapter)
