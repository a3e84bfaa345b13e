"""Loading pipelines: folders, repositories, single files, and errors."""

import json
import shutil

import pytest
import torch

import beecam as bc
from beecam.errors import CheckError, ModelError
from beecam.models.loading.messages import explain_load_errors
from helpers import generate_frames


@pytest.fixture(scope="module")
def saved(tmp_path_factory, wan_pipe):
    folder = tmp_path_factory.mktemp("models") / "tiny-wan"
    wan_pipe.save_pretrained(folder)
    (folder / "README.md").write_text("---\ntags: [video]\nlicense: apache-2.0\n---\n# tiny\n")
    return folder


SMALL = {"width": 32, "height": 32, "num_frames": 5, "num_inference_steps": 2}


@pytest.mark.slow
def test_a_loaded_folder_generates_what_its_pipeline_generates(saved, wan_pipe, capsys):
    model = bc.load(saved)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert "WanPipeline" in printed
    assert "on cpu in float32" in printed
    assert model.name == "tiny-wan"
    assert model.license == "apache-2.0"
    shot = bc.shot("a bee", **SMALL)
    other = bc.wrap(wan_pipe, name="other")
    (one,), (two,) = (generate_frames(m, [m.resolve(shot)]) for m in (model, other))
    assert (one == two).all()
    assert bc.load(str(saved), batch_size=3).batching.size(model.resolve(shot)) == 3


def test_a_repository_is_recorded_with_its_commit(saved, library, monkeypatch, tmp_path):
    commit = tmp_path / "snapshots" / "0a1b2c3d4e5f"
    shutil.copytree(saved, commit)
    monkeypatch.setattr("diffusers.DiffusionPipeline.download", lambda *_, **__: str(commit))
    model = bc.load("bees/tiny-wan")
    assert model.source == "bees/tiny-wan@0a1b2c3d4e5f"
    clip = bc.run(bc.shot("a bee", **SMALL), model, library=library).wait().clips[0]
    assert clip.facts["source"] == "bees/tiny-wan@0a1b2c3d4e5f"


def test_the_dtype_can_be_chosen(saved):
    model = bc.load(saved, dtype="bfloat16", device="cpu")
    assert model.pipe.transformer.dtype == torch.bfloat16
    assert model.revision != bc.load(saved).revision


def test_the_license_is_stored_with_each_clip(saved, library):
    clip = bc.run(bc.shot("a bee", **SMALL), bc.load(saved), library=library).wait().clips[0]
    assert clip.facts["license"] == "apache-2.0"
    assert clip.facts["source"] == "tiny-wan"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dtype": "float61"}, r"dtype='float61': one of float32, bfloat16 and float16.*float16"),
        ({"offload": "modell"}, r"offload='modell': one of none, model and sequential.*model"),
    ],
)
def test_an_invalid_choice_gets_the_nearest_suggested(saved, arguments, message):
    with pytest.raises(CheckError, match=message):
        bc.load(saved, **arguments)


def test_torchs_own_devices_and_dtypes_are_accepted(saved, capsys):
    import torch

    model = bc.load(saved, device=torch.device("cpu"), dtype=torch.bfloat16)
    assert model.pipe.transformer.dtype == torch.bfloat16
    assert "on cpu in bfloat16" in capsys.readouterr().out
    assert str(bc.load(device=torch.device("cpu"), dtype=torch.float32).pipe.device) == "cpu"


def test_an_unreachable_repository_is_reported(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"load\('nobody/nothing'\): it isn't on this machine"):
        bc.load("nobody/nothing")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("GatedRepoError", "grants access on request"),
        ("RepositoryNotFoundError", "the repository does not exist"),
        ("RevisionNotFoundError", "no such revision"),
    ],
)
def test_errors_of_the_hub_are_explained(monkeypatch, error, message):
    import huggingface_hub.errors
    from diffusers import DiffusionPipeline

    error_class = getattr(huggingface_hub.errors, error)

    def fail(*_args, **_kwargs):
        try:
            raise error_class.__new__(error_class, "no")
        except error_class as cause:
            raise OSError("Cannot load model") from cause

    # Tests run without a network.
    monkeypatch.setattr(DiffusionPipeline, "download", fail)
    with pytest.raises(ModelError, match=message):
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


def test_names_and_files_without_a_pipeline_are_reported(tmp_path, saved):
    with pytest.raises(ModelError, match=r"'pollen' ships inside.*Did you mean pollen"):
        bc.load("polen")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"which has a model_index\.json"):
        bc.load(tmp_path / "empty")
    shutil.copytree(saved, tmp_path / "outer" / "inner")
    with pytest.raises(ModelError, match="There is one in inner within it"):
        bc.load(tmp_path / "outer")
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="not a safetensors file, or is damaged"):
        bc.load(tmp_path / "weights.safetensors")
    index = tmp_path / "outer" / "inner" / "model_index.json"
    original = index.read_text()
    index.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        bc.load(index.parent)
    index.write_text(json.dumps({**json.loads(original), "_class_name": "NoSuchPipeline"}))
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
def single_file(saved, tmp_path_factory):
    path = tmp_path_factory.mktemp("single") / "my-wan.safetensors"
    shutil.copy(next((saved / "transformer").glob("*.safetensors")), path)
    return path


def test_a_single_file_is_loaded_with_the_parts_of_a_base(single_file, saved, capsys):
    model = bc.load(single_file, base=str(saved))
    assert "my-wan.safetensors" in capsys.readouterr().out
    assert model.name == "my-wan"
    shot = bc.shot("a bee", **SMALL)
    original = bc.load(saved)
    (one,), (two,) = (generate_frames(m, [m.resolve(shot)]) for m in (model, original))
    assert (one == two).all()
    assert model.revision == original.revision, "the weights are the same"


def test_a_single_file_that_does_not_fit_is_reported(single_file, saved, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match=r"the family of this file is unknown.*base="):
        bc.load(single_file)  # its shapes are too small to recognize the family
    misfit = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(3)}, misfit)
    with pytest.raises(ModelError, match="doesn't fit the transformer of"):
        bc.load(misfit, base=str(saved))
    pickled = tmp_path / "model.ckpt"
    pickled.write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="only safetensors are loaded"):
        bc.load(pickled, base=str(saved))
    with pytest.raises(CheckError, match="only a single file needs it"):
        bc.load(saved, base=str(saved))
    with pytest.raises(ModelError, match=r"can't be reached|does not exist|isn't on this"):
        bc.load(single_file, base="nobody/nothing-at-all")


def test_weights_can_be_quantized(saved, capsys):
    model = bc.load(saved, quantize="float8")
    assert "weights stored in float8" in capsys.readouterr().out
    dtypes = {p.dtype for p in model.pipe.transformer.parameters()}
    assert torch.float8_e4m3fn in dtypes
    shot = bc.shot("a bee", **SMALL)
    original = bc.load(saved)
    assert model.revision != original.revision
    (one,), (two,) = (generate_frames(m, [m.resolve(shot)]) for m in (model, original))
    assert one.shape == two.shape
    assert abs(one.astype(int) - two).mean() < 40
    with pytest.raises(CheckError, match=r"quantize='int3': one of none and float8"):
        bc.load(saved, quantize="int3")


def test_out_of_memory_while_loading_suggests_alternatives(saved, monkeypatch):
    from diffusers import WanPipeline

    devices = []

    def move(self, device):
        devices.append(device)
        if device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.")

    monkeypatch.setattr(WanPipeline, "to", move)
    with pytest.raises(ModelError, match=r"20 GiB.*offload=.model., quantize=.float8.") as error:
        bc.load(saved, device="cuda:0", offload="none")
    assert "Traceback" not in str(error.value)
    assert devices == ["cuda:0", "cpu"]


def test_a_missing_device_is_reported(saved):
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(ModelError, match="can't be moved to cuda: torch finds no CUDA") as error:
        bc.load(saved, device="cuda")
    assert "offload" not in str(error.value)
    with pytest.raises(CheckError, match="device='gpu': torch has no such device; one such as"):
        bc.load(saved, device="gpu")
