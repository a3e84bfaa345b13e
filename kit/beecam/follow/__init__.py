"""New shots from a clip."""
