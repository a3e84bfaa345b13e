"""Generic helpers: argument checks, atomic file writes, cache folders."""
