"""Variances of channels and pixels, estimated from what the components leave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.summary import Summary
from sparsedecomp.noise.binned_spectrum import (
    BinnedSpectrum,
    equal_bins,
    gram_and_expectation,
    row_variances,
)

# Rounds of estimating the variances of bins, for each number of components; rounds of
# estimating those of pixels; components looked for while doing so.
_ROUNDS, _ROW_ROUNDS, _MOST = 3, 4, 40
# Bins with less than this part of the usual variance are taken to have that.
_QUIET = 1e-4
# Rounding errors of the squares that components leave, in units of the precision.
_ROUNDING = 1000
# Relative spread of variances below which the noise counts as uniform.
_UNEVEN_ROWS, _UNEVEN_COLUMNS = 0.22, 0.1
# The smallest variance of a pixel, relative to the median, and the one above which a
# scaled pixel is scaled again.
_QUIET_PIXEL, _LOUD_PIXEL = 0.01, 2.0


def uniform_bins(blocks: BlockMatrix, n_bins: int) -> BinnedSpectrum:
    """Singular values for noise of one variance, in equally wide bins of channels.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    n_bins : int
        Most bins of channels.

    Returns
    -------
    BinnedSpectrum
        The singular values, after one pass.
    """
    n, m = blocks.shape
    starts, row_scale = equal_bins(m, n_bins), np.ones(n)
    gram, sums = blocks.once(
        ("gram", n_bins), lambda: gram_and_expectation(blocks, starts, row_scale)
    )
    width = np.diff(np.append(starts, m))
    # Channels that are always the same zero hold no noise.
    shape = n, int(np.count_nonzero(np.diag(gram)))
    scale = np.sqrt(width / width.mean())
    return BinnedSpectrum.of(gram, sums, starts, row_scale, scale, shape)


def is_clipped(spectrum: BinnedSpectrum, summary: Summary, width: NDArray) -> bool:
    """Whether zeros are frequent, and the values above them less than the noise.

    Continuous noise that was cut off at zero leaves entries in every pixel that the
    noise dwarfs; counts, of whatever gain, have a gap there.

    Parameters
    ----------
    spectrum : BinnedSpectrum
        Singular values for noise of one variance.
    summary : Summary
        Summary of the data.
    width : (n_bins,) array
        Number of channels in each bin.

    Returns
    -------
    bool
        Whether negative noise was set to zero.
    """
    n = spectrum.shape[0]
    alive = summary.column_zeros < n
    if summary.minimum < 0 or summary.column_zeros[alive].mean() < 0.01 * n:
        return False
    sigma = np.sqrt(spectrum.above_noise()[1] / width.mean())
    return bool(np.median(summary.row_smallest) < 0.2 * sigma)


def estimated_spectrum(
    blocks: BlockMatrix, uniform: BinnedSpectrum, elbow: int, must: bool
) -> BinnedSpectrum | None:
    """Estimate the variances of bins and pixels until both are even.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    uniform : BinnedSpectrum
        Singular values for noise of one variance.
    elbow : int
        Number of components where no edge divides signal and noise.
    must : bool
        Whether to scale bins even where their variances differ by chance only.

    Returns
    -------
    BinnedSpectrum or None
        Singular values with the bins and pixels scaled; None where the noise is
        uniform. One more pass for the pixels, two for each round.
    """
    left = uniform.above_noise()[1] * np.prod(uniform.shape, dtype=float)
    precision = max(np.finfo(blocks.dtype).eps ** 2, _ROUNDING * np.finfo(float).eps)
    if left <= precision * uniform.squares.sum():
        return None
    known = None
    spectrum, uneven = _with_estimated_bins(uniform)
    if spectrum.structured:
        known = elbow
        spectrum, uneven = _with_estimated_bins(uniform, known)
    scaled = False
    for _ in range(_ROW_ROUNDS):
        k = known or min(spectrum.above_noise()[0], spectrum.shape[1] // 8)
        rows = row_variances(blocks, spectrum, k)
        if not rows.any():
            break
        spread = rows.std() / rows.mean()
        even = spread**2 < 2 / max(spectrum.shape[1] - 1, 1) + _UNEVEN_ROWS**2
        typical = np.median(rows[rows > 0])
        # A component may have followed a single loud pixel, and hidden its noise.
        if even and (not scaled or rows.max() < _LOUD_PIXEL * typical):
            break
        uneven = scaled = True
        louder = np.sqrt(np.maximum(rows, _QUIET_PIXEL * typical) / typical)
        row_scale = spectrum.row_scale * louder
        gram, sums = gram_and_expectation(blocks, spectrum.starts, row_scale)
        uniform = replace(uniform, gram=gram, sums=sums, row_scale=row_scale)
        spectrum, _ = _with_estimated_bins(uniform.scaled(uniform.bin_scale), known)
    return spectrum if must or uneven else None


def _with_estimated_bins(
    spectrum: BinnedSpectrum, known: int | None = None
) -> tuple[BinnedSpectrum, bool]:
    """Divide every bin by what the components leave of it, one more at a time.

    With too few components bins with signal seem louder than they are, which leaves
    the next component visible; with too many, bins would seem quieter than they are,
    and ever more components would follow.

    Returns
    -------
    BinnedSpectrum
    uneven : bool
        Whether the variances differ by more than chance.
    """
    n = spectrum.shape[0]
    before, count, uneven = spectrum, known or 0, False
    while True:
        for _ in range(_ROUNDS):
            variance = spectrum.residual_variance(count)
            variance *= np.square(spectrum.bin_scale)
            noisy = variance > 0
            if np.count_nonzero(noisy) < 2:
                return spectrum, uneven
            typical = np.median(variance[noisy])
            variance = np.where(noisy, variance, typical)
            scale = np.sqrt(np.maximum(variance, _QUIET * typical))
            spectrum = spectrum.scaled(scale)
        relative = np.square(scale / before.bin_scale)
        spread = relative.std() / relative.mean()
        uneven = spread > max(_UNEVEN_COLUMNS, 4 * np.sqrt(2 / max(n - count, 1)))
        edges = spectrum.above_noise()[2]
        most = min(len(edges) - 1, _MOST)
        if known or count == most or spectrum.squares[count] <= edges[count]:
            return spectrum, uneven
        count += 1
