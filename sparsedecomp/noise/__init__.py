"""The noise of a data set: its model, whitening, and the edge above which is signal."""

from sparsedecomp.noise.scree import noise_edge, noise_limit

__all__ = ["noise_edge", "noise_limit"]
