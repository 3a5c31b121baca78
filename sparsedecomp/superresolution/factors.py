"""A stack of spectral maps as a few maps of factors with even noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sparsedecomp.blocks import as_blocks, compress

FACTORS = ("pca", "nmf_so_ard", None)
MOST = 16
# Directions that the range finder carries beside those that are kept.
_SPARE = 8
# Noise is weighed again, so many times at most, while its variance differs by more
# than this part between channels; channels without any are taken to have some.
_ROUNDS, _EVEN, _SILENT = 3, 0.1, 1e-3
# Without a low rank every channel is a factor: for so many and no more.
_MOST_CHANNELS = 256


class Factors(NamedTuple):
    """Frames on a few factors: ``data[k, y, x] ~ maps[k, y, x] @ spectra``.

    Attributes
    ----------
    maps : (n_frames, rows, columns, n_factors) float32 array
        Zero where pixels are masked.
    spectra : (n_factors, n_channels) float64 array
        In the units of the data.
    passes : int
        Reads of the whole data.
    """

    maps: np.ndarray
    spectra: np.ndarray
    passes: int


def factors_of(data, factors="pca", n_factors=None, mask=None, random_state=0):
    """Find a few spectra whose mixtures are all frames, in streamed passes.

    Channels of counts are weighted by the root of their mean, which makes their noise
    even; where what the factors leave differs between channels all the same, they are
    weighted by that, at two more passes each time. The factors kept are those that rise
    above the edge of that noise.

    Parameters
    ----------
    data : (n_frames, rows, columns, n_channels) array or dask array
    factors : {"pca", "nmf_so_ard", None}, default "pca"
        Principal components, non-negative spectra and maps, or every channel for
        itself, which is slow and worse: neighbouring channels share their maps.
    n_factors : int, optional
        Default: as many as rise above the noise, at most 16.
    mask : (n_frames, rows, columns) bool array, optional
        True for pixels to leave out.
    random_state : int, default 0

    Returns
    -------
    Factors

    Raises
    ------
    ValueError
        For NaN and infinities, named by their place.
    """
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
        low, weight = _evenly(blocks, weight, rank, random_state)
        kept = n_factors or max(1, min(MOST, _above_noise(low)))
        scores = low.scores[:, :kept]
        spectra = low.basis[:, :kept].T * weight
    maps = np.zeros((np.prod(shape), scores.shape[1]), np.float32)
    maps[blocks.rows] = scores
    return Factors(maps.reshape(*shape, -1), np.asarray(spectra, float), blocks.passes)


def _evenly(blocks, weight, rank, random_state):
    """The leading directions with channels weighted until their noise is even.

    Returns
    -------
    low : LowRank
    weight : (n_channels,) array
        What channels are divided by.
    """
    ones = np.ones(blocks.shape[0])
    low = compress(blocks.scaled(ones, weight), rank, random_state=random_state)
    for _ in range(_ROUNDS):
        noise = _noise_of_channels(low)
        if noise is None:
            break
        weight = weight * noise
        start = np.linalg.qr(low.basis / noise[:, None])[0]
        low = compress(blocks.scaled(ones, weight), rank, n_power=1, basis=start)
    return low, weight


def _noise_of_channels(low):
    """Standard deviations of what is left of the channels; None where these agree."""
    (n, rank), m = low.scores.shape, len(low.basis)
    left = low.summary.column_squares - low.basis**2 @ low.singular_values**2
    left = np.maximum(left, 0) / np.maximum(1 - (low.basis**2).sum(axis=1), 1 / m)
    rounding = np.finfo(low.scores.dtype).eps * low.summary.sum_of_squares
    # Directions that follow the noise leave it uneven by about their part of all.
    least = max(_EVEN, 4 * np.sqrt(2 / n), rank / m)
    if left.sum() <= 10 * rounding or left.std() < least * left.mean():
        return None
    return np.sqrt(np.maximum(left / left.mean(), _SILENT))


def _dtype_of(data):
    return np.float64 if data.dtype == np.float64 else np.float32


def _above_noise(low):
    """Singular values above the largest that noise alone would have."""
    edge = np.sqrt(low.noise_variance) * (
        np.sqrt(len(low.scores)) + np.sqrt(len(low.basis))
    )
    return int(np.count_nonzero(low.singular_values > 1.02 * edge))
