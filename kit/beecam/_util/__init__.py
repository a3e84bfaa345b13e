"""Helpers that know nothing of video: argument checks, atomic file writes, cache folders."""
