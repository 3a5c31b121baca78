r"""Repeat scans merged to one spectrum, without those and their points that are wrong.

Scans of the same sample differ by noise, by slow drifts of the beam, which are lines in
the energy, and by a scale where the sample is moved. These are fitted to the median of
all scans and removed; what is left tells the noise of every scan, scans of another
shape, and single points that are wrong. The mean is weighted by the inverse variances.

References
----------
B. Ravel, M. Newville, J. Synchrotron Radiat. 12 (2005) 537.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import median_filter

from sparsedecomp.xas.grids import increasing, spectra_on

GAUSSIAN = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

NEIGHBOURS = 5
"""Points over which residuals are averaged to see whether they are noise: noise
averages out, another shape does not."""

GLITCH = 9
"""Points of the running median that a glitch stands out of: up to four wide."""

SHIFTED = 0.25
"""Steps of the energy by which scans may be shifted without a point being wrong."""

LARGEST_OF_NOISE = 3.5
"""Largest deviation that noise shows among the hundreds of points of a scan."""

NEGLIGIBLE = 0.01
"""Deviations below this share of the range of a scan reject no whole scan: the first
points of many scans are off by some thousandths."""

VOTERS = 3
"""Fewest scans that can tell which one of them is wrong."""


class MergedScans(NamedTuple):
    """Mean of repeat scans.

    Attributes
    ----------
    mu : numpy.ndarray of shape (n_E,)
        Weighted mean; NaN where no scan holds a number.
    standard_deviation : numpy.ndarray of shape (n_E,)
        Standard deviation of the mean, from the noise of the scans.
    noise : numpy.ndarray of shape (n_scans,)
        Standard deviation of the noise of each scan.
    kept : numpy.ndarray of shape (n_scans,) of bool
        Scans in the mean.
    rejected_points : numpy.ndarray of shape (n_scans, n_E) of bool
        Points of scans that were kept which are not in the mean.
    """

    mu: np.ndarray
    standard_deviation: np.ndarray
    noise: np.ndarray
    kept: np.ndarray
    rejected_points: np.ndarray


def merge_scans(
    energy: ArrayLike,
    scans: ArrayLike,
    *,
    threshold: float = 6.0,
    drift: bool = True,
    noise: ArrayLike | None = None,
) -> MergedScans:
    """Merge repeat scans of a sample.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    scans : array_like of shape (n_scans, n_E)
        Repeat scans on these energies; NaN where a scan has no number.
    threshold : float, default 6
        Distance from the median, in standard deviations of the noise, above which
        points are wrong, and the same for the shape of whole scans. Larger values
        reject less. At least three scans are needed to tell which of them is wrong.
    drift : bool, default True
        Whether scale and line of every scan are fitted to the median before scans are
        compared. The mean is that of the fitted scans.
    noise : array_like of shape (n_scans,), optional
        Standard deviation of the noise of each scan; by default that of its second
        differences, which are too small where scans were interpolated.

    Returns
    -------
    MergedScans
        Mean, its standard deviation, and what was rejected.

    Raises
    ------
    ValueError
        If the scans are not on the energies, or the threshold is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import merge_scans
    >>> energy = np.arange(7000.0, 7300.0)
    >>> mu = np.arctan((energy - 7112) / 2)
    >>> scans = mu + np.random.default_rng(0).normal(0, 0.01, (5, 300))
    >>> scans[1, 50] += 1.0  # a glitch
    >>> scans[3] += 0.2 * np.sin(energy / 9)  # another sample
    >>> merged = merge_scans(energy, scans)
    >>> merged.kept.tolist(), int(merged.rejected_points.sum())
    ([True, True, True, False, True], 1)
    """
    grid = increasing(energy)
    spectra = np.atleast_2d(spectra_on(scans, grid)).astype(float)
    if spectra.ndim != 2:
        raise ValueError(
            f"The scans have the shape {spectra.shape}, expected (n_scans, n_E)."
        )
    if not threshold > 0:
        raise ValueError(f"threshold={threshold!r}: give a positive number.")
    kept = np.isfinite(spectra).any(axis=1)
    if not kept.any():
        raise ValueError("All scans are empty: no point of them is a number.")
    if noise is None:
        noise = [scan_noise(row) for row in spectra]
    sigma = np.array(noise, dtype=float)
    if sigma.shape != kept.shape:
        raise ValueError(
            f"noise has the shape {sigma.shape}: give one number for each of the "
            f"{len(kept)} scans."
        )
    while True:
        fitted = _without_drift(grid, spectra, kept, drift)
        wrong = _wrong_points(fitted, kept, sigma, threshold)
        strange = _strangeness(fitted, kept, wrong, sigma)
        worst = int(np.argmax(strange))
        if kept.sum() < VOTERS or not strange[worst] > threshold:
            break
        kept[worst] = False
    wrong &= kept[:, None]
    used = np.isfinite(fitted) & kept[:, None] & ~wrong
    floor = np.finfo(float).eps * np.nanmax(np.abs(fitted[kept]))
    weights = used / np.maximum(sigma, floor)[:, None] ** 2
    total = weights.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    mean = np.sum(weights * np.where(used, fitted, 0), axis=0) / total
    return MergedScans(mean, 1 / np.sqrt(total), sigma, kept, wrong)


def _median(spectra: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        # Energies without any number stay NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(spectra, axis=0)


def _without_drift(
    energy: np.ndarray, spectra: np.ndarray, kept: np.ndarray, drift: bool
) -> np.ndarray:
    """Scans with scale and line of the median of those that are kept."""
    if not drift or len(spectra) == 1:
        return spectra
    median = _median(spectra[kept])
    line = (energy - energy.mean()) / np.ptp(energy)
    fitted = np.array(spectra)
    for row in fitted:
        good = np.isfinite(row) & np.isfinite(median)
        if good.sum() < 4 or np.ptp(median[good]) == 0:
            continue
        basis = np.stack([row[good], np.ones(good.sum()), line[good]], axis=1)
        coefficients = _robust_fit(basis, median[good])
        # A scan of which the shape is another must not be scaled to nothing.
        if not 0.2 < coefficients[0] < 5:
            continue
        row *= coefficients[0]
        row += coefficients[1] + coefficients[2] * line
    return fitted


def _robust_fit(basis: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least squares without the points that lie far off, three times."""
    used = np.ones(len(target), dtype=bool)
    for _ in range(3):
        solution = np.linalg.lstsq(basis[used], target[used], rcond=None)[0]
        residual = np.abs(target - basis @ solution)
        limit = 4 * GAUSSIAN * np.median(residual)
        used = residual <= max(limit, np.finfo(float).eps * np.abs(target).max())
        if used.sum() <= basis.shape[1]:
            break
    return solution


def scan_noise(mu: ArrayLike) -> float:
    """Standard deviation of the noise of a scan on its own energies.

    Parameters
    ----------
    mu : array_like of shape (n_E,)
        Spectrum; NaN is left out.

    Returns
    -------
    float
        Robust standard deviation; zero for fewer than three points.
    """
    row = np.asarray(mu, dtype=float)
    # Second differences of white noise have six times its variance.
    rough = np.diff(row[np.isfinite(row)], 2)
    return (
        float(GAUSSIAN * np.median(np.abs(rough)) / np.sqrt(6)) if len(rough) else 0.0
    )


def _wrong_points(
    fitted: np.ndarray, kept: np.ndarray, noise: np.ndarray, threshold: float
) -> np.ndarray:
    """Points of each scan that stand far out of the median of the others."""
    wrong = np.zeros(fitted.shape, dtype=bool)
    if kept.sum() < VOTERS:
        return wrong
    # The median of the others has noise, too: about pi / 2 times that of a mean.
    for number, row in enumerate(fitted):
        others = kept.copy()
        others[number] = False
        from_others = np.pi / 2 * np.mean(noise[others] ** 2) / others.sum()
        scale = np.sqrt(noise[number] ** 2 + from_others)
        deviation = np.nan_to_num(row - _median(fitted[others]))
        # Slow deviations are no glitches, and a small shift of energy moves the edge.
        single = np.abs(deviation - median_filter(deviation, GLITCH, mode="nearest"))
        rise = np.abs(np.gradient(np.nan_to_num(row)))
        wrong[number] = single > threshold * scale + SHIFTED * rise
    return wrong


def _strangeness(
    fitted: np.ndarray, kept: np.ndarray, wrong: np.ndarray, noise: np.ndarray
) -> np.ndarray:
    """Largest smooth deviation of each scan, over what noise and all others show."""
    deviation, matters = np.zeros(len(fitted)), np.zeros(len(fitted), dtype=bool)
    kernel = np.full(NEIGHBOURS, 1 / NEIGHBOURS)
    for number in np.flatnonzero(kept):
        others = kept.copy()
        others[number] = False
        if not others.any():
            continue
        reference = _median(fitted[others])
        good = np.isfinite(fitted[number]) & np.isfinite(reference) & ~wrong[number]
        if good.sum() < NEIGHBOURS:
            continue
        # A small shift of the energy is no other shape.
        residual, rise = (
            (fitted[number] - reference)[good],
            np.gradient(reference[good]),
        )
        residual = residual - rise * (rise @ residual) / max(rise @ rise, 1e-300)
        from_others = np.pi / 2 * np.mean(noise[others] ** 2) / others.sum()
        expected = np.sqrt((noise[number] ** 2 + from_others) / NEIGHBOURS)
        rounding = np.finfo(float).eps * np.nanmax(np.abs(fitted[number]))
        largest = np.abs(np.convolve(residual, kernel, mode="valid")).max()
        deviation[number] = largest / max(expected, rounding)
        matters[number] = largest > NEGLIGIBLE * np.ptp(reference[good])
    # Where all scans differ, as by shifts of the energy, none of them is strange.
    common = max(1.0, np.median(deviation[kept]) / LARGEST_OF_NOISE)
    return np.where(matters, deviation / common, 0.0)
