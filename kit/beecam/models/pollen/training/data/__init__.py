"""Rendered clips, their latents, and other files of a training."""
