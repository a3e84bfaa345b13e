"""Encoding prompts: each text once, on disk and in memory."""
