"""LoRAs: small files that turn a model toward a style or a thing, known by their content."""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beecam.errors import BeecamError, CheckError, Problem, shorten

# What a shot may be given for it.
LORA_ARGUMENTS = ("lora", "lora_weight")
_DIGITS = 32
_HALF = 2
# Where files of this process were read, by their digests: a clip of a library names these only.
_files: dict[str, tuple[Path, str]] = {}


@dataclass(frozen=True)
class Adapter:
    """A LoRA with its weight, as a shot has it.

    Attributes:
        digest: Of the file.
        weight: How strong it is; 1 is as it was trained.
    """

    digest: str
    weight: float = 1.0

    @property
    def path(self) -> Path:
        """The file.

        Raises:
            BeecamError: It wasn't read in this process.
        """
        if self.digest not in _files:
            raise BeecamError(
                f"the LoRA {self.digest[:6]} isn't known in this kernel: read its file once, as in "
                "bc.lora('bee.safetensors'), and it is found by its content."
            )
        return _files[self.digest][0]

    @property
    def name(self) -> str:
        """What it is called, where that is known."""
        return _files.get(self.digest, (None, self.digest[:6]))[1]

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name} {self.weight:g}"

    def __repr__(self) -> str:
        return f"LoRA {self} ({self.digest[:6]})"


def lora(
    source: str | os.PathLike[str] | Adapter, weight: float = 1.0, *, name: str = ""
) -> Adapter:
    """Read a LoRA.

    What is given to `lora=` is read in the same way; this is for giving it a name or a weight.

    >>> bc.sweep("a bee", lora=[None, bc.lora("pencil.safetensors", 0.8, name="pencil")])

    Args:
        source: A file in safetensors, a folder that has one, or a repository as "owner/name".
        weight: How strong it is; 1 is as it was trained, 0 is off, below 0 is away from it.
        name: What axes show; by default the file's name.

    Raises:
        CheckError: There is no such file, or it isn't in safetensors.
    """
    if isinstance(source, Adapter):
        return Adapter(source.digest, source.weight * weight)
    if (
        isinstance(weight, bool)
        or not isinstance(weight, (int, float))
        or not math.isfinite(weight)
    ):
        raise _refusal(
            f"weight={shorten(weight)}: a finite number is needed; 1 is as it was trained."
        )
    path = _found(source)
    if path.suffix != ".safetensors":
        raise _refusal(
            f"{str(path)!r}: only safetensors are loaded, since other files can run code when "
            "they are opened."
        )
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    key = digest.hexdigest()[:_DIGITS]
    # The same file under another name keeps its first, unless a name is given.
    if key not in _files or name:
        _files[key] = (path, name or path.stem)
    return Adapter(key, float(weight))


def is_lora(value: Any) -> bool:
    """Return whether this is one value for `lora=`, and no list of values for an axis."""
    if isinstance(value, (str, os.PathLike, Adapter)):
        return True
    return isinstance(value, tuple) and (_is_pair(value) or all(map(is_lora, value)))


def normalize_loras(value: Any) -> tuple[Adapter, ...] | None:
    """Read one value of `lora=`: a LoRA, one with its weight, or a tuple of these.

    Raises:
        CheckError: With what is wrong.
    """
    if value is None or (isinstance(value, Loras)):
        return value
    if isinstance(value, (str, os.PathLike, Adapter)):
        return Loras((lora(value),))
    if isinstance(value, tuple) and _is_pair(value):
        return Loras((lora(value[0], value[1]),))
    if isinstance(value, (tuple, list)) and value:
        return Loras(one for part in value for one in normalize_loras(part) or ())
    raise _refusal(
        f"lora={shorten(value)}: a file, one with its weight, or a tuple of these is needed."
    )


class Loras(tuple[Adapter, ...]):
    """Some LoRAs at once; axes show their names."""

    __slots__ = ()

    def __str__(self) -> str:
        return " + ".join(map(str, self))


def adapters_of(given: Mapping[str, Any]) -> tuple[Adapter, ...] | None:
    """Return a shot's adapters from `lora` and `lora_weight`; None where none is spoken of.

    Raises:
        CheckError: With what is wrong.
    """
    if "lora" not in given:
        if given.get("lora_weight") is None:
            return None
        raise CheckError(
            [
                Problem(
                    "lora_weight",
                    f"lora_weight={shorten(given['lora_weight'])}: of which LoRA? Give lora=, too.",
                )
            ]
        )
    many = normalize_loras(given["lora"]) or ()
    share = given.get("lora_weight", 1.0)
    if not _is_number(share):
        raise CheckError(
            [
                Problem(
                    "lora_weight",
                    f"lora_weight={shorten(share)}: a finite number is needed; 1 is as it "
                    "was trained.",
                )
            ]
        )
    return tuple(
        sorted(
            (Adapter(one.digest, one.weight * float(share)) for one in many if one.weight * share),
            key=lambda one: one.digest,
        )
    )


def loras_code(adapters: Iterable[Adapter]) -> list[str]:
    """Return the argument of `bc.shot` that gives these."""
    parts = [f"bc.lora({one.name + '.safetensors'!r}, {one.weight!r})" for one in adapters]
    if not parts:
        return []
    return [f"lora=({', '.join(parts)})" if len(parts) > 1 else f"lora={parts[0]}"]


def _is_number(value: Any) -> bool:
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value)


def _is_pair(value: tuple[Any, ...]) -> bool:
    return (
        len(value) == _HALF
        and isinstance(value[0], (str, os.PathLike))
        and isinstance(value[1], (int, float))
        and not isinstance(value[1], bool)
    )


def _found(source: Any) -> Path:
    if not isinstance(source, (str, os.PathLike)) or not os.fspath(source):
        raise _refusal(f"{shorten(source)}: a file in safetensors or a repository is needed.")
    path = Path(source).expanduser()
    if path.is_dir():
        there = sorted(path.glob("*.safetensors"))
        if len(there) != 1:
            names = ", ".join(one.name for one in there) or "none"
            raise _refusal(
                f"{str(path)!r}: one file in safetensors is needed there; it has {names}."
            )
        return there[0]
    if path.is_file():
        return path
    if isinstance(source, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", source) and not path.suffix:
        return _from_hub(source)
    near = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, near, 1)
    hint = f" Did you mean {str(path.with_name(close[0]))!r}?" if close else ""
    raise _refusal(f"{str(source)!r}: there is no such file.{hint}")


def _from_hub(source: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    try:
        files = [n for n in HfApi().list_repo_files(source) if n.endswith(".safetensors")]
        if len(files) == 1:
            return Path(hf_hub_download(source, files[0]))
    except Exception as error:
        raise _refusal(
            f"{source!r}: there is no such file here, and the hub doesn't give it "
            f"({type(error).__name__}). Look at the spelling and the network, or give a file."
        ) from error
    raise _refusal(
        f"{source!r}: it has {len(files)} files in safetensors; download one and give it."
    )


def _refusal(message: str) -> CheckError:
    return CheckError([Problem("lora", message)])
