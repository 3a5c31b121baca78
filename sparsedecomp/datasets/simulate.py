"""Simulation of counts with a known truth, in memory or block by block."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from .ground_truth import Truth, expected_counts

if TYPE_CHECKING:
    import dask.array as da


def noisy_cube(
    truth: Truth,
    *,
    seed: int = 0,
    dtype: DTypeLike = "float32",
    lazy: bool = False,
    chunks: tuple[int, int] | None = None,
) -> np.ndarray | da.Array:
    """Poisson counts of a cube whose truth is known.

    Each pixel draws from its own part of the sequence of a counter-based generator:
    the seed is the key, the place of the pixel the counter. A pixel therefore has the
    same counts whether the cube is drawn in memory or lazily and however it is chunked.

    Parameters
    ----------
    truth : Truth
        Spectra and maps of shape (ny, nx, k); the expected counts are their product.
    seed : int, default 0
        Non-negative seed of the noise.
    dtype : dtype, default "float32"
        Floating or integer type of the counts.
    lazy : bool, default False
        Whether to return a dask array whose blocks are drawn when they are computed.
    chunks : tuple (cy, cx), optional
        Navigation chunks of a lazy cube; blocks of about 32 MiB if not given. The
        channels always form one chunk.

    Returns
    -------
    ndarray or dask.array.Array of shape (ny, nx, n_channels)
        Counts.

    Raises
    ------
    ValueError
        If `dtype` is not a real number type or an integer type too small for the
        counts, if the seed is negative, or if `chunks` is given without `lazy`.

    Examples
    --------
    >>> from sparsedecomp.datasets import noisy_cube, particles_truth
    >>> truth = particles_truth(shape=(16, 16), n_channels=128)
    >>> cube = noisy_cube(truth, dtype="uint16")
    >>> lazy = noisy_cube(truth, dtype="uint16", lazy=True, chunks=(5, 16))
    >>> bool((lazy.compute() == cube).all())
    True
    """
    dtype = np.dtype(dtype)
    check_capacity(truth, dtype)
    seed = operator.index(seed)
    if seed < 0:
        raise ValueError(f"The seed must not be negative, got {seed}.")
    ny, nx, _ = truth.maps.shape
    rows, columns = np.arange(ny), np.arange(nx)
    if not lazy:
        if chunks is not None:
            raise ValueError(
                f"chunks={chunks} was given for a cube in memory: set lazy=True or "
                "leave chunks out."
            )
        return draw_block(truth.maps, rows, columns, truth.spectra, seed, dtype)
    return lazy_cube(truth, seed, dtype, chunks)


def lazy_cube(
    truth: Truth, seed: int, dtype: np.dtype, chunks: tuple[int, int] | None
) -> da.Array:
    """Dask array of blocks that `draw_block` fills."""
    import dask.array as da

    (ny, nx, k), n_channels = truth.maps.shape, len(truth.energy)
    cy, cx, _ = da.core.normalize_chunks(
        (*(chunks or ("auto", "auto")), n_channels),
        shape=(ny, nx, n_channels),
        limit="32MiB",
        dtype=dtype,
    )
    return da.map_blocks(
        draw_block,
        da.from_array(truth.maps, chunks=(cy, cx, k)),
        da.from_array(np.arange(ny)[:, None, None], chunks=(cy, 1, 1)),
        da.from_array(np.arange(nx)[None, :, None], chunks=(1, cx, 1)),
        spectra=truth.spectra,
        seed=seed,
        count_type=dtype,
        dtype=dtype,
        chunks=(cy, cx, (n_channels,)),
        meta=np.empty((0, 0, 0), dtype),
    )


def draw_block(
    maps: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    spectra: np.ndarray,
    seed: int,
    count_type: np.dtype,
) -> np.ndarray:
    """Counts of the pixels at `rows` x `columns` of the whole cube."""
    generator = np.random.Philox(key=seed)
    start = generator.state
    poisson = np.random.Generator(generator).poisson
    block = np.empty(maps.shape[:2] + spectra.shape[1:], count_type)
    for i, row in enumerate(rows.ravel()):
        expected = expected_counts(maps[i], spectra)
        for j, column in enumerate(columns.ravel()):
            # The two low words of the counter count the draws within the pixel.
            start["state"]["counter"][2:] = column, row
            generator.state = start
            block[i, j] = poisson(expected[j])
    return block


def check_capacity(truth: Truth, dtype: np.dtype) -> None:
    """Refuse number types that cannot hold the counts."""
    if dtype.kind not in "fiu":
        raise ValueError(
            f"dtype {dtype} cannot hold counts: give a floating or integer type such "
            "as 'float32' or 'uint16'."
        )
    if dtype.kind == "f":
        return
    brightest = max(expected_counts(plane, truth.spectra).max() for plane in truth.maps)
    # Eight standard deviations: no cube that fits on a disk has so large a deviation.
    needed = brightest + 8 * np.sqrt(brightest) + 8
    largest = np.iinfo(dtype).max
    if needed > largest:
        raise ValueError(
            f"dtype {dtype} holds at most {largest} counts, but a channel may reach "
            f"{needed:.0f}: take a wider type or fewer counts per pixel."
        )
