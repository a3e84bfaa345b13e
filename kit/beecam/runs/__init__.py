"""Runs: sweeps that are being generated in the background."""
