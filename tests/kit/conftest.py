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
    return _small(wrap(cog_pipe, name="tiny-cog"), num_inference_steps=4, max_sequence_length=16)


@pytest.fixture
def mochi(mochi_pipe):
    return _small(
        wrap(mochi_pipe, name="tiny-mochi"),
        width=32,
        height=32,
        num_frames=7,
        num_inference_steps=4,
    )


@pytest.fixture
def stranger(cog_pipe):
    """A pipeline of a class that is in no table."""

    class SomebodysPipeline(type(cog_pipe)):
        pass

    return _small(wrap(SomebodysPipeline(**cog_pipe.components)), num_inference_steps=4)


def _small(model, **defaults):
    """A model's defaults are set where it is made; these are for tests."""
    model._defaults.update(defaults)
    model._workers = WorkerPool()  # one batch after another, however many cores there are
    return model


@pytest.fixture
def wrap_ltx(ltx_pipe):
    """Creates the model `ltx` again, as another kernel would."""
    return lambda: _small(
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
    return _small(
        wrap(wan_pipe, name="tiny-wan"), width=32, height=32, num_frames=9, num_inference_steps=4
    )


@pytest.fixture
def moving():
    """A clip with motion, colour and odd length: frames x height x width x 3."""
    t, y, x = np.mgrid[0:9, 0:48, 0:64]
    red = (x * 4 + t * 20) % 256
    green = (y * 5) % 256
    blue = np.where((x - 8 * t) ** 2 + (y - 24) ** 2 < 60, 255, 40)
    return np.stack([red, green, blue], -1).astype(np.uint8)
