"""Kandinsky 5: text and image."""

MAKERS = {}
SHAPES = {}
