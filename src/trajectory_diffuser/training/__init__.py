"""From prepared data to a trained network."""
