"""A matrix seen through passes over its blocks.

Factorisations meet their data here only: `as_blocks` wraps a NumPy array, a dask
array in its native navigation chunks or SciPy sparse counts, and `BlockMatrix`
offers the few operations that need a read of the data, each of them one pass.
"""

from sparsedecomp.blocks.compression import LowRank, compress
from sparsedecomp.blocks.matrix import BlockMatrix, as_blocks

__all__ = ["BlockMatrix", "LowRank", "as_blocks", "compress"]
