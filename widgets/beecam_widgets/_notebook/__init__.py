"""What all widgets share, without any knowledge of clips: assets, outputs, threads, limits."""
