"""Reduction: from counted photons to mu(E) and chi(k)."""
