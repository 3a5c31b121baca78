"""Reduction of images whose pixels have different threshold energies E0.

Pixels whose E0 differ by less than QUANTUM share their matrices, so a map of E0 needs
as many sets of matrices as it has different thresholds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from sparsedecomp.xas import Background, Normalisation, background_matrices

QUANTUM = 0.1
"""Step in eV to which thresholds are rounded. An error of 0.05 eV in E0 moves k by
0.002 1/angstrom at 3 1/angstrom, and less beyond."""


class E0Groups:
    """Reduces spectra, each with the matrices of its own threshold.

    Parameters
    ----------
    energy : numpy.ndarray of shape (n_E,)
        Photon energies in eV.
    normalisation : dict
        Keyword arguments of `sparsedecomp.xas.Normalisation`.
    background : dict, optional
        Keyword arguments of `sparsedecomp.xas.background_matrices`.
    """

    def __init__(
        self,
        energy: np.ndarray,
        normalisation: dict[str, Any],
        background: dict[str, Any] | None = None,
    ) -> None:
        self.energy = energy
        self.normalisation = normalisation
        self.background = background or {}
        self._matrices: dict[tuple[Callable, float], Any] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple:
        # Sending the parameters to a worker is cheaper than sending the matrices.
        return self.energy, self.normalisation, self.background

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def normaliser(self, e0: float) -> Normalisation:
        """Normalisation for a threshold in eV."""
        return self._get(Normalisation, e0, self.normalisation)

    def remover(self, e0: float) -> Background:
        """Background matrices for a threshold in eV."""
        return self._get(background_matrices, e0, self.background)

    def edge_step(self, mu: np.ndarray, e0: np.ndarray) -> np.ndarray:
        """Edge steps of shape (...) of spectra of shape (..., n_E)."""
        return self._each(
            lambda spectra, at: self.normaliser(at).edge_step(spectra)[..., None],
            1,
            mu,
            e0,
        )[..., 0]

    def normalise(
        self, mu: np.ndarray, e0: np.ndarray, flatten: bool = False
    ) -> np.ndarray:
        """Normalised spectra of shape (..., n_E)."""
        return self._each(
            lambda spectra, at: self.normaliser(at).normalise(spectra, flatten),
            len(self.energy),
            mu,
            e0,
        )

    def chi(
        self, mu: np.ndarray, e0: np.ndarray, edge_step: float | None = None
    ) -> np.ndarray:
        """chi(k) of shape (..., n_k), by default divided by each own edge step."""

        def of_group(spectra: np.ndarray, at: float) -> np.ndarray:
            step = edge_step
            if step is None:
                step = self.normaliser(at).edge_step(spectra)
            return self.remover(at).chi(spectra, step)

        return self._each(of_group, self.n_k, mu, e0)

    def bkg(self, mu: np.ndarray, e0: np.ndarray) -> np.ndarray:
        """Backgrounds mu0(E) of shape (..., n_E)."""
        return self._each(
            lambda spectra, at: self.remover(at).bkg(spectra), len(self.energy), mu, e0
        )

    @property
    def n_k(self) -> int:
        """Number of points of the grid of k that all thresholds share."""
        return int(1.01 + self.background["kmax"] / self.background.get("kstep", 0.05))

    def _get(self, make: Callable, e0: float, options: dict[str, Any]) -> Any:
        key = make, e0
        with self._lock:
            if key not in self._matrices:
                self._matrices[key] = make(self.energy, e0, **options)
            return self._matrices[key]

    def _each(
        self, function: Callable, n_out: int, mu: np.ndarray, e0: np.ndarray
    ) -> np.ndarray:
        """Apply ``function(spectra, e0)`` to each group of pixels of equal E0."""
        e0 = np.broadcast_to(e0, mu.shape[:-1])
        dtype = mu.dtype if mu.dtype.kind == "f" else np.dtype(float)
        result = np.full((*e0.shape, n_out), np.nan, dtype=dtype)
        first = e0.flat[0] if e0.size else np.nan
        if np.isfinite(first) and (e0 == first).all():
            return function(mu, float(first))
        rounded = np.round(e0 / QUANTUM) * QUANTUM
        for threshold in np.unique(rounded[np.isfinite(rounded)]):
            group = rounded == threshold
            result[group] = function(mu[group], float(threshold))
        return result
