"""Ways to go on from a clip: each makes a sweep of new shots."""
