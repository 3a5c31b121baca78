r"""Linear combination fits: fractions of reference spectra in measured ones.

A spectrum is explained as

.. math::

    y(E) \approx \sum_i w_i\, f_i(E - s), \qquad w_i \ge 0, \quad \sum_i w_i = 1,

by least squares, exactly and for all pixels at once: the Gram matrix of the references
is shared by all spectra. The shift s is found on a grid, then by a parabola.

References
----------
B. Ravel, M. Newville, J. Synchrotron Radiat. 12 (2005) 537; M. Newville, J. Phys.
Conf. Ser. 430 (2013) 012007.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import make_interp_spline

from sparsedecomp.decomposition.abundances import RowProblem
from sparsedecomp.xas.grids import increasing, spectra_on
from sparsedecomp.xas.mixtures.fits import (
    MixtureFits,
    correlation_factor,
    covariance_of,
    unpacked,
)

SHIFTS = 40
"""Number of steps on either side of zero in which shifts are searched."""

DEPENDENT = 1e-7
"""Ratio of singular values below which references count as linearly dependent: below
it, fractions are rounding errors of texts of seven digits."""

BLOCK = 4096
"""Spectra that are fitted at a time, so that their shifted products stay small."""


class LinearCombination:
    """Fits spectra that share their energies by the same references.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies of the spectra in eV, increasing.
    references : sequence of pairs of array_like
        Energies and values of each reference spectrum, on energies of their own; they
        are interpolated by cubic splines.
    limits : tuple of two floats, optional
        Range of energies in eV that is fitted, beginning at the last energy up to the
        lower limit; by default all energies that all references cover, also when they
        are shifted.
    sum_to_one : bool, default True
        Whether the fractions of a spectrum add up to one.
    nonnegative : bool, default True
        Whether fractions below zero are excluded.
    max_shift : float, default 0
        Largest energy shift in eV between spectra and references; zero fits none.
    names : sequence of str, optional
        Names of the references for messages.

    Attributes
    ----------
    names : tuple of str
        Names of the references.
    inside : numpy.ndarray of shape (n_E,) of bool
        Energies that are fitted.
    columns : numpy.ndarray of shape (n_inside, k)
        References on these energies.
    condition : float
        Ratio of the largest to the smallest singular value of the columns, each
        divided by its norm. Errors of the fractions grow with it.

    Raises
    ------
    ValueError
        If there are no references, one of them does not cover the range or holds NaN,
        they are linearly dependent, or there are not more energies than unknowns.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import LinearCombination
    >>> energy = np.arange(7080.0, 7180.0)
    >>> metal, oxide = (np.arctan(energy - e) / np.pi + 0.5 for e in (7112, 7123))
    >>> fit = LinearCombination(energy, [(energy, metal), (energy, oxide)])
    >>> fit.fit(0.3 * metal + 0.7 * oxide).fractions.round(6).tolist()
    [0.3, 0.7]
    """

    def __init__(
        self,
        energy: ArrayLike,
        references: Sequence[tuple[ArrayLike, ArrayLike]],
        *,
        limits: tuple[float, float] | None = None,
        sum_to_one: bool = True,
        nonnegative: bool = True,
        max_shift: float = 0.0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.energy = increasing(energy)
        self.sum_to_one, self.nonnegative = bool(sum_to_one), bool(nonnegative)
        self.max_shift = float(max_shift)
        if not (np.isfinite(self.max_shift) and self.max_shift >= 0):
            raise ValueError(f"max_shift={max_shift!r}: give eV, zero or positive.")
        if not len(references):
            raise ValueError("There are no references: give one spectrum or more.")
        default = [f"reference {number}" for number in range(1, len(references) + 1)]
        self.names = tuple(names or default)
        if len(self.names) != len(references):
            raise ValueError(
                f"{len(self.names)} names were given for {len(references)} references."
            )
        low, high = limits or self._common(references)
        # As in larch, a range begins at the last energy up to its lower limit.
        first, last = (
            int(np.searchsorted(self.energy, limit, side="right")) - 1
            for limit in (low, high)
        )
        self.inside = np.zeros(len(self.energy), dtype=bool)
        self.inside[max(first, 0) : last + 1] = True
        self._check_size(low, high)
        splines = [
            self._spline(name, *reference)
            for name, reference in zip(self.names, references, strict=True)
        ]
        fitted = self.energy[self.inside]
        self._shifts = np.zeros(1)
        if self.max_shift:
            self._shifts = np.linspace(-1, 1, 2 * SHIFTS + 1) * self.max_shift
        stack = [
            np.stack([spline(fitted - shift) for spline in splines], axis=-1)
            for shift in self._shifts
        ]
        self._stack = np.array(stack)
        self.columns = self._stack[len(stack) // 2]
        slopes = [spline(fitted, nu=1) for spline in splines]
        self._slopes = -np.stack(slopes, axis=-1)
        self.condition = self._checked_condition()
        self._problems = [
            RowProblem.from_gram(columns.T @ columns, self.constraint)
            for columns in self._stack
        ]

    @property
    def n_free(self) -> int:
        """Number of unknowns of each spectrum."""
        return len(self.names) - self.sum_to_one + (self.max_shift > 0)

    def fit(self, mu: ArrayLike) -> MixtureFits:
        """Fit spectra.

        Parameters
        ----------
        mu : array_like of shape (..., n_E)
            Spectra on all energies, in the units of the references.

        Returns
        -------
        MixtureFits
            Fractions, their errors, shifts and measures of the fit; NaN for spectra
            that hold NaN within the limits.

        Notes
        -----
        Errors follow from the scatter of the residuals. They are those of all
        references together, also of fractions at zero, and grow where neighbouring
        residuals are correlated, as they are if the references are not those of the
        sample.

        Raises
        ------
        ValueError
            If mu is not on the grid of energies.
        """
        spectra = spectra_on(mu, self.energy)
        shape, k = spectra.shape[:-1], len(self.names)
        rows = spectra.reshape(-1, len(self.energy))[:, self.inside]
        numbers = np.full((len(rows), 2 * k + 4), np.nan)
        for start in range(0, len(rows), BLOCK):
            block = np.asarray(rows[start : start + BLOCK], dtype=float)
            good = np.isfinite(block).all(axis=-1)
            numbers[start : start + BLOCK][good] = self._fit_rows(block[good])
        return unpacked(numbers.reshape(*shape, 2 * k + 4), k)

    def model(self, fractions: ArrayLike, shift: ArrayLike = 0.0) -> np.ndarray:
        """Spectra of given fractions.

        Parameters
        ----------
        fractions : array_like of shape (..., k)
            Fractions of the references.
        shift : float or array_like of shape (...)
            Energy shifts in eV.

        Returns
        -------
        numpy.ndarray of shape (..., n_inside)
            Spectra on the energies that were fitted.
        """
        w, at = np.asarray(fractions, float), np.asarray(shift, float)
        if not self.max_shift:
            return w @ self.columns.T
        # Shifted references are interpolated between those of the grid.
        step = self._shifts[1] - self._shifts[0]
        place = np.clip((at - self._shifts[0]) / step, 1, 2 * SHIFTS - 1)
        centre = np.where(np.isfinite(place), np.rint(place), 1).astype(int)
        t = (place - centre)[..., None]
        weights = (t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2)
        total = np.zeros(
            (*np.broadcast_shapes(w.shape[:-1], at.shape), len(self.columns))
        )
        for node in np.unique(centre):
            here = np.broadcast_to(centre == node, total.shape[:-1])
            w_here = np.broadcast_to(w, (*total.shape[:-1], w.shape[-1]))[here]
            for offset, weight in zip((-1, 0, 1), weights, strict=True):
                factor = np.broadcast_to(weight, (*total.shape[:-1], 1))[here]
                total[here] += factor * (w_here @ self._stack[node + offset].T)
        return total

    @property
    def constraint(self) -> str:
        """Name of the constraint on the fractions."""
        if self.sum_to_one:
            return "fully_constrained" if self.nonnegative else "sum_to_one"
        return "nonnegative" if self.nonnegative else "none"

    def _fit_rows(self, rows: np.ndarray) -> np.ndarray:
        """Numbers (n, 2 k + 4) of rows of shape (n, n_inside) without NaN."""
        k, total = len(self.names), np.einsum("ij,ij->i", rows, rows)
        found = [
            problem.solve(rows @ columns)
            for problem, columns in zip(self._problems, self._stack, strict=True)
        ]
        if self.max_shift:
            w, shift = self._best_shift(rows, total, found)
        else:
            w, shift = found[0], np.zeros(len(rows))
        residual = rows - self.model(w, shift)
        squares = np.einsum("ij,ij->i", residual, residual)
        freedom = rows.shape[1] - self.n_free
        variance = squares / freedom
        errors, shift_error = self._errors(w, variance * correlation_factor(residual))
        numbers = np.empty((len(rows), 2 * k + 4))
        numbers[:, :k], numbers[:, k : 2 * k] = w, errors
        with np.errstate(invalid="ignore", divide="ignore"):
            r_factor = squares / total
        numbers[:, 2 * k :] = np.stack(
            [shift, shift_error, r_factor, variance], axis=-1
        )
        return numbers

    def _best_shift(
        self, rows: np.ndarray, total: np.ndarray, found: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fractions and shifts at the minimum of a parabola through the best shifts."""
        misfits = []
        for w, columns, problem in zip(found, self._stack, self._problems, strict=True):
            quadratic = np.einsum("ij,jk,ik->i", w, problem.gram, w)
            misfits.append(
                total - 2 * np.einsum("ij,ij->i", w, rows @ columns) + quadratic
            )
        chi2, every = np.array(misfits), np.arange(len(rows))
        best = np.clip(chi2.argmin(axis=0), 1, len(chi2) - 2)
        before, here, after = (chi2[best + step, every] for step in (-1, 0, 1))
        curvature = before - 2 * here + after
        t = np.where(
            curvature > 0, 0.5 * (before - after) / np.where(curvature, curvature, 1), 0
        )
        t = np.clip(t, -1, 1)
        step = self._shifts[1] - self._shifts[0]
        weights = (t * (t - 1) / 2, 1 - t * t, t * (t + 1) / 2)
        fractions = np.array(found)
        w = sum(
            weight[:, None] * fractions[best + offset, every]
            for offset, weight in zip((-1, 0, 1), weights, strict=True)
        )
        if self.nonnegative:
            w = np.maximum(w, 0)
            w = w / w.sum(axis=-1, keepdims=True) if self.sum_to_one else w
        return w, self._shifts[best] + t * step

    def _errors(
        self, w: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations of fractions and shifts."""
        gram = self.columns.T @ self.columns
        if not self.max_shift:
            spread = np.diag(covariance_of(gram, self.sum_to_one))
            return np.sqrt(variance[:, None] * np.maximum(spread, 0)), np.zeros(len(w))
        slope = w @ self._slopes.T
        cross = slope @ self.columns
        power = np.einsum("ij,ij->i", slope, slope)
        power = np.maximum(power, np.finfo(float).tiny)
        grams = gram - cross[:, :, None] * cross[:, None, :] / power[:, None, None]
        covariance = covariance_of(grams, self.sum_to_one)
        spread = np.maximum(np.einsum("ijj->ij", covariance), 0)
        fixed = covariance_of(gram, self.sum_to_one)
        rest = power - np.einsum("ij,jk,ik->i", cross, fixed, cross)
        shift = np.sqrt(variance / np.maximum(rest, np.finfo(float).tiny))
        return np.sqrt(variance[:, None] * spread), shift

    def _common(
        self, references: Sequence[tuple[ArrayLike, ArrayLike]]
    ) -> tuple[float, float]:
        """Energies that all references cover."""
        low, high = self.energy[0], self.energy[-1]
        for energy, _ in references:
            grid = np.asarray(energy, dtype=float)
            low = max(low, np.min(grid) + self.max_shift)
            high = min(high, np.max(grid) - self.max_shift)
        covered = self.energy[self.energy >= low]
        return float(covered[0] if len(covered) else low), float(high)

    def _check_size(self, low: float, high: float) -> None:
        n_points = int(self.inside.sum())
        if n_points <= self.n_free:
            raise ValueError(
                f"{n_points} energies lie between {low:g} and {high:g} eV, too few for "
                f"{self.n_free} unknowns of {len(self.names)} references: widen limits "
                "or give fewer references."
            )

    def _spline(self, name: str, energy: ArrayLike, values: ArrayLike):
        grid = increasing(energy, name=f"The energy of {name}", at_least=4)
        spectrum = spectra_on(values, grid, name)
        if spectrum.ndim != 1:
            raise ValueError(
                f"{name} has the shape {spectrum.shape}: a reference is one spectrum."
            )
        fitted = self.energy[self.inside]
        low, high = fitted[0] - self.max_shift, fitted[-1] + self.max_shift
        # Half a step at the ends is extrapolated: scans rarely begin at equal energies.
        if low < grid[0] - (grid[1] - grid[0]) / 2 or high > grid[-1] + (
            (grid[-1] - grid[-2]) / 2
        ):
            raise ValueError(
                f"{name} covers {grid[0]:g} to {grid[-1]:g} eV, but the fit needs "
                f"{low:g} to {high:g} eV: narrow limits, or give another reference."
            )
        needed = (grid >= low) & (grid <= high)
        if not np.isfinite(spectrum[needed]).all():
            raise ValueError(f"{name} holds NaN within the energies that are fitted.")
        good = np.isfinite(spectrum)
        return make_interp_spline(grid[good], spectrum[good].astype(float), k=3)

    def _checked_condition(self) -> float:
        norms = np.linalg.norm(self.columns, axis=0)
        if not (norms > 0).all():
            raise ValueError(
                f"{self.names[int(np.argmin(norms))]} is zero at all fitted energies."
            )
        scaled = self.columns / norms
        values = np.linalg.svd(scaled, compute_uv=False)
        if values[-1] < DEPENDENT * values[0]:
            similar = np.abs(scaled.T @ scaled) - 2 * np.eye(len(norms))
            first, second = np.unravel_index(similar.argmax(), similar.shape)
            raise ValueError(
                f"The references are linearly dependent; {self.names[first]} and "
                f"{self.names[second]} are the most similar. Leave one of them out."
            )
        return float(values[0] / values[-1])
