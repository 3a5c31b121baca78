"""Coordinates of the part of chi(k) in a range of k and of R, with white noise.

An EXAFS signal over a range of k and R has about 2 dk dR / pi degrees of freedom. The
singular vectors of the windowed Fourier transform are those degrees of freedom: what
they hold of a spectrum lies in the window, and what lies outside (the background, far
shells, noise at high R) hardly touches them. That takes the place of a fit in R space
and knows how its noise is correlated.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from ..transform.fourier import transform_matrix

_R_STEP = 0.03
# Directions that the window passes with less than this part of the best are left out.
_CONCENTRATION = 0.3
# Signals are not looked for below the thousandth of the data, logarithm of the power.
_DEEPEST = np.log(1e6)


@dataclass(frozen=True)
class Coordinates:
    """Linear map from chi(k) to coordinates with unit noise.

    Attributes
    ----------
    k : (n_inside,) array
        The wavenumbers inside the window, in 1/angstrom.
    inside : slice
        Where these are among the data's.
    matrix : (n_coordinates, n_inside) array
        ``chi[inside] @ matrix.T`` are the coordinates.
    noise : (n_inside,) array
        Standard deviation of chi that becomes 1 in every coordinate.
    log_volume : float
        To be subtracted from a log evidence to compare models of the noise.
    k_range, r_range : (float, float)
        The window.
    """

    k: np.ndarray
    inside: slice
    matrix: np.ndarray
    noise: np.ndarray
    log_volume: float
    k_range: tuple
    r_range: tuple

    @property
    def size(self):
        """Number of coordinates."""
        return len(self.matrix)

    def project(self, chi):
        """Coordinates of spectra.

        Parameters
        ----------
        chi : (..., n_k) array
            On all wavenumbers of the data.

        Returns
        -------
        (..., n_coordinates) array
        """
        return chi[..., self.inside] @ self.matrix.T

    def signal_level(self, chi, noise):
        r"""Root mean square of the coordinates of a spectrum without its noise.

        Weighted by k^3 the noise of a faint spectrum is many times the signal, where k
        is large, and little where it is small. So coordinates y of covariance
        :math:`s^2 A A^T + g^2 I` are taken, and the g under which they are most
        probable; without noise that is their root mean square.

        Parameters
        ----------
        chi : (n_k,) array
        noise : float
            Standard deviation s of chi.

        Returns
        -------
        float
        """
        variance, axes = np.linalg.eigh(noise**2 * self.matrix @ self.matrix.T)
        square = (axes.T @ self.project(chi)) ** 2
        top = np.log(np.mean(square))

        def unlikely(log_power):
            total = variance + np.exp(log_power)
            return np.sum(np.log(total) + square / total)

        found = minimize_scalar(
            unlikely, bounds=(top - _DEEPEST, top), method="bounded"
        )
        return float(np.exp(found.x / 2))


def window_coordinates(
    k, k_range, r_range, *, kweight=3, noise=0.0, model_error=1.0, dk=1.0
):
    r"""Coordinates for a window of k and R and the two-term noise of an EXAFS fit.

    The variance of chi is taken as

    .. math:: s^2(k) = s_b^2 + s_a^2 k^{-2n}

    that is white noise of the measurement and an error that is even in k^n chi, as
    errors of the theory are: for y = k^n chi it is s_a^2 + s_b^2 k^2n. Only the ratio
    of the two matters where the noise level is found from the data. Of n = 1, 2 and 3
    the evidence took 3 for copper, nickel, cobalt, NiO, ZnSe and UO2 together.

    Parameters
    ----------
    k : (n_k,) array
        Evenly spaced wavenumbers in 1/angstrom.
    k_range, r_range : (float, float)
        Window in 1/angstrom and, of the transform without phase correction, in
        angstrom.
    kweight : float, default 3
        The power n.
    noise : float, default 0
        s_b, of chi.
    model_error : float, default 1
        s_a, of k^n chi.
    dk : float, default 1
        Width of the window's sills in 1/angstrom.

    Returns
    -------
    Coordinates

    Raises
    ------
    ValueError
        If the window leaves the data or holds fewer than four degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas.shells.coordinates import window_coordinates
    >>> k = np.arange(0, 18, 0.05)
    >>> window_coordinates(k, (3, 17), (1.4, 5.3)).size
    38
    """
    k = np.asarray(k, dtype=float)
    low, high = r_range
    if not 0 <= low < high:
        raise ValueError(
            f"r_range={r_range!r}: give two increasing distances in angstrom."
        )
    degrees = 2 * (k_range[1] - k_range[0]) * (high - low) / np.pi
    if degrees < 4:
        raise ValueError(
            f"k_range={k_range!r} and r_range={r_range!r} hold {degrees:.1f} degrees "
            "of freedom, a fit needs at least 4: widen one of them."
        )
    r = np.arange(low, high + _R_STEP / 2, _R_STEP)
    T = transform_matrix(k, r, kmin=k_range[0], kmax=k_range[1], kweight=0, dk=dk)
    passed = np.flatnonzero(np.abs(T).max(axis=0) > 0)
    inside = slice(max(passed[0], int(k[0] <= 0)), passed[-1] + 1)
    k, T = k[inside], T[:, inside]
    _, s, V = np.linalg.svd(np.vstack([T.real, T.imag]), full_matrices=False)
    # Of k^2 chi, which is about as large everywhere: the same directions for any noise.
    V = V[s > _CONCENTRATION * s[0]] * k**2
    spread = np.sqrt(noise**2 + (model_error * k**-kweight) ** 2)
    factor = np.linalg.cholesky((V * spread**2) @ V.T)
    return Coordinates(
        k=k,
        inside=inside,
        matrix=np.linalg.solve(factor, V),
        log_volume=float(np.sum(np.log(np.diag(factor)))),
        noise=spread,
        k_range=tuple(k_range),
        r_range=tuple(r_range),
    )
