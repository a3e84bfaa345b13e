"""LoRAs: read by content, as an axis, on pollen and on tiny pipelines, and those that don't fit."""

import hashlib

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

import beecam as bc
from beecam.shots.loras import Adapter
from helpers import frames
from tiny import make


def write(pipe, path, seed=0, strength=0.3):
    """A LoRA with random weights, as diffusers' own training scripts write it."""
    network = type(pipe.transformer).from_config(pipe.transformer.config)
    network.add_adapter(
        LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_v"], init_lora_weights=False)
    )
    state = get_peft_model_state_dict(network)
    g = torch.Generator().manual_seed(seed)
    state = {k: torch.randn(v.shape, generator=g) * strength for k, v in state.items()}
    type(pipe).save_lora_weights(path.parent, transformer_lora_layers=state, weight_name=path.name)
    return path


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.fixture(scope="module")
def files(pollen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loras")
    return [write(pollen.pipe, folder / f"{n}.safetensors", i) for i, n in enumerate("ab")]


def made(model, **more):
    shot = bc.shot("a bee over a meadow", **{"num_inference_steps": 6, **more})
    return frames(model, [model.resolve(shot)])[0]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.slow
def test_a_lora_changes_a_clip_and_is_gone_afterwards(pollen, files):
    before, revision = made(pollen), pollen.revision
    with_a = made(pollen, lora=files[0])
    assert not np.array_equal(with_a, before)
    assert not np.array_equal(made(pollen, lora=files[1]), with_a)
    assert np.array_equal(made(pollen, lora=(files[0], 0.0)), before)
    assert np.array_equal(made(pollen), before)
    pollen.refresh()
    assert pollen.revision == revision, "a shot's LoRAs are not part of the model's weights"


@pytest.mark.slow
def test_weights_scale_it_and_two_can_be_had_at_once(pollen, files):
    before, whole = made(pollen), made(pollen, lora=files[0])
    third = made(pollen, lora=(files[0], 0.3))
    near, far = (np.abs(one.astype(int) - before).mean() for one in (third, whole))
    assert 0 < near < far
    assert np.array_equal(made(pollen, lora=files[0], lora_weight=0.3), third)
    both = made(pollen, lora=(files[0], files[1]))
    assert not np.array_equal(both, whole)
    assert np.array_equal(made(pollen, lora=(files[1], files[0])), both), "their order is nothing"


@pytest.mark.slow
def test_an_axis_of_loras_with_weights(pollen, files, library):
    sweep = bc.sweep("a bee", lora=[None, *files], lora_weight=[0.5, 1.0], num_inference_steps=4)
    with pytest.raises(bc.CheckError, match="are the same shot"):
        sweep.check(pollen)  # none with 0.5 is none with 1.0
    sweep = bc.sweep(
        "a bee", lora=[None, *files, (files[0], 0.5)], seed=[1, 2], num_inference_steps=4
    )
    assert sweep.axes[0].labels == ("None", "a", "b", "a 0.5")
    run = bc.run(sweep, pollen, library=library).wait()
    assert not run.errors
    assert len({clip.facts["digest"] for clip in run.clips}) == 8
    clip = run.clips[2]
    assert clip.facts["loras"] == {clip.shot.adapters[0].digest: "a"}
    remade = library[clip.key].regenerate(pollen)
    assert digest(remade) == clip.facts["digest"]
    assert "lora=bc.lora('a.safetensors', 1.0)" in clip.shot.code()


def test_a_model_with_a_lora_shares_the_weights(pollen, files):
    pencil = pollen.with_lora(files[0], 0.5)
    assert pencil.pipe is pollen.pipe
    assert "with a 0.5" in repr(pencil)
    assert np.array_equal(made(pencil), made(pollen, lora=(files[0], 0.5)))
    assert np.array_equal(made(pencil, lora=None), made(pollen))
    two = pencil.with_lora(files[1])
    assert len(two.resolve(bc.shot("a bee")).adapters) == 2


@pytest.mark.slow
def test_concurrent_batches_do_not_mix_their_loras(pollen, files, library):
    """Workers share the networks, on which only one set can be switched on."""
    sweep = bc.sweep("a bee", seed=range(4), lora=[None, *files], num_inference_steps=4)
    first = bc.run(sweep, pollen, library=library)
    other = bc.run(
        bc.sweep("a moth", seed=range(4), lora=[files[1], None], num_inference_steps=4),
        pollen,
        library=library,
    )
    for run in (first.wait(), other.wait()):
        assert not run.errors
        for clip in run.clips:
            assert digest(clip.regenerate(pollen)) == clip.facts["digest"]


def test_what_is_no_lora_for_this_model_is_said_before_any_compute(pollen, tmp_path, files):
    wan = make("WanPipeline")
    foreign = write(wan, tmp_path / "wan.safetensors")
    with pytest.raises(bc.CheckError, match="trained for another family"):
        bc.sweep("a bee", lora=foreign).check(pollen)
    large = make("LTXPipeline")
    with pytest.raises(bc.CheckError, match="another size of this one"):
        bc.sweep("a bee", lora=files[0]).check(bc.wrap(large, name="tiny-ltx"))
    with pytest.raises(bc.CheckError, match="LattePipeline takes no LoRA"):
        bc.sweep("a bee", lora=files[0]).check(bc.wrap(make("LattePipeline")))
    with pytest.raises(bc.ModelError, match="trained for another family"):
        pollen.with_lora(foreign)
    assert made(pollen).shape, "the model stays usable"


def test_files_that_are_none_are_named(tmp_path, files):
    (tmp_path / "a.bin").write_bytes(b"pickle")
    text = str(bc.sweep("a bee", lora=[str(files[0])[:-1], tmp_path / "a.bin", 3]).problems)
    assert "Did you mean" in text
    with pytest.raises(bc.CheckError, match="only safetensors are loaded"):
        bc.shot("a bee", lora=tmp_path / "a.bin")
    with pytest.raises(bc.CheckError, match="lora_weight='strong': a finite number"):
        bc.shot("a bee", lora=files[0], lora_weight="strong")
    with pytest.raises(bc.BeecamError, match="isn't known in this kernel"):
        _ = Adapter("0" * 32).path


def test_the_owners_own_lora_is_not_switched_off(files):
    pipe = make("WanPipeline")
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q"]), "mine")
    model = bc.wrap(pipe, name="wan")
    with pytest.raises(bc.CheckError, match=r"LoRAs of its own switched on \(mine\)"):
        bc.sweep("a bee", lora=files[0]).check(model)
    assert pipe.get_active_adapters() == ["mine"]


def test_the_same_file_elsewhere_is_the_same_lora(files, tmp_path):
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(files[0].read_bytes())
    assert bc.lora(copied) == bc.lora(files[0])
    changed = tmp_path / "changed.safetensors"
    save_file({"a": torch.zeros(1)}, changed)
    assert bc.lora(changed).digest != bc.lora(files[0]).digest


def test_an_error_without_text_is_named_by_its_class(pollen, files, monkeypatch):
    def fails(*_args, **_kwargs):
        raise KeyError

    monkeypatch.setattr(pollen.pipe, "load_lora_weights", fails)
    adapter = bc.lora(files[0], 1.0)
    monkeypatch.setattr(pollen._resources.loras, "_loaded", {})
    assert "another size of this one (KeyError)" in pollen._resources.loras.check((adapter,))
