"""Base class of the estimators of NMF with soft orthogonality."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sparsedecomp.blocks import MatrixLike
from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.initialisation import INITIALISATIONS
from sparsedecomp.decomposition.nmf.factorisation import NMFFactorisation, NMFOptions
from sparsedecomp.decomposition.nmf.fit import fit_penalised
from sparsedecomp.decomposition.nmf.published import fit_published
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.noise import NOISE_MODELS

# Default soft orthogonality: in nats per pixel for maps that overlap fully, or the
# removed part of a projection.
ORTHOGONALITY = {"penalised": 6.0, "published": 0.05}


class SoftOrthogonalNMF(BlockFactorisation):
    """Base class of `NMFSO` and `NMFSOARD`, which differ in the relevance."""

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
        n_components: int | None = None,
        *,
        orthogonality: float | None = None,
        updates: str = "penalised",
        init: str = "auto",
        n_init: int = 3,
        max_iter: int = 1000,
        tol: float = 1e-8,
        compression: str | int | None = "auto",
        noise: str = "auto",
        clipping: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
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

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels), which may contain negative noise. A
            dask array is read in passes over its chunks and never held as a whole.
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
        n_components = self.n_components
        if n_components is None and not self._relevance:
            n_components = min(blocks.shape)
        fit = fit_published if self.updates == "published" else fit_penalised
        options = NMFOptions(
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
            generator=self._generator(),
            monitor=monitor,
        )
        found = fit(blocks, options)
        self._record(found, monitor)
        self._keep(found)
        self._warn(found.outcome.stopped)
        return found.C

    def transform(self, X: MatrixLike) -> NDArray:
        """Find the abundances of pixels for the spectra of the fit.

        Solves the same problem for each pixel as the fit: non-negative least squares
        with its soft orthogonality, its relevances and its weights of the channels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (n_pixels, n_channels).

        Returns
        -------
        (n_pixels, n_components_) array
            Abundances in the units of the data.
        """
        check_is_fitted(self)
        blocks = self._blocks(X, reset=False)
        rows = self.noise_model_.row_scale_of(blocks.describe())
        columns, model = self.noise_model_.column_scale, self._abundance_model
        C, _, _ = model.solve(blocks.scaled(rows, columns), rows)
        norms = np.linalg.norm(model.S * columns, axis=1)
        return C * (rows[:, None] * norms).astype(C.dtype)

    def _keep(self, found: NMFFactorisation) -> None:
        self.objective_ = found.objective
        self.noise_variance_ = float(found.noise_variance)
        self.overlap_weight_ = found.overlap_weight
        self.noise_model_ = found.noise_model
        self.clipped_ = found.noise_model.clipped
        self._abundance_model = found.abundance_model
