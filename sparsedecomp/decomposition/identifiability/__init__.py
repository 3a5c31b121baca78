"""Diagnostics of how far the data determine an unmixing."""
