"""Messages and static HTML of the live view."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np

from beecam.export import view_data as telling
from beecam.media import sheets
from beecam.runs.interactive import PREVIEW, LiveFrame
from beecam_widgets._notebook.flow_control import Message

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
    text = telling.cut(text, _MAX_TEXT)
    return {"kind": "problem", "client": client, "n": edit, "text": text}, []


def saved_message(count: int, key: str) -> Message:
    """Return the message that a clip was saved.

    Args:
        count: How many clips were saved from this view.
        key: Key of the clip.
    """
    return {"kind": "kept", "count": count, "key": key}, []


def frame_message(frame: LiveFrame, client: str, edit: int, code: str) -> Message:
    """Return the message with a result of the engine, its frames encoded as a sheet.

    Args:
        frame: The result.
        client: The front end whose edit it shows, or "".
        edit: Number of the edit.
        code: The code of the shot.
    """
    shot = frame.shot
    content: dict[str, Any] = {
        "kind": "sight",
        "what": frame.kind,
        "client": client,
        "n": edit,
        "number": frame.number,
        "step": frame.step,
        "steps": frame.steps,
        "seconds": round(frame.seconds, 3),
    }
    if frame.frames is None or shot is None:
        return content, []
    if frame.kind != PREVIEW:
        content["label"] = telling.cut(f"{shot.text} · seed {shot.seed}", _MAX_TEXT)
        content["code"] = code
    layout = sheets.sheet_layout(frame.frames, _MAX_WIDTH)
    fps = shot.fps or _DEFAULT_FPS
    content["sheet"] = {**layout, "count": len(frame.frames), "fps": fps}
    return content, [sheets.sheet_bytes(frame.frames, _JPEG_QUALITY, _MAX_WIDTH)]


def static_html(frame: LiveFrame | None, model_name: str, css_class: str) -> str:
    """Return HTML with some frames of the last clip, for a notebook without a kernel.

    Args:
        frame: The last result of the engine, if any.
        model_name: Name of the model.
        css_class: A class of the element that is returned.
    """
    if frame is None or frame.frames is None:
        body = f"<p>Live view of {html.escape(model_name)}: run the cell to start it.</p>"
    else:
        indices = sheets.select_frames(len(frame.frames), _STRIP_FRAMES)
        strip = np.stack([frame.frames[i] for i in indices])
        source = base64.b64encode(sheets.sheet_bytes(strip)).decode()
        code = html.escape(frame.shot.code() if frame.shot else "")
        body = (
            f'<img src="data:image/jpeg;base64,{source}" alt="frames of the last clip">'
            f'<pre style="white-space:pre-wrap">{code}</pre>'
        )
    return f'<div class="beecam-static {css_class}">{body}</div>'
