"""What decides pixels, as a digest: the revision of a model."""
