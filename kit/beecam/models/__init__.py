"""Models: load one, wrap one, and the one that ships inside."""
