"""What works and what does not on this machine."""
