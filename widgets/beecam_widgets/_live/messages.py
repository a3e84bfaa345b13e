"""Messages and static HTML of the live view."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from beecam.export import view_data
from beecam.media import sheets
from beecam.media.types import Frames
from beecam.runs.interactive import PREVIEW, LiveFrame
from beecam.shots.shot import Shot
from beecam_widgets._notebook.flow_control import Message
from beecam_widgets._notebook.templates import render

_MAX_WIDTH = 480
_JPEG_QUALITY = 88
_STRIP_FRAMES = 5
_MAX_TEXT = 2_000  # characters
_DEFAULT_FPS = 8


def problem_message(client: str, edit: int, text: str) -> Message:
    """Return the message that shows a problem.

    Args:
        client: The front end whose edit caused it, or "".
        edit: Number of the edit.
        text: The problem.
    """
    text = view_data.cut(text, _MAX_TEXT)
    return {"kind": "problem", "client": client, "edit": edit, "text": text}, []


def label_of(shot: Shot) -> str:
    """Return a line that names a shot."""
    return view_data.cut(f"{shot.text} · seed {shot.seed}", _MAX_TEXT)


def saved_message(count: int, key: str) -> Message:
    """Return the message that a clip was saved.

    Args:
        count: How many clips were saved from this view.
        key: Key of the clip.
    """
    return {"kind": "saved", "count": count, "key": key}, []


def result_message(result: LiveFrame, client: str, edit: int, code: str) -> Message:
    """Return the message with a result of the engine, its frames encoded as a sheet.

    Args:
        result: The result.
        client: The front end whose edit it shows, or "".
        edit: Number of the edit.
        code: The code of the shot.
    """
    shot = result.shot
    content: dict[str, Any] = {
        "kind": "result",
        "phase": result.kind,
        "client": client,
        "edit": edit,
        "number": result.number,
        "step": result.step,
        "steps": result.steps,
        "seconds": round(result.seconds, 3),
    }
    if result.frames is None or shot is None:
        return content, []
    if result.kind != PREVIEW:
        content["label"] = label_of(shot)
        content["code"] = code
    layout = sheets.sheet_layout(result.frames, _MAX_WIDTH)
    fps = shot.fps or _DEFAULT_FPS
    content["sheet"] = {**layout, "count": len(result.frames), "fps": fps}
    return content, [sheets.sheet_bytes(result.frames, _JPEG_QUALITY, _MAX_WIDTH)]


def still_bytes(result: LiveFrame | None) -> bytes:
    """Return a JPEG with some frames of the last clip; b"" without one."""
    if result is None or result.frames is None:
        return b""
    return sheets.sheet_bytes(_strip_frames(result.frames))


def _strip_frames(frames: Frames) -> Frames:
    return frames[sheets.select_frames(len(frames), _STRIP_FRAMES)]


def static_html(
    result: LiveFrame | None,
    model_name: str,
    css_class: str,
    kept: Sequence[tuple[str, bytes]] = (),
) -> str:
    """Return HTML with some frames of the last clip, for a notebook without a kernel.

    Args:
        result: The last result of the engine, if any.
        model_name: Name of the model.
        css_class: A class of the element that is returned.
        kept: Code and a frame of saved clips.
    """
    image = code = ""
    if result is not None and result.frames is not None:
        strip = sheets.strip_bytes(list(_strip_frames(result.frames)))
        image = base64.b64encode(strip).decode()
        code = result.shot.code() if result.shot else ""
    frames = [(one, base64.b64encode(frame).decode()) for one, frame in kept]
    return render(
        "live.html", css_class=css_class, image=image, code=code, model=model_name, kept=frames
    )
