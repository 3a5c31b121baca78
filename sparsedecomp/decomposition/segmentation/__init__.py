"""Phases of like composition: clusters and mixtures."""
