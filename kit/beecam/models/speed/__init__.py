"""Ways to generate faster that change pixels, and what they are compared with."""
