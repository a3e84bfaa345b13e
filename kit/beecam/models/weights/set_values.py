"""Values that were set on a pipeline after it was built, such as tiling or a scheduler's shift.

They change pixels, and neither weights nor configuration have them. Each part is compared with one
that is built from the same configuration, without memory for its weights.
"""

from __future__ import annotations

import contextlib
import dis
import hashlib
import inspect
import logging
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

Values = Mapping[str, Any]

# Where a part was loaded from, and switches of training.
_IRRELEVANT = frozenset(
    [
        "name_or_path",
        "training",
        "gradient_checkpointing",
        "hf_device_map",
        "_internal_dict",
        "peft_config",
    ]
)
_LIBRARIES = ("beecam", "diffusers", "transformers")
# With these an owner sets values; what other methods store is the state of a call.
_SETTERS = ("__init__", "enable", "disable", "set_", "fuse", "unfuse")
# They store what they have moved to another device, or read from a file.
_MOVING = ("add_noise", "get_velocity", "__setstate__", "_apply", "to", "_load")
_CALLED = ("set_timesteps", "set_begin_index", "set_state")
_TOKENIZER = {
    "padding_side": "right",
    "truncation_side": "right",
    "model_max_length": int(1e30),  # none
}
_MAX_DEPTH = 4
_NOT_PLAIN = object()
_STORE = dis.opmap["STORE_ATTR"]

# The values of a part as it was built, by part, with the configuration that it had.
_built: weakref.WeakKeyDictionary[Any, tuple[str, Values]] = weakref.WeakKeyDictionary()
_stored: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()


def set_values(pipe: Any) -> list[str]:
    """Return what was set on a pipeline and its parts, in words; empty for one as it was loaded.

    >>> pipe.vae.enable_tiling()
    >>> set_values(pipe)
    ['vae.use_tiling=True']

    Args:
        pipe: A pipeline, while none of its calls runs on itself.
    """
    found = list(_of_configuration(pipe))
    # Some pipelines set the padding of a tokenizer, or values of their parts, in each call.
    stored = stored_by_calls(type(pipe))
    for name, part in _parts(pipe):
        configuration = _configuration(part)
        known, built = _built.get(part, ("", None))
        if built is None or known != configuration:
            built = _values_as_built(part)
            _built[part] = configuration, built
        now = _values_of(part)
        found += [
            f"{name}.{path}={value!r}"
            for path, value in now.items()
            if value != built.get(path) and path.rpartition(".")[2] not in stored and built
        ]
        if hasattr(part, "named_modules"):
            found += [f"{name}.{path} is gone" for path in built.keys() - now.keys()]
        if type(part).__module__.partition(".")[0] not in _LIBRARIES:
            found.append(f"{name} of class {type(part).__qualname__}")
    return sorted(found)


def remember_as_built(pipe: Any) -> None:
    """Store the values of a pipeline that was just loaded: it need not be built a second time."""
    for _, part in _parts(pipe):
        _built[part] = _configuration(part), _values_of(part)


def _of_configuration(pipe: Any) -> Iterator[str]:
    """Yield what a pipeline's own configuration has otherwise than its class."""
    for name, parameter in inspect.signature(type(pipe).__init__).parameters.items():
        value = _plain(pipe.config.get(name)) if name not in pipe.components else _NOT_PLAIN
        if value is not _NOT_PLAIN and name in pipe.config and value != _plain(parameter.default):
            yield f"pipe.config.{name}={value!r}"


def _parts(pipe: Any) -> Iterator[tuple[str, Any]]:
    yield "pipe", pipe
    for name, part in pipe.components.items():
        if part is not None and hasattr(part, "__dict__"):
            # A compiled network has the one that was built inside.
            yield name, getattr(part, "_orig_mod", part)


def _configuration(part: Any) -> str:
    config: Any = getattr(part, "config", None)
    return str(config.to_dict() if hasattr(config, "to_dict") else config)


# --- values now ----------------------------------------------------------------------------------


def _values_of(part: Any) -> Values:
    """Return plain values by the path of their attribute, without those that calls change."""
    import torch
    from diffusers import DiffusionPipeline

    own = dict(vars(part))  # calls may add to it meanwhile
    if isinstance(part, torch.nn.Module):
        return dict(_values_in_network(part))
    if isinstance(part, DiffusionPipeline):
        return dict(_values_in_pipeline(part))
    if hasattr(part, "init_kwargs"):  # a tokenizer
        return {name: getattr(part, name, None) for name in _TOKENIZER}
    state = stored_by_calls(type(part))
    arrays = {name: _numbers(value) for name, value in own.items() if name not in state}
    return {
        **dict(_plain_values(own, state)),
        **{name: value for name, value in arrays.items() if value is not _NOT_PLAIN},
    }


def _values_in_pipeline(pipe: Any) -> Iterator[tuple[str, Any]]:
    own = {name: value for name, value in dict(vars(pipe)).items() if name[0] != "_"}
    yield from _plain_values(own, frozenset())
    for name, helper in own.items():
        config = getattr(helper, "config", None)
        if name not in pipe.components and isinstance(config, Mapping):
            yield name, f"{type(helper).__qualname__}({dict(config)})"


def _values_in_network(network: Any) -> Iterator[tuple[str, Any]]:
    wrapped: set[str] = set()
    for path, module in network.named_modules():
        # LoRAs count by their weights and strengths, those of shots not at all.
        if type(module).__module__.startswith("peft."):
            wrapped.add(path)
        if wrapped and _is_of_lora(path, wrapped):
            continue
        # Layers with a LoRA have the layer that was built inside.
        at = path.replace(".base_layer", "") + "." if path else ""
        own, state = dict(vars(module)), stored_by_calls(type(module))
        if not own["_parameters"] and not own["_buffers"] and not own["_modules"]:
            yield f"{at}class", type(module).__qualname__
        for name, value in _plain_values({n: v for n, v in own.items() if n[0] != "_"}, state):
            yield at + name, value
        processor = own.get("processor")
        if processor is not None:
            yield f"{at}processor", type(processor).__qualname__
        for name, value in _plain_values(dict(getattr(processor, "__dict__", {})), frozenset()):
            yield f"{at}{type(processor).__qualname__}.{name}", value


def _is_of_lora(path: str, wrapped: set[str]) -> bool:
    """Return whether a module is part of a layer with a LoRA, besides the layer that was built."""
    if path in wrapped:
        return True
    above, _, name = path.rpartition(".")
    while above:
        if above in wrapped:
            return name != "base_layer"
        above, _, name = above.rpartition(".")
    return False


def _plain_values(own: Values, state: frozenset[str]) -> Iterator[tuple[str, Any]]:
    for name, value in own.items():
        if name in _IRRELEVANT or name in state:
            continue
        plain = _plain(value)
        if plain is not _NOT_PLAIN:
            yield name, plain


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value that can be compared and printed, or `_NOT_PLAIN`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)) and depth < _MAX_DEPTH:
        each = [_plain(one, depth + 1) for one in value]
        return _NOT_PLAIN if any(one is _NOT_PLAIN for one in each) else each
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        pairs = {str(name): _plain(one, depth + 1) for name, one in value.items()}
        return _NOT_PLAIN if any(one is _NOT_PLAIN for one in pairs.values()) else pairs
    return _NOT_PLAIN


def _numbers(value: Any) -> Any:
    """Return a digest of an array or a tensor, or `_NOT_PLAIN`."""
    if hasattr(value, "detach"):
        value = value.detach().float().cpu().numpy()
    if type(value).__name__ != "ndarray" or value.dtype == object:
        return _NOT_PLAIN
    return f"{value.shape} {hashlib.sha256(value.tobytes()).hexdigest()[:16]}"


def stored_by_calls(kind: type) -> frozenset[str]:
    """Return the attributes that methods of a class store, other than those of its owner."""
    import torch

    each = [_stored_by(one) for one in kind.__mro__ if one not in (torch.nn.Module, object)]
    return frozenset[str]().union(*each)


def _stored_by(kind: type) -> frozenset[str]:
    """Return the attributes that the methods of a class itself store."""
    if kind not in _stored:
        functions = [
            inspect.unwrap(function)
            for name, function in dict(vars(kind)).items()
            if inspect.isfunction(function)
            and (name in _CALLED or not name.startswith((*_SETTERS, *_MOVING)))
        ]
        # Most store nothing, and are not taken apart.
        functions = [one for one in functions if _STORE in one.__code__.co_code[::2]]
        _stored[kind] = frozenset(
            one.argval
            for function in functions
            for one in dis.get_instructions(function)
            if one.opcode == _STORE
        )
    return _stored[kind]


# --- values as built ---------------------------------------------------------------------------


def _values_as_built(part: Any) -> Values:
    """Return the values of a part that is built again; none if it can't be."""
    import torch
    from diffusers import DiffusionPipeline

    if hasattr(part, "init_kwargs"):
        return {name: part.init_kwargs.get(name, usual) for name, usual in _TOKENIZER.items()}
    try:
        with _silence():
            if isinstance(part, DiffusionPipeline):
                return _values_of(_same_pipeline(part))
            without_memory = isinstance(part, torch.nn.Module)
            with torch.device("meta") if without_memory else contextlib.nullcontext():
                return _values_of(_same_part(part))
    except Exception:  # noqa: BLE001  (classes of others: nothing is compared then)
        return {}


def _same_pipeline(pipe: Any) -> Any:
    known = {**pipe.config, **pipe.components}
    names = inspect.signature(type(pipe).__init__).parameters
    return type(pipe)(**{name: known[name] for name in names if name in known})


def _same_part(part: Any) -> Any:
    kind = type(part)
    return kind.from_config(part.config) if hasattr(kind, "from_config") else kind(part.config)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Leave out what libraries say of a part that is built: they said it when it was loaded."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
