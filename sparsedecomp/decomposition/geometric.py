"""What estimators share that find spectra first and abundances after."""

from __future__ import annotations

import time
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsedecomp.blocks import BlockMatrix, LowRank, as_blocks
from sparsedecomp.blocks.compression import power_pass, project, random_basis
from sparsedecomp.decomposition.abundances import solve
from sparsedecomp.decomposition.descent import noise_edge
from sparsedecomp.decomposition.estimator import INTEGERS, Progress


class GeometricUnmixing(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Spectra from the shape of the cloud of pixels, then abundances by least squares.

    A subclass finds the spectra in ``_find(blocks, n_components, generator, watch)``,
    which returns them and the low-rank picture it worked on, and has the parameters
    ``n_components``, ``constraint``, ``random_state`` and ``callback``.
    """

    # Most components that are looked for when no number is given.
    _MOST = 20

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def fit(self, X, y=None):
        """Find the spectra.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels). A dask array is read in passes over its
            chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN and infinity, naming the place, and for more components than the
            data can have.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Find the spectra and return the abundances of the pixels.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances under the ``constraint``, the strongest component first.
        """
        self._validate_params()
        began = time.perf_counter()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        generator = np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )
        read_before = blocks.passes

        def watch(iteration, objective, n_components):
            return self.callback is not None and self.callback(
                Progress(
                    iteration=iteration,
                    max_iter=getattr(self, "max_iter", getattr(self, "n_init", 1)),
                    objective=objective,
                    n_components=n_components,
                    start=0,
                    n_starts=1,
                    passes=blocks.passes - read_before,
                    seconds=time.perf_counter() - began,
                )
            )

        S, low = self._find(blocks, self.n_components, generator, watch)
        if low.summary.minimum >= 0:
            # What projection and noise put below zero is nothing that could be there.
            S = np.maximum(S, 0.0)
        S = S.astype(blocks.dtype)
        self.constraint_ = self._constraint()
        W, _, misfit = solve(blocks, S, self.constraint_)
        energy = np.square(W, dtype=float).sum(axis=0) * np.square(S, dtype=float).sum(
            1
        )
        order = np.argsort(-energy, kind="stable")
        self._reorder(order)
        self.components_ = S[order]
        self.n_components_ = len(S)
        self.n_iter_ = len(self.objective_history_)
        self.objective_history_ = np.array(self.objective_history_)
        self.residual_norm_ = float(np.sqrt(misfit.sum()))
        self.relative_residual_ = float(
            np.sqrt(misfit.sum() / low.summary.sum_of_squares)
        )
        self.noise_variance_ = _noise_variance(low, len(S))
        self.passes_ = blocks.passes - read_before
        self.seconds_ = time.perf_counter() - began
        if self.interrupted_:
            warnings.warn(
                f"The fit was interrupted after {self.n_iter_} iterations; the best "
                "result so far was kept.",
                RuntimeWarning,
                stacklevel=2,
            )
        return np.ascontiguousarray(W[:, order])

    def transform(self, X):
        """Find the abundances of pixels, the spectra fixed.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
            Under the same ``constraint`` as in the fit.
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        return solve(blocks, self.components_, self.constraint_)[0]

    def inverse_transform(self, X):
        """Put the data together again from abundances.

        Parameters
        ----------
        X : (n_pixels, n_components_) array

        Returns
        -------
        (n_pixels, n_channels) array
        """
        check_is_fitted(self)
        return np.asarray(X) @ self.components_

    @property
    def _n_features_out(self):
        return self.n_components_

    def _blocks(self, X, reset):
        if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32, *INTEGERS],
                ensure_all_finite=False,
            )
        blocks = as_blocks(X)
        if reset:
            self.n_features_in_ = blocks.shape[1]
        elif blocks.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {blocks.shape[1]} features, but {type(self).__name__} is "
                f"expecting {self.n_features_in_} features as input."
            )
        return blocks

    def _check_size(self, blocks):
        n_samples, n_features = blocks.shape
        if n_samples < 2:
            raise ValueError(
                f"The data have n_samples = {n_samples} pixel, expected at least 2: "
                "one spectrum is its own only component."
            )
        if self.n_components is not None and self.n_components > min(blocks.shape):
            raise ValueError(
                f"n_components = {self.n_components} was given for data with "
                f"{n_samples} pixels and {n_features} channels, expected at most "
                f"{min(blocks.shape)}."
            )

    @staticmethod
    def _components_above_noise(low):
        """Number of singular values above what white noise has, at least one."""
        shape = len(low.scores), len(low.basis)
        squares = np.square(low.singular_values)
        precision = np.finfo(low.scores.dtype).eps
        rounding = (16 * precision) ** 2 * squares[0] * len(squares)
        k = len(squares)
        # What is left over tells the noise only once no noise is taken out of it.
        for _ in range(len(squares)):
            edge = noise_edge(_noise_variance(low, k), *shape)
            above = int(np.count_nonzero(squares > max(edge, rounding)))
            if above >= k:
                break
            k = above
        return max(k, 1)

    def _constraint(self):
        return self.constraint

    def _reorder(self, order):
        """Put attributes of the components in the order of their energy."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def signal_space(blocks, rank, random_state, n_power=3):
    """Low-rank picture whose weak directions are exact: block Krylov iteration.

    A component that is hardly above the noise decides where the corners of a simplex
    are as much as a strong one, and power iteration alone finds it last. Here the
    picture is the best in all the directions that the passes went through [1]_.

    Parameters
    ----------
    blocks : BlockMatrix
    rank : int
        Directions to keep, cut to what the data have.
    random_state : int or Generator
    n_power : int, default 3
        Passes before the last one.

    Returns
    -------
    LowRank

    References
    ----------
    .. [1] C. Musco and C. Musco, Adv. Neural Inf. Process. Syst. 28 (2015) 1396,
       algorithm 2. https://arxiv.org/abs/1504.05477
    """
    rank = min(rank, *blocks.shape)
    basis = random_basis(blocks.shape[1], rank, random_state)
    directions = []
    for _ in range(n_power):
        basis, summary = power_pass(blocks, basis)
        directions.append(basis)
    together = np.linalg.svd(np.hstack(directions), full_matrices=False)
    basis = together[0][:, together[1] > 1e-6 * together[1][0]]
    low = project(blocks, basis[:, : min(blocks.shape)], summary)
    return LowRank(
        np.ascontiguousarray(low.scores[:, :rank]),
        low.basis[:, :rank],
        low.singular_values[:rank],
        summary,
    )


def _noise_variance(low, k):
    """Mean square of what lies outside of ``k`` dimensions, per degree of freedom."""
    n, m = len(low.scores), len(low.basis)
    left = low.summary.sum_of_squares - np.square(low.singular_values[:k]).sum()
    return float(max(left, 0.0) / max((n - k) * (m - k), 1))
