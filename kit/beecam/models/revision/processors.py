"""What tokenizers and image processors do: they have no configuration like that of a network."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from beecam.models.text.tokenizers import tokenizer_content

# Of a processor of several kinds of input.
_INNER = ("image_processor", "video_processor", "feature_extractor", "tokenizer")
# Where it was loaded from, and by what.
_IRRELEVANT = ("name_or_path", "processor_class", "_processor_class", "transformers_version")


def processor_content(part: Any, set_by_calls: Collection[str] = ()) -> str:
    """Return what decides the output of a tokenizer or an image processor; "" for others.

    >>> processor_content(pipe.scheduler)
    ''

    Args:
        part: A component of a pipeline that isn't a network.
        set_by_calls: Attributes that the pipeline's own methods set.
    """
    if hasattr(part, "get_vocab"):
        return tokenizer_content(part, set_by_calls)
    if not hasattr(part, "to_dict") or hasattr(part, "config"):
        return ""
    inner = [name for name in _INNER if hasattr(part, name)]
    if inner:
        each = [f"{name} {processor_content(getattr(part, name), set_by_calls)}" for name in inner]
        return "\n".join([*each, str(getattr(part, "chat_template", None))])
    settings = {n: v for n, v in part.to_dict().items() if n not in _IRRELEVANT}
    return f"{type(part).__name__} {json.dumps(settings, sort_keys=True, default=str)}"
