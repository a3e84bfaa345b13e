"""Values that were set on a pipeline after it was built, such as tiling or a scheduler's shift.

They change pixels, and neither weights nor configuration have them. Each part is compared with one
that is built from the same configuration, without memory for its weights.
"""

from __future__ import annotations

import enum
import functools
import inspect
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from beecam._util.silence import silent_loggers
from beecam.models.batching.owner import is_known, is_method, of_each_module, of_library
from beecam.models.revision.code_digest import code_digest
from beecam.models.revision.sampled import Sample, is_numbers
from beecam.models.revision.stored import stored_by_calls
from beecam.models.revision.without_memory import weights_without_memory

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
        "_is_hf_initialized",
        "_progress_bar_config",
        "_old_forward",
        "_compiled_call_impl",
        "_output_capturing_hooks_installed",
        "_use_kernels",
        "_weight_conversions",
    ]
)
_LIBRARIES = ("beecam", "diffusers", "transformers")
_MAX_DEPTH = 4
_NOT_PLAIN = object()
_PLAIN = (type(None), bool, int, float, str)

# The values of a part as it was built, by part, with the configuration that it had.
_built: weakref.WeakKeyDictionary[Any, tuple[str, Values | None]] = weakref.WeakKeyDictionary()
_states: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()


def set_values(pipe: Any) -> list[str]:
    """Return what was set on a pipeline and its parts, in words; empty for one as it was loaded.

    What a pipeline's own configuration has otherwise than the defaults of its class is named, too.

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
        known, built = _built.get(part, (None, None))
        if known != configuration:
            built = _values_as_built(part)
            _built[part] = configuration, built
        now = _values_of(part) if built is not None else {}
        built = built or {}
        found += [
            f"{name}.{path}={value!r}"
            for path, value in now.items()
            if value != built.get(path) and path.rpartition(".")[2] not in stored
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

    own = _own(part)
    if isinstance(part, torch.nn.Module):
        return dict(_values_in_network(part))
    if isinstance(part, DiffusionPipeline):
        return dict(_values_in_pipeline(part))
    return dict(_plain_values(own, stored_by_calls(type(part))))


def _values_in_pipeline(pipe: Any) -> Iterator[tuple[str, Any]]:
    own = dict(vars(pipe))
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
        own = _own(module)
        yield f"{at}class", type(module).__qualname__
        for name in own["_non_persistent_buffers_set"]:
            own[name] = own["_buffers"].get(name)
        for name, value in _plain_values(own, _state_of_module(type(module)), tables=True):
            yield at + name, value
        processor = own.get("processor")
        if processor is not None:
            yield f"{at}processor", type(processor).__qualname__
        for name, value in _plain_values(dict(getattr(processor, "__dict__", {})), frozenset()):
            yield f"{at}{type(processor).__qualname__}.{name}", value


def _state_of_module(kind: type) -> frozenset[str]:
    if kind not in _states:
        _states[kind] = stored_by_calls(kind) | of_each_module()
    return _states[kind]


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


def _own(part: Any) -> dict[str, Any]:
    """Return the attributes of an object itself, without methods: `foreign_code` has these."""
    own = dict(vars(part))  # calls may add to it meanwhile
    kind = type(part)
    # Most can't be called: after each batch every module is asked.
    methods = [name for name in own if callable(own[name]) and is_method(kind, name, own[name])]
    for name in methods:
        del own[name]
    return own


def _plain_values(
    own: Values, state: frozenset[str], *, tables: bool = False
) -> Iterator[tuple[str, Any]]:
    for name, value in own.items():
        if name in state or name in _IRRELEVANT:
            continue
        plain = value if isinstance(value, _PLAIN) else _plain(value, tables=tables)
        if plain is not _NOT_PLAIN:
            yield name, plain


def _plain(value: Any, depth: int = 0, *, tables: bool = False) -> Any:
    """Return a value that can be compared and printed, or `_NOT_PLAIN`.

    Args:
        value: The value.
        depth: In how many lists and dictionaries it is.
        tables: Whether these may have tensors. Schedulers keep those of their last steps there.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (list, tuple)) and depth < _MAX_DEPTH:
        each = [_plain(one, depth + 1, tables=tables) for one in value]
        return _NOT_PLAIN if any(one is _NOT_PLAIN for one in each) else each
    if isinstance(value, Mapping) and depth < _MAX_DEPTH:
        pairs = {str(name): _plain(one, depth + 1, tables=tables) for name, one in value.items()}
        return _NOT_PLAIN if any(one is _NOT_PLAIN for one in pairs.values()) else pairs
    return _NOT_PLAIN if depth and not (tables and is_numbers(value)) else _alone(value)


def _alone(value: Any) -> Any:
    """Return what stands for a value that isn't plain, or `_NOT_PLAIN`; in a list only numbers."""
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, functools.partial)):
        return _function(value)
    if is_numbers(value):
        return Sample(value)
    if callable(value) and not isinstance(value, type) and not is_known(value):
        return f"{type(value).__qualname__} {code_digest(value)}"
    # torch's types and devices
    named = isinstance(value, enum.Enum) or type(value).__module__ == "torch"
    return str(value) if named else _NOT_PLAIN


def _function(value: Any) -> str:
    inner = getattr(value, "func", value)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return name if inner is value and of_library(value) else f"{name} {code_digest(value)}"


# --- values as built ---------------------------------------------------------------------------


def _values_as_built(part: Any) -> Values | None:
    """Return the values of a part that is built again; None if it can't be."""
    import torch
    from diffusers import DiffusionPipeline

    try:
        # They said it when it was loaded.
        with silent_loggers(*_LIBRARIES):
            if isinstance(part, DiffusionPipeline):
                return _values_of(_same_pipeline(part))
            if not isinstance(part, torch.nn.Module):
                return _values_of(_same_part(part))
            try:
                with weights_without_memory():
                    return _values_of(_same_part(part))
            except Exception:  # noqa: BLE001  (it computes with weights when it is built)
                with torch.device("meta"):
                    return _values_of(_same_part(part))
    except Exception:  # noqa: BLE001  (classes of others: nothing is compared then)
        return None


def _same_pipeline(pipe: Any) -> Any:
    known = {**pipe.config, **pipe.components}
    names = inspect.signature(type(pipe).__init__).parameters
    return type(pipe)(**{name: known[name] for name in names if name in known})


def _same_part(part: Any) -> Any:
    kind = type(part)
    return kind.from_config(part.config) if hasattr(kind, "from_config") else kind(part.config)
