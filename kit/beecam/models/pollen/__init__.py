"""pollen, the model that ships with beecam: world, networks, training, evaluation, weights."""
