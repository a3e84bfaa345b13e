"""What is switched on a pipeline between calls: LoRAs, and what makes it faster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from beecam.errors import ModelError
from beecam.loras import Adapter
from beecam.models.speed import Speed, Switches

# What a pipeline calls those that are loaded here: its owner's have other names.
PREFIX = "beecam_"


class Adapting:
    """The LoRAs and switches of one pipeline; calls with different ones wait for each other."""

    def __init__(self, pipe: Any, denoiser: Any) -> None:
        """Begin with none.

        Args:
            pipe: The pipeline; its networks are shared by all calls.
            denoiser: The network that is called at each step.
        """
        self._switches = Switches(denoiser)
        self._speed = Speed()
        self._pipe = pipe
        self._loaded: dict[str, str] = {}
        self._active: tuple[Adapter, ...] = ()
        self._users = 0
        self._free = threading.Condition()

    def check(self, adapters: tuple[Adapter, ...]) -> str | None:
        """Return what keeps these from being used, or None; loads what isn't yet."""
        name = type(self._pipe).__name__
        if not adapters:
            return None
        if not hasattr(self._pipe, "load_lora_weights"):
            return f"{name} takes no LoRA."
        if others := self._others():
            return (
                f"the pipeline has LoRAs of its own switched on ({', '.join(others)}): give them "
                "as lora=, too, or fuse them with pipe.fuse_lora()."
            )
        for adapter in adapters:
            try:
                self._load(adapter)
            except ModelError as error:
                return str(error)
        return None

    @contextlib.contextmanager
    def used(self, adapters: tuple[Adapter, ...], speed: Speed) -> Iterator[None]:
        """Have these LoRAs and this speed switched on, and no others, while a call runs."""
        with self._free:
            while self._users and not self._shares(adapters, speed):
                self._free.wait()
            if self._active != adapters:
                self._switch(adapters)
            if not self._users:
                self._switches.on(speed)
                self._speed = speed
            self._users += 1
        try:
            yield
        finally:
            with self._free:
                self._users -= 1
                if not self._users:
                    # Who owns the pipeline finds it as it was.
                    self._switches.off(speed)
                    if self._active:
                        self._switch(())
                self._free.notify_all()

    def _shares(self, adapters: tuple[Adapter, ...], speed: Speed) -> bool:
        """Return whether a call may run beside those that do: a cache is that of one call."""
        return (self._active, self._speed) == (adapters, speed) and not speed.cache

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
        with self._free:
            while self._users:
                self._free.wait()
            self._load_here(adapter)

    def _load_here(self, adapter: Adapter) -> None:
        if adapter.digest in self._loaded:
            return
        name = PREFIX + adapter.digest[:12]
        try:
            self._pipe.load_lora_weights(adapter.path, adapter_name=name)
        except Exception as error:
            with contextlib.suppress(Exception):
                self._pipe.delete_adapters(name)
            first = str(error).strip().splitlines()[0]
            raise ModelError(
                f"the LoRA {adapter.name} doesn't fit {type(self._pipe).__name__}: it was made for "
                f"another family, or another size of this one ({first})."
            ) from error
        if name not in self._names():
            raise ModelError(
                f"the LoRA {adapter.name} has nothing for {type(self._pipe).__name__}: it was made "
                "for another family."
            )
        self._pipe.disable_lora()
        self._loaded[adapter.digest] = name
        self._active = ()

    def _names(self) -> set[str]:
        found = self._pipe.get_list_adapters()
        return {name for names in found.values() for name in names}

    def _others(self) -> list[str]:
        try:
            active = self._pipe.get_active_adapters()
        except (AttributeError, ValueError):
            return []
        return [name for name in active if not name.startswith(PREFIX)]
