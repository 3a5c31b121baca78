"""Matrices larger than memory, read block by block.

Factorisations read their data through this package only: `as_blocks` wraps a NumPy
array, a dask array in its native navigation chunks or SciPy sparse counts, and
`BlockMatrix` has the few operations that need a read of the data, each of them one
pass.
"""

from sparsedecomp.blocks.compression import LowRank, compress
from sparsedecomp.blocks.conversion import MatrixLike, as_blocks
from sparsedecomp.blocks.matrix import BlockMatrix

__all__ = ["BlockMatrix", "LowRank", "MatrixLike", "as_blocks", "compress"]
