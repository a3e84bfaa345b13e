"""The renderer: scenes to clips, in torch."""
