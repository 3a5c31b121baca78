"""Samples as draws of a Gaussian process: its evidence and its posterior."""
