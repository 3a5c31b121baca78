"""Solvers that make a fine map from shifted frames, one module for each model."""
