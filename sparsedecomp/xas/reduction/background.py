r"""The smooth background of mu(E), removed by one matrix: AUTOBK.

The background is a cubic spline in k whose coefficients c make the Fourier components
of k^n chi below ``r_bkg`` as small as possible. With S the interpolation of the
measured points onto the even grid of k, B the spline's basis at the measured points
and F the windowed transform to R < r_bkg,

.. math::

    c = \arg\min \| F S (\mu - B c) \|^2 + w \| C S (\mu - B c) \|^2, \qquad
    \chi = S (\mu - B c) / \Delta\mu_0,

where C picks the last points, which a clamp keeps near zero. All of it is linear in
mu: for given energies, E0 and r_bkg one matrix takes mu to chi, for every pixel.

In larch's ``autobk`` the weight w of the clamp grows with the residual, which is not
linear; here it is the constant part of that weight, sqrt(w) = 0.1. Measured with larch
2026.3 on 60 foils, oxides and minerals, chi is the same to 1e-6 (relative rms of k^2
chi) for scans that reach k of 9 1/angstrom and more. For some that end at 4.5 it is the
same to 5e-4: there larch's search stops before the minimum of its own cost, to which
this solution is nearer; led to its end the search arrives within 6e-6 of it.

References
----------
M. Newville, P. Livins, Y. Yacoby, J. J. Rehr, E. A. Stern, Phys. Rev. B 47 (1993)
14126, equations 5 to 8; knots and clamps as in larch's ``autobk``.
"""

from dataclasses import dataclass

import numpy as np

from sparsedecomp.xas.grids import applied, increasing, nearest, spectra_on
from sparsedecomp.xas.transform.fourier import transform_matrix
from sparsedecomp.xas.units import ETOK, wavenumber

ORDER = 3
"""Of the splines."""

R_STEP = np.pi / (0.05 * 2048)
"""Grid of R on which the background is fitted, in angstrom (larch's transform)."""

CLAMP = 0.1
"""Weight of a clamp beside the Fourier components."""

FEWEST_KNOTS, MOST_KNOTS = 5, 128


@dataclass(frozen=True)
class Background:
    """The matrices that remove the background of spectra on one grid of energies.

    Attributes
    ----------
    energy : numpy.ndarray of shape (n_E,)
        In eV.
    e0 : float
        Threshold in eV, where k = 0.
    k : numpy.ndarray of shape (n_k,)
        Even grid from 0, in 1/angstrom.
    matrix : numpy.ndarray of shape (n_k, n_E)
        Takes mu to chi times the edge step.
    spline : numpy.ndarray of shape (n_E, n_E)
        Takes mu to the background; below E0 it returns mu.
    n_knots : int
        Free coefficients of the spline.
    """

    energy: np.ndarray
    e0: float
    k: np.ndarray
    matrix: np.ndarray
    spline: np.ndarray
    n_knots: int

    def chi(self, mu, edge_step):
        """Remove the background and divide by the edge step.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.
        edge_step : float or array_like of shape (...)
            In the unit of mu; 1 where mu is normalised. Where it is not positive
            there is no edge, and chi is NaN.

        Returns
        -------
        numpy.ndarray of shape (..., n_k)
            Float32 for float32 mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        step = np.asarray(edge_step, dtype=float)
        step = np.where(step > 0, step, np.nan)[..., None]
        return (applied(self.matrix, mu) / step).astype(mu.dtype, copy=False)

    def of(self, mu):
        """The background itself.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            In the unit of mu; equal to mu below E0.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        return applied(self.spline, mu).astype(mu.dtype, copy=False)


def autobk(
    energy,
    e0,
    *,
    r_bkg=1.0,
    k_min=0.0,
    k_max=None,
    k_weight=2,
    clamp_low=0.0,
    clamp_high=1.0,
    n_clamp=3,
    k_step=0.05,
    taper=0.1,
    window="hanning",
):
    """Make the matrices that remove the background of mu(E).

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing, any spacing.
    e0 : float
        Threshold in eV, above the first energy.
    r_bkg : float
        Distance in angstrom below which everything is background. It must stay below
        the first peak of chi(R): about half the shortest bond.
    k_min, k_max : float
        Range of k of the fit in 1/angstrom; up to the last point if None. The grid of
        chi always starts at 0 and ends with `k_max`.
    k_weight : float
        Power of k with which chi is weighted in the fit.
    clamp_low, clamp_high : float
        Weight of the first and last points, which are kept near zero.
    n_clamp : int
        Number of points in each clamp.
    k_step : float
        Step of the grid of chi in 1/angstrom.
    taper : float
        Width of the sills of the window in 1/angstrom.
    window : str
        Kind of window, see `sparsedecomp.xas.window`.

    Returns
    -------
    Background

    Raises
    ------
    ValueError
        If the energies do not increase, E0 or the range of k leaves them, too few
        points lie above E0 for the spline, or a parameter is not positive.

    Notes
    -----
    The spline has ``1 + 2 r_bkg (k_max - k_min) / pi`` coefficients, as many as a
    band of R below r_bkg has degrees of freedom. What it takes away below r_bkg is
    lost for every later fit, whether background or not.

    Examples
    --------
    A smooth background is removed, and an oscillation of 2.2 angstrom stays:

    >>> import numpy as np
    >>> from sparsedecomp.xas import autobk, wavenumber
    >>> energy = np.arange(8900.0, 9900.0, 1.0)
    >>> k = wavenumber(energy, 8980.0)
    >>> chi = 0.1 * np.sin(2 * 2.2 * k) * np.exp(-0.02 * k**2)
    >>> mu = np.where(energy < 8980, 0, 1 + chi + 1e-7 * (energy - 8980) ** 2)
    >>> background = autobk(energy, 8980.0)
    >>> found = background.chi(mu, edge_step=1.0)
    >>> wanted = np.interp(background.k, k, chi)
    >>> inside = (background.k > 3) & (background.k < 14)
    >>> bool(np.abs(found - wanted)[inside].max() < 0.003)
    True
    """
    from scipy.interpolate import BSpline, make_interp_spline

    energy = increasing(energy, at_least=2)
    _check_positive(r_bkg=r_bkg, k_step=k_step, n_clamp=n_clamp)
    if not energy[0] <= e0 < energy[-1]:
        raise ValueError(
            f"e0={e0:g} eV lies outside the energies, {energy[0]:g} to "
            f"{energy[-1]:g} eV: give the threshold of the edge that was measured."
        )
    first = int(np.searchsorted(energy, e0, side="right")) - 1
    # The point before E0 is kept, with negative k, so that chi(0) is interpolated.
    above = energy[first:] - e0
    k_raw = np.sign(above) * np.sqrt(ETOK * np.abs(above))
    k_max = _end_of_range(k_min, k_max, k_raw[-1])
    k = k_step * np.arange(int(1.01 + k_max / k_step))
    last = min(len(k_raw), 2 + int(np.searchsorted(k_raw, k_max, side="right")) - 1)
    k_raw = k_raw[:last]

    knots, n_knots = _knots(k_raw, k_min, k_max, r_bkg)
    # B: the spline's basis at the measured points; S: measured points to even k.
    basis = BSpline(knots, np.eye(n_knots), ORDER, extrapolate=True)(k_raw)
    onto_grid = make_interp_spline(k_raw, np.eye(len(k_raw)), ORDER)(k)

    low = transform_matrix(
        k,
        _fitted_r(k_min, k_max, r_bkg),
        k_min=k_min,
        k_max=min(k_max, k[-1]),
        k_weight=k_weight,
        taper=taper,
        window=window,
    )
    points = np.eye(len(k))
    clamps = np.vstack(
        [abs(clamp_low) * points[:n_clamp], abs(clamp_high) * points[-n_clamp:]]
    )
    low = np.vstack([low.real, low.imag]) @ onto_grid
    clamps = clamps @ onto_grid
    wanted_small = np.vstack([low, CLAMP * clamps])
    fit = np.linalg.lstsq(wanted_small @ basis, wanted_small, rcond=None)[0]
    background = basis @ fit

    matrix = np.zeros((len(k), len(energy)))
    matrix[:, first : first + last] = onto_grid - onto_grid @ background
    spline = np.eye(len(energy))
    spline[first : first + last, first : first + last] = background
    return Background(energy, float(e0), k, matrix, spline, n_knots)


def common_k_max(energy, e0):
    """Largest k that the data of all pixels reach.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV.
    e0 : array_like
        Thresholds in eV; NaN is passed over.

    Returns
    -------
    float
        In 1/angstrom.
    """
    return float(wavenumber(np.max(energy), np.nanmax(e0)))


def _end_of_range(k_min, k_max, reached):
    if k_max is None:
        k_max = reached
    if k_max > reached * (1 + 1e-6):
        raise ValueError(
            f"k_max={k_max:g} 1/angstrom lies beyond the data, which reach "
            f"{reached:.4g}: choose a smaller k_max."
        )
    if not 0 <= k_min < k_max:
        raise ValueError(
            f"The range k_min={k_min:g} to k_max={k_max:.4g} 1/angstrom is empty or "
            "starts below 0."
        )
    return float(min(k_max, reached))


def _degrees_of_freedom(k_min, k_max, r_bkg):
    """Of a band of R up to r_bkg, rounded down."""
    return int(2 * max(r_bkg, 2 * R_STEP) * (k_max - k_min) / np.pi)


def _fitted_r(k_min, k_max, r_bkg):
    """Distances up to r_bkg, so many as have those degrees of freedom."""
    free = _degrees_of_freedom(k_min, k_max, r_bkg)
    n_r = int(1 + free * np.pi / (2 * R_STEP * (k_max - k_min)))
    return R_STEP * np.arange(n_r)


def _knots(k_raw, k_min, k_max, r_bkg):
    """Knots of the spline that interpolates evenly spread measured points."""
    from scipy.interpolate import make_interp_spline

    n_knots = 1 + _degrees_of_freedom(k_min, k_max, r_bkg)
    n_knots = max(FEWEST_KNOTS, min(MOST_KNOTS, n_knots))
    wanted = np.linspace(k_min, k_max, n_knots)
    places = np.unique(k_raw[[nearest(k_raw, k) for k in wanted]])
    if len(places) < n_knots:
        raise ValueError(
            f"{len(k_raw)} points above e0 are too few, or too far apart, for "
            f"{n_knots} knots between k={k_min:g} and {k_max:.4g} 1/angstrom. Lower "
            "r_bkg, or narrow the range of k."
        )
    return make_interp_spline(places, np.zeros(n_knots), ORDER).t, n_knots


def _check_positive(**parameters):
    for name, value in parameters.items():
        if not value > 0:
            raise ValueError(f"{name}={value!r}: give a positive number.")
