"""Facts that can't be read off a pipeline, one row per family."""
