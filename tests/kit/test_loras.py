"""LoRAs: identified by content, as an axis, on pollen and tiny pipelines; invalid files."""

import contextlib
import hashlib

import diffusers
import numpy as np
import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file

import beecam as bc
from beecam.models.weights.lora import LoraLoader
from beecam.shots.loras import Adapter, normalize_loras
from helpers import PATIENCE, generate_frames
from tiny import SHAPES, make
from tiny.loras import write_lora


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


@pytest.fixture(scope="module")
def files(pollen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loras")
    return [write_lora(pollen.pipe, folder / f"{n}.safetensors", i) for i, n in enumerate("ab")]


def generate(model, **more):
    shot = bc.shot("a bee over a meadow", **{"num_inference_steps": 6, **more})
    return generate_frames(model, [model.resolve(shot)])[0]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.slow
def test_a_lora_changes_only_clips_that_use_it(pollen, files):
    before, revision = generate(pollen), pollen.revision
    changed = generate(pollen, lora=files[0])
    assert not np.array_equal(changed, before)
    assert not np.array_equal(generate(pollen, lora=files[1]), changed)
    assert np.array_equal(generate(pollen, lora=(files[0], 0.0)), before)
    assert np.array_equal(generate(pollen), before)
    pollen.refresh()
    assert pollen.revision == revision, "a shot's LoRAs are not part of the model's weights"


@pytest.mark.slow
def test_weights_scale_a_lora_and_two_can_be_combined(pollen, files):
    before, full = generate(pollen), generate(pollen, lora=files[0])
    weak = generate(pollen, lora=(files[0], 0.3))
    near, far = (np.abs(clip_frames.astype(int) - before).mean() for clip_frames in (weak, full))
    assert 0 < near < far
    assert np.array_equal(generate(pollen, lora=files[0], lora_weight=0.3), weak)
    both = generate(pollen, lora=(files[0], files[1]))
    assert not np.array_equal(both, full)
    assert np.array_equal(generate(pollen, lora=(files[1], files[0])), both), (
        "their order doesn't matter"
    )


@pytest.mark.slow
def test_loras_with_weights_are_an_axis(pollen, files, library):
    sweep = bc.sweep("a bee", lora=[None, *files], lora_weight=[0.5, 1.0], num_inference_steps=4)
    with pytest.raises(bc.CheckError, match="are the same shot"):
        sweep.check(pollen)  # without a LoRA its weight doesn't matter
    sweep = bc.sweep(
        "a bee", lora=[None, *files, (files[0], 0.5)], seed=[1, 2], num_inference_steps=4
    )
    assert sweep.axes[0].labels == ("None", "a", "b", "a 0.5")
    run = bc.run(sweep, pollen, library=library).wait()
    assert not run.errors
    assert len({clip.facts["digest"] for clip in run.clips}) == 8
    clip = run.clips[2]
    assert clip.facts["loras"] == {clip.shot.adapters[0].digest: "a"}
    regenerated = library[clip.key].regenerate(pollen)
    assert digest(regenerated) == clip.facts["digest"]
    assert "lora=bc.lora('a.safetensors', 1.0)" in clip.shot.code()


@pytest.mark.slow
def test_a_model_with_a_lora_shares_the_pipeline(pollen, files):
    styled = pollen.with_lora(files[0], 0.5)
    assert styled.pipe is pollen.pipe
    assert "with a 0.5" in repr(styled)
    assert np.array_equal(generate(styled), generate(pollen, lora=(files[0], 0.5)))
    assert np.array_equal(generate(styled, lora=None), generate(pollen))
    two = styled.with_lora(files[1])
    assert len(two.resolve(bc.shot("a bee")).adapters) == 2


@pytest.mark.slow
def test_concurrent_batches_do_not_mix_their_loras(pollen, files, library):
    """Workers share the networks, and only one set of LoRAs can be active on them."""
    sweep = bc.sweep("a bee", seed=range(3), lora=[None, *files], num_inference_steps=2)
    first = bc.run(sweep, pollen, library=library)
    other = bc.run(
        bc.sweep("a moth", seed=range(3), lora=[files[1], None], num_inference_steps=2),
        pollen,
        library=library,
    )
    for run in (first.wait(), other.wait()):
        assert not run.errors
        for clip in run.clips:
            assert digest(clip.regenerate(pollen)) == clip.facts["digest"]


def test_pipelines_that_share_networks_do_not_mix_their_loras(tmp_path):
    pipe = make("WanPipeline")
    lora = write_lora(pipe, tmp_path / "shot.safetensors")
    # As users of diffusers build one pipeline from another; only the text encoder differs.
    parts = {**pipe.components, "text_encoder": make("WanPipeline").text_encoder}
    with_lora = bc.wrap(pipe, name="one", batch_size=1)
    plain = bc.wrap(diffusers.WanPipeline(**parts), name="other", batch_size=1)
    with_lora._workers.widen(2, threads=1)  # on any number of cores
    shape = {**SHAPES["WanPipeline"], "num_inference_steps": 4}
    sweeps = [(with_lora, {"lora": lora}), (plain, {})]

    def start(name):
        for number, (model, more) in enumerate(sweeps):
            library = bc.library(tmp_path / f"{name}{number}")
            yield bc.run(bc.sweep("a bee", seed=range(5), **shape, **more), model, library=library)

    alone = [run.wait(PATIENCE) for run in start("alone")]
    assert alone[0].clips[0].facts["digest"] != alone[1].clips[0].facts["digest"]
    together = [run.wait(PATIENCE) for run in list(start("together"))]
    for before, run in zip(alone, together, strict=True):
        assert not run.errors
        for one, clip in zip(before.clips, run.clips, strict=True):
            assert (one.key, one.facts["digest"]) == (clip.key, clip.facts["digest"])


def test_an_interrupt_while_loras_are_switched_on_leaves_none_of_them(tmp_path, monkeypatch):
    pipe = make("WanPipeline")
    (lora,) = normalize_loras(write_lora(pipe, tmp_path / "shot.safetensors"))
    loader, switch_on = LoraLoader(pipe), pipe.set_adapters

    def interrupted(*arguments):
        switch_on(*arguments)
        raise KeyboardInterrupt

    before = _weights_in_use(pipe)
    with monkeypatch.context() as patch:
        patch.setattr(pipe, "set_adapters", interrupted)
        with pytest.raises(KeyboardInterrupt), loader.used((lora,)):
            pass
    with loader.used(()):
        assert _weights_in_use(pipe) == before
    with loader.used((lora,)):
        assert _weights_in_use(pipe) != before


def _weights_in_use(pipe):
    """Return which LoRAs change the network's layers."""
    return {
        name
        for layer in pipe.transformer.modules()
        if hasattr(layer, "active_adapters") and not layer.disable_adapters
        for name in layer.active_adapters
    }


@pytest.mark.slow
def test_loras_of_other_models_are_reported_before_any_compute(pollen, tmp_path, files):
    wan = make("WanPipeline")
    foreign = write_lora(wan, tmp_path / "wan.safetensors")
    with pytest.raises(bc.CheckError, match="trained for another family"):
        bc.sweep("a bee", lora=foreign).check(pollen)
    large = make("LTXPipeline")
    with pytest.raises(bc.CheckError, match="another size of this one"):
        bc.sweep("a bee", lora=files[0]).check(bc.wrap(large, name="tiny-ltx"))
    with pytest.raises(bc.CheckError, match="LattePipeline takes no LoRA"):
        bc.sweep("a bee", lora=files[0]).check(bc.wrap(make("LattePipeline")))
    with pytest.raises(bc.ModelError, match="trained for another family"):
        pollen.with_lora(foreign)
    assert generate(pollen).shape, "the model stays usable"


def test_missing_and_invalid_files_are_reported(tmp_path, files):
    (tmp_path / "a.bin").write_bytes(b"pickle")
    text = str(bc.sweep("a bee", lora=[str(files[0])[:-1], tmp_path / "a.bin", 3]).problems)
    assert "Did you mean" in text
    assert text.count("lora=") == 3
    with pytest.raises(bc.CheckError, match="only safetensors are loaded"):
        bc.shot("a bee", lora=tmp_path / "a.bin")
    with pytest.raises(bc.CheckError, match="lora_weight='strong': a finite number"):
        bc.shot("a bee", lora=files[0], lora_weight="strong")
    with pytest.raises(bc.BeecamError, match="isn't known in this kernel"):
        _ = Adapter("0" * 32).path


def test_a_lora_of_the_pipelines_owner_is_left_active(files):
    pipe = make("WanPipeline")
    pipe.transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q"]), "mine")
    model = bc.wrap(pipe, name="wan")
    with pytest.raises(bc.CheckError, match=r"LoRAs of its own switched on \(mine\)"):
        bc.sweep("a bee", lora=files[0]).check(model)
    assert pipe.get_active_adapters() == ["mine"]


def test_a_copied_file_is_the_same_lora(files, tmp_path):
    copied = tmp_path / "copy.safetensors"
    copied.write_bytes(files[0].read_bytes())
    assert bc.lora(copied) == bc.lora(files[0])
    changed = tmp_path / "changed.safetensors"
    save_file({"a.lora_A.weight": torch.zeros(1)}, changed)
    assert bc.lora(changed).digest != bc.lora(files[0]).digest


def test_an_error_without_text_is_named_by_its_class(pollen, files, monkeypatch):
    def fails(*_args, **_kwargs):
        raise KeyError

    monkeypatch.setattr(pollen.pipe, "load_lora_weights", fails)
    adapter = bc.lora(files[0], 1.0)
    monkeypatch.setattr(pollen._resources.loras, "_loaded", {})
    assert "can't be loaded into LTXPipeline (KeyError)" in pollen._resources.loras.check(
        (adapter,)
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a safetensors file, or is damaged"),
        (b"PK\x03\x04" + b"0" * 60, "not a safetensors file, or is damaged"),
        (b"\x02" + b"\0" * 7 + b"{}", "it holds no weights"),
    ],
)
def test_a_file_is_refused_for_its_true_reason(tmp_path, content, reason):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(bc.CheckError, match=reason):
        bc.lora(path)
    save_file({"blocks.0.weight": torch.zeros(1)}, path)
    with pytest.raises(bc.CheckError, match="it holds no LoRA but other weights, such as 'blocks"):
        bc.lora(path)
    path.rename(tmp_path / "b.SAFETENSORS")
    with pytest.raises(bc.CheckError, match="other weights"):
        bc.lora(tmp_path / "b.SAFETENSORS")


@pytest.mark.parametrize(("foreign", "told"), [(7, "problem"), (1, "note"), (0, "nothing")])
def test_a_lora_that_fits_in_part_is_refused_or_noted(tmp_path, foreign, told):
    """Of its layers some are in blocks that the pipeline doesn't have."""
    pipe = make("LTXPipeline")
    path = write_lora(pipe, tmp_path / "part.safetensors")
    state = load_file(path)
    layers = {name: value for name, value in state.items() if "transformer_blocks.0." in name}
    for i in range(foreign):
        for name, value in layers.items():
            layer = name.replace("transformer_blocks.0.", f"transformer_blocks.{50 + i}.")
            state[layer] = value.clone()
    save_file(state, path)
    model = bc.wrap(pipe, name="tiny")
    sweep = bc.sweep("a bee", lora=path, width=32, height=32, num_frames=9)
    if told == "problem":
        with pytest.raises(bc.CheckError, match=r"of its .* layers .* exist there"):
            sweep.check(model)
        assert not pipe.get_list_adapters()
        return
    notes = [note for note in sweep.check(model) if note.argument == "lora"]
    assert [("have no effect" in note.message) for note in notes] == [True] * (told == "note")


# --- LoRAs of the pipeline's owner between two runs -----------------------------------------------


def _own(pipe, folder):
    path = write_lora(pipe, folder / "own.safetensors", 5)
    pipe.load_lora_weights(str(path.parent), weight_name=path.name, adapter_name="own")


def _own_off(pipe, folder):
    _own(pipe, folder)
    pipe.disable_lora()


def _own_weighted(pipe, folder):
    _own(pipe, folder)
    pipe.set_adapters(["own"], [0.5])


def _own_fused(pipe, folder):
    _own(pipe, folder)
    pipe.fuse_lora(components=["transformer"])


def _own_fused_and_unloaded(pipe, folder):
    _own_fused(pipe, folder)
    pipe.unload_lora_weights()


def _enabled(pipe, _folder):
    # Without any LoRA there is nothing to enable.
    with contextlib.suppress(ValueError):
        pipe.enable_lora()


STEPS = (
    _own,
    _own_off,
    _own_weighted,
    _own_fused,
    _own_fused_and_unloaded,
    _enabled,
    lambda pipe, _folder: pipe.unload_lora_weights(),
)


def _plain(pipe):
    return pipe(
        "a bee",
        generator=torch.Generator().manual_seed(1),
        output_type="np",
        **SHAPES["WanPipeline"],
    ).frames


@pytest.mark.parametrize("step", STEPS)
def test_loras_of_shots_leave_no_trace_for_the_owner(step, tmp_path):
    pipe, fresh = make("WanPipeline"), make("WanPipeline")
    lora = bc.lora(write_lora(pipe, tmp_path / "shot.safetensors"))
    model = bc.wrap(pipe, name="tiny")
    plain = generate(model, **SHAPES["WanPipeline"])
    drawn = generate(model, lora=lora, **SHAPES["WanPipeline"])
    assert not np.array_equal(drawn, plain)
    for one in (pipe, fresh):
        step(one, tmp_path)
    assert np.array_equal(_plain(pipe), _plain(fresh))
    model.refresh()
    other = bc.wrap(fresh, name="tiny")
    assert model.revision == other.revision
    found = generate(model, **SHAPES["WanPipeline"])
    assert np.array_equal(found, generate(other, **SHAPES["WanPipeline"]))
    if np.array_equal(found, plain):  # what the owner has unloaded is loaded again
        assert np.array_equal(generate(model, lora=lora, **SHAPES["WanPipeline"]), drawn)
    else:
        assert model.revision != bc.wrap(make("WanPipeline"), name="tiny").revision


def test_a_lora_is_loaded_into_a_network_that_was_exchanged(tmp_path):
    pipe = make("WanPipeline")
    lora = bc.lora(write_lora(pipe, tmp_path / "shot.safetensors"))
    model = bc.wrap(pipe, name="tiny")
    drawn = generate(model, lora=lora, **SHAPES["WanPipeline"])
    pipe.transformer = make("WanPipeline").transformer
    model.refresh()
    assert np.array_equal(generate(model, lora=lora, **SHAPES["WanPipeline"]), drawn)


@pytest.mark.parametrize("off", ["disabled", "deleted"])
def test_a_lora_that_is_switched_off_is_no_part_of_the_revision(off, tmp_path):
    pipe = make("WanPipeline")
    model = bc.wrap(pipe, name="tiny")
    plain = model.revision
    _own(pipe, tmp_path)
    model.refresh()
    assert model.revision != plain
    if off == "deleted":
        pipe.delete_adapters(["own"])
    else:
        pipe.disable_lora()
    model.refresh()
    assert model.revision == plain
