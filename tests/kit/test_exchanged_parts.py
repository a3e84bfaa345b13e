"""Parts of a pipeline that are exchanged between two runs, or while a clip is generated."""

import threading

import numpy as np
import pytest
import torch
from diffusers import UniPCMultistepScheduler
from peft import LoraConfig

import beecam as bc
from helpers import PATIENCE, Gate, generate_frames
from tiny import SHAPES, make
from tiny.inputs import video

pytestmark = pytest.mark.slow
KIND = "WanPipeline"
CLIP = np.stack([np.asarray(frame) for frame in video(5, 16, 16)])
TASKS = {
    "text": SHAPES[KIND],
    "video": {
        "video": CLIP,
        "height": 16,
        "width": 16,
        "num_inference_steps": 4,
        "max_sequence_length": 16,
    },
}


def _other(name):
    def exchange(pipe):
        part = getattr(make(KIND), name)
        with torch.no_grad():
            for weight in part.parameters():
                weight.add_(0.1)
        setattr(pipe, name, part)

    return exchange


def _scheduler(pipe):
    pipe.scheduler = UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=7.0)


def _tokenizer(pipe):
    torch.manual_seed(0)
    pipe.tokenizer = make(KIND).tokenizer
    pipe.tokenizer.add_tokens(["a bee"])
    pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer))


def _cast(pipe):
    pipe.to(torch.bfloat16)


EXCHANGES = {
    "vae": _other("vae"),
    "transformer": _other("transformer"),
    "text encoder": _other("text_encoder"),
    "scheduler": _scheduler,
    "tokenizer": _tokenizer,
    "dtype": _cast,
    "equal": lambda pipe: setattr(pipe, "transformer", make(KIND).transformer),
}


def frames(model, task, **more):
    shot = model.resolve(bc.shot("a bee", seed=1, **{**TASKS[task], **more}))
    return generate_frames(model, [shot])[0]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_task_uses_the_parts_that_a_pipeline_has_now(exchange):
    pipe = make(KIND)
    model = bc.wrap(pipe, name="tiny")
    before = {task: frames(model, task) for task in TASKS}
    revision = model.revision
    EXCHANGES[exchange](pipe)
    model.refresh()
    fresh = make(KIND)
    EXCHANGES[exchange](fresh)
    other = bc.wrap(fresh, name="tiny")
    assert model.revision == other.revision
    assert (model.revision == revision) == (exchange == "equal")
    for task in TASKS:
        found = frames(model, task)
        assert np.array_equal(found, frames(other, task)), task
        assert np.array_equal(found, before[task]) == (exchange == "equal"), task


# --- while a run generates ---------------------------------------------------------------------


def _lora(pipe):
    lora = LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=False)
    pipe.transformer.add_adapter(lora, adapter_name="own")


CHANGES = {
    **EXCHANGES,
    "shift": lambda pipe: pipe.scheduler.set_shift(9.0),
    "tiling": lambda pipe: pipe.vae.enable_tiling(),
    "weights": lambda pipe: pipe.transformer.proj_out.weight.mul_(1.5),
    "lora": _lora,
    "hook": lambda pipe: pipe.transformer.register_forward_hook(lambda _m, _i, found: found),
}


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_during_a_run_is_not_stored_under_the_old_key(
    change, batch_size, library, monkeypatch
):
    pipe = make(KIND)
    model = bc.wrap(pipe, name="tiny", batch_size=batch_size)
    gate = Gate(model, monkeypatch)
    run = bc.run(bc.sweep("a bee", seed=[1, 2], **TASKS["text"]), model, library=library)
    assert gate.reached.wait(PATIENCE)
    CHANGES[change](pipe)
    gate.open.set()
    run.wait(PATIENCE)
    assert len(library) == (2 if change == "equal" else 0)
    assert len(run.errors) == 2 - len(library)
    assert all("during the run; run.retry()" in reason for reason in run.errors.values())
    if run.errors:
        again = run.retry().wait(PATIENCE)
        assert not again.errors
        assert all(clip.shot.revision == model.revision for clip in again.clips)


# --- while a clip is generated ---------------------------------------------------------------------


@pytest.fixture
def during():
    """Return what runs a function while a clip is generated on the pipeline itself."""
    threads = []

    def run(model, function):
        inside, leave, found = threading.Event(), threading.Event(), []

        def wait(_step):
            inside.set()
            leave.wait(PATIENCE)

        shot = model.resolve(bc.shot("a bee", seed=1, **TASKS["text"]))
        thread = threading.Thread(target=lambda: found.append(model.generate([shot], wait)))
        threads.append(thread)
        thread.start()
        assert inside.wait(PATIENCE)
        try:
            return function()
        finally:
            leave.set()
            thread.join(PATIENCE)
            assert found

    return run


@pytest.fixture
def hooked():
    """Return a pipeline of which each clip has a call of its own, on the pipeline itself."""
    pipe = make(KIND)
    pipe.vae.decoder.register_forward_hook(lambda _module, _inputs, found: found * 0.9)
    return pipe


def test_what_a_call_sets_is_no_set_up(hooked, during):
    model = bc.wrap(hooked, name="tiny")
    before = model.revision

    def look():
        model.refresh()
        return model.revision, bc.wrap(hooked, name="tiny").revision

    assert during(model, look) == (before, before)


def test_what_is_set_during_a_call_is_seen_at_once(hooked, during):
    model = bc.wrap(hooked, name="tiny")
    before = model.revision

    def tile():
        hooked.vae.enable_tiling()
        model.refresh()
        return model.revision

    found = during(model, tile)
    model.refresh()
    assert before != found == model.revision


def test_a_part_that_is_exchanged_during_a_call_stays(hooked, during):
    model = bc.wrap(hooked, name="tiny")
    vae = make(KIND).vae
    during(model, lambda: setattr(hooked, "vae", vae))
    assert hooked.vae is vae
