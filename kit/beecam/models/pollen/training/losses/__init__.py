"""What the autoencoder, the text encoder and the denoiser are trained on."""
