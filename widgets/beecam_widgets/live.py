"""Live and `live`: a clip that is generated again while its controls are moved."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import traitlets as t

from beecam._util.checks import raise_problems
from beecam.clips.clip import Clip
from beecam.clips.clip_set import ClipSet
from beecam.clips.library import Library, open_library
from beecam.errors import BeecamError, CheckError, Problem, shorten
from beecam.models.capabilities import few_step_variant
from beecam.models.loading.load import load
from beecam.models.model import Model
from beecam.runs.argument_checks import RunRequest, as_sweep
from beecam.runs.interactive import (
    CLIP,
    DRAFT,
    PREVIEW,
    PROBLEM,
    STEP,
    InteractiveEngine,
    LiveFrame,
)
from beecam.runs.run import launch
from beecam.shots.shot import Shot
from beecam.shots.shot_checks import check_values
from beecam.sweeps.build import shot as make_shot
from beecam_widgets._live.arguments import argument_problems
from beecam_widgets._live.controls import LiveControls, sliders_of
from beecam_widgets._live.kept_clips import KeptClips, Settings, shelf_text
from beecam_widgets._live.messages import (
    problem_message,
    result_message,
    static_html,
    still_bytes,
)
from beecam_widgets._live.shot_builder import ShotBuilder
from beecam_widgets._live.throttled_sender import ThrottledSender
from beecam_widgets._live.words import PromptNotes
from beecam_widgets._notebook.assets import load_assets
from beecam_widgets._notebook.notebook_widget import NotebookWidget
from beecam_widgets._notebook.outputs import StaticOutput, display_widget

_PROMPT, _PROMPT_B = "a bee over a meadow at noon", "a butterfly over the ocean at sunset"
_REMEMBERED_EDITS = 200


def live(
    model: Model | None = None,
    prompt: str | Sequence[tuple[str, float]] | None = None,
    **arguments: Any,
) -> Live:
    """Show a clip that follows its controls: prompts, seeds and numbers.

    >>> bw.live()                                            # pollen
    >>> view = bw.live(model, "a bee over dunes", prompt_b="a moth in snow", seed=4)
    >>> view.shot, view.code                                 # what it shows now
    >>> clip = view.keep()                                   # save it to the library

    Args:
        model: From `bc.load()` or `bc.wrap(pipe)`; by default pollen.
        prompt: The first prompt: a string, or two strings with weights; by default two prompts
            for pollen.
        arguments: Those of `Live`.

    Raises:
        CheckError: All problems of the arguments, before any computation.
    """
    if prompt is None:
        prompt = _PROMPT
        arguments.setdefault("prompt_b", _PROMPT_B)
    return Live(load() if model is None else model, prompt, **arguments)


class Live(NotebookWidget):
    """A clip that follows its controls; each of them is also an attribute.

    While a control moves, the clip is generated in a few steps; when it rests, in all of them.
    Clips are stored in the library only by `keep`.

    >>> view = bw.live(model, "a bee over dunes")
    >>> view.shot = bc.shot("a moth in snow", seed=7)
    >>> view.controls.guidance_scale

    Attributes:
        model: The model that generates the clips.
        playing: Whether the clip plays.
        refine: Whether it is generated with all its steps when the controls rest.
    """

    _esm, _css = load_assets("live")

    model: Model
    playing = t.Bool(default_value=True).tag(sync=True)
    refine = t.Bool(default_value=True).tag(sync=True)
    _control_values = t.Dict().tag(sync=True)
    _model_info = t.Dict().tag(sync=True)
    _sheet = t.Unicode().tag(sync=True)
    _notes = t.List(t.Unicode()).tag(sync=True)

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
            model: The model that generates it.
            prompt: A string, or two strings with weights.
            prompt_b: The prompt to blend it with.
            blend: Weight of the second prompt, 0 to 1.
            seed_b: The seed to blend the first one with; by default the next integer.
            seed_blend: Weight of the second seed, 0 to 1.
            steps: Denoising steps of a draft; by default 6, or those of the distilled version
                that a model comes with.
            refine: Whether all steps follow when the controls rest.
            library: Where clips are saved; by default `bc.library()`.
            arguments: Further arguments of `bc.shot`, such as seed, guidance_scale, width,
                num_inference_steps (of the final clip) or negative_prompt.

        Raises:
            CheckError: All problems of the arguments.

        >>> Live(model, "a bee", prompt_b="a moth", blend=0.5, num_inference_steps=20)
        """
        raise_problems(
            argument_problems(model, library, refine=refine, steps=steps, prompt_b=prompt_b)
        )
        shot = make_shot(prompt, **arguments)
        raise_problems(check_values(shot))
        self.model = model
        self._library = library
        self._sliders = sliders_of(model, shot)
        self._distilled = few_step_variant(model)
        self._shots = ShotBuilder(model, self._distilled, shot, self._sliders)
        self._controls = self._shots.initial_controls(
            prompt_b=prompt_b, blend=blend, seed_b=seed_b, seed_blend=seed_blend, steps=steps
        )
        self._shots.check(self._controls, refine=refine)
        self._start(refine=refine)

    def _start(self, *, refine: bool) -> None:
        """Create the engine and the widget; no thread runs before the first request."""
        # Held while the controls are read, changed and requested: several threads do.
        self._lock = threading.RLock()
        # The last edits, by the number of their request: front end, its number, controls.
        self._edits: OrderedDict[int, tuple[str, int, LiveControls]] = OrderedDict()
        self._number = 0
        self._last: LiveFrame | None = None
        self._sender = ThrottledSender(self._send_message)
        self._kept = KeptClips(self._sender)
        self._words = PromptNotes(self.model)
        self._engine = InteractiveEngine(self.model, self._on_result, quick=self._distilled)
        display_id = f"beecam-static-{uuid.uuid4().hex[:12]}"
        self._static = StaticOutput(
            display_id,
            self._static_html,
            describe=lambda: repr(self),
            still=lambda: still_bytes(self._last),
        )
        super().__init__(
            refine=refine,
            _control_values=self._controls_message(""),
            _model_info=self._describe(self._shots),
            _sheet=display_id,
            _notes=self._notes_on(self._controls),
        )

    def __repr__(self) -> str:
        closed = "closed " if self.closed else ""
        return f"{closed}Live view of {self.model.name}: {self.code}"

    def _how_to_reopen(self) -> str:
        return f"view.code is its shot: {self.code}"

    # --- what it shows -------------------------------------------------------------------------

    @property
    def shot(self) -> Shot:
        """The shot that it shows when the controls rest. Assign another one to show it.

        Raises:
            CheckError: On assignment: the value isn't a shot, or the controls or the model can't
                represent it.

        >>> view.shot = bc.shot([("a bee", 0.3), ("a moth", 0.7)], seed=4)
        """
        return self._shots.final(self._controls, refine=self.refine)

    @shot.setter
    def shot(self, value: Shot) -> None:
        if not isinstance(value, Shot):
            message = f"shot={shorten(value)}: a shot is needed, as in bc.shot({str(value)!r})."
            raise CheckError([Problem("shot", message)])
        raise_problems(check_values(value))
        controls = self._controls.with_shot(value, self._sliders)
        base = value.replace(model=None, revision=None)
        shots = ShotBuilder(self.model, self._distilled, base, self._sliders)
        if not self.refine:
            controls = replace(controls, steps=shots.steps)
        shots.check(controls, refine=self.refine)
        self._show(Settings(shots, controls, self.refine))

    @property
    def code(self) -> str:
        """Python code that returns the same shot.

        >>> print(view.code)
        bc.shot('a bee over dunes')
        """
        return self.shot.code()

    @property
    def controls(self) -> LiveControls:
        """The values of all controls.

        >>> view.controls.blend
        0.25
        """
        return self._controls

    @property
    def clip(self) -> Clip | None:
        """The clip saved last, or None.

        >>> view.clip.stars = 5
        """
        return next(reversed(self._kept.clips), None)

    @property
    def clips(self) -> ClipSet:
        """All clips saved from this view, in order.

        >>> view.clips.to_frame()
        """
        keys = [clip.key for clip in self._kept.clips]
        return ClipSet(self.library, keys, title="saved from the live view")

    @property
    def library(self) -> Library:
        """The library that clips are saved to.

        >>> view.library.folder
        """
        return open_library() if self._library is None else self._library

    def keep(self) -> Clip:
        """Generate the shot again by a run, save the clip to the library, and return it.

        The clip has the same bits as the final one shown: both are generated in a batch of one.

        Raises:
            BeecamError: The clip couldn't be generated or written.

        >>> clip = view.keep()
        >>> clip.stars = 5
        """
        with self._lock:
            settings = Settings(self._shots, self._controls, self.refine)
        shot = settings.shots.final(settings.controls, refine=settings.refine)
        # Not by `bc.run`, which would warn of words: the view itself shows the notes.
        request = RunRequest(as_sweep(shot), self.model, self.library, recorded=False)
        finished = launch(request).wait()
        if not len(finished.clips):
            raise BeecamError(f"the clip was not saved: {'; '.join(finished.errors.values())}")
        clip = finished.clips[0]
        self._kept.add(clip, settings)
        self._static.update()
        return clip

    def close(self) -> None:
        """Remove the view from the page, and end its threads; saved clips stay in the library.

        >>> view.close()
        """
        if hasattr(self, "_engine"):  # missing if the constructor failed
            self._engine.close()
            self._sender.close()
            self._static.close()
        super().close()

    @property
    def _remains(self) -> StaticOutput:
        return self._static

    # --- requests --------------------------------------------------------------------------------

    @t.observe("refine")  # type: ignore[untyped-decorator]
    def _on_refine(self, _: Any) -> None:
        if self._number:
            self._request()

    def _show(self, settings: Settings) -> None:
        """Show the clip of some settings, and set the controls of all front ends."""
        with self._lock:
            self._shots, self._controls = settings.shots, settings.controls
            self._model_info = self._describe(settings.shots)
            number = self._number
            self.refine = settings.refine
            if self._number == number:  # another value of `refine` has requested it
                self._request()
            self._control_values = self._controls_message("")

    def _describe(self, shots: ShotBuilder) -> dict[str, Any]:
        """Return what front ends need to know besides the controls."""
        return {
            **shots.describe(),
            "shelf": shelf_text(self._library),
            "knows_words": self._words.possible,
        }

    def _notes_on(self, controls: LiveControls) -> list[str]:
        return self._words.of(self._shots.resolved, (controls.prompt, controls.prompt_b))

    def _controls_message(self, client: str) -> dict[str, Any]:
        """Return the controls as a front end set them, with a number that makes them a change."""
        return {**self._controls.to_json(), "client": client, "number": self._number}

    def _request(self, client: str = "", edit: int = 0, changes: Any = None) -> None:
        """Request the clip of the controls, after the changes that a front end made in an edit."""
        with self._lock:
            if changes is not None:
                self._controls = self._controls.updated(changes, self._sliders)
            controls, refine = self._controls, self.refine
            self._number += 1
            self._edits[self._number] = (client, edit, controls)
            while len(self._edits) > _REMEMBERED_EDITS:
                self._edits.popitem(last=False)
            self._notes = self._notes_on(controls)
            self._engine.request(
                self._number,
                self._shots.draft(controls, refine=refine),
                self._shots.final(controls, refine=refine),
                quickly=self._shots.uses_distilled(controls, refine=refine),
            )

    def _receive(self, content: dict[str, Any]) -> None:
        # This may run on several threads at once (subshells), and waits for nothing: it builds a
        # shot and may set traits; the engine generates, and the sender sends all other messages.
        client, kind = str(content.get("client", "")), content.get("kind")
        if kind == "update" and isinstance(content.get("controls"), dict):
            edit = content.get("edit")
            edit = edit if isinstance(edit, int) else 0
            self._sender.acknowledge(client, edit)
            self._request(client, edit, content["controls"])
        elif kind == "hello":
            self._sender.acknowledge(client, 0)
            self._kept.send_again()
            if self._last is not None:
                self._send_result(self._last)
            else:
                self._request()
        elif kind == "keep":
            threading.Thread(target=self._keep_or_report, name="beecam-keep", daemon=True).start()
        elif kind == "restore" and (kept := self._kept.settings(str(content.get("key")))):
            self._show(kept)

    def _keep_or_report(self) -> None:
        try:
            self.keep()
        except Exception as error:  # noqa: BLE001  (there is no caller to raise to)
            message = problem_message("", 0, f"The clip was not saved: {error}")
            self._sender.submit(PROBLEM, lambda: message)

    # --- results ---------------------------------------------------------------------------------

    def _on_result(self, result: LiveFrame) -> None:
        """Take a result of the engine, on its threads."""
        if result.kind in (DRAFT, CLIP):
            self._last = result
        self._send_result(result)
        if result.kind == CLIP:
            self._publish_final(result)

    def _send_result(self, result: LiveFrame) -> None:
        client, edit, controls = self._edits.get(result.number, ("", 0, None))
        shot = self._shots.final(controls, refine=self.refine) if controls else self.shot
        code = shot.code()
        if result.kind == PROBLEM:
            message = problem_message(client, edit, result.text)
            self._sender.submit(PROBLEM, lambda: message, supersedes=(PREVIEW, STEP))
        elif result.kind in (PREVIEW, STEP):
            self._sender.submit(result.kind, lambda: result_message(result, client, edit, code))
        else:
            self._sender.submit(
                DRAFT,
                lambda: result_message(result, client, edit, code),
                supersedes=(PREVIEW, STEP, PROBLEM),
            )

    def _publish_final(self, result: LiveFrame) -> None:
        """Send the controls of a final clip to all front ends, and update the static output."""
        with self._lock:
            if result.number != self._number:
                return
            self._control_values = self._controls_message(self._edits[self._number][0])
        self._static.update()

    def _send_message(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    # --- in a notebook -------------------------------------------------------------------------

    def _display(self) -> None:
        display_widget(self)
        self._static.display()

    def _static_html(self) -> str:
        return static_html(self._last, self.model.name, self._sheet, self._kept.remaining())
