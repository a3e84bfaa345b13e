"""Opening pipelines: from a hub repository, a single file or this package."""
