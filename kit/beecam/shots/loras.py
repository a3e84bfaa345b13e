"""LoRAs: adapter files that add a style or a subject to a model, identified by content."""

from __future__ import annotations

import difflib
import hashlib
import json
import numbers
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from beecam._util.checks import number, raise_problems, string, why_no_path
from beecam._util.digests import DIGEST_LENGTH
from beecam._util.plain_files import read_named
from beecam._util.words import number_text
from beecam.errors import (
    BeecamError,
    CheckError,
    Problem,
    did_you_mean,
    encodable,
    first_line,
    shorten,
)

# The arguments of `bc.shot` and `bc.sweep` that make up a shot's adapters.
LORA_ARGUMENTS = ("lora", "lora_weight")
_WEIGHT = "a finite number is needed; 1 is the strength it was trained for."
_MAX_HEADER = 100_000_000  # bytes, as in safetensors itself
# Path and name of each file that this process has read, by its digest: the clips of a library
# store digests only.
_files: dict[str, tuple[Path, str]] = {}


@dataclass(frozen=True)
class Adapter:
    """A LoRA with its weight in a shot.

    >>> bc.lora("pencil.safetensors", 0.8)
    LoRA pencil 0.8 (3f9c2a)

    Attributes:
        digest: A digest of the file.
        weight: The scale of the LoRA; 1 is the strength it was trained for.
    """

    digest: str
    weight: float = 1.0

    @property
    def path(self) -> Path:
        """Return the file's path.

        >>> bc.lora("pencil.safetensors").path
        PosixPath('pencil.safetensors')

        Raises:
            BeecamError: This process hasn't read the file.
        """
        if self.digest not in _files:
            raise BeecamError(
                f"the LoRA {self.digest[:6]} isn't known in this kernel: read its file once, as in "
                "bc.lora('bee.safetensors'); beecam identifies it by its content."
            )
        return _files[self.digest][0]

    @property
    def name(self) -> str:
        """Return the LoRA's name, or the start of its digest if this process hasn't read it.

        >>> bc.lora("pencil.safetensors").name
        'pencil'
        """
        return _files.get(self.digest, (None, self.digest[:6]))[1]

    def __str__(self) -> str:
        return self.name if self.weight == 1 else f"{self.name} {number_text(self.weight)}"

    def __repr__(self) -> str:
        return f"LoRA {self} ({self.digest[:6]})"


class Loras(tuple[Adapter, ...]):
    """Several LoRAs as one value of an axis; its label joins their names."""

    __slots__ = ()

    def __str__(self) -> str:
        return " + ".join(map(str, self))


def lora(
    source: str | os.PathLike[str] | Adapter, weight: float = 1.0, *, name: str = ""
) -> Adapter:
    """Read a LoRA.

    `lora=` takes the same sources; `bc.lora` is for setting a weight or a name.

    >>> bc.sweep("a bee", lora=[None, bc.lora("pencil.safetensors", 0.8, name="pencil")])

    Args:
        source: A safetensors file, a folder that holds one, or a repository on the hub as
            "owner/name".
        weight: The scale of the LoRA: 1 is the strength it was trained for, 0 is off, negative
            values move away from it.
        name: What axes show; by default the file's name.

    Raises:
        CheckError: The file does not exist, or is not a safetensors file; a weight is not a
            finite number.
    """
    raise_problems([*number("weight", weight, _WEIGHT), *string("name", name)])
    if isinstance(source, Adapter):
        if name and source.digest in _files:
            _files[source.digest] = (_files[source.digest][0], name)
        return Adapter(source.digest, source.weight * float(weight))
    path = _find_file(source)
    if path.suffix.lower() != ".safetensors":
        raise _error(
            f"{str(path)!r}: only safetensors are loaded, since other files can run code when "
            "they are opened."
        )
    try:
        with read_named(path) as file:
            _check_header(path, file)
            sha256 = hashlib.sha256()
            while block := file.read(1 << 20):
                sha256.update(block)
    except OSError as error:
        raise _error(f"{str(path)!r}: it can't be read ({first_line(error)}).") from error
    digest = sha256.hexdigest()[:DIGEST_LENGTH]
    # A copy of the file keeps the first one's name, unless a name is set.
    if digest not in _files or name:
        _files[digest] = (path, encodable(name or path.stem))
    return Adapter(digest, float(weight))


def find_lora(name: str, weight: float = 1.0) -> Adapter:
    """Return the LoRA of a tag `<lora:name:weight>`: one that was read, or a local file.

    >>> find_lora("pencil", 0.8)
    LoRA pencil 0.8 (3f9c2a)

    Args:
        name: The name of a LoRA that this process has read, or a file's path, with or without
            its suffix. Nothing is downloaded.
        weight: The scale of the LoRA.

    Raises:
        CheckError: There is no such LoRA.
    """
    known = [digest for digest, (_, own) in _files.items() if own == name]
    if len(known) == 1:
        return lora(Adapter(known[0]), weight)
    path = name if name.endswith(".safetensors") else f"{name}.safetensors"
    try:
        return lora(path, weight)
    except CheckError as error:
        hint = did_you_mean(name, [own for _, own in _files.values()], "<lora:{}>")
        raise _error(
            f"{name!r}, as <lora:{name}>: {error}{hint} Read a file of another folder once, as in "
            "bc.lora('loras/pencil.safetensors'): a tag finds it by its name."
        ) from error


def is_lora(value: Any) -> bool:
    """Return whether this is one value for `lora=`, not a list of values for an axis.

    >>> is_lora(("pencil.safetensors", 0.8)), is_lora(["pencil.safetensors"])
    (True, False)
    """
    if isinstance(value, (str, os.PathLike, Adapter)):
        return True
    return isinstance(value, tuple) and (_is_pair(value) or all(map(is_lora, value)))


def normalize_loras(value: Any) -> tuple[Adapter, ...] | None:
    """Read one value of `lora=`: a LoRA, one with its weight, or a tuple of these.

    >>> normalize_loras(("pencil.safetensors", 0.8))
    (LoRA pencil 0.8 (3f9c2a),)

    Raises:
        CheckError: The value is none of these, or a file can't be read.
    """
    if value is None or (isinstance(value, Loras)):
        return value
    if isinstance(value, (str, os.PathLike, Adapter)):
        return Loras((lora(value),))
    if isinstance(value, tuple) and _is_pair(value):
        return Loras((lora(value[0], value[1]),))
    if isinstance(value, (tuple, list)) and value:
        return Loras(one for part in value for one in normalize_loras(part) or ())
    raise _error(f"{shorten(value)}: a file, one with its weight, or a tuple of these is needed.")


def adapters_of(arguments: Mapping[str, Any]) -> tuple[Adapter, ...] | None:
    """Return a shot's adapters from the arguments in `LORA_ARGUMENTS`; None if neither is set.

    >>> adapters_of({"lora": "pencil.safetensors", "lora_weight": 0.5})
    (LoRA pencil 0.5 (3f9c2a),)

    Raises:
        CheckError: A file can't be read, or a weight is not a finite number.
    """
    if "lora" not in arguments:
        if arguments.get("lora_weight") is None:
            return None
        message = f"lora_weight={shorten(arguments['lora_weight'])}: of which LoRA? Set lora=, too."
        raise CheckError([Problem("lora_weight", message)])
    loras = normalize_loras(arguments["lora"]) or ()
    scale = arguments.get("lora_weight", 1.0)
    raise_problems(number("lora_weight", scale, _WEIGHT))
    return tuple(
        sorted(
            (Adapter(one.digest, one.weight * float(scale)) for one in loras if one.weight * scale),
            key=lambda one: one.digest,
        )
    )


def loras_code(adapters: Iterable[Adapter]) -> list[str]:
    """Return the argument of `bc.shot` for these adapters, as code.

    >>> loras_code([bc.lora("pencil.safetensors", 0.8)])
    ["lora=bc.lora('pencil.safetensors', 0.8)"]
    """
    calls = [f"bc.lora({one.name + '.safetensors'!r}, {one.weight!r})" for one in adapters]
    if not calls:
        return []
    return [f"lora=({', '.join(calls)})" if len(calls) > 1 else f"lora={calls[0]}"]


def _is_pair(value: tuple[Any, ...]) -> bool:
    return (
        len(value) == 2  # noqa: PLR2004
        and isinstance(value[0], (str, os.PathLike))
        and isinstance(value[1], numbers.Real)
        and not isinstance(value[1], bool)
    )


def _check_header(path: Path, file: BinaryIO) -> None:
    """Check what a file says that it holds, and go back to its beginning.

    Raises:
        CheckError: It isn't safetensors, is damaged, or holds no LoRA.
    """
    size = path.stat().st_size
    length = int.from_bytes(file.read(8), "little")
    damaged = f"{str(path)!r}: the file is not a safetensors file, or is damaged."
    if length > min(size - 8, _MAX_HEADER):
        raise _error(damaged)
    try:
        names = set(json.loads(file.read(length))) - {"__metadata__"}
    except (ValueError, TypeError, RecursionError):
        raise _error(damaged) from None
    if names and not any(re.search("lora|dora|hada|lokr|diff", name.casefold()) for name in names):
        raise _error(
            f"{str(path)!r}: it holds no LoRA but other weights, such as {shorten(min(names))}; "
            "bc.load loads whole models."
        )
    if not names:
        raise _error(f"{str(path)!r}: it holds no weights.")
    file.seek(0)


def _find_file(source: Any) -> Path:
    if not isinstance(source, (str, os.PathLike)) or not os.fspath(source):
        raise _error(f"{shorten(source)}: a safetensors file or a repository is needed.")
    if why := why_no_path(source):
        raise _error(f"{shorten(str(source))}: {why}")
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            names = ", ".join(one.name for one in files) or "none"
            raise _error(
                f"{str(path)!r}: one safetensors file is needed in the folder; it has {names}."
            )
        return files[0]
    if path.is_file():
        return path
    if isinstance(source, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", source) and not path.suffix:
        return _download(source)
    siblings = [one.name for one in path.parent.glob("*")] if path.parent.is_dir() else []
    nearest = difflib.get_close_matches(path.name, siblings, 1)
    hint = f" Did you mean {str(path.with_name(nearest[0]))!r}?" if nearest else ""
    raise _error(f"{str(source)!r}: the file does not exist.{hint}")


def _download(repository: str) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    try:
        files = [n for n in HfApi().list_repo_files(repository) if n.endswith(".safetensors")]
        if len(files) == 1:
            return Path(hf_hub_download(repository, files[0]))
    except Exception as error:
        raise _error(
            f"{repository!r}: the file does not exist here, and the hub did not return it "
            f"({type(error).__name__}). Check the spelling and the network, or give a file."
        ) from error
    raise _error(
        f"{repository!r}: it has {len(files)} safetensors files; download one and give its path."
    )


def _error(message: str) -> CheckError:
    return CheckError([Problem("lora", f"lora={message}")])
