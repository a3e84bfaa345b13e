"""Input images and videos of pipelines."""

from PIL import Image


def image(width=32, height=32, at=0):
    """Return an image of a coloured square on a gradient; `at` moves the square."""
    square = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    square.paste((220, 60, 30), (at, height // 4, at + width // 3, height * 3 // 4))
    return square


def video(frames, width=32, height=32):
    return [image(width, height, at) for at in range(frames)]
