"""The shots of the live view: the final one and its draft in few steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from beecam._util.checks import raise_problems
from beecam.models.model import Model
from beecam.models.resolving import check_shot
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam_widgets._live.controls import LiveControls, Slider, weight_problems

_NO_GUIDANCE = 1.0
_DRAFT_STEPS = 6
_MIN_MAX_GUIDANCE = 10.0
# In 6 steps nearly as good as Euler's method in 10; a model that rejects it keeps its own.
_DRAFT_SCHEDULER = "UniPCMultistepScheduler"


class ShotBuilder:
    """Builds shots from the values of the controls.

    Everything without a control comes from a base shot.

    Attributes:
        resolved: The base shot, resolved by the model.
        steps: Denoising steps of the final shot.
    """

    def __init__(
        self,
        model: Model,
        distilled: Model | None,
        base: Shot,
        sliders: Mapping[str, Slider],
    ) -> None:
        """Check the base shot.

        Args:
            model: The model that generates the clips.
            distilled: The same model distilled to few steps, if it has such a version.
            base: The shot that everything without a control is taken from.
            sliders: The arguments that have a control.

        Raises:
            CheckError: The model can't generate the shot.
        """
        raise_problems(check_values(base))
        self.resolved = model.resolve(base)
        raise_problems(check_shot(model, self.resolved))
        self._model, self._distilled, self._sliders = model, distilled, sliders
        self._shot = base
        without_control = {n: v for n, v in base.arguments.items() if n not in sliders}
        self._base = base.replace(extra=without_control)
        self.steps = self.resolved.num_inference_steps or 1
        self._guidance = model.resolve(base.replace(guidance_scale=None)).guidance_scale
        draft = base.replace(scheduler=_DRAFT_SCHEDULER)
        self._has_draft_scheduler = base.scheduler is None and not list(model.check(draft))

    @property
    def draft_steps(self) -> int:
        """Denoising steps of a draft, by default."""
        return min(self._distilled_steps, self.steps)

    @property
    def _distilled_steps(self) -> int:
        if self._distilled is None:
            return _DRAFT_STEPS
        shot = self._base.replace(num_inference_steps=None, guidance_scale=None)
        resolved = self._distilled.resolve(shot)
        # With conditions besides the text it uses guidance, and the usual number of steps.
        unguided = resolved.guidance_scale == _NO_GUIDANCE
        return (unguided and resolved.num_inference_steps) or _DRAFT_STEPS

    def initial_controls(
        self,
        *,
        prompt_b: str,
        blend: float,
        seed_b: int | None,
        seed_blend: float,
        steps: int | None,
    ) -> LiveControls:
        """Return the controls of the base shot.

        Args:
            prompt_b: The prompt to blend with one that the shot has.
            blend: Weight of the second prompt.
            seed_b: The seed to blend with; None for that of the shot, or the next integer.
            seed_blend: Weight of the second seed.
            steps: Denoising steps of a draft; None for the default.

        Raises:
            CheckError: The shot blends more than two prompts or seeds, or has negative weights.
        """
        defaults = LiveControls(
            prompt="",
            prompt_b=prompt_b,
            blend=blend,
            seed_b=self.resolved.seed + 1,
            seed_blend=seed_blend,
            guidance_scale=self.resolved.guidance_scale or 0.0,
            steps=steps or self.draft_steps,
        )
        controls = defaults.with_shot(self._shot, self._sliders)
        # A shot with one prompt or one seed has no weight of a second one.
        if isinstance(self._shot.prompt, str):
            controls = replace(controls, blend=blend)
        if len(self._shot.noise) == 1:
            controls = replace(controls, seed_blend=seed_blend)
        return controls if seed_b is None else replace(controls, seed_b=seed_b)

    def final(self, controls: LiveControls, *, refine: bool) -> Shot:
        """Return the shot that is shown in the end.

        Args:
            controls: The values of the controls.
            refine: Whether it has all its steps; otherwise those of a draft.
        """
        shot = controls.shot(self._base)
        return shot if refine else shot.replace(num_inference_steps=controls.steps)

    def draft(self, controls: LiveControls, *, refine: bool) -> Shot:
        """Return the shot that is shown during a change: fewer steps, a fast scheduler.

        Args:
            controls: The values of the controls.
            refine: Whether another shot with all steps follows; if not, this is the final one.
        """
        shot = self.final(controls, refine=refine)
        if not refine or controls.steps >= self.steps:
            return shot
        if self.uses_distilled(controls, refine=refine):
            return shot.replace(num_inference_steps=controls.steps, guidance_scale=_NO_GUIDANCE)
        scheduler = _DRAFT_SCHEDULER if self._has_draft_scheduler else shot.scheduler
        return shot.replace(num_inference_steps=controls.steps, scheduler=scheduler)

    def uses_distilled(self, controls: LiveControls, *, refine: bool) -> bool:
        """Return whether the distilled model generates the draft.

        It does for its own number of steps, at the model's default guidance.

        Args:
            controls: The values of the controls.
            refine: As in `draft`.
        """
        if self._distilled is None or not refine or controls.steps != self._distilled_steps:
            return False
        is_default = controls.guidance_scale == self._guidance and controls.steps < self.steps
        is_plain = not (self._base.negative_prompt or self._base.conditions)
        return is_default and is_plain and self._base.switch is None

    def check(self, controls: LiveControls, *, refine: bool) -> None:
        """Check the values of all controls, also of those without an effect at the moment.

        Args:
            controls: The values of the controls.
            refine: As in `draft`.

        Raises:
            CheckError: All problems of the first invalid shot.
        """
        raise_problems(
            problem
            for name in ("blend", "seed_blend")
            for problem in weight_problems(name, getattr(controls, name))
        )
        for one in (replace(controls, blend=0.5, seed_blend=0.5), controls):
            raise_problems(check_values(one.shot(self._base)))
            raise_problems(self._model.check(self.draft(one, refine=refine)))

    def describe(self) -> dict[str, Any]:
        """Return what the front end needs to know of the clip, as JSON data."""
        guidance = self.resolved.guidance_scale
        return {
            "model": self._model.name,
            "width": self.resolved.width,
            "height": self.resolved.height,
            "default_steps": self.steps,
            "max_guidance": max(_MIN_MAX_GUIDANCE, 2 * (guidance or 0)),
            "default_guidance": guidance,
            "sliders": [slider.to_json() for slider in self._sliders.values()],
        }
