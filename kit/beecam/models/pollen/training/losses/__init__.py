"""Losses of the autoencoder, the text encoder and the denoiser."""
