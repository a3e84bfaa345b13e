"""Evaluation of pollen: `python -m beecam.models.pollen.evaluation`."""
