"""Sweeps: a prompt template and axes, laid out as an ordered set of cells."""
