"""A stack of spectral maps as a few maps of factors with noise of one variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise import count_components, find_noise, whiten

if TYPE_CHECKING:
    import dask.array as da

FACTORS = ("pca", "nmf_so_ard", None)
# Largest number of factors by default. Solvers take time in proportion to it.
MOST = 16
# Directions that the range finder carries beside those that are kept (Halko, Martinsson
# and Tropp 2011 recommend 5 to 10).
_SPARE = 8
# Most channels that are resolved one by one where no low rank is asked for.
_MOST_CHANNELS = 256


class Factors(NamedTuple):
    """Frames on a few factors: ``data[k, y, x] ~ maps[k, y, x] @ spectra``.

    Attributes
    ----------
    maps : (n_frames, rows, columns, n_factors) float32 array
        Maps of the factors in each frame; zero where pixels are masked.
    spectra : (n_factors, n_channels) float64 array
        Spectra of the factors in the units of the data.
    passes : int
        Number of reads of the whole data.
    """

    maps: NDArray
    spectra: NDArray
    passes: int


def factors_of(
    data: NDArray | da.Array,
    factors: str | None = "pca",
    n_factors: int | None = None,
    mask: NDArray | None = None,
    random_state: int = 0,
) -> Factors:
    """Find a few spectra of which all frames are mixtures, in streamed passes.

    The data are whitened by their noise model, and the factors kept are those that rise
    above the edge of the noise.

    Parameters
    ----------
    data : (n_frames, rows, columns, n_channels) array or dask array
        Frames of spectra.
    factors : {"pca", "nmf_so_ard", None}, default "pca"
        Principal components, non-negative spectra and maps, or every channel alone,
        which is slow and worse: neighbouring channels share their maps.
    n_factors : int, optional
        Number of factors; default: as many as rise above the noise, at most 16.
    mask : (n_frames, rows, columns) bool array, optional
        True for pixels to leave out.
    random_state : int, default 0
        Seed of the range finder and of the factorisation.

    Returns
    -------
    Factors
        Maps and spectra of the factors.

    Raises
    ------
    ValueError
        For NaN and infinities, with their place, and too many channels, or a number of
        factors, where every channel is taken.
    """
    if factors is None and n_factors is not None:
        raise ValueError(
            f"factors=None does not take n_factors={n_factors!r}: it takes every "
            "channel. Use factors='pca'."
        )
    blocks = as_blocks(data, navigation_mask=mask, dtype=_dtype_of(data))
    blocks.describe()
    shape = data.shape[:3]
    if factors is None or blocks.shape[1] == 1:
        n = blocks.shape[1]
        if n > _MOST_CHANNELS:
            raise ValueError(
                f"factors=None takes {n} channels one by one, expected at most "
                f"{_MOST_CHANNELS}. Use factors='pca', or bin the energy axis."
            )
        scores, spectra = blocks.matmul(np.eye(n)), np.eye(n)
    elif factors == "nmf_so_ard":
        from sparsedecomp.decomposition import NMFSOARD
        from sparsedecomp.decomposition.iterate import uninterrupted

        model = NMFSOARD(n_factors, random_state=random_state)
        scores = model.fit_transform(blocks)
        spectra = uninterrupted(model).components_
    else:
        noise = find_noise(blocks)
        low = whiten(blocks, (n_factors or MOST) + _SPARE, noise=noise).low_rank
        kept = n_factors or count_components(blocks, noise, MOST)
        scores = low.scores[:, :kept] * noise.row_scale[:, None]
        spectra = low.basis[:, :kept].T * noise.column_scale
    maps = np.zeros((np.prod(shape), scores.shape[1]), np.float32)
    maps[blocks.rows] = scores
    return Factors(maps.reshape(*shape, -1), np.asarray(spectra, float), blocks.passes)


def _dtype_of(data: NDArray | da.Array) -> type:
    return np.float64 if data.dtype == np.float64 else np.float32
