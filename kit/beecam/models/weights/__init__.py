"""Weights: LoRAs, and files that hold weights only."""
