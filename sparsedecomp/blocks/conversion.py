"""Arrays of any kind as matrices that are read block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sparsedecomp.blocks.matrix import BlockMatrix
from sparsedecomp.blocks.sources import as_source, without_empty_mask

if TYPE_CHECKING:
    import dask.array as da

# Data as every method takes them; dask is not imported for an annotation alone.
MatrixLike: TypeAlias = (
    "ArrayLike | scipy.sparse.sparray | scipy.sparse.spmatrix | da.Array | BlockMatrix"
)


def as_blocks(
    data: MatrixLike,
    signal_dimension: int = 1,
    navigation_mask: ArrayLike | None = None,
    signal_mask: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
    sparse: bool = False,
) -> BlockMatrix:
    """View an array as a matrix of pixels times channels, without copying it.

    Parameters
    ----------
    data : ndarray, dask array, SciPy sparse matrix or BlockMatrix
        Navigation axes first (array order), then ``signal_dimension`` signal axes.
        A dask array is read in its own navigation chunks; a sparse matrix has one row
        for each pixel. A `BlockMatrix` is returned as it is.
    signal_dimension : int, default 1
        Number of signal axes.
    navigation_mask, signal_mask : bool array, optional
        Masks of navigation and signal shape; True leaves a pixel or channel out.
    dtype : float32 or float64, optional
        Type in which blocks are computed. Default: float64 data stay float64,
        anything else is cast to float32 block by block.
    sparse : bool, default False
        Read what comes from a .scube file as CSR blocks, also after slices, and never
        dense. Such blocks cannot be corrected for spikes or drift. Other dask arrays
        are read as they are.

    Returns
    -------
    BlockMatrix
        Matrix of the pixels and channels that are not masked.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If a mask has another shape than the data or leaves nothing over, or entries of
        a NumPy masked array are masked.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> cube = np.arange(24.0).reshape(2, 3, 4)
    >>> blocks = as_blocks(cube, signal_mask=[False, True, False, False])
    >>> blocks.shape
    (6, 3)
    >>> float(blocks.describe().sum_of_squares)
    3318.0
    """
    if isinstance(data, BlockMatrix):
        return data
    array: Any = data
    if not (hasattr(data, "dask") or scipy.sparse.issparse(data)):
        array = without_empty_mask(data)
    if array.dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {array.dtype}, expected real floating point or "
            "integer numbers. Convert them first, e.g. with s.change_dtype('float32')."
        )
    if array.ndim <= signal_dimension:
        raise ValueError(
            f"The data have the shape {array.shape} with {signal_dimension} signal "
            "axes, expected at least one navigation axis before them."
        )
    navigation_shape = array.shape[: array.ndim - signal_dimension]
    signal_shape = array.shape[array.ndim - signal_dimension :]
    rows = _kept(navigation_mask, navigation_shape, "navigation")
    columns = _kept(signal_mask, signal_shape, "signal")
    if dtype is None:
        dtype = np.float64 if array.dtype == np.float64 else np.float32
    return BlockMatrix(
        as_source(array, signal_dimension, sparse),
        rows,
        columns,
        navigation_shape=navigation_shape,
        dtype=dtype,
    )


def _kept(mask: ArrayLike | None, shape: tuple[int, ...], name: str) -> NDArray:
    """Flat indices of the entries that are not masked."""
    if mask is None:
        return np.arange(np.prod(shape, dtype=int))
    mask = without_empty_mask(mask)
    if mask.shape != tuple(shape):
        raise ValueError(
            f"The {name} mask has the shape {mask.shape}, expected {tuple(shape)}, the "
            f"{name} shape of the data in array order."
        )
    kept = np.flatnonzero(~mask.astype(bool))
    if kept.size == 0:
        raise ValueError("All the data are masked, change the mask.")
    return kept
