"""The world that pollen is trained on: scenes, captions of them, and the renderer."""
