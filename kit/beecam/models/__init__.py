"""Models: what turns shots into frames. Nothing outside this package knows a pipeline class."""
