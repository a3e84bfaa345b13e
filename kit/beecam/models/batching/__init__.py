"""How many clips a batch generates, and on which threads and devices."""
