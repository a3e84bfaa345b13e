"""What can't be introspected of a pipeline, a row for each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beecam.models.anatomy import Anatomy


@dataclass(frozen=True)
class Family:
    """One family of pipelines.

    Attributes:
        name: What people call it.
        classes: Its diffusers pipeline classes.
        size_step: Width and height are multiples of this.
        frame_step: Frame counts are a multiple of this, plus one.
        fps: Frames a second at which it was trained to play.
        masks_padding: Whether padded tokens of a text have no part in the result.
        batches: Whether one call can make several clips.
        continues: Whether a clip can go on from within its steps.
        refuses: Arguments that its pipelines have and then can't take.
        defaults: Arguments that differ from the pipeline's own defaults.
    """

    name: str
    classes: tuple[str, ...]
    size_step: int = 16
    frame_step: int = 4
    fps: float = 16.0
    masks_padding: bool = False
    batches: bool = True
    continues: bool = True
    refuses: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)


FAMILIES = (
    Family(
        name="LTX", classes=("LTXPipeline",), size_step=32, frame_step=8, fps=25.0,
        masks_padding=True,
        refuses=("timesteps",),  # it always gives its scheduler sigmas, too
    ),
    Family(name="Wan", classes=("WanPipeline",)),
    Family(name="CogVideoX", classes=("CogVideoXPipeline",), size_step=16, fps=8.0),
    Family(name="Mochi", classes=("MochiPipeline",), size_step=16, frame_step=6, fps=30.0),
)  # fmt: skip


def family_of(class_name: str) -> Family | None:
    """Return the family of a pipeline class, or None when it is in no row."""
    return next((family for family in FAMILIES if class_name in family.classes), None)


def unknown(class_name: str, anatomy: Anatomy) -> Family:
    """Return cautious answers for a pipeline that is in no row, read off itself."""
    return Family(
        name=class_name.removesuffix("Pipeline"), classes=(class_name,),
        size_step=anatomy.size_step, frame_step=anatomy.temporal, fps=anatomy.default("fps"),
        batches=False,
    )  # fmt: skip
