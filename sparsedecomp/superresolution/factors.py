"""A stack of spectral maps as a few maps of factors with noise of one variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sparsedecomp.blocks import as_blocks, compress

if TYPE_CHECKING:
    import dask.array as da
    from numpy.typing import NDArray

    from sparsedecomp.blocks import BlockMatrix, LowRank

FACTORS = ("pca", "nmf_so_ard", None)
# Largest number of factors by default. Solvers take time in proportion to it.
MOST = 16
# Directions that the range finder carries beside those that are kept (Halko, Martinsson
# and Tropp 2011 recommend 5 to 10).
_SPARE = 8
# The noise of the channels is estimated again, at most so many times, while its
# standard deviation over its mean is more than this. Each time takes two passes.
_ROUNDS, _EVEN = 3, 0.1
# Least noise of a channel over the mean: one without any would get an infinite weight.
_SILENT = 1e-3
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

    Channels of counts are weighted by the root of their mean, which gives their noise
    one variance. Where the residual of the factors still differs between channels, they
    are weighted by it, at two more passes each time. The factors kept are those whose
    singular values rise above the edge of the noise.

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
    summary = blocks.describe()
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

        model = NMFSOARD(n_factors, random_state=random_state)
        scores, spectra = model.fit_transform(blocks), model.components_
    else:
        weight = np.ones(blocks.shape[1])
        if summary.minimum >= 0:
            mean = summary.column_sums / blocks.shape[0]
            weight = np.sqrt(np.maximum(mean, 1e-3 * mean.max()))
        rank = (n_factors or MOST) + _SPARE
        compressed, weight = _whitened(blocks, weight, rank, random_state)
        kept = n_factors or max(1, min(MOST, _above_noise(compressed)))
        scores = compressed.scores[:, :kept]
        spectra = compressed.basis[:, :kept].T * weight
    maps = np.zeros((np.prod(shape), scores.shape[1]), np.float32)
    maps[blocks.rows] = scores
    return Factors(maps.reshape(*shape, -1), np.asarray(spectra, float), blocks.passes)


def _whitened(
    blocks: BlockMatrix, weight: NDArray, rank: int, random_state: int
) -> tuple[LowRank, NDArray]:
    """Leading directions, and the weights of channels that whiten their noise."""
    ones = np.ones(blocks.shape[0])
    compressed = compress(blocks.scaled(ones, weight), rank, random_state=random_state)
    for _ in range(_ROUNDS):
        noise = _noise_of_channels(compressed)
        if noise is None:
            break
        weight = weight * noise
        basis = np.linalg.qr(compressed.basis / noise[:, None])[0]
        compressed = compress(blocks.scaled(ones, weight), rank, n_power=1, basis=basis)
    return compressed, weight


def _noise_of_channels(compressed: LowRank) -> NDArray | None:
    """Standard deviations of the residuals of the channels; None where these agree."""
    (n, rank), m = compressed.scores.shape, len(compressed.basis)
    squares, basis = compressed.singular_values**2, compressed.basis**2
    residual = compressed.summary.column_squares - basis @ squares
    residual = np.maximum(residual, 0) / np.maximum(1 - basis.sum(axis=1), 1 / m)
    rounding = np.finfo(compressed.scores.dtype).eps * compressed.summary.sum_of_squares
    # Directions that follow the noise make the residuals differ by about their share.
    least = max(_EVEN, 4 * np.sqrt(2 / n), rank / m)
    if residual.sum() <= 10 * rounding or residual.std() < least * residual.mean():
        return None
    return np.sqrt(np.maximum(residual / residual.mean(), _SILENT))


def _dtype_of(data: NDArray | da.Array) -> type:
    return np.float64 if data.dtype == np.float64 else np.float32


def _above_noise(compressed: LowRank) -> int:
    """Number of singular values above the largest one of noise alone."""
    edge = np.sqrt(compressed.noise_variance) * (
        np.sqrt(len(compressed.scores)) + np.sqrt(len(compressed.basis))
    )
    return int(np.count_nonzero(compressed.singular_values > 1.02 * edge))
