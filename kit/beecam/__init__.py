"""beecam: sweep a video model, watch the grid fill, follow the clip nobody asked for."""

__version__ = "0.1.0"
