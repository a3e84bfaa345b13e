"""The renderer: scenes to frames, in torch."""
