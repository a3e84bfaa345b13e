"""What a notebook shows of beecam: the live grid of clips."""
