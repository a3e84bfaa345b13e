"""Training of pollen: `python -m beecam.models.pollen.training`."""
