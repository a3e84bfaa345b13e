"""What a call of a pipeline returns."""
