"""Shots: everything that determines a clip's pixels, and the parts that a shot is made of."""
