"""
Phases of a specimen
====================

Pixels grouped by the ratios of their counts in windows of X-ray lines; neighbours vote.
Without `n_clusters` the mixed pixels at the rims become phases of their own.
"""

from sparsedecomp import datasets

s = datasets.edx_particles(shape=(32, 40), n_channels=512, seed=1)
phases = s.segment_composition(
    n_clusters=3, windows=["Fe_Ka", "Ce_La", "Si_Ka", "O_Ka"]
)

# sphinx_gallery_alt = "Map of phases and their compositions."
phases.plot()
