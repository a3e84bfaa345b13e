"""The panel: what a sweep is built from, its JSON form, and what the front end requests."""
