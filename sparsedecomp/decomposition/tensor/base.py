"""What the tensor decompositions share: data with modes, and unfolding."""

from __future__ import annotations

import numpy as np
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.abundances import solve
from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.tensor.gaps import abundances_with_gaps
from sparsedecomp.decomposition.tensor.modes import Folding


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

    def transform(self, X):
        """Find the abundances of pixels, the spectra fixed.

        Every pixel is solved by itself, whatever its place in the tensor.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels), or with more navigation axes.

        Returns
        -------
        (n_pixels, n_components_) array
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

    def _blocks(self, X, reset):
        if isinstance(X, np.ndarray) and X.ndim > 2:
            X = as_blocks(X)
        return super()._blocks(X, reset)

    def _prepare(self, X):
        """The matrix, how it folds, and the scaling that it came with."""
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        if blocks.shape[0] < 2:
            raise ValueError(
                f"The data have n_samples = {blocks.shape[0]} pixel, expected at "
                "least 2: one spectrum is its own only component."
            )
        folding = Folding.of(blocks.navigation_shape, self.modes)
        # Weights of Keenan and Kotula that do not factor by modes are no tensor's.
        scale = blocks.row_scale, blocks.column_scale
        noise = self.noise if scale[0] is None else "poisson"
        return blocks.unscaled(), folding, noise, scale

    def _keep_fit(self, data, residual, fit, watch):
        """What is said of every fit: how good it is, and how it went.

        Parameters
        ----------
        data : CompressedTensor
        residual : float
            Sum of squares.
        fit : object
            With ``history`` and ``converged``.
        watch : callable
            From `_watch`.
        """
        residual = max(residual, 0.0)
        self.residual_norm_ = float(np.sqrt(residual))
        self.relative_residual_ = float(np.sqrt(residual / data.sum_of_squares))
        self.noise_variance_ = residual / data.n_entries
        self.noise_model_ = "poisson" if data.poisson else "uniform"
        self.objective_history_ = np.array(fit.history) / data.sum_of_squares
        self.converged_ = fit.converged
        self._channel_scale = data.scales[-1]
        self.n_iter_ = watch.count
        self.passes_ = watch.passes
        self.seconds_ = watch.seconds

    def _rescaled(self, W, scale):
        """Abundances and spectra in the scaling that the data came with."""
        rows, columns = scale
        if rows is None:
            return W
        self.components_ = (self.components_ / columns).astype(self.components_.dtype)
        self._channel_scale = self._channel_scale / columns
        return (W / rows[:, None]).astype(W.dtype)
