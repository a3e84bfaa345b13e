"""Clips, sets of clips, and the library that they are stored in."""
