"""Rendered clips, their latents and checkpoints on disk."""
