"""Coordinates of chi(k) within a range of k and of R, with white noise.

An EXAFS signal over a range of k and R has about 2 dk dR / pi degrees of freedom. The
singular vectors of the windowed Fourier transform span them: the projection of a
spectrum is its part within the window, almost free of what lies outside (background,
far shells, noise at high R). It replaces a fit in R space and accounts for the
correlation of the noise there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from ..transform.fourier import transform_matrix

# Step of R of the transform, in angstrom: far below the width pi / (2 dk) of a peak.
_R_STEP = 0.03
# Singular values below this fraction of the largest are dropped. A larger fraction
# loses degrees of freedom at the edges of the window, a smaller one admits signals
# from outside it.
_CONCENTRATION = 0.3
# Lower bound of the signal: a thousandth of the data, as logarithm of the power ratio.
_DEEPEST = np.log(1e6)


@dataclass(frozen=True)
class Coordinates:
    """Linear map from chi(k) to coordinates with unit noise.

    Attributes
    ----------
    k : (n_inside,) array
        Wavenumbers inside the window, in 1/angstrom.
    inside : slice
        Indices of these among the wavenumbers of the data.
    matrix : (n_coordinates, n_inside) array
        Matrix of the projection, ``chi[inside] @ matrix.T``.
    noise : (n_inside,) array
        Standard deviation of chi that gives every coordinate unit variance.
    log_volume : float
        Term to subtract from a log evidence so that noise models can be compared.
    k_range, r_range : (float, float)
        Window in 1/angstrom and in angstrom.
    white : float
        Mean variance of the coordinates due to white noise of chi alone.
    """

    k: np.ndarray
    inside: slice
    matrix: np.ndarray
    noise: np.ndarray
    log_volume: float
    k_range: tuple[float, float]
    r_range: tuple[float, float]
    white: float = 0.0

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.matrix)

    def project(self, chi: np.ndarray) -> np.ndarray:
        """Project spectra onto the coordinates.

        Parameters
        ----------
        chi : (..., n_k) array
            Spectra on all wavenumbers of the data.

        Returns
        -------
        (..., n_coordinates) array
            Coordinates.
        """
        return chi[..., self.inside] @ self.matrix.T

    def signal_level(self, chi: np.ndarray, noise: float) -> float:
        r"""Root mean square of the coordinates of a spectrum without its noise.

        The level g maximises the likelihood of coordinates y with the covariance
        :math:`s^2 A A^T + g^2 I`; without noise it is their root mean square. The sum
        of squares less that of the noise would be dominated by large k, where the
        noise of a faint spectrum exceeds the signal many times.

        Parameters
        ----------
        chi : (n_k,) array
            Spectrum.
        noise : float
            Standard deviation s of chi.

        Returns
        -------
        float
            Level g.
        """
        variance, axes = np.linalg.eigh(noise**2 * self.matrix @ self.matrix.T)
        square = (axes.T @ self.project(chi)) ** 2
        top = np.log(np.mean(square))

        def negative_log_likelihood(log_power: float) -> float:
            total = variance + np.exp(log_power)
            return np.sum(np.log(total) + square / total)

        bounds = (top - _DEEPEST, top)
        best = minimize_scalar(negative_log_likelihood, bounds=bounds, method="bounded")
        return float(np.exp(best.x / 2))


def window_coordinates(
    k: ArrayLike,
    k_range: tuple[float, float],
    r_range: tuple[float, float],
    *,
    kweight: float = 3,
    noise: float = 0.0,
    model_error: float = 1.0,
    dk: float = 1.0,
) -> Coordinates:
    r"""Coordinates for a window of k and R and the two-term noise of an EXAFS fit.

    The variance of chi is taken as

    .. math:: s^2(k) = s_b^2 + s_a^2 k^{-2n}

    white noise of the measurement and an error of the theory that is constant in
    k^n chi. Only their ratio matters where the noise level is found from the data.

    Parameters
    ----------
    k : (n_k,) array
        Evenly spaced wavenumbers in 1/angstrom.
    k_range, r_range : (float, float)
        Window in 1/angstrom, and in angstrom for the transform without phase
        correction.
    kweight : float, default 3
        Power n. Larger: the theory is trusted more at large k and less at small k.
    noise : float, default 0
        Standard deviation s_b of chi.
    model_error : float, default 1
        Standard deviation s_a of k^n chi.
    dk : float, default 1
        Width of the rise and fall of the window in 1/angstrom.

    Returns
    -------
    Coordinates
        Projection onto the window.

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
            f"rmin={low!r}, rmax={high!r}: give two increasing distances in angstrom."
        )
    degrees = 2 * (k_range[1] - k_range[0]) * (high - low) / np.pi
    if degrees < 4:
        raise ValueError(
            f"k = {k_range[0]:g} to {k_range[1]:g} 1/angstrom and R = {low:g} to "
            f"{high:g} angstrom hold {degrees:.1f} degrees of freedom, a fit needs at "
            "least 4: widen one of them."
        )
    r = np.arange(low, high + _R_STEP / 2, _R_STEP)
    T = transform_matrix(k, r, kmin=k_range[0], kmax=k_range[1], kweight=0, dk=dk)
    passed = np.flatnonzero(np.abs(T).max(axis=0) > 0)
    inside = slice(max(passed[0], int(k[0] <= 0)), passed[-1] + 1)
    k, T = k[inside], T[:, inside]
    _, s, V = np.linalg.svd(np.vstack([T.real, T.imag]), full_matrices=False)
    # Directions of k^2 chi, whose amplitude varies little, whatever the noise model.
    V = V[s > _CONCENTRATION * s[0]] * k**2
    spread = np.sqrt(noise**2 + (model_error * k**-kweight) ** 2)
    factor = np.linalg.cholesky((V * spread**2) @ V.T)
    matrix = np.linalg.solve(factor, V)
    return Coordinates(
        k=k,
        inside=inside,
        matrix=matrix,
        log_volume=float(np.sum(np.log(np.diag(factor)))),
        noise=spread,
        k_range=k_range,
        r_range=r_range,
        white=float(noise**2 * np.sum(matrix**2) / len(matrix)),
    )
