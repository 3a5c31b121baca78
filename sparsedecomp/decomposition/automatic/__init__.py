"""Unmixing that finds the number of components and doubts its own answer."""
