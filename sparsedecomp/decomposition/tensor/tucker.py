"""Tucker decomposition: a small core between bases of all modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sparsedecomp.blocks import MatrixLike
from sparsedecomp.decomposition.iterate import Phases, iterate
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
    compress_tensor,
)
from sparsedecomp.decomposition.tensor.cpd_least_squares import solve_rows
from sparsedecomp.decomposition.tensor.exact_pass import exact_spectra
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.decomposition.tensor.nonnegative_tucker import NonnegativeTucker
from sparsedecomp.decomposition.tensor.orthogonal_tucker import (
    OrthogonalTucker,
    TuckerMethod,
    TuckerState,
    kronecker_rows,
)
from sparsedecomp.decomposition.tensor.unfolding import singular_values, unfolding


class Tucker(TensorFactorisation):
    """Tucker decomposition by streamed higher-order orthogonal iteration [1]_ [2]_.

    ``X ~ core x_1 A_1 ... x_M A_M`` with a basis ``A_m`` for every mode. It compresses
    or denoises a tensor, every mode with a rank of its own; the data are read three
    times. Its factors are not components: any rotation of a basis can be undone in the
    core. Use `CPD` to interpret components.

    Parameters
    ----------
    n_components : int, optional
        Rank of the channels. Default: 2.
    ranks : sequence of int, optional
        Ranks of the other modes. Default: `n_components`, or the size of a smaller
        mode.
    modes : sequence of int or of sequences of int, optional
        Navigation axes that make up each mode, as in `CPD`.
    nonnegative : bool, default False
        Whether core and factors are non-negative instead of orthonormal.
    noise : {"auto", "uniform", "poisson"}
        Noise model, as in `CPD`. With Poisson weights the factors are orthonormal for
        the weighted data.
    max_iter : int, default 200
        Upper bound on the iterations.
    tol : float, default 1e-8
        The fit ends when the residual sum of squares falls by less than this part of
        that of the data in an iteration.
    random_state : int, RandomState instance or None
        Seed of the range finder and of a non-negative start.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit. The
        objective is the residual sum of squares.

    Attributes
    ----------
    factors_ : list of (n_m, r_m) float64 arrays
        Factors of the modes, the channels last.
    core_ : (r_1, ..., r_M) float64 array
        Core between the factors.
    singular_values_ : list of float64 arrays
        Singular values of the unfolding of the compressed data along each mode, for
        scree plots.
    components_ : (n_components_, n_channels) array
        Factor of the channels.
    n_components_ : int
        Rank of the channels.
    noise_model_ : str
        Noise model that was used, "uniform" or "poisson".
    noise_variance_ : float
        Mean square of the (weighted) residual.
    objective_history_ : (n_iter_,) array
        Residual sum of squares of the compressed data, relative to the data.
    residual_norm_, relative_residual_ : float
        Norm of the residual of the (weighted) data, and relative to that of the data.
    n_iter_ : int
        Number of iterations.
    converged_ : bool
        Whether the fit met the convergence test.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of all data.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] L. De Lathauwer, B. De Moor and J. Vandewalle, SIAM J. Matrix Anal. Appl. 21
       (2000) 1324. https://doi.org/10.1137/S0895479898346995
    .. [2] N. Vannieuwenhoven, R. Vandebril and K. Meerbergen, SIAM J. Sci. Comput. 34
       (2012) A1027. https://doi.org/10.1137/110836067

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import Tucker
    >>> X = np.random.default_rng(0).random((5, 6, 40))
    >>> model = Tucker(n_components=4, ranks=(2, 3), random_state=0)
    >>> W = model.fit_transform(X)
    >>> model.core_.shape, W.shape
    ((2, 3, 4), (30, 4))
    """

    _parameter_constraints = {
        **TensorFactorisation._parameter_constraints,
        "ranks": ["array-like", None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        ranks: Sequence[int] | None = None,
        modes: Sequence | None = None,
        nonnegative: bool = False,
        noise: str = "auto",
        max_iter: int = 200,
        tol: float = 1e-8,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.ranks = ranks
        self.modes = modes
        self.nonnegative = nonnegative
        self.noise = noise
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Data of shape (*modes, n_channels).
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            The core times all factors but the spectra.
        """
        blocks, folding, noise, scale = self._prepare(X)
        ranks = self._ranks(folding, blocks.shape[1])
        phases: Phases[TuckerState] = Phases(self._monitor(blocks, self.max_iter))
        rank = 2 * max(ranks) + OVERSAMPLING
        generator = self._generator()
        data = compress_tensor(blocks, folding, rank, noise=noise, generator=generator)
        method: TuckerMethod
        if self.nonnegative:
            method = NonnegativeTucker(data, ranks, self.tol)
            start = method.start(generator)
        else:
            method = OrthogonalTucker(data, ranks, self.tol)
            start = method.start()
        best = phases.run(
            "iterations",
            lambda _: iterate(
                method, start, self.max_iter, phases.monitor, keep_start=False
            ),
        )
        state = method.in_full(best.state)
        indices = folding.indices(blocks.rows)
        exact, residual = phases.complete(
            lambda: self._exact(data, state, indices, ranks)
        )
        self._keep(data, exact)
        self._keep_fit(data, residual, phases)
        self._warn(stopped=best.stopped)
        W = kronecker_rows(self.factors_[:-1], indices) @ unfolding(self.core_, -1).T
        return self._rescaled(W.astype(blocks.dtype), scale)

    def _ranks(self, folding: Folding, n_channels: int) -> tuple[int, ...]:
        shape = (*folding.shape, n_channels)
        k = min(2, n_channels) if self.n_components is None else self.n_components
        others = self.ranks
        if others is None:
            others = [min(k, n) for n in folding.shape]
        ranks = (*(int(r) for r in others), k)
        if len(ranks) != len(shape):
            raise ValueError(
                f"ranks={tuple(others)} for {len(folding.shape)} modes besides the "
                f"channels: expected {len(folding.shape)} numbers."
            )
        for mode, (rank, n) in enumerate(zip(ranks, shape, strict=True)):
            most = min(n, math.prod(ranks) // rank if rank > 0 else 0)
            if not 1 <= rank <= most:
                raise ValueError(
                    f"The ranks {ranks} were given for a tensor of the shape {shape}: "
                    f"mode {mode} allows 1 to {most}, by its size and by the product "
                    "of the other ranks (n_components is the rank of the channels)."
                )
        return ranks

    def _exact(
        self,
        data: CompressedTensor,
        state: TuckerState,
        indices: list[NDArray],
        ranks: tuple[int, ...],
    ) -> tuple[TuckerState, float]:
        """One pass: the core and spectra without compression, and the residual."""
        rows = kronecker_rows(state.factors[:-1], indices)
        spectra = state.factors[-1] @ unfolding(state.core, -1)
        k = ranks[-1]

        def update(F: NDArray, gram: NDArray, start: NDArray) -> NDArray:
            if self.nonnegative:
                return start
            u, s, v = np.linalg.svd(solve_rows(F, gram, start), full_matrices=False)
            return (u[:, :k] * s[:k]) @ v[:k]

        spectra, residual = exact_spectra(data.blocks, rows, spectra, update)
        if self.nonnegative:
            return state, residual
        u, s, v = np.linalg.svd(spectra, full_matrices=False)
        core = (s[:k, None] * v[:k]).reshape(k, *ranks[:-1])
        factors = [*state.factors[:-1], u[:, :k]]
        return TuckerState(factors, np.moveaxis(core, 0, -1)), residual

    def _keep(self, data: CompressedTensor, state: TuckerState) -> None:
        self.factors_ = data.unscaled(state.factors)
        # The sign of a spectrum is the one of its sum.
        sign = np.where(self.factors_[-1].sum(axis=0) < 0, -1.0, 1.0)
        self.factors_[-1] = self.factors_[-1] * sign
        self.core_ = state.core * sign
        self.components_ = self.factors_[-1].T.astype(data.scores.dtype)
        self.n_components_ = len(self.components_)
        self.singular_values_ = singular_values(data.scores)
