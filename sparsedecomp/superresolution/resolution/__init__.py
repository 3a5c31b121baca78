"""Measures of the resolution of a map."""
