"""Compiled loops of the readers: arrays in, arrays out."""
