"""The scikit-learn face that all factorisations of a matrix in blocks share."""

from __future__ import annotations

import logging
import time
import warnings
from numbers import Integral
from typing import NamedTuple

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

_logger = logging.getLogger(__name__)
_INTEGERS = [np.dtype(code).type for code in "BHILQbhilq"]


class Progress(NamedTuple):
    """What a callback is told after every outer iteration.

    Parameters
    ----------
    iteration : int
        Iterations so far, of all starts together.
    max_iter : int
        Bound on the iterations of one descent.
    objective : float
        In nats.
    n_components : int
        Components that are left.
    start, n_starts : int
        Number of the start, from 0, and how many there are.
    passes : int
        Reads of the whole data so far.
    seconds : float
        Since the fit began.
    """

    iteration: int
    max_iter: int
    objective: float
    n_components: int
    start: int
    n_starts: int
    passes: int
    seconds: float


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


class _Watch:
    """Counts the iterations of a fit and tells its callback of them."""

    def __init__(self, callback, blocks, max_iter, n_starts):
        self.count = 0
        self._callback = callback
        self._max_iter = max_iter
        self._n_starts = n_starts
        self._blocks = blocks
        self._read_before = blocks.passes
        self._began = time.perf_counter()

    @property
    def passes(self):
        """Reads of the data since the fit began."""
        return self._blocks.passes - self._read_before

    @property
    def seconds(self):
        """Wall time since the fit began."""
        return time.perf_counter() - self._began

    def __call__(self, start, objective, n_components):
        self.count += 1
        _logger.debug(
            "step %d: objective %.8g, %d", self.count, objective, n_components
        )
        return self._callback is not None and self._callback(
            Progress(
                iteration=self.count,
                max_iter=self._max_iter,
                objective=objective,
                n_components=n_components,
                start=start,
                n_starts=self._n_starts,
                passes=self.passes,
                seconds=self.seconds,
            )
        )
