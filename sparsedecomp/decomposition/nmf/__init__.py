"""Non-negative factors by least squares, with soft orthogonality and relevance."""
