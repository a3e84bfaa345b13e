"""Every scheduler that the kit offers: a clip's seed alone decides its noise, in any batch."""

import hashlib
import random
import warnings

import numpy as np
import pytest
import torch
from diffusers import (
    CogVideoXDPMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchLCMScheduler,
    LCMScheduler,
)

import beecam as bc
from beecam.errors import CheckError, ModelError
from beecam.models.batching.threads import WorkerPool
from beecam.models.batching.tuning import BatchSizes
from beecam.models.denoise.noise import own_draws
from beecam.models.denoise.schedulers import Schedulers
from helpers import PATIENCE, generate_frames
from tiny import SHAPES, make

pytestmark = pytest.mark.slow

STEPS = 4
FAMILIES = (
    "WanPipeline",
    "LTXPipeline",
    "CogVideoXPipeline",
    "AnimateDiffPipeline",
    pytest.param("WanVideoToVideoPipeline", marks=pytest.mark.slow),
    pytest.param("SanaVideoPipeline", marks=pytest.mark.slow),
    pytest.param("AllegroPipeline", marks=pytest.mark.slow),
    pytest.param("HunyuanVideoPipeline", marks=pytest.mark.slow),
    pytest.param("StableVideoDiffusionPipeline", marks=pytest.mark.slow),
)
# Schedulers of a pipeline's owner, with settings that make them draw noise.
OWN = {
    "stochastic flow": (
        "WanPipeline",
        lambda own: FlowMatchEulerDiscreteScheduler.from_config(
            own.config, stochastic_sampling=True
        ),
    ),
    "flow LCM": ("WanPipeline", lambda own: FlowMatchLCMScheduler.from_config(own.config)),
    "LCM": ("AnimateDiffPipeline", lambda own: LCMScheduler.from_config(own.config)),
    "SDE": (
        "AnimateDiffPipeline",
        lambda own: DPMSolverMultistepScheduler.from_config(
            own.config, algorithm_type="sde-dpmsolver++"
        ),
    ),
    "CogVideoX DPM": (
        "CogVideoXPipeline",
        lambda own: CogVideoXDPMScheduler.from_config(own.config),
    ),
}
_RENAMED = {"frames": "num_frames", "video_length": "num_frames", "frame_rate": "fps"}


def model_of(pipe, kind):
    model = bc.wrap(pipe, name=kind)
    model._workers = WorkerPool()
    model._sizes = BatchSizes(2)
    return model


def shots_of(model, kind, scheduler, seeds=(1, 2, 3), **more):
    shape = {_RENAMED.get(name, name): value for name, value in SHAPES[kind].items()}
    shape |= {name: bc.read_media(shape[name]) for name in ("image", "video") if name in shape}
    shape |= {"num_inference_steps": STEPS, "scheduler": scheduler, **more}
    prompt = "a bee" if "prompt" in model.tasks[0].info.parameters else ""
    return [model.resolve(bc.shot(prompt, seed=seed, **shape)) for seed in seeds]


def assert_repeatable(model, shots):
    """Compare a clip with itself: alone, among others, and with other numbers around it."""
    first, second, third = shots
    torch.manual_seed(5)
    (alone,) = generate_frames(model, [first])
    torch.manual_seed(6)
    (again,) = generate_frames(model, [first])
    assert np.array_equal(alone, again)
    assert alone.std() > 0
    (other,) = generate_frames(model, [second])
    assert not np.array_equal(alone, other)
    if not model.tasks[0].family.batches:
        return
    pair = generate_frames(model, [first, second])
    # In a batch of another size only the last bits of the floats differ.
    assert np.abs(pair[0].astype(int) - alone).max() <= 2
    assert np.abs(pair[1].astype(int) - other).max() <= 2
    assert np.array_equal(generate_frames(model, [first, third])[0], pair[0])


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_offered_scheduler_gives_a_clip_the_same_bits_in_any_batch(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = model_of(make(kind), kind)
        for scheduler in model.schedulers:
            assert_repeatable(model, shots_of(model, kind, scheduler))


@pytest.mark.parametrize("name", OWN)
def test_a_scheduler_that_draws_noise_gives_the_same_bits_and_is_made_again(name, library):
    kind, scheduler = OWN[name]
    pipe = make(kind)
    pipe.scheduler = scheduler(pipe.scheduler)
    model = model_of(pipe, kind)
    assert_repeatable(model, shots_of(model, kind, type(pipe.scheduler).__name__))
    shape = {**SHAPES[kind], "num_inference_steps": STEPS}
    run = bc.run(bc.sweep("a bee", seed=range(3), **shape), model, library=library)
    run.wait(PATIENCE)
    assert not run.errors
    for clip in run.clips:
        torch.manual_seed(7)
        frames = np.ascontiguousarray(clip.regenerate(model))
        assert clip.facts["digest"] == hashlib.sha256(frames.tobytes()).hexdigest()


def test_eta_of_ddim_is_seeded():
    model = model_of(make("AnimateDiffPipeline"), "AnimateDiffPipeline")
    shots = shots_of(model, "AnimateDiffPipeline", "DDIMScheduler", eta=1.0)
    assert_repeatable(model, shots)
    plain = shots_of(model, "AnimateDiffPipeline", "DDIMScheduler")
    noisy, without = (generate_frames(model, one[:1])[0] for one in (shots, plain))
    assert not np.array_equal(noisy, without)


def test_a_scheduler_with_noise_resumes_to_the_same_bits():
    model = model_of(make("WanPipeline"), "WanPipeline")
    shots = shots_of(model, "WanPipeline", "FlowMatchLCMScheduler")
    found = []

    def watch(step):
        if step.step == 2:
            found.extend(step.checkpoints())

    (whole,) = model.generate(shots[:1], watch)
    (resumed,) = model.generate(shots[:1], starts=found)
    assert np.array_equal(whole.frames, resumed.frames)


class _OwnRandomness(FlowMatchEulerDiscreteScheduler):
    """Draws from Python's global generator, which has no owner."""

    def step(self, model_output, timestep, sample, return_dict=True):
        found = super().step(model_output, timestep, sample, return_dict=False)[0]
        return (found + random.gauss(0, 0.1),)


class _BatchRandomness(FlowMatchEulerDiscreteScheduler):
    """Draws one number for its whole batch."""

    def step(self, model_output, timestep, sample, return_dict=True):
        found = super().step(model_output, timestep, sample, return_dict=False)[0]
        return (found * (1 + 0.1 * torch.randn(())),)


def test_a_scheduler_that_no_seed_reaches_is_refused_by_name():
    pipe = make("WanPipeline")
    pipe.scheduler = _OwnRandomness.from_config(pipe.scheduler.config)
    with pytest.raises(CheckError, match="no seed decides"):
        bc.sweep("a bee").check(model_of(pipe, "wan"))
    assert Schedulers(_OwnRandomness()).why_own_unusable
    assert not Schedulers(FlowMatchLCMScheduler()).why_own_unusable


@pytest.mark.parametrize("setting", ["use_karras_sigmas", "use_exponential_sigmas"])
def test_a_scheduler_whose_steps_are_not_finite_is_refused_for_that(setting):
    pipe = make("SanaVideoPipeline")
    config = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, setting: True}
    pipe.scheduler = DPMSolverMultistepScheduler(**config)
    with pytest.raises(CheckError, match="its steps lead to values that aren't finite"):
        bc.sweep("a bee").check(model_of(pipe, "sana"))


def test_a_scheduler_that_draws_for_its_whole_batch_is_refused_by_name_too():
    pipe = make("WanPipeline")
    pipe.scheduler = _BatchRandomness.from_config(pipe.scheduler.config)
    with pytest.raises(CheckError, match="_BatchRandomness"):
        bc.sweep("a bee").check(model_of(pipe, "wan"))


DRAWS = {
    "randn": lambda n: torch.randn(n, 3),
    "randn of a tuple": lambda n: torch.randn((n, 3), dtype=torch.float64),
    "rand by name": lambda n: torch.rand(size=(n, 2)),
    "randint": lambda n: torch.randint(0, 100, (n, 5)),
    "randint by name": lambda n: torch.randint(high=100, size=(n, 5)),
    "randn_like": lambda n: torch.randn_like(torch.zeros(n, 3, dtype=torch.float64)),
    "rand_like": lambda n: torch.rand_like(torch.zeros(n, 3)),
    "randint_like": lambda n: torch.randint_like(torch.zeros(n, 3), 50),
    "normal": lambda n: torch.normal(torch.zeros(n, 3), 2.0),
    "normal of a size": lambda n: torch.normal(0.0, 1.0, (n, 3)),
    "bernoulli": lambda n: torch.bernoulli(torch.full((n, 20), 0.5)),
    "multinomial": lambda n: torch.multinomial(torch.ones(n, 30), 4),
    "poisson": lambda n: torch.poisson(torch.full((n, 9), 7.0)),
    "normal_": lambda n: torch.zeros(n, 3).normal_(),
    "uniform_": lambda n: torch.empty(n, 3).uniform_(-1, 1),
    "random_": lambda n: torch.zeros(n, 3).random_(0, 90),
    "exponential_": lambda n: torch.zeros(n, 3).exponential_(),
    "by clip and frame": lambda n: torch.randn(n * 4, 3).unflatten(0, (n, 4)),
    # Arguments by name, and tensors that have fewer rows than clips.
    "randn of a size": lambda n: torch.randn(size=(n, 3)),
    "randn into another": lambda n: torch.randn(n, 3, out=torch.empty(n, 3)),
    "randint, named": lambda n: torch.randint(low=0, high=100, size=(n, 3)),
    "randint_like, named": lambda n: torch.randint_like(input=torch.zeros(n, 3), low=0, high=100),
    "normal of numbers": lambda n: torch.normal(0.0, std=2.0, size=(n, 3)),
    "normal, named": lambda n: torch.normal(mean=torch.zeros(n, 3), std=torch.full((n, 3), 2.0)),
    "normal of a number": lambda n: torch.normal(1.0, std=torch.ones(n, 3)),
    "normal of a row": lambda n: torch.normal(torch.zeros(3), torch.ones(n, 3)),
    "normal of a column": lambda n: torch.normal(torch.zeros(n, 1), torch.ones(1, 3)),
    "bernoulli, named": lambda n: torch.bernoulli(input=torch.full((n, 30), 0.5)),
    "bernoulli of a share": lambda n: torch.bernoulli(torch.zeros(n, 30), p=0.5),
    "poisson, named": lambda n: torch.poisson(input=torch.full((n, 9), 50.0)),
    "multinomial, named": lambda n: torch.multinomial(
        input=torch.ones(n, 90), num_samples=9, replacement=True
    ),
    "multinomial of a tensor": lambda n: torch.ones(n, 90).multinomial(num_samples=9),
    "fill": lambda n: torch.zeros(n, 3).normal_(mean=1, std=2),
    "fill by shares": lambda n: torch.zeros(n, 30).bernoulli_(torch.full((n, 30), 0.5)),
    "fill, transposed": lambda n: torch.zeros(3, n).t().uniform_(0, to=2),
    "like": lambda n: torch.randn_like(input=torch.zeros(n, 3), dtype=torch.float64),
}


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_whatever_is_drawn_without_a_generator_is_each_clips_own(draw):
    def drawn(*seeds):
        torch.manual_seed(sum(seeds))
        with own_draws(generators(*seeds)):
            return draw(len(seeds))

    alone = drawn(4)
    assert torch.equal(drawn(4), alone)
    both = drawn(9, 4)
    assert torch.equal(both[1:], alone)
    assert not torch.equal(both[:1], alone)
    assert both.dtype == alone.dtype == draw(1).dtype
    assert both.shape[1:] == draw(1).shape[1:]


UNSEEDED = {
    "dropout": lambda x: torch.nn.functional.dropout(x, 0.5),
    "torch.dropout": lambda x: torch.dropout(x, 0.5, True),
    "gumbel_softmax": torch.nn.functional.gumbel_softmax,
    "rrelu": lambda x: torch.nn.functional.rrelu(x, training=True),
    "binomial": lambda x: torch.binomial(x, x),
    "scaled_dot_product_attention": lambda x: torch.nn.functional.scaled_dot_product_attention(
        x, x, x, dropout_p=0.5
    ),
}


@pytest.mark.parametrize("way", UNSEEDED)
def test_what_no_generator_decides_is_refused_by_name(way):
    name = way.rpartition(".")[2]
    with (
        own_draws(generators(1)),
        pytest.raises(ModelError, match=f"torch's {name}, which no seed"),
    ):
        UNSEEDED[way](torch.ones(2, 3))


def test_dropout_that_is_off_draws_nothing():
    x = torch.ones(2, 3)
    with own_draws(generators(1)):
        assert torch.equal(torch.nn.functional.dropout(x, 0.5, training=False), x)
        assert torch.equal(torch.nn.functional.dropout(x, 0.0), x)
        torch.nn.functional.scaled_dot_product_attention(x, x, x)


def test_a_number_for_a_whole_batch_is_refused():
    with own_draws(generators(1)):
        assert torch.randperm(5).sum() == 10
        assert torch.randn(()).ndim == 0
    with own_draws(generators(1, 2)):
        for draw in (lambda: torch.randn(()), lambda: torch.randn(3), lambda: torch.randperm(4)):
            with pytest.raises(ModelError, match="batch_size=1"):
                draw()


def test_a_given_generator_is_used_and_the_global_one_stays():
    before = torch.get_rng_state()
    with own_draws(generators(1)):
        given = torch.randn(3, generator=generators(8)[0])
        torch.randn(5)
    assert torch.equal(given, torch.randn(3, generator=generators(8)[0]))
    assert torch.equal(torch.get_rng_state(), before)
