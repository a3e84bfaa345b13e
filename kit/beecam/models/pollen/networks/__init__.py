"""pollen's networks and its pipeline."""
