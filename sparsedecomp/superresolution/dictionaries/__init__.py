"""Dictionaries of patches of images, and what they are used for on one image."""
