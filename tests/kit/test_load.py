"""Loading: what is there is loaded, and what can't be says why."""

import json
import shutil

import pytest
import torch

import beecam as bc
from beecam.errors import CheckError, ModelError
from beecam.models.loading.messages import explain_load_errors
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
    assert model.license == "apache-2.0"
    shot = bc.shot("a bee", **SMALL)
    other = bc.wrap(wan_pipe, name="other")
    (one,), (two,) = (frames(m, [m.resolve(shot)]) for m in (model, other))
    assert (one == two).all()
    assert bc.load(str(saved), batch_size=3).batching.size(model.resolve(shot)) == 3


def test_a_repository_is_recorded_with_its_commit(saved, library, monkeypatch, tmp_path):
    commit = tmp_path / "snapshots" / "0a1b2c3d4e5f"
    shutil.copytree(saved, commit)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(commit))
    pipeline = bc.load(saved).pipe
    monkeypatch.setattr("diffusers.DiffusionPipeline.from_pretrained", lambda *_, **__: pipeline)
    model = bc.load("bees/tiny-wan")
    assert model.source == "bees/tiny-wan@0a1b2c3d4e5f"
    clip = bc.run(bc.shot("a bee", **SMALL), model, library=library).wait().clips[0]
    assert clip.facts["source"] == "bees/tiny-wan@0a1b2c3d4e5f"


def test_a_number_type_can_be_chosen(saved):
    model = bc.load(saved, dtype="bfloat16", device="cpu")
    assert model.pipe.transformer.dtype == torch.bfloat16
    assert model.revision != bc.load(saved).revision


def test_the_license_is_kept_with_each_clip(saved, library):
    clip = bc.run(bc.shot("a bee", **SMALL), bc.load(saved), library=library).wait().clips[0]
    assert clip.facts["license"] == "apache-2.0"
    assert clip.facts["source"] == "tiny-wan"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"dtype": "float61"}, r"dtype='float61': one of float32, bfloat16 and float16.*float16"),
        ({"offload": "modell"}, r"offload='modell': one of none, model and sequential.*model"),
    ],
)
def test_a_choice_that_is_none_is_named_with_the_nearest(saved, arguments, said):
    with pytest.raises(CheckError, match=said):
        bc.load(saved, **arguments)


def test_torchs_own_devices_and_dtypes_are_accepted(saved, capsys):
    import torch

    model = bc.load(saved, device=torch.device("cpu"), dtype=torch.bfloat16)
    assert model.pipe.transformer.dtype == torch.bfloat16
    assert "on cpu in bfloat16" in capsys.readouterr().out
    assert str(bc.load(device=torch.device("cpu"), dtype=torch.float32).pipe.device) == "cpu"


def test_a_repository_that_can_not_be_reached_says_so(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"load\('nobody/nothing'\): it isn't on this machine"):
        bc.load("nobody/nothing")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("GatedRepoError", "grants access on request"),
        ("RepositoryNotFoundError", "the repository does not exist"),
        ("RevisionNotFoundError", "no such revision"),
    ],
)
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


@pytest.mark.parametrize("error", [OSError(), ValueError("\n"), ImportError("one\ntwo")])
def test_an_error_of_any_text_is_explained(error):
    expected = pytest.raises(ModelError, match=r"as a pipeline: (OSError|ValueError|one)$")
    with expected, explain_load_errors("bees/model"):
        raise error


def test_a_pipeline_that_makes_images_is_not_loaded(saved, monkeypatch):
    monkeypatch.setattr(
        "beecam.models.loading.load.pipeline_problems",
        lambda pipe: [bc.Problem("pipe", "it makes images.")],
    )
    with pytest.raises(ModelError, match="it makes images"):
        bc.load(saved)


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
    with pytest.raises(ModelError, match="the family of this file is unknown"):
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


@pytest.fixture(scope="module")
def single(saved, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "my-wan.safetensors"
    shutil.copy(next((saved / "transformer").glob("*.safetensors")), path)
    return path


def test_a_single_file_is_loaded_with_the_rest_of_its_pipeline(single, saved, capsys):
    model = bc.load(single, base=str(saved))
    assert "my-wan.safetensors" in capsys.readouterr().out
    assert model.name == "my-wan"
    shot = bc.shot("a bee", **SMALL)
    whole = bc.load(saved)
    (one,), (two,) = (frames(m, [m.resolve(shot)]) for m in (model, whole))
    assert (one == two).all()
    assert model.revision == whole.revision, "the weights are the same"


def test_a_single_file_that_does_not_fit_says_so(single, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match=r"the family of this file is unknown.*base="):
        bc.load(single)  # too small for its shapes to tell
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(3)}, other)
    with pytest.raises(ModelError, match="doesn't fit the transformer of"):
        bc.load(other, base=str(saved))
    pickled = tmp_path / "model.ckpt"
    pickled.write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="only safetensors are loaded"):
        bc.load(pickled, base=str(saved))
    with pytest.raises(CheckError, match="only a single file needs it"):
        bc.load(saved, base=str(saved))
    with pytest.raises(ModelError, match=r"can't be reached|does not exist|isn't on this"):
        bc.load(single, base="nobody/nothing-at-all")


def test_weights_can_be_stored_in_half_the_memory(saved, capsys):
    model = bc.load(saved, quantize="float8")
    assert "weights stored in float8" in capsys.readouterr().out
    kinds = {p.dtype for p in model.pipe.transformer.parameters()}
    assert torch.float8_e4m3fn in kinds
    shot = bc.shot("a bee", **SMALL)
    plain = bc.load(saved)
    assert model.revision != plain.revision
    (one,), (two,) = (frames(m, [m.resolve(shot)]) for m in (model, plain))
    assert one.shape == two.shape
    assert abs(one.astype(int) - two).mean() < 40
    with pytest.raises(CheckError, match=r"quantize='int3': one of none and float8"):
        bc.load(saved, quantize="int3")


def test_too_little_memory_says_what_needs_less(saved, monkeypatch):
    from diffusers import WanPipeline

    places = []

    def full(self, device):
        places.append(device)
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr(WanPipeline, "to", full)
    with pytest.raises(ModelError, match=r"20 GiB.*offload=.model., quantize=.float8.") as said:
        bc.load(saved, device="cuda:0", offload="none")
    assert "Traceback" not in str(said.value)
    assert places == ["cuda:0", "cpu"]


def test_a_device_that_is_not_there_is_named(saved):
    if torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(ModelError, match="can't be moved to cuda"):
        bc.load(saved, device="cuda")
    with pytest.raises(CheckError, match="device='gpu': torch has no such device; one such as"):
        bc.load(saved, device="gpu")
