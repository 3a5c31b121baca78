"""What a coarse scan sees of a fine map, and what its shifts can tell."""
