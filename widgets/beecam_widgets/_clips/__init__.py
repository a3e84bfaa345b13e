"""Surfaces of cells: where the clips come from, and the exchange with the front ends."""
