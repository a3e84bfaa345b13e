"""What carries out a run."""
