"""Ways to get a model: the one that ships inside, or any pipeline that is loaded already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beecam.errors import ModelError, did_you_mean, listing, shorten
from beecam.models.adapter import DiffusersModel
from beecam.models.anatomy import Anatomy
from beecam.models.families import FAMILIES, family_of, unknown
from beecam.models.lane import Lanes

POLLEN = Path(__file__).parent / "pollen" / "weights"


def load(name: str = "pollen") -> DiffusersModel:
    """Load a model.

    >>> model = bc.load()

    Args:
        name: "pollen", the small model that ships inside. For any other, load its diffusers
            pipeline and use `bc.wrap(pipe)`.

    Raises:
        ModelError: There is no such model.
    """
    if name != "pollen":
        raise ModelError(
            f"load({name!r}): only 'pollen' ships inside.{did_you_mean(name, ['pollen'])} For "
            "another model, load its diffusers pipeline and pass it to bc.wrap(pipe)."
        )
    from beecam.models.pollen.sampling import load_pipeline

    lanes = Lanes()
    return lanes.run(lambda: DiffusersModel(
        load_pipeline(POLLEN), FAMILIES[0], name="pollen", licence="Apache-2.0", folder=POLLEN,
        defaults=_pollen_defaults(), lanes=lanes,
    ))  # fmt: skip


def _pollen_defaults() -> dict[str, Any]:
    return {
        "width": 64, "height": 64, "num_frames": 17, "fps": 8.0, "num_inference_steps": 20,
        "guidance_scale": 3.0,
    }  # fmt: skip


def wrap(pipe: Any, *, name: str | None = None, batch_size: int | None = None) -> DiffusersModel:
    """Make a model of a loaded diffusers text-to-video pipeline.

    >>> pipe = WanPipeline.from_pretrained("Wan-AI/Wan2.1-T2V-1.3B-Diffusers", dtype="auto")
    >>> model = bc.wrap(pipe.to("cuda"))

    Args:
        pipe: A text-to-video pipeline, on the device where it shall run. What isn't known of its
            family is read off itself, and then one call makes one clip.
        name: How clips name it; by default the name it was loaded by.
        batch_size: How many clips one call makes at most; by default a cautious guess.

    Raises:
        ModelError: It is no pipeline that makes video from text.
    """
    kind = type(pipe).__name__
    if not hasattr(pipe, "components") or not callable(pipe):
        raise ModelError(
            f"wrap({shorten(pipe)}): a loaded diffusers pipeline is needed, as in "
            "bc.wrap(WanPipeline.from_pretrained(...))."
        )
    anatomy = Anatomy(pipe)
    if anatomy.frames_argument is None:
        raise ModelError(f"wrap({kind}): it makes pictures; a pipeline that makes video is needed.")
    if anatomy.missing or "prompt" not in anatomy.parameters:
        needs = listing(anatomy.missing) or "no prompt"
        raise ModelError(f"wrap({kind}): it needs {needs}; only text to video is possible so far.")
    family = family_of(kind) or unknown(kind, anatomy)
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ModelError(f"batch_size={batch_size!r}: a whole number of 1 or more.")
    source = str(getattr(pipe.config, "_name_or_path", "") or "")
    plain = name or (source if "/" in source and not Path(source).is_absolute() else "")
    return DiffusersModel(pipe, family, name=plain or type(pipe).__name__, batch_size=batch_size)
