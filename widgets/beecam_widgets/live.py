"""A clip to play: sliders move it while they are dragged."""

from __future__ import annotations

import base64
import html
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import anywidget
import numpy as np
import traitlets as t

from beecam._util.checks import boolean, integer, raise_problems, string
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, library_problems, open_library
from beecam.errors import BeecamError, CheckError, Problem, shorten
from beecam.export import view_data as telling
from beecam.media import sheets
from beecam.models.loading.load import load
from beecam.models.model import Model, loaded_model
from beecam.runs.interactive import (
    CLIP,
    DRAFT,
    PREVIEW,
    PROBLEM,
    STEP,
    InteractiveEngine,
    LiveFrame,
)
from beecam.runs.run import run
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam.sweeps.build import shot as make_shot
from beecam_widgets.bundles import bundle
from beecam_widgets.dials import Dials, sliders_of
from beecam_widgets.messages import Message
from beecam_widgets.teller import Teller

_WIDE = 480
_QUALITY = 88
_NO_GUIDANCE = 1.0
_FEW_STEPS = 6
# Nearly as good in 6 steps as Euler's method in 10; where a model can't use it, its own does.
_QUICK_SCHEDULER = "UniPCMultistepScheduler"
_STRIP_FRAMES = 5
_BEGIN, _BEGIN_B = "a bee over a meadow at noon", "a butterfly over the ocean at sunset"
_TEXT = 2_000
_REMEMBERED = 200


def live(
    model: Model | None = None,
    prompt: str | Sequence[tuple[str, float]] | None = None,
    **arguments: Any,
) -> Live:
    """Show a clip that follows the hand: prompts, seeds and numbers by sliders.

    >>> bw.live()                                            # pollen
    >>> view = bw.live(model, "a bee over dunes", prompt_b="a moth in snow", seed=4)
    >>> view.shot, view.code                                 # what it shows now
    >>> clip = view.keep()                                   # into the library

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`; by default the one that ships inside.
        prompt: What to begin with: a text, or two with weights; by default two of pollen's world.
        arguments: Those of `Live`.

    Raises:
        CheckError: Something of it is wrong, before any compute.
    """
    if prompt is None:
        prompt = _BEGIN
        arguments.setdefault("prompt_b", _BEGIN_B)
    return Live(load() if model is None else model, prompt, **arguments)


class Live(anywidget.AnyWidget):  # type: ignore[misc]
    """A clip that follows the hand; every state of it is a readable value.

    While a hand moves it is made in a few steps, and when the hand rests in all of them. Nothing
    goes into the library but by `keep`.

    Attributes:
        playing: Whether the clip plays.
        refine: Whether it is made with all its steps when the hand rests.
    """

    _esm, _css = bundle("live")

    playing = t.Bool(default_value=True).tag(sync=True)
    refine = t.Bool(default_value=True).tag(sync=True)
    _dials = t.Dict().tag(sync=True)
    _about = t.Dict().tag(sync=True)
    _sheet = t.Unicode().tag(sync=True)

    def __init__(
        self,
        model: Model,
        prompt: str | Sequence[tuple[str, float]],
        *,
        prompt_b: str = "",
        blend: float = 0.0,
        seed_b: int | None = None,
        seed_blend: float = 0.0,
        steps: int | None = None,
        refine: bool = True,
        library: Library | None = None,
        **arguments: Any,
    ) -> None:
        """Show a clip.

        Args:
            model: What makes it.
            prompt: What to show: a text, or two with weights.
            prompt_b: What to blend it with.
            blend: The second prompt's share, 0 to 1.
            seed_b: Another seed to blend the first one with; by default the next.
            seed_blend: The second seed's share, 0 to 1.
            steps: Denoising steps while the hand moves; by default 6, or as many as a model needs
                that ships with a way of its own to few steps.
            refine: Whether it is made with all its steps when the hand rests.
            library: Where clips are kept; by default `bc.library()`.
            arguments: Further ones of `bc.shot`, such as seed, guidance_scale, width,
                num_inference_steps (for the clip at rest) or negative_prompt.

        Raises:
            CheckError: Something of it is wrong.
        """
        raise_problems(
            [
                *loaded_model(model),
                *library_problems(library),
                *boolean("refine", refine),
                *integer("steps", steps, 1, 100, or_none=True),
                *string("prompt_b", prompt_b),
            ]
        )
        first = make_shot(prompt, **arguments)
        full = _checked(model, first)
        self.model = model
        self._library = library
        self._sliders = sliders_of(model, first)
        self._begin(first, full)
        self._lock = threading.Lock()
        self._kept: list[Clip] = []
        self._asked: OrderedDict[int, tuple[str, int, Dials]] = OrderedDict()
        self._number = 0
        self._last: LiveFrame | None = None
        self._sheet_shown = False
        self._teller = Teller(self._say)
        self._few = model.in_few_steps()
        self._engine = InteractiveEngine(model, self._see, quick=self._few)
        begun = Dials(
            prompt="",
            prompt_b=prompt_b,
            blend=blend,
            seed_b=full.seed + 1,
            seed_blend=seed_blend,
            guidance_scale=full.guidance_scale or 0.0,
            steps=steps or min(self._few_steps(first), self._usual),
        )
        dials = begun.like(first, self._sliders)
        if isinstance(first.prompt, str):
            dials = replace(dials, blend=blend)
        if len(first.noise) == 1:
            dials = replace(dials, seed_blend=seed_blend)
        self._set = dials if seed_b is None else replace(dials, seed_b=seed_b)
        self._need(self._set)
        super().__init__(
            refine=refine,
            _dials={**self._set.to_json(), "by": ""},
            _about=self._described(full),
            _sheet=f"beecam-static-{uuid.uuid4().hex[:12]}",
        )
        self.on_msg(self._hear)

    def __repr__(self) -> str:
        return f"Live view on {self.model.name}: {self.code}"

    # --- what it shows -------------------------------------------------------------------------

    @property
    def shot(self) -> Shot:
        """What it shows when the hand rests; set it to show another."""
        return self._whole(self._set)

    @shot.setter
    def shot(self, value: Shot) -> None:
        if not isinstance(value, Shot):
            raise CheckError(
                [
                    Problem(
                        "shot",
                        f"shot={shorten(value)}: a shot is needed, as in bc.shot({str(value)!r}).",
                    )
                ]
            )
        raise_problems(check_values(value))
        dials = self._set.like(value, self._sliders)
        base = value.replace(model=None, revision=None)
        full = _checked(self.model, base)
        self._begin(base, full)
        if not self.refine:
            dials = replace(dials, steps=self._usual)
        self._about = self._described(full)
        self._turn(dials)

    @property
    def code(self) -> str:
        """The call that makes this shot again."""
        return self.shot.code()

    @property
    def clip(self) -> Clip | None:
        """The clip that was kept last, or None."""
        return self._kept[-1] if self._kept else None

    @property
    def clips(self) -> ClipSet:
        """All that were kept, in order."""
        return ClipSet(self.library, [clip.key for clip in self._kept], title="kept from live")

    @property
    def library(self) -> Library:
        """Where clips are kept."""
        return open_library() if self._library is None else self._library

    @property
    def dials(self) -> Dials:
        """Where each dial stands."""
        return self._set

    def keep(self) -> Clip:
        """Make the shot once more the usual way and put it into the library; wait for that.

        It has the bits of what is shown at rest: both are made alone.

        Raises:
            BeecamError: It could not be made, or not be written.
        """
        made = run(self.shot, self.model, library=self.library).wait()
        if not len(made.clips):
            raise BeecamError(f"the clip was not kept: {'; '.join(made.errors.values())}")
        clip = made.clips[0]
        with self._lock:
            if clip.key not in [one.key for one in self._kept]:
                self._kept.append(clip)
            count = len(self._kept)
        said = {"kind": "kept", "count": count, "key": clip.key}
        self._teller.tell("kept", lambda: (said, []))
        return clip

    def close(self) -> None:
        """Take it off the page and end its threads; what was kept stays in the library."""
        if hasattr(self, "_engine"):  # none when making it has failed
            self._engine.close()
            self._teller.close()
        super().close()

    # --- from dials to shots -------------------------------------------------------------------

    def _whole(self, dials: Dials) -> Shot:
        made = dials.shot(self._base)
        if self.refine:
            return made
        return made.replace(num_inference_steps=dials.steps)

    def _begin(self, base: Shot, full: Shot) -> None:
        """Take all from a shot that there are no dials for."""
        own = {n: v for n, v in base.arguments.items() if n not in self._sliders}
        self._base = base.replace(extra=own)
        self._usual = full.num_inference_steps or 1
        self._usual_guidance = self.model.resolve(base.replace(guidance_scale=None)).guidance_scale
        quick = base.replace(scheduler=_QUICK_SCHEDULER)
        self._quick = base.scheduler is None and not list(self.model.check(quick))

    def _few_steps(self, shot: Shot) -> int:
        if self._few is None:
            return _FEW_STEPS
        few = self._few.resolve(shot.replace(num_inference_steps=None, guidance_scale=None))
        # What it makes from more than text it makes with guidance, and in as many steps as ever.
        alone = few.guidance_scale == _NO_GUIDANCE
        return (alone and few.num_inference_steps) or _FEW_STEPS

    def _quickly(self, dials: Dials) -> bool:
        """Whether a draft is the few steps that the model was trained for, at its own guidance."""
        if self._few is None or not self.refine or dials.steps != self._few_steps(self._base):
            return False
        usual = dials.guidance_scale == self._usual_guidance and dials.steps < self._usual
        plain = not (self._base.negative_prompt or self._base.conditions)
        return usual and plain and self._base.switch is None

    def _draft(self, dials: Dials) -> Shot:
        """Return what is made while the hand moves: few steps, by a scheduler that needs few."""
        made = self._whole(dials)
        if not self.refine or dials.steps >= self._usual:
            return made
        if self._quickly(dials):
            return made.replace(num_inference_steps=dials.steps, guidance_scale=_NO_GUIDANCE)
        scheduler = _QUICK_SCHEDULER if self._quick else made.scheduler
        return made.replace(num_inference_steps=dials.steps, scheduler=scheduler)

    def _need(self, dials: Dials) -> None:
        """Raise what is wrong with any of the dials, also with one that isn't heard just now."""
        raise_problems(
            p for name in ("blend", "seed_blend") for p in _share(name, getattr(dials, name))
        )
        both = replace(dials, blend=0.5, seed_blend=0.5)
        for one in (both, dials):
            raise_problems(check_values(one.shot(self._base)))
            raise_problems(self.model.check(self._draft(one)))

    def _described(self, full: Shot) -> dict[str, Any]:
        return {
            "model": self.model.name,
            "width": full.width,
            "height": full.height,
            "usual_steps": self._usual,
            "guidance_most": max(10.0, 2 * (full.guidance_scale or 0)),
            "usual_guidance": full.guidance_scale,
            "sliders": [vars(slider) for slider in self._sliders.values()],
        }

    @t.observe("refine")  # type: ignore[untyped-decorator]
    def _on_refine(self, _: Any) -> None:
        if self._number:
            self._ask("", 0, self._set)

    # --- what is asked and seen ----------------------------------------------------------------

    def _turn(self, dials: Dials) -> None:
        """Set the dials from Python: all pages follow."""
        self._need(dials)
        self._ask("", 0, dials)
        self._dials = {**dials.to_json(), "by": ""}

    def _ask(self, client: str, n: int, dials: Dials) -> None:
        with self._lock:
            self._set = dials
            self._number += 1
            number = self._number
            self._asked[number] = (client, n, dials)
            while len(self._asked) > _REMEMBERED:
                self._asked.popitem(last=False)
        self._engine.ask(
            number, self._draft(dials), self._whole(dials), quickly=self._quickly(dials)
        )

    def _hear(self, _: Any, content: Any, __: Any) -> None:
        # This may be any thread (subshells), so that nothing but queueing happens here.
        if not isinstance(content, dict):
            return
        client, kind = str(content.get("client", "")), content.get("kind")
        if kind == "ask" and isinstance(content.get("dials"), dict):
            n = content.get("n")
            n = n if isinstance(n, int) else 0
            self._teller.heard(client, n)
            self._ask(client, n, self._set.heard(content["dials"], self._sliders))
        elif kind == "hello":
            self._teller.heard(client, 0)
            if self._last is not None:
                self._show(self._last)
            else:
                self._ask("", 0, self._set)
        elif kind == "keep":
            threading.Thread(target=self._keep_quietly, name="beecam-keep", daemon=True).start()

    def _keep_quietly(self) -> None:
        try:
            self.keep()
        except Exception as error:  # noqa: BLE001  (a thread has nobody else to tell)
            said = _problem("", 0, f"It was not kept: {error}")
            self._teller.tell(PROBLEM, lambda: (said, []))

    def _see(self, sight: LiveFrame) -> None:
        """Take what the engine has to show, on its threads."""
        if sight.kind in (DRAFT, CLIP):
            self._last = sight
        self._show(sight)
        if sight.kind == CLIP:
            self._rested(sight)

    def _show(self, sight: LiveFrame) -> None:
        client, n, dials = self._asked.get(sight.number, ("", 0, None))
        code = self._whole(dials).code() if dials else self.code
        if sight.kind == PROBLEM:
            said = _problem(client, n, sight.text)
            self._teller.tell(PROBLEM, lambda: (said, []), instead=(PREVIEW, STEP))
        elif sight.kind in (PREVIEW, STEP):
            self._teller.tell(sight.kind, lambda: _picture(sight, client, n, code))
        else:
            self._teller.tell(
                DRAFT, lambda: _picture(sight, client, n, code), instead=(PREVIEW, STEP, PROBLEM)
            )

    def _rested(self, sight: LiveFrame) -> None:
        """Leave what rests for other pages, and as a picture for when no kernel is there."""
        client, _, dials = self._asked.get(sight.number, ("", 0, None))
        if dials is None or sight.number != self._number:
            return
        self._dials = {**dials.to_json(), "by": client}
        if self._sheet_shown:
            from IPython.display import HTML, update_display

            update_display(HTML(self._static_html()), display_id=self._sheet)

    def _say(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    # --- in a notebook -------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        # Two outputs, as of the grid: the widget, and a picture that remains without a kernel.
        bundle = self._repr_mimebundle_()
        if bundle is not None:
            display(bundle[0], metadata=bundle[1], raw=True)
        display(HTML(self._static_html()), display_id=self._sheet)
        self._sheet_shown = True

    def _static_html(self) -> str:
        sight = self._last
        if sight is None or sight.frames is None:
            body = f"<p>A live view of {html.escape(self.model.name)}; run the cell to see it.</p>"
        else:
            places = sheets.select_frames(len(sight.frames), _STRIP_FRAMES)
            strip = np.stack([sight.frames[i] for i in places])
            source = base64.b64encode(sheets.sheet_bytes(strip)).decode()
            code = html.escape(sight.shot.code() if sight.shot else "")
            body = (
                f'<img src="data:image/jpeg;base64,{source}" alt="frames of the last clip">'
                f'<pre style="white-space:pre-wrap">{code}</pre>'
            )
        return f'<div class="beecam-static {self._sheet}">{body}</div>'


def _share(name: str, value: Any) -> Iterator[Problem]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and 0 <= value <= 1):
        near = f" The nearest is {min(max(value, 0), 1):g}." if number and value == value else ""  # noqa: PLR0124
        yield Problem(name, f"{name}={shorten(value)}: a share from 0 to 1 is needed.{near}")


def _checked(model: Model, shot: Shot) -> Shot:
    """Return a shot resolved.

    Raises:
        CheckError: The model can't make it.
    """
    raise_problems(check_values(shot))
    full = model.resolve(shot)
    raise_problems(model.check(full))
    return full


def _problem(client: str, n: int, string: str) -> dict[str, Any]:
    return {"kind": "problem", "client": client, "n": n, "text": telling.cut(string, _TEXT)}


def _picture(sight: LiveFrame, client: str, n: int, code: str) -> Message:
    """Say what there is to be seen; coded when it is sent."""
    shot = sight.shot
    content: dict[str, Any] = {
        "kind": "sight",
        "what": sight.kind,
        "client": client,
        "n": n,
        "number": sight.number,
        "step": sight.step,
        "steps": sight.steps,
        "seconds": round(sight.seconds, 3),
    }
    if sight.frames is None or shot is None:
        return content, []
    if sight.kind != PREVIEW:
        content["label"] = telling.cut(f"{shot.text} · seed {shot.seed}", _TEXT)
        content["code"] = code
    layout = sheets.sheet_layout(sight.frames, _WIDE)
    content["sheet"] = {**layout, "count": len(sight.frames), "fps": shot.fps or 8}
    return content, [sheets.sheet_bytes(sight.frames, _QUALITY, _WIDE)]
