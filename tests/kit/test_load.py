"""Loading: what is there is loaded, and what can't be says why."""

import json
import shutil

import pytest
import torch

import beecam as bc
from beecam.errors import ModelError
from helpers import frames


@pytest.fixture(scope="module")
def saved(tmp_path_factory, wan_pipe):
    folder = tmp_path_factory.mktemp("models") / "tiny-wan"
    wan_pipe.save_pretrained(folder)
    (folder / "README.md").write_text("---\ntags: [video]\nlicense: apache-2.0\n---\n# tiny\n")
    return folder


SMALL = {"width": 32, "height": 32, "num_frames": 5, "num_inference_steps": 2}


def test_a_folder_is_loaded_and_makes_what_its_pipeline_makes(saved, wan_pipe, capsys):
    model = bc.load(saved)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "WanPipeline" in said
    assert "on cpu in float32" in said
    assert model.name == "tiny-wan"
    assert model.licence == "apache-2.0"
    shot = bc.shot("a bee", **SMALL)
    other = bc.wrap(wan_pipe, name="other")
    (one,), (two,) = (frames(m, [m.resolve(shot)]) for m in (model, other))
    assert (one == two).all()
    assert bc.load(str(saved), batch_size=3).batch_size(model.resolve(shot)) == 3


def test_a_number_type_can_be_chosen(saved):
    model = bc.load(saved, dtype="bfloat16", device="cpu")
    assert model.pipe.transformer.dtype == torch.bfloat16
    assert model.revision != bc.load(saved).revision


def test_the_licence_is_kept_with_each_clip(saved, library):
    clip = bc.run(bc.shot("a bee", **SMALL), bc.load(saved), library=library).wait().clips[0]
    assert clip.facts["licence"] == "apache-2.0"


@pytest.mark.parametrize(("arguments", "said"), [
    ({"dtype": "float61"}, r"dtype='float61': one of float32, bfloat16 and float16.*float16"),
    ({"offload": "modell"}, r"offload='modell': one of none, model and sequential.*model"),
])  # fmt: skip
def test_a_choice_that_is_none_is_named_with_the_nearest(saved, arguments, said):
    with pytest.raises(ModelError, match=said):
        bc.load(saved, **arguments)


def test_a_repository_that_can_not_be_reached_says_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"load\('nobody/nothing'\): it isn't on this machine"):
        bc.load("nobody/nothing")


@pytest.mark.parametrize(("error", "said"), [
    ("GatedRepoError", "only to those who have asked"),
    ("RepositoryNotFoundError", "no such repository"),
    ("RevisionNotFoundError", "no such revision"),
])  # fmt: skip
def test_what_a_hub_answers_is_said_plainly(monkeypatch, error, said):
    import huggingface_hub.errors
    from diffusers import DiffusionPipeline

    kind = getattr(huggingface_hub.errors, error)

    def refuses(*_args, **_kwargs):
        try:
            raise kind.__new__(kind, "no")
        except kind as cause:
            raise OSError("Cannot load model") from cause

    # No hub can be reached where tests run.
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", refuses)
    with pytest.raises(ModelError, match=said):
        bc.load("somebody/something")


def test_what_is_no_pipeline_says_what_is_missing(tmp_path, saved):
    with pytest.raises(ModelError, match=r"'pollen' ships inside.*Did you mean pollen"):
        bc.load("polen")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"which has a model_index\.json"):
        bc.load(tmp_path / "empty")
    shutil.copytree(saved, tmp_path / "outer" / "inner")
    with pytest.raises(ModelError, match="There is one in inner within it"):
        bc.load(tmp_path / "outer")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="a single file"):
        bc.load(tmp_path / "weights.safetensors")
    index = tmp_path / "outer" / "inner" / "model_index.json"
    kept = index.read_text()
    index.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        bc.load(index.parent)
    index.write_text(json.dumps({**json.loads(kept), "_class_name": "NoSuchPipeline"}))
    with pytest.raises(ModelError, match="can't be loaded as a pipeline"):
        bc.load(index.parent)


def test_pickled_weights_are_refused_before_they_are_read(tmp_path, saved):
    folder = tmp_path / "pickled"
    shutil.copytree(saved, folder)
    (weights,) = (folder / "transformer").glob("*.safetensors")
    weights.rename(weights.with_name("diffusion_pytorch_model.bin"))
    with pytest.raises(
        ModelError, match=r"transformer has its weights as a pickle.*Only safetensors"
    ):
        bc.load(folder)
