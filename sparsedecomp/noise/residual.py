"""Whether what a fit leaves of the data is as large as the noise model expects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv, gammaincinv

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.binned_spectrum import binned
from sparsedecomp.noise.edge import PROBABILITY, noise_limit
from sparsedecomp.noise.model import NoiseModel

# Pixels that are compared at most, evenly spread: each adds up to 256 bins.
_PIXELS = 2**12
# Parts by which residuals of right fits to the scenes of `benchmarks.trust` differ from
# the noise beyond chance, of all channels and of one bin: non-negative maps fit pixels
# at the border of the simplex less closely than others.
_EXCESS, _EXCESS_OF_BIN = 0.05, 0.2
# The same for what is missing: a fit follows the noise most where counts, and with them
# the noise, are concentrated.
_LACK, _LACK_OF_BIN = 0.2, 0.7
# Noise below this part of the root mean square of the data is rounding, or smaller than
# what an iterative fit leaves.
_NO_NOISE = 1e-4


class Deviation(NamedTuple):
    """A residual that noise does not explain.

    Attributes
    ----------
    ratio : float
        Mean square over the variance of the noise: of all entries, or of the bin of
        channels that deviates most where all of them together do not.
    channels : (int, int) or None
        First and last channel around the largest deviation; None where no bin of
        channels deviates by itself.
    overall : bool
        Whether all entries together deviate.
    """

    ratio: float
    channels: tuple[int, int] | None
    overall: bool


@dataclass(frozen=True)
class ResidualVariance:
    """Mean squares of a residual, divided by the variance that the noise model expects.

    Attributes
    ----------
    ratio : float
        Mean of all entries; about one where model and noise are right.
    limits : (float, float)
        What noise alone has: the lower one if the fit follows as much of it as it can,
        the upper one if it follows none.
    bin_ratio : (n_bins,) array
        Mean of each bin of channels; NaN for bins without noise.
    bin_limits : (2, n_bins) array
        Limits of each bin.
    starts : (n_bins,) int array
        First channel of each bin.
    n_channels : int
        Number of channels.
    """

    ratio: float
    limits: tuple[float, float]
    bin_ratio: NDArray
    bin_limits: NDArray
    starts: NDArray[np.intp]
    n_channels: int

    @property
    def excess(self) -> Deviation | None:
        """Where the model lacks something or noise is underestimated, if anywhere."""
        return self._deviation(
            self.ratio > self.limits[1], self.bin_ratio / self.bin_limits[1]
        )

    @property
    def lack(self) -> Deviation | None:
        """Where the fit follows the noise or noise is overestimated, if anywhere."""
        with np.errstate(divide="ignore", invalid="ignore"):
            severity = self.bin_limits[0] / self.bin_ratio
        return self._deviation(self.ratio < self.limits[0], severity)

    def _deviation(self, overall, severity):
        severity = np.nan_to_num(severity, nan=0.0, posinf=np.inf)
        worst = int(np.argmax(severity))
        if not severity[worst] > 1:
            return Deviation(self.ratio, None, True) if overall else None
        within = np.flatnonzero(severity <= 1)
        low = within[within < worst].max(initial=-1) + 1
        high = within[within > worst].min(initial=len(severity))
        stops = np.append(self.starts, self.n_channels)
        channels = int(stops[low]), int(stops[high]) - 1
        ratio = self.ratio if overall else float(self.bin_ratio[worst])
        return Deviation(ratio, channels, bool(overall))


def residual_variance(
    blocks: BlockMatrix, maps: NDArray, spectra: NDArray, noise: NoiseModel
) -> ResidualVariance | None:
    """Compare the residual of maps times spectra with the noise, by bins of channels.

    For counts ``x`` of expectation ``m`` and gain ``g`` the sum of ``(x - m)^2 - g x``
    over the pixels vanishes in the mean, and its variance is twice the sum of the
    squares of ``g m`` [1]_: no variance has to be estimated. Other noise has the
    variances of its model. A fit follows part of the noise: at most the leverage of its
    maps and spectra, and each component beyond those above the noise as much as the
    edge of the noise. The lower limits allow for that.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    maps : (n_pixels, k) array
        Maps of the fit, in the units of the data.
    spectra : (k, n_channels) array
        Spectra of the fit.
    noise : NoiseModel
        From `find_noise`, of the same data.

    Returns
    -------
    ResidualVariance or None
        After one pass over at most 4096 pixels. None where the noise is not known: it
        is structured, was clipped, or is too small to be told from rounding.

    References
    ----------
    .. [1] C. Dean and J. F. Lawless, J. Am. Stat. Assoc. 84 (1989) 467.
       https://doi.org/10.1080/01621459.1989.10478792

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.noise import find_noise, residual_variance
    >>> rng = np.random.default_rng(0)
    >>> maps, spectra = rng.dirichlet([1, 1], 500), rng.uniform(20, 200, (2, 40))
    >>> blocks = as_blocks(rng.poisson(maps @ spectra))
    >>> found = residual_variance(blocks, maps, spectra, find_noise(blocks))
    >>> round(found.ratio, 1), found.excess
    (1.0, None)
    >>> found = residual_variance(blocks, maps, spectra[::-1], find_noise(blocks))
    >>> found.excess.overall
    True
    """
    if noise.structured or noise.clipped:
        return None
    n, k = len(maps), len(spectra)
    rows = np.unique(np.linspace(0, n - 1, min(n, _PIXELS)).astype(int))
    spectrum = noise.spectrum
    starts, row_scale = spectrum.starts, spectrum.row_scale[rows]
    H = np.add.reduceat(np.asarray(spectra, float), starts, axis=1)
    W = np.asarray(maps, float)[rows]
    _, (squares, sums, model_squares, data_squares) = blocks.select(rows).run(
        _sums, (row_scale, W), (H, starts)
    )
    if noise.counts:
        expected = noise.gain * sums
        spread = 2 * noise.gain**2 * model_squares
    else:
        variance = spectrum.above_noise()[1] * np.square(spectrum.bin_scale)
        expected = len(rows) * variance
        spread = 2 * len(rows) * np.square(variance)
        # Bins without any noise have none in their residual either.
        expected[data_squares == 0] = 0.0
    noisy = expected > 0
    if expected.sum() <= _NO_NOISE**2 * data_squares.sum() or not noisy.any():
        return None
    free = _free(H / spectrum.bin_scale, noisy) * (1 - min(k / n, 1))
    count = int(np.count_nonzero(noisy))
    beyond = max(k - max(noise.n_components, 1), 0)
    followed = beyond * noise_limit(n, count) / (n * count)
    bins = np.full((2, len(starts)), np.nan)
    bins[:, noisy] = _limits(
        expected[noisy], spread[noisy], PROBABILITY / count, free[noisy]
    )
    bins *= np.array([[(1 - _LACK_OF_BIN) * (beyond == 0)], [1 + _EXCESS_OF_BIN]])
    least = max(free @ expected / expected.sum() - followed, 0.0)
    low, high = _limits(expected.sum(), spread[noisy].sum(), PROBABILITY, least)
    ratio = np.full(len(starts), np.nan)
    ratio[noisy] = squares[noisy] / expected[noisy]
    return ResidualVariance(
        ratio=float(squares[noisy].sum() / expected.sum()),
        limits=(float((1 - _LACK) * low), float((1 + _EXCESS) * high)),
        bin_ratio=ratio,
        bin_limits=bins,
        starts=starts,
        n_channels=len(noise.column_scale),
    )


def _sums(X, row_scale, W, H, starts):
    """Squares of the residual and what counts have for them; for `BlockMatrix.run`."""
    Z = binned(X, row_scale, starts, 1.0)
    data_squares, sums = np.square(Z).sum(axis=0), (1 / row_scale) @ Z
    W = W / row_scale[:, None]
    Z -= W @ H
    model_squares = np.square((W / row_scale[:, None]) @ H).sum(axis=0)
    return (), (np.square(Z).sum(axis=0), sums, model_squares, data_squares)


def _free(H, noisy):
    """Part of the noise of each bin that spectra cannot follow."""
    basis = np.linalg.svd(H[:, noisy], full_matrices=False)[2]
    free = np.ones(H.shape[1])
    free[noisy] = np.maximum(1 - np.square(basis).sum(axis=0), 0.0)
    return free


def _limits(expected, spread, p, free):
    """Quantiles of sums of squares, relative to what is expected of them.

    The law of chi squared with the same mean and variance, at the probabilities ``p``
    at both ends.
    """
    half = np.square(expected) / spread
    return np.stack([free * gammaincinv(half, p), gammainccinv(half, p)]) / half
