r"""Estimates of the noise of mu(E) and chi(k) from the data themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import accept_old_names, applied, increasing, spectra_on
from sparsedecomp.xas.transform.fourier import transform_matrix

DEGREE = 3
"""Degree of the polynomials through neighbouring points that do not count as noise."""

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def mu_noise(
    energy: ArrayLike, mu: ArrayLike, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Standard deviation of white noise in mu, for each spectrum.

    Five neighbouring points are combined so that a cubic gives 0 and white noise its
    own standard deviation; the median of their magnitudes ignores the edge and
    glitches.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Absorption, in any unit.
    limits : tuple of two floats, optional
        Range of energies in eV that is used; by default all.

    Returns
    -------
    numpy.ndarray of shape (...)
        Standard deviations in the unit of mu. They are too large for scans with fewer
        than about four points per period of the fastest oscillation.

    Raises
    ------
    ValueError
        If the energies do not increase, or fewer than six of them are used.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import mu_noise
    >>> energy = np.linspace(7000, 7500, 800)
    >>> noise = np.random.default_rng(0).normal(0, 0.01, 800)
    >>> float(mu_noise(energy, np.sin(energy / 80) + noise).round(2))
    0.01
    """
    energy = increasing(energy, at_least=DEGREE + 3)
    mu = spectra_on(mu, energy)
    if limits is not None:
        low, high = sorted(limits)
        used = (energy >= low) & (energy <= high)
        if used.sum() < DEGREE + 3:
            raise ValueError(
                f"Only {used.sum()} points lie between {low:g} and {high:g} eV; the "
                f"noise needs {DEGREE + 3} or more."
            )
        energy, mu = energy[used], mu[..., used]
    filtered = _without_polynomials(energy, mu)
    return MAD_TO_SIGMA * np.median(np.abs(filtered), axis=-1)


@accept_old_names
def chi_noise(
    k: ArrayLike,
    chi: ArrayLike,
    *,
    kmin: float = 2.0,
    kmax: float | None = None,
    kweight: float = 1,
    rmin: float = 15.0,
    rmax: float = 30.0,
    dk: float = 1.0,
) -> np.ndarray:
    r"""Standard deviation of white noise in chi(k), for each spectrum.

    Beyond 15 angstrom chi(R) holds no signal. White noise of standard deviation
    epsilon in chi gives there, with the weights g_j = k_j^n W(k_j),

    .. math::

        \langle |\chi(R)|^2 \rangle = \epsilon^2 (\Delta k^2 / \pi) \sum_j g_j^2 .

    Parameters
    ----------
    k : array_like of shape (n_k,)
        Evenly spaced wavenumbers in 1/angstrom.
    chi : array_like of shape (..., n_k)
        Spectra, not weighted by k.
    kmin, kmax : float, default 2 and the end of the data
        Range of k in 1/angstrom that is transformed.
    kweight : float, default 1
        Power of k that multiplies chi in the transform.
    rmin, rmax : float, default 15 and 30
        Range of R in angstrom that holds noise only.
    dk : float, default 1
        Width of the sills of the window in 1/angstrom.

    Returns
    -------
    numpy.ndarray of shape (...)
        Standard deviations of chi.

    Raises
    ------
    ValueError
        If the grid of k is not even, the range leaves it, or `rmax` is beyond what
        its step resolves.

    Notes
    -----
    Where chi was interpolated onto a grid finer than the measured points, it has less
    noise at high R than at the shells, and the estimate is too low.

    References
    ----------
    M. Newville, B. I. Boyanov, D. E. Sayers, J. Synchrotron Radiat. 6 (1999) 264.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import chi_noise
    >>> k = np.arange(0, 16, 0.05)
    >>> noise = np.random.default_rng(0).normal(0, 1e-3, (200, len(k)))
    >>> float(chi_noise(k, 0.1 * np.sin(5 * k) + noise).mean().round(4))
    0.001
    """
    k = increasing(k, "k", "1/angstrom")
    chi = spectra_on(chi, k, "chi")
    nyquist = np.pi * (len(k) - 1) / (2 * (k[-1] - k[0]))
    if not rmin < rmax <= nyquist:
        raise ValueError(
            f"rmin={rmin:g} to rmax={rmax:g} angstrom: steps of "
            f"{(k[-1] - k[0]) / (len(k) - 1):.3g} 1/angstrom resolve R up to "
            f"{nyquist:.3g} angstrom."
        )
    kmax = k[-1] if kmax is None else kmax
    transform = transform_matrix(
        k,
        np.arange(rmin, rmax, 0.1),
        kmin=kmin,
        kmax=kmax,
        kweight=kweight,
        dk=dk,
    )
    power = np.mean(np.abs(applied(transform, chi)) ** 2, axis=-1)
    return np.sqrt(power / np.sum(np.abs(transform[0]) ** 2))


def _without_polynomials(energy: np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Combinations of five neighbours, of unit norm, that are zero for a cubic."""
    width = DEGREE + 2
    windows = np.lib.stride_tricks.sliding_window_view(energy, width)
    x = windows - windows.mean(axis=1, keepdims=True)
    x /= np.abs(x).max(axis=1, keepdims=True)
    powers = x[:, None, :] ** np.arange(DEGREE + 1)[:, None]
    # The last right singular vector is orthogonal to all powers, and of norm 1.
    weights = np.linalg.svd(powers)[2][:, -1]
    neighbours = np.lib.stride_tricks.sliding_window_view(mu, width, axis=-1)
    return np.einsum("...ij,ij->...i", neighbours, weights)
