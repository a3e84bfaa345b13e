"""Decks: sweeps to start from, as YAML files."""
