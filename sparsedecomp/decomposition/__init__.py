"""Factorisations of a matrix of pixels times channels.

Estimators follow scikit-learn; they take arrays, SciPy sparse matrices, dask arrays and
`sparsedecomp.blocks.BlockMatrix`, and know nothing of HyperSpy.
"""

from sparsedecomp.decomposition.nmf_so import NMFSO, NMFSOARD, Progress

__all__ = ["NMFSO", "NMFSOARD", "Progress"]
