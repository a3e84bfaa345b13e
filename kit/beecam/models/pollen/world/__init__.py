"""The world that pollen is trained on: scenes, their captions and the renderer."""
