"""Weights: LoRAs and fingerprints."""
