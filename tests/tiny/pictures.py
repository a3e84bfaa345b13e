"""Images and videos that pipelines are given."""

from PIL import Image


def picture(width=32, height=32, at=0):
    """A coloured square on a slope of colours; `at` moves it."""
    made = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    made.paste((220, 60, 30), (at, height // 4, at + width // 3, height * 3 // 4))
    return made


def film(frames, width=32, height=32):
    return [picture(width, height, at) for at in range(frames)]
