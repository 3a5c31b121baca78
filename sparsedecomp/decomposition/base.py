"""Base class of the estimators: scikit-learn's conventions, blocks, callbacks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsedecomp.blocks import BlockMatrix, MatrixLike, as_blocks
from sparsedecomp.blocks.sources import without_empty_mask
from sparsedecomp.decomposition.iterate import Outcome
from sparsedecomp.decomposition.progress import Monitor

_INTEGERS = [np.dtype(code).type for code in "BHILQbhilq"]


@dataclass(frozen=True, kw_only=True)
class Factorisation:
    """Result of a fit: maps and spectra in the units of the data, and how it ended.

    Attributes
    ----------
    C : (n_pixels, k) array
        Abundances, the strongest component first.
    S : (k, n_channels) array
        Spectra.
    outcome : Outcome
        How the last descent ended.
    residual, sum_of_squares : float
        ``||X - C S||^2`` and ``||X||^2``.
    """

    C: NDArray
    S: NDArray
    outcome: Outcome
    residual: float
    sum_of_squares: float


def warn_of_end(
    interrupted: bool, n_iter: int, max_iter: int | None, stacklevel: int = 3
) -> None:
    """Warn when a fit was interrupted, or reached the most iterations.

    Parameters
    ----------
    interrupted : bool
        Whether Ctrl-C ended the fit.
    n_iter : int
        Number of iterations.
    max_iter : int or None
        Upper bound on the iterations if it was reached, else None.
    stacklevel : int, default 3
        As in `warnings.warn`; 3 points at the caller of the calling function.
    """
    if interrupted:
        warnings.warn(
            f"The fit was interrupted after {n_iter} iterations; the best result so "
            "far was kept.",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    elif max_iter is not None:
        warnings.warn(
            f"Maximum number of iterations {max_iter} reached. Increase max_iter or "
            "tol to reach convergence.",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


class BlockFactorisation(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Maps times spectra, from data that are read block by block.

    A subclass has the parameters ``n_components``, ``random_state`` and ``callback``,
    `fit_transform` and `transform`, and sets ``components_``, ``n_components_``,
    ``n_iter_``, ``converged_`` and ``interrupted_``.
    """

    components_: NDArray
    n_components_: int
    n_iter_: int
    converged_: bool
    interrupted_: bool

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def fit(self, X: MatrixLike, y: None = None) -> BlockFactorisation:
        """Fit the model to the data.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels). A dask array is read in passes over
            its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        BlockFactorisation
            The fitted estimator.

        Raises
        ------
        ValueError
            For NaN and infinity, and for negative data where the method needs counts;
            the message names the place. For more components than the data can have.
        """
        self.fit_transform(X)
        return self

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Compute the model of the data from abundances.

        Parameters
        ----------
        X : (n_pixels, n_components_) array
            Abundances.

        Returns
        -------
        (n_pixels, n_channels) array
            Abundances times spectra.
        """
        check_is_fitted(self)
        return np.asarray(X) @ self.components_

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def _blocks(self, X: MatrixLike, reset: bool) -> BlockMatrix:
        """The data as a matrix of blocks, checked against those of the fit."""
        if not (isinstance(X, BlockMatrix) or hasattr(X, "dask")):
            if isinstance(X, np.ma.MaskedArray):
                X = without_empty_mask(X)
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

    def _check_size(self, blocks: BlockMatrix) -> None:
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

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )

    def _monitor(
        self, blocks: BlockMatrix, max_iter: int, n_starts: int = 1
    ) -> Monitor:
        """Counts the iterations of a fit and passes them to the callback."""
        return Monitor(self.callback, blocks, max_iter, n_starts)

    def _warn(self, stopped: bool = False) -> None:
        """Warn when a fit was interrupted, or not converged and not stopped either."""
        ended = self.converged_ or stopped
        max_iter = None if ended else self.max_iter
        warn_of_end(self.interrupted_, self.n_iter_, max_iter, stacklevel=4)

    def _record(self, fit: Factorisation, monitor: Monitor) -> None:
        """Set the attributes that tell what was found and how the fit ended."""
        self.components_ = fit.S.astype(fit.C.dtype, copy=False)
        self.n_components_ = len(fit.S)
        self._record_course(fit.outcome, fit.residual, fit.sum_of_squares, monitor)

    def _record_course(
        self,
        outcome: Outcome,
        residual: float,
        sum_of_squares: float,
        monitor: Monitor,
    ) -> None:
        """Set the attributes that tell how the fit ended."""
        self.objective_history_ = np.array(outcome.history)
        self.residual_norm_ = float(np.sqrt(residual))
        self.relative_residual_ = float(np.sqrt(residual / sum_of_squares))
        self.converged_ = outcome.converged
        self.interrupted_ = outcome.interrupted
        self.n_iter_ = monitor.count
        self.passes_ = monitor.passes
        self.seconds_ = monitor.seconds

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
