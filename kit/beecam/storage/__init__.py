"""What a library is on disk; nothing here returns a clip, and nothing outside knows SQL."""
