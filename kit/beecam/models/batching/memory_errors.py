"""Errors of torch's allocators, as one error of this package."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from beecam.errors import OutOfMemoryError
from beecam.shots.shot import Shot


@contextlib.contextmanager
def translate_memory_errors(shots: Sequence[Shot]) -> Iterator[None]:
    """Turn an allocator's error into an OutOfMemoryError, and free its memory."""
    try:
        yield
    except RuntimeError as error:
        if _is_out_of_memory(error):
            _free_memory()
            shot, count = shots[0], len(shots)
            raise OutOfMemoryError(
                f"{count} clip{'s' if count > 1 else ''} of "
                f"{shot.width}x{shot.height}x{shot.num_frames} "
                f"do{'' if count > 1 else 'es'}n't fit into memory in one batch."
            ) from error
        raise


def _is_out_of_memory(error: RuntimeError) -> bool:
    import torch

    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in text or "can't allocate memory" in text
    )


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
