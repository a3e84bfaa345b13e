"""Decks: templates with axes and values worth trying, in YAML files that a teacher can write."""
