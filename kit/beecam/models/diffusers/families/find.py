"""The family of a pipeline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from beecam.models.diffusers.families.family import Family
from beecam.models.diffusers.families.rarer import RARER
from beecam.models.diffusers.families.table import FAMILIES
from beecam.models.diffusers.introspection import PipelineInfo


def family_of(class_names: Sequence[str], info: PipelineInfo) -> Family:
    """Return the family of a pipeline class; cautious values if it is in no row.

    Args:
        class_names: The name of the pipeline's class, then those of the classes it derives from.
        info: Facts read off the pipeline, for what the row leaves open.
    """
    name = class_names[0].removesuffix("Pipeline")
    # Any number of frames: a clip is kept with those that it then has.
    unknown = Family(
        name=name, classes=(), frame_step=1, frame_plus=0, batches=False, own_draws=True
    )
    rows = {kind: family for family in (*FAMILIES, *RARER) for kind in family.classes}
    row = next((rows[kind] for kind in class_names if kind in rows), unknown)
    # A size must pass the pipeline's check and divide into whole patches of its autoencoder.
    size_step = (
        math.lcm(row.size_step, info.spatial, info.checked_step)
        if row.size_step
        else info.size_step
    )
    return replace(
        row,
        size_step=size_step,
        frame_step=row.frame_step or info.temporal,
        fps=row.fps or info.default("fps"),
    )
