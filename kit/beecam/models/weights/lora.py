"""Load LoRAs into a pipeline once, and switch them between batches."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

from beecam._util.condition import Condition
from beecam.errors import ModelError, first_line
from beecam.models.model import Note
from beecam.models.weights.lora_settings import settings_problem
from beecam.models.weights.safe_files import file_problem
from beecam.shots.loras import Adapter

# The prefix of the names of LoRAs that are loaded here; those of the pipeline's owner differ.
PREFIX = "beecam_"

# peft's errors may name every layer.
_MAX_REASON = 160  # characters


class LoraLoader:
    """The LoRAs of one pipeline; batches with different ones wait for each other."""

    def __init__(self, pipe: Any) -> None:
        """Manage the LoRAs of a pipeline.

        Args:
            pipe: The pipeline; its networks are shared by all batches.
        """
        # Weak, since the loader is the value of a registry whose key is the pipeline: a value that
        # holds its key would keep each pipeline that was ever loaded in memory.
        self._reference = weakref.ref(pipe)
        self._loaded: dict[str, str] = {}
        self._partial: dict[str, str] = {}
        self._active: tuple[Adapter, ...] = ()
        self._users = self._loading = 0
        self._lock = threading.RLock()
        self._free = Condition(self._lock)

    @property
    def _pipe(self) -> Any:
        pipe = self._reference()
        assert pipe is not None  # those who use the loader hold the pipeline
        return pipe

    def check(self, adapters: tuple[Adapter, ...]) -> str | None:
        """Return why these can't be used, or None; loads them if they aren't loaded yet."""
        name = type(self._pipe).__name__
        if not adapters:
            return None
        if not hasattr(self._pipe, "load_lora_weights"):
            return f"{name} takes no LoRA."
        if others := self._others():
            return (
                f"the pipeline has LoRAs of its own switched on ({', '.join(others)}): pass them "
                "as lora=, too, or fuse them with pipe.fuse_lora()."
            )
        for adapter in adapters:
            try:
                self._load(adapter)
            except ModelError as error:
                return str(error)
        return None

    def notes(self, adapters: Iterable[Adapter]) -> Iterator[Note]:
        """Yield a note on each of these that fits the pipeline in part only."""
        for digest in dict.fromkeys(one.digest for one in adapters):
            if digest in self._partial:
                yield Note("lora", f"lora={self._partial[digest]}")

    @contextlib.contextmanager
    def used(self, adapters: tuple[Adapter, ...]) -> Iterator[None]:
        """Switch on these LoRAs, and no others, during a batch."""
        with self._lock:
            while self._loading or (self._users and self._active != adapters):
                self._free.wait()
            if self._active != adapters:
                self._switch(adapters)
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users and self._active:
                    # The owner of the pipeline finds it unchanged.
                    self._switch(())
                self._free.notify_all()

    def _switch(self, adapters: tuple[Adapter, ...]) -> None:
        if not adapters:
            self._pipe.disable_lora()
        else:
            for adapter in adapters:
                self._load_here(adapter)
            self._pipe.enable_lora()
            self._pipe.set_adapters(
                [self._loaded[one.digest] for one in adapters], [one.weight for one in adapters]
            )
        self._active = adapters

    def _load(self, adapter: Adapter) -> None:
        with self._lock:
            if adapter.digest in self._loaded:
                return
            # Overlapping batches would never leave a gap: new ones wait from now on.
            self._loading += 1
            try:
                while self._users:
                    self._free.wait()
                self._load_here(adapter)
            finally:
                self._loading -= 1
                self._free.notify_all()

    def _load_here(self, adapter: Adapter) -> None:
        if adapter.digest in self._loaded:
            return
        name = PREFIX + adapter.digest[:12]
        if problem := file_problem(adapter.path) or settings_problem(adapter.path):
            raise ModelError(f"the LoRA {adapter.name}: {problem}")
        try:
            self._pipe.load_lora_weights(
                str(adapter.path.parent),
                weight_name=adapter.path.name,
                adapter_name=name,
                use_safetensors=True,
                local_files_only=True,
            )
        except Exception as error:
            with contextlib.suppress(Exception):
                self._pipe.delete_adapters(name)
            raise ModelError(_why_not_loaded(adapter, self._pipe, error)) from error
        if name not in self._names():
            raise ModelError(
                f"the LoRA {adapter.name} has nothing for {type(self._pipe).__name__}: it was made "
                "for another family."
            )
        fitting, total = self._layers(name), _layers_in(self._pipe, adapter)
        if 2 * fitting < total:
            self._pipe.delete_adapters(name)
            raise ModelError(
                f"the LoRA {adapter.name} doesn't fit {type(self._pipe).__name__}: of its {total} "
                f"layers {fitting} exist there; it was made for another family."
            )
        if fitting < total:
            self._partial[adapter.digest] = (
                f"{adapter.name}: of its {total} layers {fitting} exist in "
                f"{type(self._pipe).__name__}; the others have no effect."
            )
        self._pipe.disable_lora()
        self._loaded[adapter.digest] = name
        self._active = ()

    def _layers(self, name: str) -> int:
        """Return how many layers of the pipeline's networks have a loaded LoRA."""
        networks = [part for part in self._pipe.components.values() if hasattr(part, "modules")]
        layers = (layer for network in networks for layer in network.modules())
        return sum(name in getattr(layer, "lora_A", ()) for layer in layers)

    def _names(self) -> set[str]:
        found = self._pipe.get_list_adapters()
        return {name for names in found.values() for name in names}

    def _others(self) -> list[str]:
        try:
            active = self._pipe.get_active_adapters()
        except (AttributeError, ValueError):
            return []
        return [name for name in active if not name.startswith(PREFIX)]


def _layers_in(pipe: Any, adapter: Adapter) -> int:
    """Return how many layers a file has, in the names of diffusers; 0 where that isn't known."""
    with contextlib.suppress(Exception):
        found = pipe.lora_state_dict(adapter.path)
        state = found[0] if isinstance(found, tuple) else found
        return sum(bool(re.search(r"lora_A|lora_down|lora\.down", name)) for name in state)
    return 0


def _why_not_loaded(adapter: Adapter, pipe: Any, error: Exception) -> str:
    first = first_line(error)[:_MAX_REASON]
    kind = type(pipe).__name__
    if not adapter.path.is_file():
        return f"the LoRA {adapter.name} isn't at {str(adapter.path)!r} any more."
    if re.search("size mismatch|[Tt]arget module|not found|key", str(error)):
        return (
            f"the LoRA {adapter.name} doesn't fit {kind}: it was trained for another family, or "
            f"another size of this one ({first})."
        )
    return f"the LoRA {adapter.name} can't be loaded into {kind} ({first})."
