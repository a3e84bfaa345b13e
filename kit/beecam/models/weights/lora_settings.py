"""Check what a LoRA says about itself, before anything is loaded.

A file of diffusers holds peft's `LoraConfig`, with entries that import modules, change the weights
of the network, reserve memory for any rank, or match names with any pattern. Those that are
understood here are allowed with values that say nothing else than the weights of the file do; each
other one must be what peft assumes without it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from beecam._util.strict_json import parse_json
from beecam.errors import did_you_mean, shorten

_KEY = "lora_adapter_metadata"
_MAX_JSON = 10_000_000  # characters
# Those of the largest networks have 5,000. peft compares each with all others: 100,000 take hours.
_MAX_TENSORS = 20_000
_DOWN = re.compile(r"lora_A|lora_down|lora\.down|\.down\.weight$")
_MAGNITUDES = "lora_magnitude_vector"
_NAME = re.compile(r"[\w.-]+")
# Without a repeated group, and with few repetitions, which take a time to be found out.
_PATTERN = re.compile(r"(?:[\w.|()^$\\-]|(?<!\))[*+])+")
_MAX_REPEATED = 3
_MAX_PATTERN = 10_000


def settings_problem(path: Path) -> str | None:
    """Return why a LoRA's settings aren't understood, or None.

    >>> settings_problem(Path("watercolour.safetensors"))

    Args:
        path: A file of safetensors.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:  # numpy has no bfloat16
        names = list(file.keys())
        if len(names) > _MAX_TENSORS:
            return f"it has {len(names):,} tensors; at most {_MAX_TENSORS:,} are loaded."
        ranks = {file.get_slice(name).get_shape()[0] for name in names if _has_rank(file, name)}
        for name in names:
            if name.endswith(".alpha") and not _is_number(_alpha(file, name)):
                return f"its {shorten(name)} is not a finite number."
        text = (file.metadata() or {}).get(_KEY)
    if not text:
        return None
    try:
        found = parse_json(text, _MAX_JSON)
    except ValueError as error:
        return f"its {_KEY} is damaged ({error})."
    if not isinstance(found, dict):
        return f"its {_KEY} is damaged: it is not an object."
    magnitudes = any(_MAGNITUDES in name for name in names)
    return next(_problems(found, ranks, magnitudes=magnitudes), None)


def _has_rank(file: Any, name: str) -> bool:
    return bool(_DOWN.search(name)) and len(file.get_slice(name).get_shape()) > 1


def _alpha(file: Any, name: str) -> Any:
    if math.prod(file.get_slice(name).get_shape()) != 1:
        return None
    return float(file.get_tensor(name).reshape(-1)[0])


def _problems(found: dict[str, Any], ranks: set[int], *, magnitudes: bool) -> Iterator[str]:
    from peft import LoraConfig

    fields = {one.name: one for one in dataclasses.fields(LoraConfig)}
    allowed = _allowed(ranks, magnitudes=magnitudes)
    for name, value in found.items():
        # As in "transformer.r".
        key = name.partition(".")[2]
        field = fields.get(key)
        if field is None:
            close = did_you_mean(key, list(allowed))
            yield f"its settings have {shorten(name)}, which peft doesn't know.{close}"
        elif key in allowed:
            test, needed = allowed[key]
            if not test(value):
                yield f"its setting {name} is {shorten(value)}; {needed} is needed."
        elif value is not None and not _is_default(field, value):
            yield (
                f"its setting {name} is {shorten(value)}, which is not supported: it could change "
                "other weights or run other code. Save it again without that."
            )


def _is_default(field: Any, value: Any) -> bool:
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if dataclasses.is_dataclass(default) and not isinstance(default, type):
        default = dataclasses.asdict(default)
    return bool(value == default and type(value) is type(default)) or value in ({}, [])


def _allowed(ranks: set[int], *, magnitudes: bool) -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return a test for each setting that is understood, and what it allows in words."""
    known = ", ".join(map(str, sorted(ranks)[:8])) or "none"

    def rank(value: Any) -> bool:
        return type(value) is int and value in ranks

    a_rank, a_number, switch = (
        f"a rank that its weights have ({known})",
        "a finite number",
        "a bool",
    )
    return {
        "r": (rank, a_rank),
        "rank_pattern": (
            _mapping(rank),
            f"a mapping of names to ranks that its weights have ({known})",
        ),
        "lora_alpha": (_is_number, a_number),
        "alpha_pattern": (_mapping(_is_number), "a mapping of names to finite numbers"),
        "target_modules": (_is_target, "a list of names, or a simple pattern,"),
        "exclude_modules": (lambda value: value is None or _is_target(value), "a list of names"),
        "use_rslora": (_is_bool, switch),
        "lora_bias": (_is_bool, switch),
        "lora_dropout": (_is_number, a_number),
        "use_dora": (
            lambda value: _is_bool(value) and value <= magnitudes,
            "False, since it holds no magnitudes,",
        ),
        "init_lora_weights": (
            lambda value: _is_bool(value) or value == "gaussian",
            "True, False or 'gaussian'; others change the weights of the network, so one of these",
        ),
        # Notes about where it comes from, which nothing reads.
        **dict.fromkeys(
            (
                "peft_version",
                "base_model_name_or_path",
                "revision",
                "task_type",
                "inference_mode",
                "auto_mapping",
            ),
            (lambda _: True, ""),
        ),
        "peft_type": (lambda value: value in (None, "LORA"), "'LORA'"),
    }


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and -1e9 < value < 1e9  # noqa: PLR2004  (also False for NaN)


def _mapping(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a test of a mapping of names; peft takes them as patterns."""
    return lambda value: (
        isinstance(value, dict)
        and all(_NAME.fullmatch(name) for name in value)
        and all(map(test, value.values()))
    )


def _is_target(value: Any) -> bool:
    if isinstance(value, str):
        return (
            len(value) <= _MAX_PATTERN
            and bool(_PATTERN.fullmatch(value))
            and value.count("*") + value.count("+") <= _MAX_REPEATED
        )
    return isinstance(value, list) and all(
        isinstance(one, str) and _NAME.fullmatch(one) for one in value
    )
