"""The scikit-learn face that the factorisations with soft orthogonality share."""

from __future__ import annotations

from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.initialisation import INITIALISATIONS
from sparsedecomp.decomposition.nmf.factorisation import Factorisation, NMFOptions
from sparsedecomp.decomposition.nmf.fit import fit_penalised
from sparsedecomp.decomposition.nmf.published import fit_published
from sparsedecomp.noise import NOISE_MODELS, refuse_negative

# In nats per pixel for maps that overlap fully; as the removed part of a projection.
ORTHOGONALITY = {"penalised": 6.0, "published": 0.05}


class SoftOrthogonalNMF(BlockFactorisation):
    """What the two factorisations share; they differ in the relevance."""

    _relevance = False

    _parameter_constraints = {
        **BlockFactorisation._parameter_constraints,
        "orthogonality": [Interval(Real, 0, None, closed="left"), None],
        "updates": [StrOptions({"penalised", "published"})],
        "init": [StrOptions(set(INITIALISATIONS))],
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

    def fit_transform(self, X, y=None):
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (n_pixels, n_channels), non-negative. A dask array is read in
            passes over its chunks and never held as a whole.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances, the strongest component first, in the units of the data: the
            spectra have unit norm.
        """
        self._validate_params()
        blocks = self._blocks(X, reset=True)
        self._check_size(blocks)
        monitor = self._monitor(blocks, self.max_iter, self.n_init)
        orthogonality = self.orthogonality
        if orthogonality is None:
            orthogonality = ORTHOGONALITY[self.updates]
        fit = fit_published if self.updates == "published" else fit_penalised
        options = NMFOptions(
            n_components=self._bound_on_components(blocks),
            relevance=self._relevance,
            orthogonality=orthogonality,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            compression=self.compression,
            noise=self.noise,
            clipping=self.clipping,
            generator=self._generator(),
            monitor=monitor,
        )
        found = fit(blocks, options)
        self._keep(found)
        self.n_iter_ = monitor.count
        self.passes_ = monitor.passes
        self.seconds_ = monitor.seconds
        self._warn(found.outcome.stopped)
        return found.C

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
        rows = self.noise_model_.row_scale_of(summary)
        C, _, _ = self._abundance_model.solve(
            blocks.scaled(rows, self.noise_model_.column_scale), rows
        )
        return C * (rows[:, None] * self._scale).astype(C.dtype)

    def _bound_on_components(self, blocks):
        if self.n_components is None and not self._relevance:
            return min(blocks.shape)
        return self.n_components

    def _keep(self, found: Factorisation) -> None:
        self.components_ = found.S.astype(found.C.dtype)
        self.n_components_ = len(found.S)
        self.objective_ = found.objective
        self.objective_history_ = np.array(found.outcome.history)
        self.residual_norm_ = float(np.sqrt(found.residual))
        self.relative_residual_ = float(np.sqrt(found.residual / found.sum_of_squares))
        self.noise_variance_ = float(found.noise_variance)
        self.overlap_weight_ = found.overlap_weight
        self.noise_model_ = found.noise_model
        self.clipped_ = found.noise_model.clipped
        self.converged_ = found.outcome.converged
        self.interrupted_ = found.outcome.interrupted
        self._abundance_model = found.abundance_model
        self._scale = found.scale

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags
