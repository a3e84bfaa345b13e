"""Values that were set on a pipeline after it was built are part of the revision of its weights."""

import functools
import inspect
import types

import pytest
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler
from diffusers.models.attention_processor import AttnProcessor
from diffusers.video_processor import VideoProcessor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import LoraConfig
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

import beecam as bc
from beecam.models.denoise.schedulers import Schedulers
from beecam.models.diffusers.families.table import FAMILIES
from beecam.models.revision.fingerprint import fingerprint, text_fingerprint
from beecam.models.revision.set_values import remember_as_built, set_values
from beecam.models.text.tokenizers import own_tokenizer
from beecam.models.weights.lora import PREFIX
from helpers import PATIENCE
from tiny import NAMES, SHAPES, make

pytestmark = pytest.mark.slow


CALLED = {name for family in FAMILIES for name in family.classes}


def prompt_of(name):
    return {} if name == "StableVideoDiffusionPipeline" else {"prompt": "a bee"}


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_as_built_has_none_before_and_after_a_call(name):
    pipe = make(name)
    before = set_values(pipe)
    assert [one for one in before if " of class " not in one] == ALWAYS.get(name, [])
    if name in CALLED:  # others need more than a prompt
        pipe(**prompt_of(name), **SHAPES[name])
    assert set_values(pipe) == before


# What tests/tiny sets itself.
ALWAYS = {
    "Cosmos3OmniPipeline": ["pipe.config.enable_safety_checker=False"],
    "AllegroPipeline": [
        "vae.kernel=[8, 16, 16]",
        "vae.stride=[4, 8, 8]",
        "vae.use_tiling=True",
    ],
}


@pytest.mark.parametrize("name", ["WanPipeline", "AnimateDiffPipeline", "LTX2Pipeline"])
def test_a_loaded_pipeline_has_none_by_either_way(name, tmp_path):
    make(name).save_pretrained(tmp_path)
    pipe = DiffusionPipeline.from_pretrained(tmp_path)
    assert set_values(pipe) == []
    remember_as_built(pipe)
    assert set_values(pipe) == []


def test_pollen_has_none():
    assert set_values(bc.load().pipe) == []


def _activation(pipe):
    """Replace an activation by a function."""
    layer = pipe.transformer.condition_embedder.time_embedder
    del layer.act
    layer.act = torch.sin


def _set(path, value):
    def change(pipe):
        owner, _, name = path.rpartition(".")
        setattr(_at(pipe, owner), name, value)

    return change


def _tokenizer(name, stage):
    return _set(f"tokenizer.backend_tokenizer.{name}", stage)


def _table(pipe):
    """Change a tensor that is neither weight nor buffer."""
    next(m for m in pipe.transformer.modules() if "freqs" in vars(m)).freqs *= 0.5


def _function_of_layer(pipe):
    next(m for m in pipe.image_encoder.modules() if "act" in vars(m)).act = torch.sin


class _Doubling(torch.nn.Linear):
    __module__ = "torch.nn"

    def forward(self, values):
        return 2 * super().forward(values)


def _class_of_layer(pipe):
    pipe.transformer.blocks[0].attn1.to_q.__class__ = _Doubling


def _at(owner, path):
    for name in filter(None, path.split(".")):
        owner = owner[int(name)] if name.isdigit() else getattr(owner, name)
    return owner


@pytest.mark.parametrize("kind", ["WanPipeline", "CogVideoXPipeline", "AnimateDiffPipeline"])
def test_the_steps_of_a_scheduler_set_nothing(kind):
    pipe = make(kind)
    known = Schedulers(pipe.scheduler)
    for name in known.names:
        pipe.scheduler = known.fresh(name)
        assert set_values(pipe) == [], name
        pipe.scheduler.set_timesteps(8)
        sample = torch.ones(1, 4, 1, 4, 4)
        for at in pipe.scheduler.timesteps[:2]:
            if name != "CogVideoXDPMScheduler":  # it takes more
                sample = pipe.scheduler.step(sample, at, sample, return_dict=False)[0]
        assert set_values(pipe) == [], name


def test_loras_of_shots_set_nothing():
    pipe = make("WanPipeline")
    lora = LoraConfig(r=2, target_modules=["to_q"])
    pipe.transformer.add_adapter(lora, adapter_name=f"{PREFIX}0123456789ab")
    pipe.transformer.disable_adapters()
    assert set_values(pipe) == []
    pipe.transformer.blocks[0].attn1.to_q.base_layer.in_features = 5
    assert set_values(pipe) == ["transformer.blocks.0.attn1.to_q.in_features=5"]


CHANGES = {
    "tiling": ("WanPipeline", lambda pipe: pipe.vae.enable_tiling()),
    "slicing": ("CogVideoXPipeline", lambda pipe: pipe.vae.enable_slicing()),
    "freeu": ("AnimateDiffPipeline", lambda pipe: pipe.enable_freeu(0.2, 0.2, 3.0, 3.0)),
    "shift": ("LTXPipeline", lambda pipe: pipe.scheduler.set_shift(7.0)),
    "noise": ("CogVideoXPipeline", lambda pipe: pipe.scheduler.alphas_cumprod.pow_(2)),
    "guidance": ("HunyuanVideo15Pipeline", _set("guider.guidance_scale", 9.0)),
    "no guidance": ("HunyuanVideo15Pipeline", lambda pipe: pipe.guider.disable()),
    "epsilon": ("WanPipeline", _set("transformer.blocks.0.norm1.eps", 0.5)),
    "rope": ("LTXPipeline", _set("transformer.rope.theta", 3.0)),
    "processor": ("WanPipeline", _set("video_processor", VideoProcessor(vae_scale_factor=4))),
    "layer": ("WanPipeline", _set("text_encoder.encoder.dropout", torch.nn.Identity())),
    "constant": ("CogVideoXPipeline", _set("vae_scaling_factor_image", 0.5)),
    "circular padding": ("AnimateDiffPipeline", _set("vae.decoder.conv_in.padding_mode", "zero")),
    "configuration": ("WanPipeline", lambda pipe: pipe.register_to_config(boundary_ratio=0.1)),
    "attention": ("AnimateDiffPipeline", lambda pipe: pipe.vae.set_attn_processor(AttnProcessor())),
    "function": ("WanPipeline", _activation),
    "padding": ("WanPipeline", _set("tokenizer.padding_side", "left")),
    "image": ("StableVideoDiffusionPipeline", _set("feature_extractor.image_mean", [0.1] * 3)),
    "image of a processor": (
        "Kandinsky5T2VPipeline",
        _set("tokenizer.image_processor.image_mean", [0.1] * 3),
    ),
    "added word": ("WanPipeline", lambda pipe: pipe.tokenizer.add_tokens(["bee"])),
    "other words": ("WanPipeline", _tokenizer("normalizer", Replace("bee", "moth"))),
    "other pieces": ("CogVideoXPipeline", _tokenizer("pre_tokenizer", Whitespace())),
    "other end": (
        "LTX2Pipeline",
        _tokenizer("post_processor", TemplateProcessing(single="$A $A", special_tokens=[])),
    ),
    "special token": ("WanPipeline", _set("tokenizer.pad_token", "a")),
    "chat": ("HunyuanVideo15Pipeline", _set("tokenizer.chat_template", "a {{ messages }}")),
    "private attribute": ("AnimateDiffPipeline", _set("vae._some_stride", (2, 2))),
    "private padding": ("WanPipeline", _set("vae.decoder.conv_in._padding", (0,) * 6)),
    "private of the pipeline": ("WanPipeline", _set("_some_factor", 0.5)),
    "buffer": ("WanPipeline", lambda pipe: pipe.transformer.rope.freqs_cos.mul_(0.3)),
    "table": ("Kandinsky5T2VPipeline", _table),
    "function of a layer": ("HunyuanVideo15ImageToVideoPipeline", _function_of_layer),
    "class of a layer": ("WanPipeline", _class_of_layer),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_part_of_the_revision(change):
    name, apply = CHANGES[change]
    pipe = make(name)
    model = bc.wrap(pipe, name="tiny")
    before = model.revision
    model.refresh()
    assert model.revision == before
    apply(pipe)
    model.refresh()
    assert model.revision != before
    again = make(name)
    apply(again)
    assert bc.wrap(again, name="tiny").revision == model.revision, "whenever it was set"


def test_a_clip_of_other_values_is_not_taken_from_the_library(library):
    pipe = make("LTXPipeline")
    sweep = bc.sweep("a bee", seed=range(2), **SHAPES["LTXPipeline"])
    first = bc.run(sweep, bc.wrap(pipe, name="tiny"), library=library).wait(PATIENCE)
    pipe.scheduler.set_shift(7.0)
    model = bc.wrap(pipe, name="tiny")
    second = bc.run(sweep, model, library=library).wait(PATIENCE)
    assert {clip.key for clip in first}.isdisjoint(clip.key for clip in second)
    for clip in second:
        assert (clip.regenerate(model) == model.generate([clip.shot])[0].frames).all()


# --- code of the owner's own -----------------------------------------------------------------------


def _hook(factor):
    return lambda _module, _inputs, output: output * factor


def _other_hook():
    def hook(_module, _inputs, output):
        return output + 1

    return hook


def _scheduler(factor):
    class Mine(FlowMatchEulerDiscreteScheduler):
        def step(self, output, *args, **kwargs):
            return super().step(factor * output, *args, **kwargs)

    return Mine


def _revision_with(change):
    pipe = make("WanPipeline")
    change(pipe)
    return bc.wrap(pipe, name="tiny").revision


def test_edited_code_is_another_revision():
    def hooked(hook):
        return _revision_with(lambda pipe: pipe.vae.decoder.register_forward_hook(hook))

    assert hooked(_hook(2)) == hooked(_hook(2)) != hooked(_hook(3))
    assert hooked(_other_hook()) == hooked(_other_hook()) != hooked(_hook(2))

    def scheduled(factor):
        def change(pipe):
            pipe.scheduler = _scheduler(factor).from_config(pipe.scheduler.config)

        return _revision_with(change)

    assert scheduled(0.5) == scheduled(0.5) != scheduled(0.7)


FACTOR = 2.0


def _factor():
    return FACTOR


def test_what_code_reads_of_its_notebook_is_part_of_the_revision(monkeypatch):
    table = torch.ones(3)
    hooks = (
        lambda _module, _inputs, output: output * FACTOR,
        lambda _module, _inputs, output: output * _factor(),
        lambda _module, _inputs, output: next(output * FACTOR for _ in range(1)),
        lambda _module, _inputs, output: output + table.sum(),
    )

    def revisions():
        return [
            _revision_with(lambda pipe, one=hook: pipe.vae.decoder.register_forward_hook(one))
            for hook in hooks
        ]

    before = revisions()
    assert revisions() == before
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    table *= 2
    assert not set(revisions()) & set(before)


def test_code_that_was_put_into_a_library_is_part_of_the_revision(monkeypatch):
    pipe = make("WanPipeline")
    model = bc.wrap(pipe, name="tiny")
    seen = [model.revision]
    decode, attend = type(pipe.vae)._decode, torch.nn.functional.scaled_dot_product_attention

    def attend_scaled(query, *args, **more):
        return attend(2 * query, *args, **more)

    changes = (
        (type(pipe.vae), "_decode", lambda self, z, *args, **more: decode(self, z / 2, *args)),
        (torch.nn.Linear, "forward", lambda self, values: values @ self.weight.T),
        (torch.nn.functional, "scaled_dot_product_attention", attend_scaled),
        (inspect.getmodule(type(pipe)), "prompt_clean", lambda text: f"a moth, {text}"),
    )
    for owner, name, function in changes:
        monkeypatch.setattr(owner, name, function)
        model.refresh()
        assert model.revision not in seen, name
        seen.append(model.revision)
    monkeypatch.undo()
    model.refresh()
    assert model.revision == seen[0]


def test_what_was_compiled_elsewhere_in_the_process_is_no_code_of_an_owner(monkeypatch):
    pipe = make("WanPipeline")
    model = bc.wrap(pipe, name="tiny")
    before = model.revision
    modules = [
        inspect.getmodule(one)
        for one in (type(pipe), type(pipe.transformer), type(pipe.vae), type(pipe.text_encoder))
    ]
    for module in (*modules, torch.nn.functional):
        # A part of a library's function that can't be compiled is called between two graphs.
        code = "def own(x):\n    y = x + 1\n    print(end='')\n    return y * 2"
        exec(code, vars(module))
        torch.compile(vars(module).pop("own"), backend="eager")(torch.ones(2))
        assert any(name.startswith("__compiled") for name in vars(module)), module
    model.refresh()
    assert model.revision == before
    monkeypatch.setattr(modules[0], "prompt_clean", lambda text: f"a moth, {text}")
    model.refresh()
    assert model.revision != before


def test_words_are_counted_with_what_was_changed_on_a_tokenizer():
    pipe = make("WanPipeline")
    before = len(own_tokenizer(pipe.tokenizer)("a bee").input_ids)
    pipe.tokenizer.backend_tokenizer.normalizer = Replace("bee", "a very long text of many words")
    assert len(own_tokenizer(pipe.tokenizer)("a bee").input_ids) > before


@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_whatever_value_of_a_module_is_set_is_part_of_the_revision(wan_values, data):
    pipe, before = wan_values
    parts = [pipe.transformer, pipe.vae, pipe.text_encoder]
    modules = [module for part in parts for module in part.modules()]
    module = data.draw(st.sampled_from(modules))
    name = data.draw(st.sampled_from(["eps", "_padding", "scale", "_mode", "heads", "is_causal"]))
    value = data.draw(st.sampled_from([0.37, (7, 7), "other", -3]))
    own = vars(module)
    was = own.get(name)
    own[name] = value
    try:
        assert set_values(pipe) != before
    finally:
        own.pop(name)
        if was is not None:
            own[name] = was
    assert set_values(pipe) == before


@pytest.fixture(scope="module")
def wan_values():
    pipe = make("WanPipeline")
    return pipe, set_values(pipe)


def test_a_hook_that_counts_keeps_its_revision():
    calls = []
    counter = types.SimpleNamespace(count=0)

    def hook(_module, _inputs, output):
        nonlocal count
        count += 1
        counter.count += 1
        calls.append(count)
        return output

    count = 0
    pipe = make("WanPipeline")
    pipe.transformer.register_forward_hook(hook)
    model = bc.wrap(pipe, name="tiny")
    before = model.revision
    model.generate([model.resolve(bc.shot("a bee", **SHAPES["WanPipeline"]))])
    model.refresh()
    assert (model.revision, count > 0) == (before, True)


def test_a_scheduler_that_was_exchanged_is_used_at_once():
    pipe = make("WanPipeline")
    model = bc.wrap(pipe, name="tiny")
    shot = bc.shot("a bee", seed=1, **SHAPES["WanPipeline"])
    for factor in (0.5, 0.7):
        pipe.scheduler = _scheduler(factor).from_config(pipe.scheduler.config)
        model.refresh()
        (found,) = model.generate([model.resolve(shot)])
        other = bc.wrap(pipe, name="tiny")
        assert (found.frames == other.generate([other.resolve(shot)])[0].frames).all()


def _wraps(factor):
    """Return what makes methods that have the name and module of what they replace."""

    def replace(method):
        @functools.wraps(method)
        def call(values, *args, **more):
            return method(values * factor, *args, **more)

        return call

    return replace


class _Times:
    """A method that is an object, with its factor as a private attribute."""

    def __init__(self, method, factor):
        self._method, self._factor = method, factor

    def __call__(self, values, *args, **more):
        return self._method(values * self._factor, *args, **more)


class _NamedTimes(_Times):
    def __init__(self, method, factor):
        super().__init__(method, factor)
        functools.update_wrapper(self, method)


def _cached(factor):
    return lambda method: functools.lru_cache(_wraps(factor)(method))


def _without_gradients(factor):
    return lambda method: torch.no_grad()(_wraps(factor)(method))


def _partial(factor):
    return lambda method: functools.partial(method, 0, factor)


METHODS = {
    "function": _wraps,
    "cache": _cached,
    "decorated": _without_gradients,
    "object": lambda factor: lambda method: _Times(method, factor),
    "named object": lambda factor: lambda method: _NamedTimes(method, factor),
    "partial": _partial,
}
PLACES = {
    "part": ("vae", "decode"),
    "layer": ("transformer.blocks.0.attn1.to_q", "forward"),
    "pipeline": ("", "prepare_latents"),
    "helper": ("video_processor", "postprocess_video"),
    "tokenizer": ("tokenizer", "tokenize"),
}


@pytest.mark.parametrize("way", METHODS)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_replaces_a_method_is_part_of_the_revision(way, place):
    path, name = PLACES[place]

    def revision(factor):
        def change(pipe):
            owner = _at(pipe, path)
            vars(owner)[name] = METHODS[way](factor)(getattr(owner, name))

        return _revision_with(change)

    plain = _revision_with(lambda _pipe: None)
    assert plain != revision(0.5) == revision(0.5) != revision(0.7)


@pytest.mark.parametrize("way", ["function", "decorated"])
def test_a_method_of_a_class_by_the_name_of_the_librarys_is_seen(way, monkeypatch):
    pipe = make("WanPipeline")
    model, kind = bc.wrap(pipe, name="tiny"), type(pipe.vae)
    original, seen = kind._decode, [model.revision]
    for factor in (0.5, 0.7):

        @functools.wraps(original)
        def decode(self, values, *args, factor=factor, **more):
            return original(self, values * factor, *args, **more)

        monkeypatch.setattr(
            kind, "_decode", torch.no_grad()(decode) if way != "function" else decode
        )
        model.refresh()
        assert model.revision not in seen
        seen.append(model.revision)


def test_code_of_a_tokenizer_is_part_of_the_revision():
    def revision(change):
        def derive(pipe):
            kind = type(pipe.tokenizer)

            class Mine(kind):
                def __call__(self, texts, *args, **more):
                    return super().__call__([change(text) for text in texts], *args, **more)

            pipe.tokenizer.__class__ = Mine

        return _revision_with(derive)

    assert revision(str.lower) == revision(str.lower) != revision(str.upper)


class _Activation:
    """A function of a layer that is an object."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, values):
        return values * self.factor


def test_an_object_that_a_layer_calls_is_part_of_the_revision():
    def revision(factor):
        def change(pipe):
            layer = pipe.transformer.condition_embedder.time_embedder
            del layer.act
            layer.act = _Activation(factor)

        return _revision_with(change)

    assert revision(0.5) == revision(0.5) != revision(0.7)


def test_layers_of_a_quantized_network_are_read():
    def revision(factor):
        def change(pipe):
            with torch.no_grad():
                pipe.transformer.blocks[0].ffn.net[2].weight.mul_(factor)
            pipe.transformer.blocks[0].ffn = torch.ao.quantization.quantize_dynamic(
                pipe.transformer.blocks[0].ffn, {torch.nn.Linear}, dtype=torch.qint8
            )

        return _revision_with(change)

    assert revision(1.0) == revision(1.0) != revision(1.5)


def test_what_a_call_leaves_in_a_pipeline_is_no_set_value():
    pipe = make("AnimateDiffPipeline")
    pipe.enable_free_init(num_iters=2)
    before = set_values(pipe)
    pipe("a bee", **SHAPES["AnimateDiffPipeline"])
    assert set_values(pipe) == before


@pytest.mark.parametrize(
    ("name", "decides"),
    [("LTX2Pipeline", False), ("SanaVideoPipeline", False), ("WanPipeline", True)],
)
def test_what_a_pipeline_sets_on_its_tokenizer_is_no_set_value(name, decides):
    pipe = make(name)
    seen = set()
    for side in ("left", "right"):
        pipe.tokenizer.padding_side = side
        seen.add((fingerprint(pipe), text_fingerprint(pipe)))
    assert len(seen) == 1 + decides


def _closure(pipe, network):
    decode = pipe.vae.decode

    def with_network(values, *args, **more):
        return decode(network(values.movedim(1, -1)).movedim(-1, 1), *args, **more)

    pipe.vae.decode = with_network


def _bound(pipe, network):
    pipe.video_processor.normalize = network.forward


def _kept(pipe, network):
    class Hook:
        def __init__(self, network):
            self.apply = network.forward

        def __call__(self, _module, _inputs, output):
            return self.apply(output)

    pipe.text_encoder.shared.register_forward_hook(Hook(network))


@pytest.mark.parametrize("use", [_closure, _bound, _kept])
def test_weights_of_another_network_that_code_uses_count(use):
    def revision(factor):
        def change(pipe):
            torch.manual_seed(1)
            network = torch.nn.Linear(16, 16)
            with torch.no_grad():
                network.weight.mul_(factor)
            use(pipe, network)

        return _revision_with(change)

    assert revision(1.0) == revision(1.0) != revision(1.5)


def test_code_that_uses_the_pipelines_own_networks_keeps_its_revision():
    pipe = make("WanPipeline")
    pipe.vae.decode = lambda values, decode=pipe.vae.decode, **more: decode(values, **more)
    model = bc.wrap(pipe, name="tiny")
    before = model.revision
    model.generate([model.resolve(bc.shot("a bee", **SHAPES["WanPipeline"]))])
    model.refresh()
    assert model.revision == before


@pytest.mark.parametrize("kind", [list, dict])
def test_tables_in_a_list_are_part_of_the_revision(kind):
    def revision(factor):
        def change(pipe):
            tables = [torch.ones(3) * factor, torch.arange(2)]
            pipe.transformer.rope.tables = tables if kind is list else dict(enumerate(tables))

        return _revision_with(change)

    assert revision(1.0) == revision(1.0) != revision(1.5)


class _Hook:
    """A hook with a factor and a count of its calls."""

    def __init__(self, factor):
        self.factor, self.calls = factor, 0

    def __call__(self, _module, _inputs, output):
        self.calls += 1
        return output * self.factor

    def method(self, module, inputs, output):
        return self(module, inputs, output)


@pytest.mark.parametrize("hook_of", [_Hook, lambda factor: _Hook(factor).method])
def test_what_a_hook_was_built_with_is_part_of_the_revision_and_its_count_is_not(hook_of):
    def model(factor):
        pipe = make("WanPipeline")
        pipe.transformer.blocks[0].register_forward_hook(hook_of(factor))
        return bc.wrap(pipe, name="tiny")

    one = model(0.5)
    before = one.revision
    assert before == model(0.5).revision != model(0.7).revision
    one.generate([one.resolve(bc.shot("a bee", **SHAPES["WanPipeline"]))])
    one.refresh()
    assert one.revision == before
