"""Base class of estimators that find spectra first and abundances afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.blocks import BlockMatrix, LowRank, MatrixLike
from sparsedecomp.decomposition.abundances import solve
from sparsedecomp.decomposition.base import BlockFactorisation, Factorisation
from sparsedecomp.decomposition.iterate import Phases
from sparsedecomp.noise import MOST_COMPONENTS, count_components, find_noise


class GeometricUnmixing(BlockFactorisation):
    """Spectra from the shape of the cloud of pixels, then abundances by least squares.

    A subclass finds the spectra in ``_find(blocks, n_components, generator, phases)``,
    which returns them and the compressed data it worked on, and has the parameters
    ``n_components``, ``constraint``, ``random_state`` and ``callback``. Its iterations
    are phases of `sparsedecomp.decomposition.iterate.Phases`, with at most
    ``_most_steps`` steps in all.
    """

    # Upper bound on the number of components when none is given.
    _MOST = MOST_COMPONENTS

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Find the spectra and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels). A dask array is read in passes over
            its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the ``constraint``, the strongest component first.
        """
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        monitor = self._monitor(blocks, self._most_steps)
        phases: Phases = Phases(monitor)
        self.constraint_ = self.constraint
        S, low = self._find(blocks, self.n_components, self._generator(), phases)
        if low.summary.minimum >= 0:
            # Negative values come from the projection and from noise alone.
            S = np.maximum(S, 0.0)
        S = S.astype(blocks.dtype)
        W, _, misfit = phases.complete(lambda: solve(blocks, S, self.constraint_))
        energy = np.square(W, dtype=float).sum(axis=0) * np.square(S, dtype=float).sum(
            1
        )
        order = np.argsort(-energy, kind="stable")
        self._reorder(order)
        fit = Factorisation(
            C=np.ascontiguousarray(W[:, order]),
            S=S[order],
            outcome=phases.outcome,
            residual=float(misfit.sum()),
            sum_of_squares=low.summary.sum_of_squares,
        )
        self._record(fit, monitor)
        self.n_iter_ = len(self.objective_history_)
        self.noise_variance_ = self._variance_outside(low, len(S))
        self._warn(stopped=True)
        return fit.C

    def transform(self, X: MatrixLike) -> NDArray:
        """Find the abundances of pixels for the spectra of the fit.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the same ``constraint`` as in the fit.
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        return solve(blocks, self.components_, self.constraint_)[0]

    def _components_above_noise(self, blocks: BlockMatrix) -> int:
        """Number of components above the noise, for all methods the same."""
        return count_components(blocks, find_noise(blocks))

    @property
    def _most_steps(self) -> int:
        return self.max_iter

    def _variance_outside(self, low: LowRank, k: int) -> float:
        """Mean square outside of ``k`` dimensions, per degree of freedom."""
        n, m = len(low.scores), len(low.basis)
        left = low.summary.sum_of_squares - np.square(low.singular_values[:k]).sum()
        return float(max(left, 0.0) / max((n - k) * (m - k), 1))

    def _reorder(self, order: NDArray) -> None:
        """Put attributes of the components in the order of their energy."""
