"""Samples modelled as a Gaussian process: its evidence and its posterior."""
