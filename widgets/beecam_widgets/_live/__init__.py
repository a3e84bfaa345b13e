"""The live view: its controls, the shots that they describe, and its messages."""
