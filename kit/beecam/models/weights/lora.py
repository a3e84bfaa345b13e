"""Load LoRAs into a pipeline once, and switch them between batches."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from beecam._util.condition import Condition
from beecam.errors import ModelError, first_line
from beecam.models.batching.device import networks
from beecam.models.model import Note
from beecam.models.weights.lora_settings import settings_problem
from beecam.models.weights.safe_files import file_problem
from beecam.shots.loras import Adapter

# The prefix of the names of LoRAs that are loaded here; those of the pipeline's owner differ.
PREFIX = "beecam_"

# peft's errors may name every layer.
_MAX_REASON = 160  # characters


@dataclass(eq=False)
class _Use:
    """How batches use a network, whichever pipelines have it.

    Attributes:
        users: How many batches use it.
        active: The LoRAs that these have switched on.
        before: The state of each layer before that.
        waiting: How many loads wait for it, or use it: no batch begins then.
        loading: Whether one of them uses it.
    """

    users: int = 0
    active: tuple[Adapter, ...] = ()
    before: dict[Any, tuple[list[str], bool]] = field(default_factory=dict)
    waiting: int = 0
    loading: bool = False


# By network: pipelines of other classes may be built over the same ones.
_uses: weakref.WeakKeyDictionary[Any, _Use] = weakref.WeakKeyDictionary()
_lock = threading.RLock()
_free = Condition(_lock)


class LoraLoader:
    """The LoRAs of one pipeline.

    Batches with different ones wait for each other, and so do those of other pipelines that share
    a network with it.
    """

    def __init__(self, pipe: Any) -> None:
        """Manage the LoRAs of a pipeline.

        Args:
            pipe: The pipeline; its networks are shared by all batches.
        """
        # Weak, since the loader is the value of a registry whose key is the pipeline: a value that
        # holds its key would keep each pipeline that was ever loaded in memory.
        self._reference = weakref.ref(pipe)
        # By digest, where it was loaded: the owner may unload it, or exchange a network.
        self._loaded: dict[str, list[weakref.ref[Any]]] = {}
        self._partial: dict[str, str] = {}

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
                "as lora=, too, or call pipe.fuse_lora() and pipe.unload_lora_weights()."
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
        uses = self._begin(adapters)
        try:
            yield
        finally:
            _end(uses)

    def _begin(self, adapters: tuple[Adapter, ...]) -> list[_Use]:
        while True:
            for adapter in adapters:
                self._load(adapter)
            with _lock:
                uses = self._uses()
                while any(
                    one.waiting or (one.users and one.active != adapters) for one in uses.values()
                ):
                    _free.wait()
                if not all(map(self._is_loaded, adapters)):
                    continue  # its owner has unloaded one meanwhile
                unused = {network: one for network, one in uses.items() if not one.users}
                for one in uses.values():
                    one.users += 1
                try:
                    if adapters and unused:
                        self._switch(adapters, unused)
                except BaseException:  # an interrupt, too
                    _end(uses.values())
                    raise
                return list(uses.values())

    def _switch(self, adapters: tuple[Adapter, ...], unused: Mapping[Any, _Use]) -> None:
        for network, one in unused.items():
            one.before = {layer: _state(layer) for layer in _layers_of(network)}
            one.active = adapters
        self._pipe.enable_lora()
        self._pipe.set_adapters(
            [_name_of(one) for one in adapters], [one.weight for one in adapters]
        )

    def _uses(self) -> dict[Any, _Use]:
        return {one: _uses.setdefault(one, _Use()) for one in networks(self._pipe).values()}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no batch uses the networks, and let none begin meanwhile."""
        with _lock:
            uses = list(self._uses().values())
            # Overlapping batches would never leave a gap: new ones wait from now on.
            for one in uses:
                one.waiting += 1
        loading = False
        try:
            with _lock:
                while any(one.users or one.loading for one in uses):
                    _free.wait()
                loading = True
                for one in uses:
                    one.loading = True
            yield
        finally:
            with _lock:
                for one in uses:
                    one.waiting -= 1
                    one.loading = one.loading and not loading
                _free.notify_all()

    def _load(self, adapter: Adapter) -> None:
        with _lock:
            if self._is_loaded(adapter):
                return
        with self._alone():
            self._load_here(adapter)

    def _load_here(self, adapter: Adapter) -> None:
        if self._is_loaded(adapter):
            return
        name = _name_of(adapter)
        if problem := file_problem(adapter.path) or settings_problem(adapter.path):
            raise ModelError(f"the LoRA {adapter.name}: {problem}")
        if name in self._names():
            self._pipe.delete_adapters(name)
        before = {layer: _state(layer) for layer in self._layers()}
        try:
            self._load_weights(adapter, name)
        finally:
            # The owner of the pipeline finds it unchanged, with none switched on or off.
            for layer in self._layers():
                _set_state(layer, before.get(layer, ([], False)))
        self._loaded[adapter.digest] = [weakref.ref(part) for part in self._parts_with(name)]

    def _load_weights(self, adapter: Adapter, name: str) -> None:
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
        fitting = sum(name in layer.scaling for layer in self._layers())
        total = _layers_in(self._pipe, adapter)
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

    def _is_loaded(self, adapter: Adapter) -> bool:
        parts = [reference() for reference in self._loaded.get(adapter.digest, ())]
        now = self._parts_with(_name_of(adapter))
        return bool(parts) and all(any(part is one for one in now) for part in parts)

    def _parts_with(self, name: str) -> list[Any]:
        parts = self._pipe.components.values()
        return [part for part in parts if name in (getattr(part, "peft_config", None) or ())]

    def _names(self) -> set[str]:
        parts = self._pipe.components.values()
        return {name for part in parts for name in getattr(part, "peft_config", None) or ()}

    def _layers(self) -> list[Any]:
        """Return the layers of the pipeline's networks that have LoRAs."""
        return [one for part in networks(self._pipe).values() for one in _layers_of(part)]

    def _others(self) -> list[str]:
        with _lock:
            before = {
                layer: at for one in self._uses().values() for layer, at in one.before.items()
            }
            states = [(layer, before.get(layer, _state(layer))) for layer in self._layers()]
        found: set[str] = set()
        for layer, (active, off) in states:
            found.update(layer.merged_adapters, () if off else active)
        return sorted(name for name in found if not name.startswith(PREFIX))


def _end(uses: Iterable[_Use]) -> None:
    """End a batch's use of networks; the owner of a pipeline finds its LoRAs as they were."""
    with _lock:
        for one in uses:
            one.users -= 1
            if not one.users:
                for layer, state in one.before.items():
                    _set_state(layer, state)
                one.before, one.active = {}, ()
        _free.notify_all()


def _name_of(adapter: Adapter) -> str:
    return PREFIX + adapter.digest[:12]


def _layers_of(network: Any) -> list[Any]:
    """Return the layers of a network that have LoRAs."""
    layers = network.modules()
    return [layer for layer in layers if isinstance(getattr(layer, "scaling", None), dict)]


def _state(layer: Any) -> tuple[list[str], bool]:
    """Return which LoRAs of a layer are active, and whether all are switched off."""
    return list(layer.active_adapters), bool(layer.disable_adapters)


def _set_state(layer: Any, state: tuple[list[str], bool]) -> None:
    """Set what `_state` has returned; by peft's own methods some states can't be set."""
    active, off = state
    known = vars(layer)
    known["_active_adapter"] = [name for name in active if name in layer.scaling]
    known["_disable_adapters"] = off


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
