"""Base class of the tensor decompositions: data with modes, figures of the fit."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.blocks import BlockMatrix, MatrixLike, as_blocks
from sparsedecomp.decomposition.abundances import solve
from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.iterate import Phases
from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.gaps import abundances_with_gaps
from sparsedecomp.decomposition.tensor.modes import Folding

# Scales of the rows and of the columns that the data came with.
Scaling: TypeAlias = tuple[NDArray | None, NDArray | None]


class TensorFactorisation(BlockFactorisation):
    """A model of a tensor that is linear in its spectra.

    A subclass has the parameters ``modes`` and ``nonnegative`` besides those of
    `BlockFactorisation`, and sets ``components_``, ``loadings_``.
    """

    _parameter_constraints = {
        **BlockFactorisation._parameter_constraints,
        "modes": ["array-like", None],
        "nonnegative": ["boolean"],
        "noise": [StrOptions({"auto", "uniform", "poisson"})],
    }

    def transform(self, X: MatrixLike) -> NDArray:
        """Find the abundances of pixels for the spectra of the fit.

        Every pixel is solved by itself, whatever its place in the tensor.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels), or with more navigation axes.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances.
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        scale = self._channel_scale
        blocks = blocks.scaled(np.ones(blocks.shape[0]), scale)
        S = (self.components_ / scale).astype(blocks.dtype)
        if getattr(self, "gaps", False):
            return blocks.run(abundances_with_gaps, shared=(S, self.nonnegative))[0][0]
        if self.nonnegative:
            return solve(blocks, S, "nonnegative")[0]
        blocks.describe()
        return blocks.matmul(np.linalg.pinv(S))

    def _blocks(self, X: MatrixLike, reset: bool) -> BlockMatrix:
        if isinstance(X, np.ndarray) and X.ndim > 2:
            X = as_blocks(X)
        return super()._blocks(X, reset)

    def _prepare(self, X: MatrixLike) -> tuple[BlockMatrix, Folding, str, Scaling]:
        """The data without scaling, their modes, the noise model, and the scaling."""
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        if blocks.shape[0] < 2:
            raise ValueError(
                f"The data have n_samples = {blocks.shape[0]} pixel, expected at "
                "least 2: one spectrum is its own only component."
            )
        folding = Folding.of(blocks.navigation_shape, self.modes)
        # A tensor needs weights that are products over its modes; those of Keenan and
        # Kotula, which the data may come with, are not.
        scale = blocks.row_scale, blocks.column_scale
        noise = self.noise if scale[0] is None else "poisson"
        return blocks.unscaled(), folding, noise, scale

    def _keep_fit(
        self, data: CompressedTensor, residual: float, phases: Phases
    ) -> None:
        """Keep the figures that every fit has: how good it is, and how it went.

        Parameters
        ----------
        data : CompressedTensor
            Data of the fit.
        residual : float
            Residual sum of squares.
        phases : Phases
            The phases of the fit.
        """
        squares = data.sum_of_squares
        residual = max(residual, 0.0)
        self._record_course(phases.outcome, residual, squares, phases.monitor)
        self.objective_history_ /= squares
        self.noise_variance_ = residual / data.n_entries
        self.noise_model_ = "poisson" if data.poisson else "uniform"
        self._channel_scale = data.scales[-1]
        self._observed_rows = data.blocks.rows

    def _rescaled(self, W: NDArray, scale: Scaling) -> NDArray:
        """Abundances, and spectra in place, in the scaling that the data came with."""
        rows, columns = scale
        if rows is None:
            return W
        self.components_ = (self.components_ / columns).astype(self.components_.dtype)
        self._channel_scale = self._channel_scale / columns
        return (W / rows[:, None]).astype(W.dtype)
