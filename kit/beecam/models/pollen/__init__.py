"""pollen, the embedded model: its world, its captions, its training, its weights and its card."""
