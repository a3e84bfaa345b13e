"""Errors of a hub or a folder, each as one sentence that says what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from beecam.errors import ModelError, first_line


@contextlib.contextmanager
def explain_load_errors(source: str, *more: type[Exception]) -> Iterator[None]:
    """Turn the errors of a hub or a folder into a ModelError that says what to do.

    Args:
        source: The name in the call.
        more: Further classes of errors.
    """
    caught: tuple[type[Exception], ...] = (OSError, ValueError, AttributeError, ImportError, *more)
    try:
        yield
    except caught as error:
        kinds = {type(one).__name__ for one in _causes(error)}
        raise ModelError(f"load({source!r}): {_explain(kinds, error)}") from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_REASONS = {
    "GatedRepoError": (
        "its owner grants access on request. Request it on its page, then log in with "
        "`hf auth login`."
    ),
    "RevisionNotFoundError": "the repository has no such revision.",
    "RepositoryNotFoundError": (
        "the repository does not exist, or is private. Check the spelling; for a private one "
        "log in with `hf auth login`."
    ),
}


_UNREACHABLE = ("OfflineModeIsEnabled", "ConnectError", "ConnectionError", "ConnectTimeout")


def _explain(kinds: set[str], error: BaseException) -> str:
    for kind, reason in _REASONS.items():
        if kind in kinds:
            return reason
    if kinds.intersection(_UNREACHABLE):
        return (
            "it isn't on this machine, and the hub can't be reached. Check the network, or pass "
            "a folder that has it."
        )
    text = first_line(error)
    if "safetensors" in text:
        return f"only safetensors are loaded, and some component has none: {text}"
    return f"it can't be loaded as a pipeline: {text}"
