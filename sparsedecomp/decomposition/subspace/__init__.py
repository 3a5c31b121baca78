"""Noise, the signal space above it, and how far it reaches."""
