"""
The number of components
========================

Singular values of the whitened data, and the edge that noise alone exceeds once in a
thousand times.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(32, 32), n_channels=256, seed=1)
estimate = s.estimate_rank()

# sphinx_gallery_alt = "Scree plot with the edge of the noise; three values above it."
estimate.plot()
