"""pollen's networks, and its diffusers pipeline."""
