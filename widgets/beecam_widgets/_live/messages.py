"""Messages and static HTML of the live view."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from beecam.export import view_data
from beecam.media import sheets
from beecam.runs.interactive import PREVIEW, LiveFrame
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
    return {"kind": "problem", "client": client, "n": edit, "text": text}, []


def saved_message(count: int, key: str) -> Message:
    """Return the message that a clip was saved.

    Args:
        count: How many clips were saved from this view.
        key: Key of the clip.
    """
    return {"kind": "kept", "count": count, "key": key}, []


def sight_message(sight: LiveFrame, client: str, edit: int, code: str) -> Message:
    """Return the message with a result of the engine, its frames encoded as a sheet.

    Args:
        sight: The result.
        client: The front end whose edit it shows, or "".
        edit: Number of the edit.
        code: The code of the shot.
    """
    shot = sight.shot
    content: dict[str, Any] = {
        "kind": "sight",
        "what": sight.kind,
        "client": client,
        "n": edit,
        "number": sight.number,
        "step": sight.step,
        "steps": sight.steps,
        "seconds": round(sight.seconds, 3),
    }
    if sight.frames is None or shot is None:
        return content, []
    if sight.kind != PREVIEW:
        content["label"] = view_data.cut(f"{shot.text} · seed {shot.seed}", _MAX_TEXT)
        content["code"] = code
    layout = sheets.sheet_layout(sight.frames, _MAX_WIDTH)
    fps = shot.fps or _DEFAULT_FPS
    content["sheet"] = {**layout, "count": len(sight.frames), "fps": fps}
    return content, [sheets.sheet_bytes(sight.frames, _JPEG_QUALITY, _MAX_WIDTH)]


def static_html(sight: LiveFrame | None, model_name: str, css_class: str) -> str:
    """Return HTML with some frames of the last clip, for a notebook without a kernel.

    Args:
        sight: The last result of the engine, if any.
        model_name: Name of the model.
        css_class: A class of the element that is returned.
    """
    image = code = ""
    if sight is not None and sight.frames is not None:
        indices = sheets.select_frames(len(sight.frames), _STRIP_FRAMES)
        strip = np.stack([sight.frames[i] for i in indices])
        image = base64.b64encode(sheets.sheet_bytes(strip)).decode()
        code = sight.shot.code() if sight.shot else ""
    return render("live.html", css_class=css_class, image=image, code=code, model=model_name)
