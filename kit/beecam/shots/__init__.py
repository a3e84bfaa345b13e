"""Shots: everything that determines a clip's pixels, and the parts of a shot."""
