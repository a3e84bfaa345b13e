"""Images and videos that pipelines are given."""

from PIL import Image


def image(width=32, height=32, at=0):
    """A coloured square on a slope of colours; `at` moves it."""
    square = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    square.paste((220, 60, 30), (at, height // 4, at + width // 3, height * 3 // 4))
    return square


def video(frames, width=32, height=32):
    return [image(width, height, at) for at in range(frames)]
