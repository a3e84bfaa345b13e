"""Any diffusers video pipeline as a model."""
