r"""Matrices that remove the smooth background of mu(E): linear AUTOBK.

The background is a cubic spline in k whose coefficients c minimise the Fourier
components of k^n chi below ``rbkg``. With S the interpolation from the measured points
to the even grid of k, B the spline basis at the measured points and F the windowed
transform to R < rbkg,

.. math::

    c = \arg\min \| F S (\mu - B c) \|^2 + w \| C S (\mu - B c) \|^2, \qquad
    \chi = S (\mu - B c) / \Delta\mu_0,

where C selects the points at the ends of the range, which the clamps keep near zero.
This is linear in mu: for given energies, E0 and rbkg one matrix maps mu to chi for
every pixel.

In larch's ``autobk`` the clamp weight w grows with the residual, which is not linear.
Here w is the constant part of that weight, sqrt(w) = 0.1. Compared with larch 2026.3 on
60 foils, oxides and minerals, chi agrees to 1e-6 (relative rms of k^2 chi) for scans
that reach k of 9 1/angstrom or more. For some scans that end at 4.5 it agrees to 5e-4:
there larch's optimiser stops before the minimum of its own cost function, and when it
is continued to convergence the difference falls to 6e-6.

References
----------
M. Newville, P. Livins, Y. Yacoby, J. J. Rehr, E. A. Stern, Phys. Rev. B 47 (1993)
14126, equations 5 to 8. Knots and clamps follow larch's ``autobk``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import (
    accept_old_names,
    applied,
    check_e0,
    check_positive,
    increasing,
    nearest,
    spectra_on,
)
from sparsedecomp.xas.transform.fourier import transform_matrix
from sparsedecomp.xas.units import ETOK, wavenumber

ORDER = 3
"""Degree of the splines."""

R_STEP = np.pi / (0.05 * 2048)
"""Step of R in angstrom of the components that are minimised: that of larch's
transform, 2048 points with steps of 0.05 1/angstrom in k."""

CLAMP = 0.1
"""Weight of a clamp point relative to a Fourier component (constant part of larch's
clamp weight)."""

FEWEST_KNOTS, MOST_KNOTS = 5, 128
"""Bounds on the number of spline coefficients, as in larch."""


@dataclass(frozen=True)
class Background:
    """Matrices that remove the background of spectra on one grid of energies.

    Attributes
    ----------
    energy : numpy.ndarray of shape (n_E,)
        Photon energies in eV.
    e0 : float
        Threshold in eV, where k = 0.
    k : numpy.ndarray of shape (n_k,)
        Even grid from 0, in 1/angstrom.
    matrix : numpy.ndarray of shape (n_k, n_E)
        Maps mu to chi times the edge step.
    spline : numpy.ndarray of shape (n_E, n_E)
        Maps mu to the background; below E0 it returns mu.
    nknots : int
        Number of coefficients of the spline.
    """

    energy: np.ndarray
    e0: float
    k: np.ndarray
    matrix: np.ndarray
    spline: np.ndarray
    nknots: int

    def chi(self, mu: ArrayLike, edge_step: ArrayLike) -> np.ndarray:
        """Remove the background and divide by the edge step.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.
        edge_step : float or array_like of shape (...)
            Edge step in the unit of mu; 1 where mu is normalised. Where it is not
            positive there is no edge, and chi is NaN.

        Returns
        -------
        numpy.ndarray of shape (..., n_k)
            Spectra chi(k), not weighted by k; float32 for float32 mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        step = np.asarray(edge_step, dtype=float)
        step = np.where(step > 0, step, np.nan)[..., None]
        return (applied(self.matrix, mu) / step).astype(mu.dtype, copy=False)

    def bkg(self, mu: ArrayLike) -> np.ndarray:
        """Return the background of spectra.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            Background mu0(E) in the unit of mu; equal to mu below E0.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        return applied(self.spline, mu).astype(mu.dtype, copy=False)


@accept_old_names
def background_matrices(
    energy: ArrayLike,
    e0: float,
    *,
    rbkg: float = 1.0,
    kmin: float = 0.0,
    kmax: float | None = None,
    kweight: float = 2,
    clamp_lo: float = 0.0,
    clamp_hi: float = 1.0,
    nclamp: int = 3,
    kstep: float = 0.05,
    dk: float = 0.1,
    window: str = "hanning",
) -> Background:
    """Make the matrices that remove the background of mu(E).

    They depend on the energies and parameters only, and serve all pixels of an image.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing, with any spacing.
    e0 : float
        Threshold in eV, above the first energy.
    rbkg : float, default 1.0
        Distance in angstrom below which all Fourier components count as background.
        Larger values remove more; it must stay below the first peak of chi(R), about
        half the shortest bond.
    kmin, kmax : float, default 0 and the last point
        Range of k of the fit in 1/angstrom. The grid of chi always starts at 0 and
        ends at `kmax`.
    kweight : float, default 2
        Power of k that multiplies chi in the fit. Larger values fit the background
        better at high k.
    clamp_lo, clamp_hi : float, default 0 and 1
        Weights with which the first and the last points of chi are kept near zero.
    nclamp : int, default 3
        Number of points in each clamp.
    kstep : float, default 0.05
        Step of the grid of chi in 1/angstrom.
    dk : float, default 0.1
        Width of the sills of the Fourier window in 1/angstrom.
    window : str, default "hanning"
        Kind of Fourier window, see `sparsedecomp.xas.window`.

    Returns
    -------
    Background
        Matrices, and the grid of k.

    Raises
    ------
    ValueError
        If the energies do not increase, E0 or the range of k leaves them, too few
        points lie above E0 for the spline, or a parameter is not positive.

    See Also
    --------
    sparsedecomp.xas.autobk : Reduce spectra in one call.

    Notes
    -----
    The spline has ``1 + 2 rbkg (kmax - kmin) / pi`` coefficients, the number of
    degrees of freedom of a band of R below rbkg. Signal below rbkg is removed with the
    background and lost to every later fit.

    Examples
    --------
    A smooth background is removed, and an oscillation of 2.2 angstrom stays:

    >>> import numpy as np
    >>> from sparsedecomp.xas import background_matrices, wavenumber
    >>> energy = np.arange(8900.0, 9900.0, 1.0)
    >>> k = wavenumber(energy, 8980.0)
    >>> chi = 0.1 * np.sin(2 * 2.2 * k) * np.exp(-0.02 * k**2)
    >>> mu = np.where(energy < 8980, 0, 1 + chi + 1e-7 * (energy - 8980) ** 2)
    >>> background = background_matrices(energy, 8980.0)
    >>> found = background.chi(mu, edge_step=1.0)
    >>> wanted = np.interp(background.k, k, chi)
    >>> inside = (background.k > 3) & (background.k < 14)
    >>> bool(np.abs(found - wanted)[inside].max() < 0.003)
    True
    """
    from scipy.interpolate import BSpline, make_interp_spline

    energy = increasing(energy, at_least=2)
    check_positive(rbkg=rbkg, kstep=kstep, nclamp=nclamp)
    check_e0(energy, e0)
    first = int(np.searchsorted(energy, e0, side="right")) - 1
    # Keep the point before E0, with negative k, so that chi(0) is interpolated.
    relative = energy[first:] - e0
    k_raw = np.sign(relative) * np.sqrt(ETOK * np.abs(relative))
    kmax = _end_of_range(kmin, kmax, k_raw[-1])
    k = kstep * np.arange(int(1.01 + kmax / kstep))
    last = min(len(k_raw), 2 + int(np.searchsorted(k_raw, kmax, side="right")) - 1)
    k_raw = k_raw[:last]

    knots, nknots = _knots(k_raw, kmin, kmax, rbkg)
    # B: the spline's basis at the measured points; S: measured points to even k.
    basis = BSpline(knots, np.eye(nknots), ORDER, extrapolate=True)(k_raw)
    onto_grid = make_interp_spline(k_raw, np.eye(len(k_raw)), ORDER)(k)

    fourier = transform_matrix(
        k,
        _fitted_r(kmin, kmax, rbkg),
        kmin=kmin,
        kmax=min(kmax, k[-1]),
        kweight=kweight,
        dk=dk,
        window=window,
    )
    points = np.eye(len(k))
    clamps = np.vstack(
        [abs(clamp_lo) * points[:nclamp], abs(clamp_hi) * points[-nclamp:]]
    )
    fourier = np.vstack([fourier.real, fourier.imag]) @ onto_grid
    clamps = clamps @ onto_grid
    minimised = np.vstack([fourier, CLAMP * clamps])
    fit = np.linalg.lstsq(minimised @ basis, minimised, rcond=None)[0]
    background = basis @ fit

    matrix = np.zeros((len(k), len(energy)))
    matrix[:, first : first + last] = onto_grid - onto_grid @ background
    spline = np.eye(len(energy))
    spline[first : first + last, first : first + last] = background
    return Background(energy, float(e0), k, matrix, spline, nknots)


def common_kmax(energy: ArrayLike, e0: ArrayLike) -> float:
    """Largest k that the data of all pixels reach.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV.
    e0 : array_like
        Thresholds of the pixels in eV; NaN is ignored.

    Returns
    -------
    float
        Wavenumber in 1/angstrom.
    """
    return float(wavenumber(np.max(energy), np.nanmax(e0)))


def _end_of_range(kmin: float, kmax: float | None, reached: float) -> float:
    if kmax is None:
        kmax = reached
    if kmax > reached * (1 + 1e-6):
        raise ValueError(
            f"kmax={kmax:g} 1/angstrom lies beyond the data, which reach "
            f"{reached:.4g}: choose a smaller kmax."
        )
    if not 0 <= kmin < kmax:
        raise ValueError(
            f"The range kmin={kmin:g} to kmax={kmax:.4g} 1/angstrom is empty or "
            "starts below 0."
        )
    return float(min(kmax, reached))


def _degrees_of_freedom(kmin: float, kmax: float, rbkg: float) -> int:
    """Degrees of freedom of the band of R up to rbkg, rounded down."""
    return int(2 * max(rbkg, 2 * R_STEP) * (kmax - kmin) / np.pi)


def _fitted_r(kmin: float, kmax: float, rbkg: float) -> np.ndarray:
    """Distances in angstrom at which Fourier components are minimised."""
    free = _degrees_of_freedom(kmin, kmax, rbkg)
    n_r = int(1 + free * np.pi / (2 * R_STEP * (kmax - kmin)))
    return R_STEP * np.arange(n_r)


def _knots(
    k_raw: np.ndarray, kmin: float, kmax: float, rbkg: float
) -> tuple[np.ndarray, int]:
    """Knots of the interpolating spline through evenly spread measured points."""
    from scipy.interpolate import make_interp_spline

    nknots = 1 + _degrees_of_freedom(kmin, kmax, rbkg)
    nknots = max(FEWEST_KNOTS, min(MOST_KNOTS, nknots))
    even = np.linspace(kmin, kmax, nknots)
    points = np.unique(k_raw[[nearest(k_raw, k) for k in even]])
    if len(points) < nknots:
        raise ValueError(
            f"{len(k_raw)} points above e0 are too few, or too far apart, for "
            f"{nknots} knots between k={kmin:g} and {kmax:.4g} 1/angstrom. Lower "
            "rbkg, or narrow the range of k."
        )
    return make_interp_spline(points, np.zeros(nknots), ORDER).t, nknots
