"""Models are freed: what is kept for a pipeline doesn't keep the pipeline."""

import gc
import os
import threading
import weakref
from pathlib import Path

import pytest

import beecam as bc
from helpers import wait_until
from tiny import make
from tiny.loras import write_lora

LOADS = 10
_MEGABYTE = 1_000_000


def resident_megabytes():
    """Return the memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def generate(model, **arguments):
    shot = bc.shot("a bee", seed=1, num_inference_steps=2, **arguments)
    model.generate([model.resolve(shot)])


def generate_at_all_speeds(_library, _folder):
    model = bc.load()
    for speed in ("exact", "balanced", "fast"):
        generate(model.at_speed(speed))
    return model


def generate_with_a_lora(_library, folder):
    model = bc.load()
    generate(model.with_lora(write_lora(model.pipe, folder / "a.safetensors")))
    generate(model.for_single_clips())
    return model


def run_a_sweep(library, _folder):
    model = bc.load()
    assert len(
        bc.run(bc.sweep("a bee", seed=[1], num_inference_steps=2), model, library=library).wait()
    )
    bc.estimate(bc.sweep("a bee", seed=range(3)), model, library=library)
    return model


def wrap_a_pipeline_twice(_library, _folder):
    pipe = make("WanPipeline")
    bc.wrap(pipe)
    return bc.wrap(pipe)


@pytest.mark.slow
@pytest.mark.parametrize(
    "use",
    [generate_at_all_speeds, generate_with_a_lora, run_a_sweep, wrap_a_pipeline_twice],
)
def test_no_model_pipeline_or_thread_outlives_its_last_use(use, library, tmp_path):
    def once():
        model = use(library, tmp_path)
        network = model.pipe.transformer
        return [weakref.ref(one) for one in (model, model.pipe, network)]

    once()  # caches that are made once
    gc.collect()
    before = threading.active_count()
    references = []
    for _ in range(2):
        references += once()
        gc.collect()
    assert not [kept() for kept in references if kept() is not None]
    wait_until(lambda: threading.active_count() <= before)


@pytest.mark.slow
def test_loading_ten_times_takes_the_memory_and_the_threads_of_one():
    model = bc.load()
    weights = sum(
        tensor.numel() * tensor.element_size()
        for part in model.pipe.components.values()
        for tensor in getattr(part, "parameters", list)()
    )
    before, threads, references = resident_megabytes(), threading.active_count(), []
    for _ in range(LOADS):
        model = bc.load()
        references += [weakref.ref(model), weakref.ref(model.pipe.transformer)]
        gc.collect()
    assert sum(kept() is not None for kept in references) == 2, "the last one"
    wait_until(lambda: threading.active_count() <= threads)
    # Allocators keep some of what they got; ten models would be ten times this.
    assert resident_megabytes() - before < 2 * weights / _MEGABYTE + 20
