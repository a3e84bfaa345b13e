"""Follow: new shots made from a clip."""
