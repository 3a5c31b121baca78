"""Spectra of neighbouring pixels put together, since what is sought varies slowly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix

MOST_CELLS = 1024
"""So many cells show a drift of the energy axis, or a thickness, that is smooth."""


def plane(blocks: BlockMatrix) -> tuple[int, int]:
    """Sizes of the plane of pixels: axes before the last are put together."""
    *slow, fast = blocks.navigation_shape
    return int(np.prod(slow)) if slow else 1, fast


def pool(
    blocks: BlockMatrix, most_cells: int
) -> tuple[NDArray[np.float64], NDArray[np.intp], tuple[int, int]]:
    """Sums of the spectra of neighbouring pixels, in one pass.

    Further sums over as many or fewer cells need no other pass.

    Parameters
    ----------
    blocks : BlockMatrix
        The data; their scaling is ignored.
    most_cells : int
        Pixels are put together until no more than this many cells are left.

    Returns
    -------
    pooled : (n_cells, n_channels) array
        Sums of spectra; zeros where all pixels are masked.
    cell : (n_pixels,) int array
        Which cell each pixel belongs to.
    shape : tuple of int
        Cells along both axes.
    """
    finest = max(most_cells, MOST_CELLS)
    cell, fine, size = _cells(blocks, finest)
    pooled = blocks.once(
        ("cell sums", finest), lambda: _sums(blocks, cell, fine[0] * fine[1])
    )
    if most_cells == finest:
        return pooled, cell, fine
    cell, shape, larger = _cells(blocks, most_cells)
    # Sizes of cells are powers of two: each cell is one of the finer ones or several.
    y, x = larger[0] // size[0], larger[1] // size[1]
    padded = np.zeros((shape[0] * y, shape[1] * x, pooled.shape[1]))
    padded[: fine[0], : fine[1]] = pooled.reshape(*fine, -1)
    parts = padded.reshape(shape[0], y, shape[1], x, -1)
    return parts.sum(axis=(1, 3)).reshape(shape[0] * shape[1], -1), cell, shape


def _cells(blocks, most_cells):
    """Cell of each pixel, numbers of cells along both axes, and their size."""
    ny, nx = plane(blocks)
    size = [1, 1]
    while -(-ny // size[0]) * -(-nx // size[1]) > most_cells:
        size[int(nx / size[1] > ny / size[0])] *= 2
    shape = -(-ny // size[0]), -(-nx // size[1])
    y, x = np.divmod(blocks.rows, nx)
    return y // size[0] * shape[1] + x // size[1], shape, size


def _sums(blocks, cell, n_cells):
    (parts,), _ = blocks.unscaled().run(_cell_sums, rows=(cell,))
    pooled = np.zeros((n_cells, blocks.shape[1]))
    for part in parts:
        if part is not None:
            pooled[part[0]] += part[1]
    return pooled


def _cell_sums(X, cell):
    """Sums of some rows by cell; a function for `BlockMatrix.run`."""
    part = np.full(len(cell), None, dtype=object)
    if hasattr(X, "toarray"):
        X = X.toarray()
    order = np.argsort(cell, kind="stable")
    cells, first = np.unique(cell[order], return_index=True)
    part[0] = cells, np.add.reduceat(X[order], first, axis=0, dtype=float)
    return (part,), ()
