"""The denoising loop: noise, schedulers, previews and checkpoints."""
