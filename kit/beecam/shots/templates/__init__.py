"""Prompt templates: slots, choices, wildcards, switches and LoRA tags within a text."""
