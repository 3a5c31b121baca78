"""Solvers of the fusion problem, each a function of a `Problem`."""
