"""Factorisations of a matrix of pixels times channels.

Estimators follow scikit-learn; they take arrays, SciPy sparse matrices, dask arrays and
`sparsedecomp.blocks.BlockMatrix`, and know nothing of HyperSpy.
"""

from sparsedecomp.decomposition.abundances import abundances
from sparsedecomp.decomposition.base import Progress
from sparsedecomp.decomposition.min_volume import MinimumVolume
from sparsedecomp.decomposition.nmf_so import NMFSO, NMFSOARD
from sparsedecomp.decomposition.simplex import nfindr, simplex_volume
from sparsedecomp.decomposition.vca import VCA

__all__ = [
    "MinimumVolume",
    "NMFSO",
    "NMFSOARD",
    "VCA",
    "Progress",
    "abundances",
    "nfindr",
    "simplex_volume",
]
