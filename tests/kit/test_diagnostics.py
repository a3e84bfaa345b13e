"""The doctor's reports are right and fit a terminal."""

import importlib.metadata
import importlib.util
import platform

import numpy as np
import pytest

import beecam as bc
from beecam.diagnostics import machine as health
from beecam.diagnostics.report import Report
from beecam.errors import ModelError
from beecam.media import mp4
from beecam.models.batching import device as machine
from beecam.models.text import offload as preparing
from helpers import PATIENCE, error_message, use_size
from tiny import make


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("BEECAM_LIBRARY", str(tmp_path / "usual"))
    return tmp_path / "usual"


@pytest.fixture(scope="module")
def pollen():
    return bc.load()


def fits(report):
    text = str(report)
    assert max(map(len, text.splitlines())) <= 100
    assert text.isprintable() or "\t" not in text
    starts = {
        line.index(value.split()[0])
        for (name, value) in report.rows
        for line in text.splitlines()
        if line.startswith(f"{name}  ")
    }
    assert len(starts) == 1, "the values are aligned"


def test_its_repr_is_the_table(pollen):
    assert isinstance(bc.doctor(pollen), Report)
    assert repr(bc.doctor()).startswith("This machine and what is installed\n")


def test_the_report_on_pollen(pollen):
    report = bc.doctor(pollen)
    fits(report)
    assert report["revision"] == pollen.revision
    assert report["license"] == "Apache-2.0"
    assert report["device"].startswith("cpu, ")
    assert report["dtype"] == "float32"
    assert report["sizes"] == "width and height in multiples of 96 pixels; 96x96 by default"
    assert report["frames"] == "8k+1 (9, 17, 25, ...); 17 at 8 fps by default"
    assert "text to video" in report["tasks"]
    assert report["batch size"].startswith(
        f"{pollen.batching.size(pollen.resolve(bc.shot('')))} clips a batch (an estimate; long runs measure it"
    )
    assert report["seconds per clip"] == "not measured yet"
    assert f"torch {importlib.metadata.version('torch')}" in report["results differ by"]
    assert report.advice == ()
    assert str(report).endswith("Nothing to change.")
    # The sizes that it reports are valid.
    bc.sweep("a bee", width=96 * 2, num_frames=25).check(pollen)


def test_a_family_that_cannot_batch_has_a_reason():
    latte = bc.wrap(make("LattePipeline"), batch_size=3)
    report = bc.doctor(latte)
    fits(report)
    assert report["batch size"].startswith(
        "one clip a batch, because two clips in a batch of Latte"
    )
    assert report["license"] == "unknown; see its model card"
    assert any("batch_size=3 has no effect" in one for one in report.advice)


def test_an_unknown_pipeline_is_reported_as_untested(unknown_pipeline):
    report = bc.doctor(unknown_pipeline)
    assert "UnknownPipeline is not a pipeline that beecam knows to batch" in report["batch size"]
    assert any("is not tested" in one for one in report.advice)


@pytest.mark.slow
def test_measurements_are_reported(ltx, wrap_ltx, library, empty_home):
    bc.run(bc.sweep("a bee", seed=range(48)), ltx, library=library).wait(PATIENCE)
    assert "the best size measured so far" in bc.doctor(ltx)["batch size"]
    while ltx.batching.trial_size(shot := ltx.resolve(bc.shot("a bee")), 10_000) is not None:
        size = ltx.batching.trial_size(shot, 10_000)
        ltx.generate([shot.replace(noise=((i, 1.0),)) for i in range(size)])
    report = bc.doctor(ltx)
    assert "(measured here)" in report["batch size"]
    assert "measured here" in report["seconds per clip"]
    assert "measured here" in bc.doctor(wrap_ltx())["seconds per clip"], (
        "another kernel has the measurement, too"
    )
    assert "measured on clips in the library" in bc.doctor(ltx, library=library)["seconds per clip"]
    assert not empty_home.exists(), "a report creates no library"
    ltx.batching.limit(ltx.resolve(bc.shot("a bee")), 2)
    report = bc.doctor(ltx)
    assert report["batch size"].startswith("2 clips a batch")
    assert any("More than 2 clips a batch ran out of memory" in one for one in report.advice)


def test_arguments_and_enabled_options_are_reported(ltx, monkeypatch):
    use_size(ltx, 6)
    monkeypatch.setattr(ltx.pipe.vae, "use_tiling", True)
    report = bc.doctor(ltx)
    assert report["batch size"].startswith("6 clips a batch (set by batch_size=)")
    assert report["also enabled"] == "vae tiling"
    assert any("batch_size=6 fixes the batch size" in one for one in report.advice)


def test_advice_fits_the_machine(ltx, monkeypatch):
    assert bc.doctor(ltx).advice == ()
    monkeypatch.setattr(machine, "memory", lambda device: (10**9, 80 * 10**9))
    assert any("Only 1.0 GB of memory are free" in one for one in bc.doctor(ltx).advice)
    monkeypatch.setattr(preparing, "is_short", lambda pipe: True)
    assert any("text encoders leave the accelerator" in one for one in bc.doctor(ltx).advice)
    monkeypatch.setattr(machine, "offload", lambda pipe: "model")
    report = bc.doctor(ltx)
    assert any('offload="none"' in one for one in report.advice)
    assert "model offload" in report["also enabled"]
    monkeypatch.setattr("beecam.models.batching.report._SMALL", 0)
    assert any("slow without an accelerator" in one for one in bc.doctor(ltx).advice)


def test_the_machine(empty_home, cache):
    report = bc.doctor()
    fits(report)
    assert report["python"] == platform.python_version()
    assert report["torch"].startswith("2.")
    assert "libx264" in report["video"]
    assert str(empty_home) in report["library"]
    assert "not created yet" in report["library"]
    assert str(cache) in report["cache"]
    assert not empty_home.exists()
    with bc.library():
        assert "0 clips" in bc.doctor()["library"]


def test_missing_packages_are_named(monkeypatch):
    found = importlib.util.find_spec
    missing = ("peft", "beecam_widgets")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in missing else found(name)
    )
    monkeypatch.setattr(health, "_MIN_FREE_DISK", 1e18)
    report = bc.doctor()
    assert "peft is not installed; it is needed for LoRAs: pip install peft" in report.advice
    assert report["widgets"] == "not installed"
    assert any("set BEECAM_LIBRARY to a folder on another disk" in one for one in report.advice)


@pytest.mark.parametrize("wrong", ["pollen", 5, object])
def test_an_argument_that_is_not_a_model_is_named(wrong):
    text = error_message(lambda: bc.doctor(wrong), ModelError)
    assert text.startswith("doctor(")
    assert "a loaded model is needed, from bc.load() or bc.wrap(pipe)" in text


def test_long_values_are_wrapped_and_aligned():
    report = Report("t", (("a", "word " * 50), ("long name", "x")), ("do " * 60,))
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[2].startswith(" " * 11 + "word")
    with pytest.raises(KeyError):
        report["b"]


class Own:
    """The six members of a model, and nothing else."""

    name, revision = "own", "7"

    def check(self, shot):
        return ()

    def resolve(self, shot):
        return shot.replace(
            width=64,
            height=48,
            num_frames=9,
            fps=8.0,
            num_inference_steps=4,
            guidance_scale=1.0,
            negative_prompt="",
            scheduler="none",
            model=self.name,
            revision=self.revision,
        )

    def batch_key(self, shot):
        return 0

    def generate(self, shots, on_step=None):
        return [bc.Generated(np.full((9, 48, 64, 3), 80, np.uint8)) for _ in shots]


def test_a_model_of_ones_own_is_reported_by_what_it_has(library):
    report = bc.doctor(Own())
    fits(report)
    assert report["model"] == "own, Own"
    assert report["revision"] == "7"
    assert report["sizes"] == "64x48 by default"
    assert report["frames"] == "9 at 8 fps by default"
    assert report["batch size"] == "1 clip a batch"
    assert report["drafts"].startswith("no: see docs/own_model.md")
    assert report["seconds per clip"] == "not measured yet"
    assert "unknown" in report["license"]
    assert report.advice == ()
    bc.run(bc.sweep("a bee", seed=range(2)), Own(), library=library).wait(PATIENCE)
    assert "measured on clips" in bc.doctor(Own(), library=library)["seconds per clip"]


def test_a_model_of_ones_own_that_fails_is_reported_all_the_same(monkeypatch, library):
    monkeypatch.setattr(Own, "resolve", lambda self, shot: {}["prompt"])
    report = bc.doctor(Own(), library=library)
    assert report["revision"] == "7"
    assert report.advice == ("resolve(bc.shot('')) or its batch size failed: KeyError: 'prompt'",)


def test_an_empty_library_is_not_replaced_by_the_default_one(library, empty_home):
    with bc.library() as usual:
        bc.run(bc.shot("a bee"), Own(), library=usual).wait(PATIENCE)
        assert "measured on clips" in bc.doctor(Own())["seconds per clip"]
        assert len(library) == 0
        assert bc.doctor(Own(), library=library)["seconds per clip"] == "not measured yet"
    with pytest.raises(bc.CheckError, match="library='bees': an open library is needed"):
        bc.doctor(Own(), library="bees")


def test_what_is_missing_of_a_model_is_named():
    class Half:
        name = "half"

        def generate(self, shots, on_step=None):
            return []

    assert "it has no revision, check" in error_message(lambda: bc.doctor(Half()), ModelError)


def test_missing_codecs_are_named(monkeypatch):
    monkeypatch.setattr("av.codecs_available", {"aac"})
    assert mp4.missing_codecs() == {"libx264": "clips"}
    report = bc.doctor()
    assert report["video"].endswith("with aac")
    assert any("no libx264, which writes clips: pip install" in one for one in report.advice)
