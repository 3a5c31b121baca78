"""Multivariate curve resolution: alternating least squares under constraints."""
