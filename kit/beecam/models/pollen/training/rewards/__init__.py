"""Reward networks, and tuning of the denoiser by them."""
