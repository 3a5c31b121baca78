"""Bayesian optimisation of the parameters of a method."""
