"""The scikit-learn face that all factorisations of a matrix in blocks share."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.decomposition.progress import Monitor

_INTEGERS = [np.dtype(code).type for code in "BHILQbhilq"]


class BlockFactorisation(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Maps times spectra, from data that are met in blocks.

    A subclass has the parameters ``n_components``, ``random_state`` and ``callback``,
    `fit_transform` and `transform`, and sets ``components_``, ``n_components_``,
    ``n_iter_``, ``converged_`` and ``interrupted_``.
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def fit(self, X, y=None):
        """Fit the model to the data.

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
            For NaN and infinity, and for negative data where the model is
            non-negative, naming the place; for more components than the data can have.
        """
        self.fit_transform(X)
        return self

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
        """The data as a matrix of blocks, checked against those of the fit."""
        if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
            X = validate_data(
                self,
                X,
                reset=reset,
                accept_sparse="csr",
                dtype=[np.float64, np.float32, *_INTEGERS],
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

    def _generator(self):
        return np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )

    def _monitor(self, blocks: BlockMatrix, max_iter: int, n_starts: int = 1):
        """Counts the iterations of a fit and passes them to the callback."""
        return Monitor(self.callback, blocks, max_iter, n_starts)

    def _watch(self, blocks, max_iter, n_starts=1):
        """``watch(start, objective, n_components)``; true when a fit is to stop."""
        return _Watch(self.callback, blocks, max_iter, n_starts)

    def _warn(self, stopped=False):
        """Tell of a fit that did not come to its end unless it was told to stop."""
        if self.interrupted_:
            warnings.warn(
                f"The fit was interrupted after {self.n_iter_} iterations; the best "
                "result so far was kept.",
                RuntimeWarning,
                stacklevel=3,
            )
        elif not self.converged_ and not stopped:
            warnings.warn(
                f"Maximum number of iterations {self.max_iter} reached. Increase "
                "max_iter or tol to reach convergence.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _Watch(Monitor):
    """A monitor that is called with the index of the start."""

    def __call__(self, start: int, objective: float, n_components: int) -> bool:
        self.start = start
        return self.report(objective, n_components)
