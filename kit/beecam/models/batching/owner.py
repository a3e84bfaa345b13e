"""What the owner of a pipeline has set up on it, such as caches, hooks and wrapped networks.

These may keep the state of a call in a network that all batches share, decide by the whole batch,
or read the pipeline that they close over. So with any of them there is one call at a time, with
one clip, on the pipeline itself instead of a copy. Whatever is added to this adapter and shares
something between batches must ask `owner_state` first.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from beecam.errors import Problem, join_words, shorten
from beecam.models.batching.device import networks
from beecam.models.denoise.guiders import hooks_network
from beecam.shots.conditions import Condition

# Libraries whose classes are known to store nothing of a call, or to be handled here.
_KNOWN = frozenset(
    [
        "beecam",
        "diffusers",
        "transformers",
        "torch",
        "peft",
        "accelerate",
        "torchao",
        "bitsandbytes",
        "gguf",
        "optimum",
    ]
)
# They, Python itself and the decorators of another library.
_CODE_OF_OTHERS = _KNOWN | sys.stdlib_module_names - {"__main__"} | {"huggingface_hub"}
FUNCTIONS = (types.FunctionType, types.MethodType, functools.partial)
_CONSTANTS = (bool, int, float, complex, str)
_COMPILED, _CACHED = ": compiled", " with cache "
# Attributes of a module that only a set-up has; functions on it are looked at, too.
_SET_UP = frozenset(["_hf_hook", "_diffusers_hook", "_compiled_call_impl", "processor"])
# Prefixes of components' names; any other component may affect the encoding of a text.
_NOT_FOR_TEXTS = (
    "transformer",
    "unet",
    "vae",
    "scheduler",
    "audio_vae",
    "vocoder",
    "motion_adapter",
)
# They move or cast weights around each call of a network, and change no pixel.
_PLACING = ("group_offloading", "lazy_", "layer_execution_tracker", "layerwise_casting", "peft_")


@dataclass(frozen=True)
class OwnerState:
    """What the owner of a pipeline has set up on it.

    Attributes:
        found: What may change pixels or keep state, in words; part of the model's revision.
        moves_weights: Whether hooks move or cast weights around each call.
        in_training: Names of networks in training mode whose layers draw random numbers then.
    """

    found: tuple[str, ...] = ()
    moves_weights: bool = False
    in_training: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether each clip needs a call of its own, on the pipeline itself."""
        return bool(self.found)

    @property
    def encodes(self) -> bool:
        """Whether the owner's own method encodes prompts: each clip's with it, then."""
        return any(one.startswith("pipe") for one in self.found)

    @property
    def may_draw(self) -> bool:
        """Whether it may draw random numbers of its own, which compiled networks and caches don't.

        What is compiled as one graph can't be called where each function of torch is watched.
        """
        return not all(one.endswith(_COMPILED) or _CACHED in one for one in self.found)

    @property
    def compiled(self) -> bool:
        """Whether anything on it is compiled."""
        return any(one.endswith(_COMPILED) for one in self.found)

    @property
    def one_at_a_time(self) -> bool:
        """Whether calls must not overlap."""
        return self.alone or self.moves_weights

    def problems(self, model: str) -> Iterator[Problem]:
        """Yield what can't be used, whatever the shot."""
        methods = [one for one in self.found if one.startswith("scheduler.")]
        if methods:
            # Each call has a copy of the scheduler, which a replaced method doesn't know.
            yield Problem(
                "scheduler",
                f"scheduler: {join_words(methods)} of {model} was replaced on the scheduler "
                "itself; a class of its own, derived from the scheduler's, works instead.",
            )
        for name in self.in_training:
            yield Problem(
                name,
                f"{name} of {model} is in training mode, in which its dropout changes each clip at "
                f"random: call pipe.{name}.eval() first.",
            )

    def other_class_problems(
        self, conditions: Sequence[Condition], model: str
    ) -> Iterator[Problem]:
        """Yield why conditions that another class over the weights has can't be used."""
        names = list(dict.fromkeys(condition.name for condition in conditions)) or ["image"]
        yield Problem(
            names[0],
            f"{names[0]}: for that, {model} needs another pipeline class over its weights, which "
            f"what is set up on the pipeline doesn't follow to: {shorten(join_words(self.found))}.",
        )


def for_texts(path: str) -> bool:
    """Return whether a part of a pipeline may affect the encoding of a text.

    >>> for_texts("text_encoder.encoder"), for_texts("vae.decoder")
    (True, False)

    Args:
        path: The part's name, or what begins with it.
    """
    return not path.startswith(_NOT_FOR_TEXTS)


def owner_state(pipe: Any) -> OwnerState:
    """Return what the owner of a pipeline has set up on it.

    Args:
        pipe: The pipeline, from `as_owned`.
    """
    found, moves, in_training = [], False, []
    if not is_known(pipe):
        found.append(f"pipeline of class {type(pipe).__qualname__}")
    found += [f"pipe.{name}" for name in replaced_methods(pipe)]
    if scheduler := replaced_methods(pipe.scheduler):
        found += [f"scheduler.{name}" for name in scheduler]
    found += _helpers(pipe)
    if hooks_network(guider := getattr(pipe, "guider", None)):
        found.append(f"guider: {type(guider).__qualname__}")
    found += _global_hooks()
    for name, network in networks(pipe).items():
        cache = getattr(network, "_cache_config", None)
        if cache is not None:
            found.append(f"{name}{_CACHED}{_settings(cache)}")
        if name == "safety_checker":
            continue  # it sees finished clips only
        if any(map(_drops_out, network.modules())):
            in_training.append(name)
        for path, module in network.named_modules(prefix=name):
            own, moved = _of_module(path, module, cached=cache is not None)
            found += own
            moves = moves or moved
    return OwnerState(tuple(sorted(set(found))), moves, tuple(in_training))


def _helpers(pipe: Any) -> Iterator[str]:
    """Yield what is set up on other objects of a pipeline, as tokenizers and video processors."""
    import torch

    for name, helper in list(vars(pipe).items()):
        # A scheduler may have a class of its own; a function is a replaced method, named already.
        if name == "scheduler" or name.startswith("_") or not hasattr(helper, "__dict__"):
            continue
        if isinstance(helper, (*FUNCTIONS, torch.nn.Module)):
            continue
        if not is_known(helper):
            yield f"pipe.{name} of class {type(helper).__qualname__}"
        for method in replaced_methods(helper):
            yield f"pipe.{name}.{method}"


def _global_hooks() -> Iterator[str]:
    """Yield the hooks that torch calls for every module."""
    import torch

    for kind in ("_global_forward_hooks", "_global_forward_pre_hooks"):
        for hook in list(getattr(torch.nn.modules.module, kind, {}).values()):
            yield f"hook {_name(hook)} of all modules"


def _of_module(path: str, module: Any, *, cached: bool) -> tuple[list[str], bool]:
    """Return what is set up on a module itself, and whether hooks move its weights.

    Args:
        path: The module's name in the pipeline.
        module: The module.
        cached: Whether it belongs to a network with a cache, whose hooks are known by that.
    """
    own = vars(module)
    if _is_untouched(module, own):
        return [], False
    found, moves = [], "_hf_hook" in own
    registry = own.get("_diffusers_hook")
    hooks = dict(getattr(registry, "hooks", {}))
    for name, hook in hooks.items():
        if name.startswith(_PLACING):
            moves = True
        elif not cached:
            found.append(f"{path}: {type(hook).__qualname__} {_settings(hook)}".rstrip())
    for kind in ("_forward_hooks", "_forward_pre_hooks"):
        # Libraries have hooks of their own, such as those with which transformers reads layers.
        hooked = [one for one in own[kind].values() if not of_library(one)]
        found += [f"{path}: hook {_name(one)}" for one in hooked]
    if not is_known(module):
        found.append(f"{path}: {type(module).__qualname__}")
    elif type(module).__name__ == "OptimizedModule" or own.get("_compiled_call_impl"):
        found.append(path + _COMPILED)
    processor = own.get("processor")
    if processor is not None and not is_known(processor):
        found.append(f"{path}: {type(processor).__qualname__}")
    # What places weights replaces a module's forward, and so does what compiles it.
    placed = hooks or "_hf_hook" in own or type(module).__name__ == "OptimizedModule"
    replaced = [n for n in replaced_methods(module) if not (placed and n == "forward")]
    found += [f"{path}.{name}{_compiled(own[name])}" for name in replaced]
    return found, moves


def _compiled(method: Any) -> str:
    return _COMPILED if is_compiled("", method) else ""


def is_compiled(name: str, value: Any) -> bool:
    """Return whether an attribute of a module is what `torch.compile` has made of a function.

    >>> is_compiled("forward", torch.compile(torch.sin))
    True

    Args:
        name: Its name.
        value: Its value.
    """
    if name == "_compiled_call_impl":
        return value is not None
    return callable(value) and hasattr(value, "_torchdynamo_orig_callable")


def _drops_out(module: Any) -> bool:
    return module.training and "Dropout" in type(module).__name__ and getattr(module, "p", 0) > 0


def _is_untouched(module: Any, own: Mapping[str, Any]) -> bool:
    """Return whether nothing can be set up on a module: quick, as each batch asks every module."""
    if not is_known(module) or type(module).__name__ == "OptimizedModule":
        return False
    if own["_forward_hooks"] or own["_forward_pre_hooks"]:
        return False
    more = own.keys() - of_each_module()
    kind = type(module)
    return not any(name in _SET_UP or is_method(kind, name, own[name]) for name in more)


@functools.cache
def of_each_module() -> frozenset[str]:
    """Return the attributes that each module has on itself."""
    import torch

    return frozenset(vars(torch.nn.Module()))


def replaced_methods(owner: Any) -> list[str]:
    """Return the names of the methods of an object that were replaced on itself.

    >>> replaced_methods(pipe.vae)
    []
    """
    own = getattr(owner, "__dict__", {})
    return [
        name
        for name, value in list(own.items())  # calls may add to it meanwhile
        if is_method(type(owner), name, value)
        and not _name(value).startswith("beecam.")
        # What was hooked once has its own method on itself afterwards.
        and getattr(value, "__func__", None) is not getattr(type(owner), name)
    ]


def is_method(kind: type, name: str, value: Any) -> bool:
    """Return whether an attribute of an object takes the place of a method of its class.

    Whatever can be called can be a method: a function, a cache of one, an object of any class.

    Args:
        kind: The object's class.
        name: The attribute's name.
        value: Its value.
    """
    return callable(value) and callable(getattr(kind, name, None))


def is_known(owner: Any) -> bool:
    """Return whether an object is of a class whose calls are known to store nothing of a clip.

    >>> is_known(pipe.tokenizer)
    True
    """
    return type(owner).__module__.partition(".")[0] in _KNOWN


def of_library(function: Any) -> bool:
    """Return whether a function or a class is of one of the libraries with known classes.

    What `functools.wraps` was applied to has the name and module of another function: what counts
    is where code was defined. Numbers and names in a `functools.partial` are of who made it.

    >>> of_library(torch.nn.Linear)
    True
    """
    if isinstance(function, functools.partial):
        given = (*function.args, *function.keywords.values())
        return of_library(function.func) and not any(isinstance(one, _CONSTANTS) for one in given)
    if _name(function).partition(".")[0] not in _KNOWN:
        return False
    while function is not None:
        function = getattr(function, "__func__", function)
        if isinstance(function, types.FunctionType):
            home = str(function.__globals__.get("__name__"))
        else:
            home = "builtins" if isinstance(function, type) else type(function).__module__
        if home.partition(".")[0] not in _CODE_OF_OTHERS:
            return False
        function = getattr(function, "__dict__", {}).get("__wrapped__")
    return True


def _name(function: Any) -> str:
    inner = getattr(function, "func", function)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', '')}.{name}"


def _settings(owner: Any) -> str:
    """Return the settings of a cache or a hook, without functions and state."""
    config = owner if is_dataclass(owner) else getattr(owner, "config", None)
    if not is_dataclass(config):
        plain = {
            name: value
            for name, value in vars(owner).items()
            if isinstance(value, (bool, int, float, str, tuple)) and not name.startswith("_")
        }
        return str(plain) if plain else ""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    plain = {n: v.tolist() if hasattr(v, "tolist") else v for n, v in values.items()}
    shown = [f"{name}={value!r}" for name, value in plain.items() if not callable(value)]
    return f"{type(config).__name__}({', '.join(shown)})"
