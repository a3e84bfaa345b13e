"""Decks: YAML files with sweeps to start from."""
