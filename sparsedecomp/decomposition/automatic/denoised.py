"""Data that were denoised before: noise that was kept looks like components."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise import NoiseModel
from sparsedecomp.noise.binned_spectrum import scores

# What is left of denoised data, relative to their root mean square: rounding errors.
_ROUNDING = 1e-5
# Fewer pixels or bins of channels cannot tell noise from signal.
_LEAST_PIXELS, _LEAST_BINS = 100, 32
# Standard errors within which the neighbours of white noise are uncorrelated.
_ERRORS = 4.0


def white_components(blocks: BlockMatrix, noise: NoiseModel, k: int) -> int:
    """Number of the last components that are noise, of data with none beside them.

    A truncated principal component analysis leaves as many components as it kept and
    rounding errors. Those of them that are noise are white: neither neighbouring
    channels of their spectra nor neighbouring pixels of their maps are correlated.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    noise : NoiseModel
        From `find_noise`, of the same data.
    k : int
        Number of components that rise above the rounding errors.

    Returns
    -------
    int
        Zero for data with noise; then nothing is read. Else after one more pass.
    """
    spectrum = noise.spectrum
    n, m = spectrum.shape
    left = spectrum.squares[k:].sum() / spectrum.squares.sum()
    if noise.counts or left > _ROUNDING**2 or n < _LEAST_PIXELS or m < _LEAST_BINS:
        return 0
    white = _is_white(spectrum.vectors[:, :k])
    if not white[-1]:
        return 0
    white &= _is_white(scores(blocks, spectrum, k))
    return int(np.argmin(white[::-1])) if not white.all() else k


def _is_white(columns: NDArray) -> NDArray[np.bool_]:
    """Whether neighbouring entries of each column are uncorrelated."""
    x = columns - columns.mean(axis=0)
    correlation = (x[1:] * x[:-1]).sum(axis=0) / np.square(x).sum(axis=0)
    return np.abs(correlation) < _ERRORS / np.sqrt(len(x))
