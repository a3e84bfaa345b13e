"""What the owner of a pipeline has set up on it: caches, hooks, wrappers, subclasses."""

import copy
import functools
import hashlib
import types
from concurrent.futures import ThreadPoolExecutor

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    FasterCacheConfig,
    FirstBlockCacheConfig,
    FlowMatchEulerDiscreteScheduler,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    SeaCacheConfig,
    TaylorSeerCacheConfig,
)
from tokenizers import normalizers

import beecam as bc
from beecam.errors import CheckError, Stopped
from beecam.models.batching.owner import OwnerState, owner_state
from beecam.models.batching.threads import WorkerPool
from beecam.models.diffusers.families.table import FAMILIES
from beecam.models.diffusers.introspection import call_parameters
from helpers import PATIENCE, generate_frames
from kit.test_rarer_families import shot_arguments
from tiny import SHAPES, make
from tiny.inputs import image

pytestmark = pytest.mark.slow

STEPS = 6
KINDS = ("WanPipeline", "LTXPipeline", "CogVideoXPipeline")


def _attention_range(pipe, **more):
    return {
        "spatial_attention_block_skip_range": 2,
        "spatial_attention_timestep_skip_range": (100, 900),
        "current_timestep_callback": lambda: pipe.current_timestep,
        **more,
    }


CACHES = {
    "first block": lambda _pipe: FirstBlockCacheConfig(threshold=0.3),
    "mag": lambda _pipe: MagCacheConfig(
        threshold=0.5, num_inference_steps=STEPS, mag_ratios=torch.full((STEPS,), 0.98)
    ),
    "sea": lambda _pipe: SeaCacheConfig(threshold=0.3),
    "taylor": lambda _pipe: TaylorSeerCacheConfig(cache_interval=2, disable_cache_before_step=2),
    "attention": lambda pipe: PyramidAttentionBroadcastConfig(**_attention_range(pipe)),
    "faster": lambda pipe: FasterCacheConfig(
        **_attention_range(pipe), tensor_format="BFCHW", unconditional_batch_skip_range=2
    ),
}


def _cached(cache):
    def enable(pipe):
        pipe.transformer.enable_cache(CACHES[cache](pipe))

    return enable


def _hook_that_reads_the_pipeline(pipe):
    def brighter_late(_module, _inputs, output):
        late = pipe.current_timestep is not None and float(pipe.current_timestep) < 600
        found = output[0] * (0.5 if late else 1.0)
        return (found, *output[1:])

    pipe.transformer.register_forward_hook(brighter_late)


def _hook_with_state(pipe):
    earlier = []

    def add(_module, _inputs, output):
        mean = output[0] + (0.3 * earlier[-1] if earlier else 0)
        earlier.append(output[0])
        return (mean, *output[1:])

    pipe.transformer.register_forward_hook(add)
    # A clip's own state, which the owner clears before each.
    encode = pipe.encode_prompt

    @functools.wraps(encode)
    def encode_prompt(*args, **kwargs):
        earlier.clear()
        return encode(*args, **kwargs)

    pipe.encode_prompt = encode_prompt


def _method_that_reads_the_pipeline(pipe):
    original = pipe.transformer.forward

    @functools.wraps(original)
    def forward(*args, **kwargs):
        found = original(*args, **kwargs)
        return (found[0] * (1 + pipe.guidance_scale / 10), *found[1:])

    pipe.transformer.forward = forward


def _decoder_that_reads_the_pipeline(pipe):
    original = pipe.vae.decode

    def decode(self, latents, *args, **kwargs):
        return original(latents * pipe.guidance_scale / 4, *args, **kwargs)

    pipe.vae.decode = types.MethodType(decode, pipe.vae)


class _Wrapped(torch.nn.Module):
    """A network around another, with what the last call left in it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.last = None

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, hidden_states, *args, **kwargs):
        self.last = hidden_states
        found = self.inner(hidden_states, *args, **kwargs)
        return (found[0] - 0.1 * self.last[:, : found[0].shape[1]], *found[1:])


def _wrapped(pipe):
    pipe.transformer = _Wrapped(pipe.transformer)


def _compiled(pipe):
    pipe.transformer = torch.compile(pipe.transformer, backend="eager")


def _compiled_in_place(pipe):
    pipe.transformer.compile(backend="eager")


def _compiled_as_one_graph(pipe):
    pipe.transformer.compile(backend="eager", fullgraph=True)


def _encoder_of_any_arguments(pipe):
    original = pipe.encode_prompt

    def encode_prompt(prompt, *args, **kwargs):
        named = [f"{text}, at dusk" for text in ([prompt] if isinstance(prompt, str) else prompt)]
        return original(named, *args, **kwargs)

    pipe.encode_prompt = encode_prompt


class _Tokenizer:
    """Another tokenizer behind one of its owner's own, which takes lists only."""

    def __init__(self, inner):
        self._inner = inner

    def __call__(self, texts, **more):
        return self._inner([text.replace("bee", "wasp") for text in texts], **more)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def _own_tokenizer(pipe):
    pipe.tokenizer = _Tokenizer(pipe.tokenizer)


def _derived_tokenizer(pipe):
    kind = type(pipe.tokenizer)
    own = {"__call__": lambda self, texts, **more: kind.__call__(self, texts[::-1], **more)}
    pipe.tokenizer.__class__ = type("Derived", (kind,), {**own, "__module__": __name__})


def _video_processor(pipe):
    original = pipe.video_processor.postprocess_video
    pipe.video_processor.postprocess_video = lambda *args, **more: 1 - original(*args, **more)


SET_UPS = {
    **{cache: _cached(cache) for cache in CACHES},
    "hook that reads the pipeline": _hook_that_reads_the_pipeline,
    "hook with state": _hook_with_state,
    "method": _method_that_reads_the_pipeline,
    "decoder": _decoder_that_reads_the_pipeline,
    "wrapped": _wrapped,
    "compiled": _compiled,
    "compiled in place": _compiled_in_place,
    "compiled as one graph": _compiled_as_one_graph,
    "encoder of any arguments": _encoder_of_any_arguments,
    "own tokenizer": _own_tokenizer,
    "derived tokenizer": _derived_tokenizer,
    "video processor": _video_processor,
}


def make_deep(kind):
    """Return a tiny pipeline with several blocks, as caches need."""
    pipe = make(kind)
    network = pipe.transformer
    blocks = getattr(network, "transformer_blocks", None) or network.blocks
    blocks.extend(copy.deepcopy(blocks[0]) for _ in range(2))
    return pipe


def plain_call(pipe, prompt, seed, **more):
    kind = next(one.__name__ for one in type(pipe).__mro__ if one.__name__ in SHAPES)
    generated = pipe(
        prompt=prompt,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        **{**SHAPES[kind], "num_inference_steps": STEPS, **more},
    ).frames[0]
    return np.round(np.asarray(generated) * 255).clip(0, 255).astype(np.uint8)


def two_lanes(pipe, **more):
    model = bc.wrap(pipe, name="model", **more)
    model._workers = WorkerPool()
    model._workers.widen(2, threads=1)  # on any number of cores
    return model


def digest(frames):
    return hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()


def arguments(kind):
    return {**SHAPES[kind], "num_inference_steps": STEPS}


@pytest.fixture(autouse=True)
def _one_thread():
    """Use one thread, as the workers do: the last bits of sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


CASES = [
    pytest.param(
        name,
        kind,
        marks=() if kind == "WanPipeline" and "compiled" not in name else pytest.mark.slow,
    )
    for name in SET_UPS
    for kind in KINDS
    # It knows this layout of latents only, with both halves of guidance in one batch.
    if (name != "faster" or kind == "CogVideoXPipeline")
    and ("compiled" not in name or kind == "WanPipeline")
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_clips_have_the_bits_of_the_plain_call(name, kind, library):
    pipe = make_deep(kind)
    SET_UPS[name](pipe)
    prompts, seeds = ("a bee", "a moth over the sea"), range(3)
    expected = {
        (prompt, seed): digest(plain_call(pipe, prompt, seed))
        for prompt in prompts
        for seed in seeds
    }
    model, before = two_lanes(pipe, batch_size=2), dict(vars(pipe))
    sweep = bc.sweep(list(prompts), seed=seeds, **arguments(kind))
    run = bc.run(sweep, model, library=library).wait(PATIENCE)
    assert not run.errors
    for clip in run.clips:
        assert clip.facts["digest"] == expected[clip.shot.prompt, clip.shot.seed]
    assert digest(run.clips[0].regenerate(model)) == run.clips[0].facts["digest"]
    assert vars(pipe) == before


@pytest.mark.parametrize("name", SET_UPS)
def test_what_is_set_up_is_part_of_the_revision_and_is_seen_at_once(name):
    kind = "CogVideoXPipeline" if name == "faster" else "WanPipeline"
    pipe = make_deep(kind)
    model = two_lanes(pipe)
    shot = model.resolve(bc.shot("a bee", **arguments(kind)))
    SET_UPS[name](pipe)
    model.refresh()
    assert model.revision != shot.revision
    with pytest.raises(CheckError, match="revision"):
        model.generate([shot])
    assert model.revision == two_lanes(pipe).revision
    assert model.batching.parallel_batches == 1
    if name in CACHES:
        pipe.transformer.disable_cache()
        model.refresh()
        assert model.revision == shot.revision


@pytest.mark.parametrize("name", [name for family in FAMILIES for name in family.classes])
def test_a_plain_pipeline_has_nothing_set_up_before_and_after_a_call(name):
    pipe = make(name)
    assert owner_state(pipe) == OwnerState()
    prompt = {"prompt": "a bee"} if "prompt" in call_parameters(type(pipe)) else {}
    pipe(**prompt, **SHAPES[name])
    assert owner_state(pipe) == OwnerState()


def test_hooks_of_all_modules_are_part_of_the_revision():
    pipe = make("WanPipeline")
    before = two_lanes(pipe).revision
    hook = torch.nn.modules.module.register_module_forward_hook(lambda _module, _in, out: out)
    try:
        assert two_lanes(pipe).revision != before
    finally:
        hook.remove()
    assert two_lanes(pipe).revision == before


COMPILED = {
    "in place": lambda pipe, backend: pipe.transformer.compile(backend=backend),
    "around": lambda pipe, backend: setattr(
        pipe, "transformer", torch.compile(pipe.transformer, backend=backend)
    ),
    "blocks": lambda pipe, backend: pipe.transformer.compile_repeated_blocks(backend=backend),
    "a part": lambda pipe, backend: pipe.vae.decoder.compile(backend=backend),
    "a method": lambda pipe, backend: setattr(
        pipe.vae, "decode", torch.compile(pipe.vae.decode, backend=backend)
    ),
}


@pytest.mark.parametrize("way", COMPILED)
def test_a_compiled_network_is_compiled_once_for_all_clips(way):
    torch._dynamo.reset()
    graphs = []

    def backend(graph, _inputs):
        graphs.append(graph)
        return graph.forward

    pipe = make("WanPipeline")
    COMPILED[way](pipe, backend)
    plain_call(pipe, "a bee", 0)
    plain, model = len(graphs), two_lanes(pipe)
    for seed in range(4):
        shot = model.resolve(bc.shot("a bee", seed=seed, **arguments("WanPipeline")))
        model.generate([shot])
    assert len(graphs) == plain


WATCHED = ["MotifVideoPipeline", "LucyEditPipeline", "ChronoEditPipeline", "WanPipeline"]


@pytest.mark.parametrize("name", WATCHED)
@pytest.mark.parametrize("way", COMPILED)
def test_what_is_compiled_as_one_graph_works_where_draws_are_watched(name, way, library):
    torch._dynamo.reset()
    pipe = make(name)
    if way == "blocks" and not getattr(pipe.transformer, "_repeated_blocks", None):
        pytest.skip("no blocks of it repeat")
    model = two_lanes(pipe)
    sweep = bc.sweep("a bee", **shot_arguments(name, model), seed=range(2))
    plain = [clip.frames() for clip in bc.run(sweep, model, library=library).wait(PATIENCE)]
    FULL[way](pipe)
    if name == "WanPipeline":  # with a hook, which may draw
        pipe.transformer.register_forward_hook(lambda _module, _inputs, output: output)
    run = bc.run(sweep, two_lanes(pipe), library=library).wait(PATIENCE)
    assert not run.errors
    for clip, frames in zip(run, plain, strict=True):
        assert np.abs(clip.frames().astype(int) - frames).max() <= 1


FULL = {
    "in place": lambda pipe: pipe.transformer.compile(backend="eager", fullgraph=True),
    "around": lambda pipe: setattr(
        pipe, "transformer", torch.compile(pipe.transformer, backend="eager", fullgraph=True)
    ),
    "blocks": lambda pipe: pipe.transformer.compile_repeated_blocks(
        backend="eager", fullgraph=True
    ),
    "a part": lambda pipe: pipe.vae.decoder.compile(backend="eager", fullgraph=True),
    "a method": lambda pipe: setattr(
        pipe.transformer,
        "forward",
        torch.compile(pipe.transformer.forward, backend="eager", fullgraph=True),
    ),
}


def test_a_network_in_training_mode_is_refused_by_name(library):
    pipe = make("WanPipeline")
    pipe.transformer.blocks[0].ffn.net[1] = torch.nn.Dropout(0.5)
    model, sweep = two_lanes(pipe), bc.sweep("a bee", **arguments("WanPipeline"))
    with pytest.raises(CheckError, match=r"call pipe\.transformer\.eval\(\) first"):
        bc.run(sweep, model, library=library)
    pipe.transformer.eval()
    assert not bc.run(sweep, model, library=library).wait(PATIENCE).errors


def test_a_derived_scheduler_may_take_any_arguments(library):
    class Softer(FlowMatchEulerDiscreteScheduler):
        def step(self, output, *args, **kwargs):
            return super().step(0.5 * output, *args, **kwargs)

    pipe = make("WanPipeline")
    before = two_lanes(pipe).revision
    pipe.scheduler = Softer.from_config(pipe.scheduler.config)
    model = two_lanes(pipe)
    assert model.revision != before
    clip = bc.run(bc.shot("a bee", seed=1, **arguments("WanPipeline")), model, library=library)
    assert clip.wait(PATIENCE)[0].facts["digest"] == digest(plain_call(pipe, "a bee", 1))


def test_a_stopped_clip_leaves_nothing_in_a_cache():
    pipe = make_deep("WanPipeline")
    _cached("first block")(pipe)
    expected = plain_call(pipe, "a bee", 1)
    model = two_lanes(pipe)
    shot = model.resolve(bc.shot("a bee", seed=1, **arguments("WanPipeline")))

    def stop(step):
        raise Stopped("enough")

    with pytest.raises(Stopped):
        model.generate([shot.replace(seed=2)], stop)
    assert digest(generate_frames(model, [shot])[0]) == digest(expected)


def test_pipelines_that_share_a_network_with_a_cache_take_turns():
    pipe = make_deep("WanPipeline")
    _cached("first block")(pipe)
    expected = [plain_call(pipe, "a bee", seed) for seed in range(4)]
    models = two_lanes(pipe), two_lanes(type(pipe)(**pipe.components)), two_lanes(pipe)
    models = (*models[:2], models[2].for_single_clips())
    shots = [
        models[0].resolve(bc.shot("a bee", seed=seed, **arguments("WanPipeline")))
        for seed in range(4)
    ]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda i: models[i % 3].generate([shots[i % 4]]), range(12)))
    assert [digest(one.frames) for (one,) in found] == [digest(expected[i % 4]) for i in range(12)]


def test_a_cache_makes_no_checkpoints_and_no_switch():
    pipe = make_deep("WanPipeline")
    _cached("first block")(pipe)
    model = two_lanes(pipe)
    shot = model.resolve(bc.shot("a bee", **arguments("WanPipeline")))
    (draft,) = model.generate([shot.replace(draft_steps=3)])
    assert draft.checkpoint is None
    sweep = bc.sweep("a bee", switch_at=2, then_prompt="a moth", **arguments("WanPipeline"))
    with pytest.raises(CheckError, match="switch_at"):
        sweep.check(model)


def test_other_pipeline_classes_over_the_weights_are_refused_by_name():
    pipe = make_deep("LTXPipeline")
    _cached("first block")(pipe)
    model = two_lanes(pipe)
    with pytest.raises(CheckError, match="FirstBlockCacheConfig"):
        bc.sweep("a bee", image=bc.read_media(image(32, 32))).check(model)
    pipe.transformer.disable_cache()
    model.refresh()
    bc.sweep("a bee", image=bc.read_media(image(32, 32))).check(model)


def _any_arguments(call):
    def counted(*args, **kwargs):
        return call(*args, **kwargs)

    return counted


def _only_the_prompt(call):
    return lambda self, prompt=None, **kwargs: call(self, prompt, **kwargs)


@pytest.mark.parametrize("kind", ["WanPipeline", "WanVideoToVideoPipeline"])
@pytest.mark.parametrize("replace", [_any_arguments, _only_the_prompt])
def test_a_call_that_names_no_arguments_is_refused_by_name(kind, replace, monkeypatch):
    model = two_lanes(make("WanPipeline"))
    owner, before = getattr(diffusers, kind), model.revision
    original = owner.__call__
    monkeypatch.setattr(owner, "__call__", replace(original))
    model.refresh()
    assert model.revision != before
    with pytest.raises(CheckError, match=rf"{kind}\.__call__ .*functools\.wraps"):
        bc.sweep("a bee").check(model)
    if kind == "WanPipeline":
        with pytest.raises(CheckError, match=r"functools\.wraps"):
            bc.wrap(make("WanPipeline"))
    monkeypatch.setattr(owner, "__call__", functools.wraps(original)(replace(original)))
    model.refresh()
    bc.sweep("a bee").check(model)
    monkeypatch.undo()
    model.refresh()
    assert model.revision == before


@pytest.mark.parametrize(("fast", "steps"), [(False, 8), (True, 6)])
def test_the_rounds_of_free_init_are_counted_and_not_taken_apart(fast, steps):
    pipe = make("AnimateDiffPipeline")
    pipe.enable_free_init(num_iters=2, use_fast_sampling=fast)
    model = bc.wrap(pipe, name="tiny")
    shot = model.resolve(
        bc.shot("a bee", **SHAPES["AnimateDiffPipeline"] | {"num_inference_steps": 4})
    )
    seen = []
    model.generate([shot], lambda step: seen.append((step.step, step.steps, step.checkpoints)))
    assert seen == [(i + 1, steps, None) for i in range(steps)]
    assert model.steps(shot) == steps
    for more in ({"draft_steps": 2}, {"switch_at": 2, "then_prompt": "a moth"}):
        assert [problem.argument.partition("_")[0] for problem in model.check(shot.replace(**more))]
    pipe.disable_free_init()
    model.refresh()
    assert model.steps(shot) == 4


def test_a_replaced_method_of_the_scheduler_is_refused_by_name():
    pipe = make("WanPipeline")
    pipe.scheduler.step = functools.partial(pipe.scheduler.step, per_token_timesteps=None)
    model = two_lanes(pipe)
    with pytest.raises(CheckError, match=r"scheduler\.step"):
        bc.sweep("a bee").check(model)


@pytest.mark.parametrize("kind", KINDS)
def test_a_derived_class_makes_its_own_pixels(kind, library):
    base = type(make(kind))

    class Derived(base):
        calls = 0

        def __call__(self, *args, **kwargs):
            self.calls += 1
            return super().__call__(*args, **kwargs)

        def prepare_latents(self, *args, **kwargs):
            assert self.calls == 1
            return 0.9 * super().prepare_latents(*args, **kwargs)

    if kind != "WanPipeline":
        # With the whole signature, as copies of a pipeline have it.
        Derived.__call__ = functools.wraps(base.__call__)(Derived.__call__)
    pipe = Derived(**make(kind).components)
    pipe.set_progress_bar_config(disable=True)
    expected = {}
    for seed in range(3):
        expected[seed] = digest(plain_call(pipe, "a bee", seed))
        pipe.calls = 0
    model = two_lanes(pipe)
    sweep = bc.sweep("a bee", seed=range(3), **arguments(kind))
    run = bc.run(sweep, model, library=library).wait(PATIENCE)
    assert not run.errors
    assert {clip.shot.seed: clip.facts["digest"] for clip in run.clips} == expected
    family = bc.wrap(make(kind)).tasks[0].family
    assert (model.tasks[0].family.name, model.tasks[0].family.fps) == (family.name, family.fps)


def test_hooks_that_only_place_weights_keep_lanes_apart_and_batches_together(library):
    pipe = make("WanPipeline")
    pipe.transformer.enable_layerwise_casting(
        storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.float32
    )
    expected = {seed: plain_call(pipe, "a bee", seed) for seed in range(4)}
    model = two_lanes(pipe, batch_size=2)
    run = bc.run(
        bc.sweep("a bee", seed=range(4), **arguments("WanPipeline")), model, library=library
    )
    run.wait(PATIENCE)
    assert not run.errors
    assert {clip.facts["batch"] for clip in run.clips} == {2}
    for clip in run.clips:
        frames = clip.regenerate(model).astype(int)
        assert np.abs(frames - expected[clip.shot.seed]).max() <= 1


def test_an_exchanged_tokenizer_is_used_at_once():
    pipe = make("WanPipeline")
    model = two_lanes(pipe)
    shot = model.resolve(bc.shot("a bee", seed=1, **arguments("WanPipeline")))
    before = digest(generate_frames(model, [shot])[0])
    pipe.tokenizer = copy.deepcopy(pipe.tokenizer)
    pipe.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("bee", "moth")
    after = digest(generate_frames(model, [shot])[0])
    assert after == digest(plain_call(pipe, "a bee", 1)) != before
