r"""Normalisation of mu(E): pre-edge line, post-edge polynomial and edge step.

A line is fitted below the edge, and a polynomial in E - E0 to mu minus that line beyond
the edge. The value of the polynomial at E0 is the edge step, and (mu - line) / step is
the normalised absorption. The fits are linear in mu, so for given ranges two small
matrices serve all pixels.

The default ranges are those of larch's ``pre_edge``; the edge step equals larch's to
rounding where E0 is a measured energy.

References
----------
B. Ravel, M. Newville, J. Synchrotron Radiat. 12 (2005) 537; M. Newville, J. Phys.
Conf. Ser. 430 (2013) 012007.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.xas.grids import (
    accept_old_names,
    applied,
    check_e0,
    increasing,
    nearest,
    spectra_on,
)

ROUNDING = 1e-9
"""Edge steps below this fraction of the largest mu count as zero: they are rounding
errors of the fit, whose basis functions reach 1e6 eV^2."""


class Normalisation:
    """Normalises spectra that share their energies and their edge.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    e0 : float
        Threshold in eV.
    pre1, pre2 : float, optional
        Range of the pre-edge fit in eV relative to E0, both negative. By default from
        the second point to half way to the edge.
    norm1, norm2 : float, optional
        Range of the post-edge fit in eV relative to E0. By default to the end of the
        scan, starting at a fifteenth of that but at most at 25 eV.
    npre : {1, 0}
        Degree of the pre-edge fit: a line, or a constant where there are too few
        points before the edge for a line.
    nnorm : {0, 1, 2, 3}, optional
        Degree of the post-edge polynomial; by default 2 for ranges of 300 eV and more,
        1 from 30 eV, else 0.

    Attributes
    ----------
    pre1, pre2, norm1, norm2 : float
        Ranges in use, in eV relative to E0.
    npre, nnorm : int
        Degrees in use.

    Raises
    ------
    ValueError
        If the energies do not increase, E0 is not among them, or a range holds fewer
        points than its polynomial has coefficients.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import Normalisation
    >>> energy = np.arange(8800.0, 9500.0, 2.0)
    >>> mu = 3 - 1e-4 * (energy - 8980) + 2 * (energy >= 8980)
    >>> normalisation = Normalisation(energy, 8980.0)
    >>> float(normalisation.edge_step(mu).round(6))
    2.0
    >>> abs(normalisation.normalise(mu))[[40, -1]].round(6).tolist()
    [0.0, 1.0]
    """

    @accept_old_names
    def __init__(
        self,
        energy: ArrayLike,
        e0: float,
        *,
        pre1: float | None = None,
        pre2: float | None = None,
        norm1: float | None = None,
        norm2: float | None = None,
        npre: int = 1,
        nnorm: int | None = None,
    ) -> None:
        self.energy = increasing(energy)
        self.e0 = float(e0)
        check_e0(self.energy, self.e0)
        self.pre1, self.pre2 = self._pre_range(pre1, pre2)
        self.norm1, self.norm2 = self._post_range(norm1, norm2)
        self.npre = int(npre)
        if nnorm is None:
            width = self.norm2 - self.norm1
            nnorm = 2 if width >= 300 else 1 if width >= 30 else 0
        self.nnorm = int(nnorm)

        x = self.energy - self.e0
        self._pre_basis = np.vander(x, self.npre + 1, increasing=True)
        self._post_basis = np.vander(x, self.nnorm + 1, increasing=True)
        pre_fit = self._fit("pre", self.pre1, self.pre2, self._pre_basis)
        post_fit = self._fit("norm", self.norm1, self.norm2, self._post_basis)
        # Matrices from mu to the coefficients of the line, and of the polynomial.
        self._pre_fit = pre_fit
        self._post_fit = post_fit - post_fit @ self._pre_basis @ pre_fit

    def edge_step(self, mu: ArrayLike) -> np.ndarray:
        """Height of the edge, in the unit of mu.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.

        Returns
        -------
        numpy.ndarray of shape (...)
            Edge step; zero where it is below rounding errors, negative where mu
            falls at E0.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        # The polynomial's value at E0 is its coefficient of power 0.
        step = mu @ self._post_fit[0]
        rounding = ROUNDING * np.abs(mu).max(axis=-1)
        return np.where(np.abs(step) <= rounding, 0.0, step)

    def pre_edge(self, mu: ArrayLike) -> np.ndarray:
        """Pre-edge line, extended over all energies.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            Curve in the unit of mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        line = applied(self._pre_fit, spectra_on(mu, self.energy))
        return applied(self._pre_basis, line)

    def post_edge(self, mu: ArrayLike) -> np.ndarray:
        """Post-edge polynomial plus pre-edge line, extended over all energies.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            Curve in the unit of mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        return self.pre_edge(mu) + self._above_line(mu)

    def normalise(
        self,
        mu: ArrayLike,
        flatten: bool = False,
        edge_step: ArrayLike | None = None,
    ) -> np.ndarray:
        """Subtract the pre-edge line and divide by the edge step.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Absorption, in any unit.
        flatten : bool, default False
            Also subtract the slope and curvature of the post-edge polynomial above E0,
            so that the end of the spectrum oscillates about 1.
        edge_step : float or array_like of shape (...), optional
            Divide by this instead of the edge step of each spectrum, e.g. by one number
            for a whole map.

        Returns
        -------
        numpy.ndarray of shape (..., n_E)
            Normalised spectra; NaN where the edge step is not positive. Float32 for
            float32 mu.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        mu = spectra_on(mu, self.energy)
        step = self.edge_step(mu) if edge_step is None else np.asarray(edge_step)
        step = np.where(step > 0, step, np.nan)[..., None]
        above_line = mu - self.pre_edge(mu)
        if flatten:
            curve = self._above_line(mu)
            curve -= self.edge_step(mu)[..., None]
            above_line -= np.where(self.energy >= self.e0, curve, 0)
        return (above_line / step).astype(mu.dtype, copy=False)

    def _above_line(self, mu: np.ndarray) -> np.ndarray:
        """Post-edge polynomial without the pre-edge line."""
        return applied(self._post_basis, applied(self._post_fit, mu))

    def _pre_range(self, start: float | None, end: float | None) -> tuple[float, float]:
        if start is None:
            # Start at the second point: the first one of a scan is often bad.
            distance = self.energy[1] - self.e0
            unit = 5.0 if nearest(self.energy, self.e0) > 20 else 2.0
            start = max(unit * round(distance / unit), self.energy[0] - self.e0)
        if end is None:
            end = 0.5 * start
        return float(min(start, end)), float(max(start, end))

    def _post_range(
        self, start: float | None, end: float | None
    ) -> tuple[float, float]:
        reach = self.energy[-1] - self.e0
        if end is None:
            end = min(5.0 * round(reach / 5.0), reach)
        if start is None:
            start = min(25.0, 5.0 * round(end / 15.0), end - 2)
        return float(min(start, end)), float(max(start, end))

    def _fit(self, name: str, low: float, high: float, basis: np.ndarray) -> np.ndarray:
        """Matrix (n_basis, n_E) of the least-squares fit of a basis in a range."""
        first = int(np.searchsorted(self.energy, low + self.e0, side="right")) - 1
        first = max(first, 0)
        last = nearest(self.energy, high + self.e0)
        n_points = max(last - first, 0)
        if n_points < basis.shape[1]:
            edge = "pre" if name == "pre" else "post"
            lower = "a constant, npre=0" if name == "pre" else "a lower degree, nnorm"
            raise ValueError(
                f"The {edge}-edge range of {low:g} to {high:g} eV about "
                f"e0={self.e0:g} eV holds {n_points} point"
                f"{'' if n_points == 1 else 's'}, too few for a polynomial of degree "
                f"{basis.shape[1] - 1}: widen {name}1 to {name}2, or fit {lower}."
            )
        fit = np.zeros((basis.shape[1], len(self.energy)))
        # Powers of hundreds of eV differ by orders of magnitude: scale the columns.
        inside = basis[first:last]
        scale = np.abs(inside).max(axis=0)
        fit[:, first:last] = np.linalg.pinv(inside / scale) / scale[:, None]
        return fit
