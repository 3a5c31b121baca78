"""The scikit-learn face that the factorisations with soft orthogonality share."""

from __future__ import annotations

import logging
import time
import warnings
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.blocks.summary import root_of_sums
from sparsedecomp.decomposition.fitting import Request, fit_penalised
from sparsedecomp.decomposition.noise import NOISE_MODELS, refuse_negative
from sparsedecomp.decomposition.published import fit_published
from sparsedecomp.decomposition.starts import STARTS

_logger = logging.getLogger(__name__)


# In nats per pixel for maps that overlap fully; as the removed part of a projection.
ORTHOGONALITY = {"penalised": 6.0, "published": 0.05}
INTEGERS = [np.dtype(code).type for code in "BHILQbhilq"]


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


class SoftOrthogonalNMF(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """What the two factorisations share; they differ in the relevance."""

    _relevance = False

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "orthogonality": [Interval(Real, 0, None, closed="left"), None],
        "updates": [StrOptions({"penalised", "published"})],
        "init": [StrOptions(set(STARTS))],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "compression": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "noise": [StrOptions(set(NOISE_MODELS))],
        "clipping": [StrOptions({"auto"}), "boolean"],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def __init__(
        self,
        n_components=None,
        *,
        orthogonality=None,
        updates="penalised",
        init="auto",
        n_init=3,
        max_iter=1000,
        tol=1e-8,
        compression="auto",
        noise="auto",
        clipping="auto",
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.orthogonality = orthogonality
        self.updates = updates
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.compression = compression
        self.noise = noise
        self.clipping = clipping
        self.random_state = random_state
        self.callback = callback

    def fit(self, X, y=None):
        """Fit the model to the data.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels), non-negative. A dask array is read in
            passes over its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For NaN, infinity and negative data, naming the place, and for more
            components than the data can have.
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X, y=None):
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances, the strongest component first, in the units of the data: the
            spectra have unit norm.
        """
        self._validate_params()
        began = time.perf_counter()
        blocks = self._blocks(X, reset=True)
        n_components = self._bound_on_components(blocks)
        generator = np.random.default_rng(
            check_random_state(self.random_state).randint(2**31)
        )
        read_before = blocks.passes
        count = 0
        n_starts = self.n_init

        def watch(start, objective, n_found):
            nonlocal count
            count += 1
            _logger.debug("step %d: objective %.8g, %d", count, objective, n_found)
            return self.callback is not None and self.callback(
                Progress(
                    iteration=count,
                    max_iter=self.max_iter,
                    objective=objective,
                    n_components=n_found,
                    start=start,
                    n_starts=n_starts,
                    passes=blocks.passes - read_before,
                    seconds=time.perf_counter() - began,
                )
            )

        orthogonality = self.orthogonality
        if orthogonality is None:
            orthogonality = ORTHOGONALITY[self.updates]
        course = fit_published if self.updates == "published" else fit_penalised
        request = Request(
            n_components=n_components,
            relevance=self._relevance,
            orthogonality=orthogonality,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            compression=self.compression,
            noise=self.noise,
            clipping=self.clipping,
            generator=generator,
            watch=watch,
        )
        solution = course(blocks, request)
        self._keep(solution)
        self.n_iter_ = count
        self.passes_ = blocks.passes - read_before
        self.seconds_ = time.perf_counter() - began
        self._warn()
        return solution.C

    def transform(self, X):
        """Find the abundances of pixels, the spectra fixed.

        Solves the same problem for each pixel as the fit did: non-negative least
        squares with the soft orthogonality, the relevance and the weights of the
        channels that were found.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        summary = blocks.describe()
        refuse_negative(summary)
        rows = np.ones(blocks.shape[0])
        if self._mean_row_sum is not None:
            rows = root_of_sums(summary.row_sums, self._mean_row_sum)
        C, _, _ = self._abundance_model.solve(
            blocks.scaled(rows, self._column_scale), rows
        )
        return C * (rows[:, None] * self._scale).astype(C.dtype)

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

    def _bound_on_components(self, blocks):
        n_samples, n_features = blocks.shape
        if n_samples < 2:
            raise ValueError(
                f"The data have n_samples = {n_samples} pixel, expected at least 2: "
                "one spectrum is its own only component."
            )
        most = min(blocks.shape)
        if self.n_components is None:
            return None if self._relevance else most
        if self.n_components > most:
            raise ValueError(
                f"n_components = {self.n_components} was given for data with "
                f"{n_samples} pixels and {n_features} channels, expected at most "
                f"{most}."
            )
        return self.n_components

    def _keep(self, solution):
        self.components_ = solution.S.astype(solution.C.dtype)
        self.n_components_ = len(solution.S)
        self.objective_ = solution.objective
        self.objective_history_ = np.array(solution.history)
        self.residual_norm_ = float(np.sqrt(solution.residual))
        self.relative_residual_ = float(
            np.sqrt(solution.residual / solution.sum_of_squares)
        )
        self.noise_variance_ = float(solution.noise_variance)
        self.overlap_weight_ = solution.overlap_weight
        self.noise_model_ = solution.noise_model
        self.clipped_ = solution.clipped
        self.converged_ = solution.converged
        self.interrupted_ = solution.interrupted
        self._stopped = solution.stopped
        self._abundance_model = solution.abundance_model
        self._column_scale = solution.column_scale
        self._scale = solution.scale
        self._mean_row_sum = solution.mean_row_sum

    def _warn(self):
        if self.interrupted_:
            warnings.warn(
                f"The fit was interrupted after {self.n_iter_} iterations; the best "
                "result so far was kept.",
                RuntimeWarning,
                stacklevel=3,
            )
        elif not self.converged_ and not self._stopped:
            warnings.warn(
                f"Maximum number of iterations {self.max_iter} reached. Increase "
                "max_iter or tol to reach convergence.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
