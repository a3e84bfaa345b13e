"""Real pipelines with random weights, small enough that every test can make clips."""

import numpy as np
import pytest

from beecam.models.batching.threads import WorkerPool
from beecam.models.loading.load import wrap
from tiny import make


@pytest.fixture(scope="session")
def ltx_pipe():
    return make("LTXPipeline")


@pytest.fixture(scope="session")
def wan_pipe():
    return make("WanPipeline")


@pytest.fixture(scope="session")
def cog_pipe():
    return make("CogVideoXPipeline")


@pytest.fixture(scope="session")
def mochi_pipe():
    return make("MochiPipeline")


@pytest.fixture
def cog(cog_pipe):
    return _with_defaults(
        wrap(cog_pipe, name="tiny-cog"), num_inference_steps=4, max_sequence_length=16
    )


@pytest.fixture
def mochi(mochi_pipe):
    return _with_defaults(
        wrap(mochi_pipe, name="tiny-mochi"),
        width=32,
        height=32,
        num_frames=7,
        num_inference_steps=4,
    )


@pytest.fixture
def unknown_pipeline(cog_pipe):
    """Return a model whose pipeline class is in no table."""

    class UnknownPipeline(type(cog_pipe)):
        pass

    return _with_defaults(wrap(UnknownPipeline(**cog_pipe.components)), num_inference_steps=4)


def _with_defaults(model, **defaults):
    """Set defaults of tests, and use one worker."""
    model._defaults.update(defaults)
    model._workers = WorkerPool()  # one batch after the other, on any number of cores
    return model


@pytest.fixture
def wrap_ltx(ltx_pipe):
    """Return a function that creates the model `ltx` again, as another kernel would."""
    return lambda: _with_defaults(
        wrap(ltx_pipe, name="tiny-ltx"),
        width=32,
        height=32,
        num_frames=9,
        num_inference_steps=4,
        fps=8.0,
    )


@pytest.fixture
def ltx(wrap_ltx):
    return wrap_ltx()


@pytest.fixture
def wan(wan_pipe):
    return _with_defaults(
        wrap(wan_pipe, name="tiny-wan"), width=32, height=32, num_frames=9, num_inference_steps=4
    )


@pytest.fixture
def moving():
    """Return a clip with motion, colours and an odd length, of shape (frames, height, width, 3)."""
    t, y, x = np.mgrid[0:9, 0:48, 0:64]
    red = (x * 4 + t * 20) % 256
    green = (y * 5) % 256
    blue = np.where((x - 8 * t) ** 2 + (y - 24) ** 2 < 60, 255, 40)
    return np.stack([red, green, blue], -1).astype(np.uint8)
