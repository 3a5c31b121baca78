"""One set of matrices for all pixels of the same threshold.

Pixels whose E0 differ by less than QUANTUM share their matrices; a map of E0 needs as
many sets as it has different thresholds.
"""

import threading

import numpy as np

from sparsedecomp.xas import Normalisation, autobk

QUANTUM = 0.1
"""In eV: a shift of half as much moves k at 3 1/angstrom by 0.002."""


class E0Groups:
    """Reduces spectra, each with the matrices of its own threshold.

    Parameters
    ----------
    energy : numpy.ndarray of shape (n_E,)
        In eV.
    normalisation : dict
        Keyword arguments of `sparsedecomp.xas.Normalisation`.
    background : dict
        Keyword arguments of `sparsedecomp.xas.autobk`.
    """

    def __init__(self, energy, normalisation, background=None):
        self.energy = energy
        self.normalisation = normalisation
        self.background = background or {}
        self._made = {}
        self._lock = threading.Lock()

    def __getstate__(self):
        # Workers of a cluster make their own.
        return self.energy, self.normalisation, self.background

    def __setstate__(self, state):
        self.__init__(*state)

    def normaliser(self, e0):
        """`Normalisation` for a threshold in eV."""
        return self._get(Normalisation, e0, self.normalisation)

    def remover(self, e0):
        """`Background` for a threshold in eV."""
        return self._get(autobk, e0, self.background)

    def edge_step(self, mu, e0):
        """Edge steps, of shape (...)."""
        return self._each(
            lambda spectra, at: self.normaliser(at).edge_step(spectra)[..., None],
            1,
            mu,
            e0,
        )[..., 0]

    def normalise(self, mu, e0, flatten=False):
        """Normalised spectra, of shape (..., n_E)."""
        return self._each(
            lambda spectra, at: self.normaliser(at).normalise(spectra, flatten),
            len(self.energy),
            mu,
            e0,
        )

    def chi(self, mu, e0, edge_step=None):
        """Chi(k), of shape (..., n_k); by the edge step of each pixel if None."""

        def of_group(spectra, at):
            step = edge_step
            if step is None:
                step = self.normaliser(at).edge_step(spectra)
            return self.remover(at).chi(spectra, step)

        return self._each(of_group, self.n_k, mu, e0)

    def background_of(self, mu, e0):
        """The background, of shape (..., n_E)."""
        return self._each(
            lambda spectra, at: self.remover(at).of(spectra), len(self.energy), mu, e0
        )

    @property
    def n_k(self):
        """Points of the common grid of k."""
        step = self.background.get("k_step", 0.05)
        return int(1.01 + self.background["k_max"] / step)

    def _get(self, make, e0, options):
        key = make, e0
        with self._lock:
            if key not in self._made:
                self._made[key] = make(self.energy, e0, **options)
            return self._made[key]

    def _each(self, function, n_out, mu, e0):
        e0 = np.broadcast_to(e0, mu.shape[:-1])
        dtype = mu.dtype if mu.dtype.kind == "f" else float
        result = np.full((*e0.shape, n_out), np.nan, dtype=dtype)
        first = e0.flat[0] if e0.size else np.nan
        if np.isfinite(first) and (e0 == first).all():
            return function(mu, float(first))
        rounded = np.round(e0 / QUANTUM) * QUANTUM
        for threshold in np.unique(rounded[np.isfinite(rounded)]):
            group = rounded == threshold
            result[group] = function(mu[group], float(threshold))
        return result
