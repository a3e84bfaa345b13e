"""Frames, sound and the files that hold them: H.264 videos and contact sheets of frames."""
