"""PARAFAC2: spectra that shift or change their shape along one mode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval

from sparsedecomp.blocks import BlockMatrix, MatrixLike
from sparsedecomp.decomposition.iterate import IterativeMethod, Phases
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.decomposition.tensor.algebra import congruence
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
    compress_tensor,
)
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    Factors,
)
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.decomposition.tensor.multistart import multistart
from sparsedecomp.decomposition.tensor.unfolding import compress_modes

# Upper bound on the directions of the channels, besides the oversampling. More of them
# describe spectra that change in more ways, at a higher cost of every step.
MOST_DIRECTIONS = 90
# The starts are compared after this many steps. More cost time; fewer may drop the
# start that ends lowest.
TRIAL_STEPS = 30


class PARAFAC2(TensorFactorisation):
    """Parallel factors with spectra that differ from step to step of a series.

    ``X_k ~ A diag(d_k) B_k'`` for the spectrum images of a series: maps ``A`` shared
    by all steps, amounts ``d_k``, and spectra ``B_k`` of which only the inner products
    ``B_k' B_k`` are the same in all steps [1]_. A peak that moves along the series
    (temperature, tilt, charging) keeps its norm and, as long as peaks do not run into
    each other, its overlap: one component describes it, where `CPD` needs several. The
    model is fitted directly [2]_, in compressed coordinates, after two passes over the
    data.

    It is unique with enough steps (four or more) and enough change in the amounts. The
    spectra may have any sign and are noisier than those of `CPD`, which is preferable
    where it fits.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: 2.
    series : int, default 0
        Mode along which the spectra change, 0 or 1.
    modes : sequence of int or of sequences of int, optional
        Navigation axes of the two modes, the series and the pixels, as in `CPD`.
    nonnegative : bool, default True
        Whether maps and amounts are non-negative; spectra are not constrained.
    noise : {"auto", "uniform", "poisson"}
        Noise model, as in `CPD`.
    n_init : int, default 4
        Number of starts. The best after 30 iterations is continued.
    max_iter : int, default 2000
        Upper bound on the iterations of a descent.
    tol : float, default 1e-8
        The fit ends when the residual sum of squares falls by less than this part of
        itself in an iteration.
    random_state : int, RandomState instance or None
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every iteration; returning True ends the fit. The
        objective is the residual sum of squares.

    Attributes
    ----------
    factors_ : list of arrays
        Amounts (n_steps, k) and maps (n_pixels, k) of unit norm, in the order of the
        modes.
    evolving_ : (n_steps, n_channels, k) float64 array
        Spectra of every step, in the units of the data.
    components_ : (k, n_channels) array
        Mean of the spectra over the steps.
    n_components_ : int
        Number of components.
    congruence_ : (n_init,) float64 array
        Congruence of the maps and amounts at the end of every start with the solution.
    noise_model_ : str
        Noise model that was used, "uniform" or "poisson".
    noise_variance_ : float
        Mean square of the (weighted) residual.
    objective_history_ : (n_iterations,) array
        Residual sum of squares relative to the data, of the descent that was kept.
    residual_norm_, relative_residual_ : float
        Norm of the residual of the compressed (and weighted) data, and relative to that
        of the data.
    n_iter_ : int
        Number of iterations of all descents.
    converged_ : bool
        Whether the descent that was kept met the convergence test.
    interrupted_ : bool
        Whether Ctrl-C ended the fit.
    passes_ : int
        Number of reads of all data.
    seconds_ : float
        Wall time of the fit.

    References
    ----------
    .. [1] R. A. Harshman, UCLA Work. Pap. Phon. 22 (1972) 30.
    .. [2] H. A. L. Kiers, J. M. F. ten Berge and R. Bro, J. Chemom. 13 (1999) 275.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import PARAFAC2
    >>> rng = np.random.default_rng(0)
    >>> energy, maps = np.arange(60.0), rng.random((40, 2))
    >>> amounts, moved = rng.random((6, 2)) + 0.5, np.arange(6)[:, None]
    >>> peaks = [np.exp(-0.5 * ((energy - c - 2 * moved) / 2) ** 2) for c in (10, 40)]
    >>> X = np.einsum("kr,ir,rke->kie", amounts, maps, peaks)
    >>> model = PARAFAC2(n_components=2, tol=1e-5, random_state=0).fit(X)
    >>> model.evolving_.shape, model.relative_residual_ < 0.01
    ((6, 60, 2), True)
    """

    _parameter_constraints = {
        **TensorFactorisation._parameter_constraints,
        "series": [Interval(Integral, 0, 1, closed="both")],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        series: int = 0,
        modes: Sequence | None = None,
        nonnegative: bool = True,
        noise: str = "auto",
        n_init: int = 4,
        max_iter: int = 2000,
        tol: float = 1e-8,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.series = series
        self.modes = modes
        self.nonnegative = nonnegative
        self.noise = noise
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X: MatrixLike, y: None = None) -> NDArray:
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, dask array or BlockMatrix
            Data with two modes besides the channels.
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Amounts times maps, for spectra of the norm of those in ``evolving_``.
        """
        blocks, folding, noise, scale = self._prepare(X)
        k = 2 if self.n_components is None else self.n_components
        self._check_modes(folding, blocks, k)
        generator = self._generator()
        phases: Phases[PARAFAC2State] = Phases(
            self._monitor(blocks, self.max_iter, self.n_init)
        )
        rank = min(folding.shape[self.series] * k, MOST_DIRECTIONS) + OVERSAMPLING
        data = compress_tensor(blocks, folding, rank, noise=noise, generator=generator)
        method = DirectFit(data, self.series, k, self.nonnegative, self.tol)
        starts = (method.start(generator) for _ in range(self.n_init))
        ends = multistart(method, starts, phases, self.max_iter, trial=TRIAL_STEPS)
        best = phases.outcome
        self._keep(method, best.state, ends)
        self._keep_fit(data, best.objective, phases)
        self._warn(stopped=best.stopped)
        W = folding.products(self.factors_, blocks.rows)
        return self._rescaled(W.astype(blocks.dtype), scale)

    def _check_modes(self, folding: Folding, blocks: BlockMatrix, k: int) -> None:
        if len(folding.modes) != 2:
            raise ValueError(
                f"PARAFAC2 needs two modes besides the channels, a series and the "
                f"pixels, but modes={folding.modes} makes {len(folding.modes)}."
            )
        n_pixels = folding.shape[1 - self.series]
        if k > min(n_pixels, blocks.shape[1]):
            raise ValueError(
                f"n_components = {k} was given for {n_pixels} pixels and "
                f"{blocks.shape[1]} channels, expected at most "
                f"{min(n_pixels, blocks.shape[1])}."
            )
        if blocks.shape[0] < np.prod(folding.shape):
            raise ValueError(
                "PARAFAC2 needs all positions, but some are masked. Crop the data to "
                "the pixels and steps that are complete."
            )

    def _keep(
        self, method: DirectFit, best: PARAFAC2State, ends: list[PARAFAC2State]
    ) -> None:
        D, A, spectra = method.in_units_of_data(best)
        norms = np.linalg.norm(D, axis=0), np.linalg.norm(A, axis=0)
        sums = spectra.sum(axis=(0, 1))
        sign = np.where((sums < 0) & (not self.nonnegative), -1.0, 1.0)
        spectra = spectra * norms[0] * norms[1] * sign
        D, A = (f / np.where(n > 0, n, 1.0) for f, n in zip((D, A), norms, strict=True))
        A = A * sign
        order = np.argsort(-np.square(spectra).sum(axis=(0, 1)), kind="stable")
        factors = [D[:, order], A[:, order]]
        self.factors_ = factors if self.series == 0 else factors[::-1]
        self.evolving_ = spectra[:, :, order]
        self.components_ = self.evolving_.mean(axis=0).T.astype(method.dtype)
        self.n_components_ = len(order)
        self.congruence_ = np.array(
            [congruence(best.factors[:2], end.factors[:2]) for end in ends]
        )


class PARAFAC2State(NamedTuple):
    """A PARAFAC2 model in compressed coordinates.

    Attributes
    ----------
    factors : list of arrays
        Amounts (n_steps, k), maps (n_pixels, k) and the part ``H`` (k, k) of the
        spectra that all steps share.
    projections : (n_steps, rank, k) array
        Orthonormal bases ``P_k`` of every step: its spectra are ``P_k H``. Not used by
        a step that starts from the state.
    """

    factors: Factors
    projections: NDArray


class DirectFit(IterativeMethod[PARAFAC2State]):
    """Alternate between the projections of every step and a trilinear model [1]_.

    Parameters
    ----------
    data : CompressedTensor
        Data of three modes.
    series : int
        Mode along which the spectra change, 0 or 1.
    k : int
        Number of components.
    nonnegative : bool
        Whether maps and amounts are non-negative.
    tol : float
        The iteration ends when the residual sum of squares falls by less than this
        part of itself.

    References
    ----------
    .. [1] H. A. L. Kiers, J. M. F. ten Berge and R. Bro, J. Chemom. 13 (1999) 275.
    """

    def __init__(
        self,
        data: CompressedTensor,
        series: int,
        k: int,
        nonnegative: bool,
        tol: float,
    ) -> None:
        self.data = data
        self.series = series
        self.k = k
        self.nonnegative = (nonnegative, nonnegative, False)
        self.tol = tol
        self.dtype = data.scores.dtype
        scores = np.moveaxis(data.scores, series, 0)
        self.core, (_, self.basis) = compress_modes(
            scores, [len(scores), 2 * k + OVERSAMPLING]
        )

    def start(self, generator: np.random.Generator) -> PARAFAC2State:
        """Random maps, nearly even amounts, spectra that share nothing."""
        n = self.core.shape[1] if self.basis is None else len(self.basis)
        amounts = 1 + 0.1 * generator.random((len(self.core), self.k))
        factors = [amounts, generator.random((n, self.k)), np.eye(self.k)]
        return PARAFAC2State(factors, np.empty(0))

    def step(self, state: PARAFAC2State) -> tuple[PARAFAC2State, float]:
        """Update projections and factors; the residual sum of squares after it."""
        projections = self._project(state.factors)
        trilinear = CPDLeastSquares(
            self.core @ projections,
            [None, self.basis, None],
            self.data.sum_of_squares,
            nonnegative=self.nonnegative,
        )
        factors, residual = trilinear.step(state.factors)
        return PARAFAC2State(factors, projections), residual

    def _project(self, factors: Factors) -> NDArray:
        """Orthonormal bases of the spectra of every step, by the polar factor."""
        D, A, H = factors
        small = A if self.basis is None else self.basis.T @ A
        target = np.einsum("kpe,pr,kr,qr->keq", self.core, small, D, H, optimize=True)
        u, _, v = np.linalg.svd(target, full_matrices=False)
        return u @ v

    def n_components(self, state: PARAFAC2State) -> int:
        """Number of components."""
        return self.k

    def in_units_of_data(
        self, state: PARAFAC2State
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Amounts, maps, and the spectra of every step (n_steps, n_channels, k)."""
        D, A, H = state.factors
        scales = self.data.scales
        spectra = self.data.basis @ (state.projections @ H) * scales[-1][:, None]
        series, pixels = scales[self.series], scales[1 - self.series]
        return D * series[:, None], A * pixels[:, None], spectra

    def maps(self, state: PARAFAC2State) -> NDArray:
        """Amounts times maps at the positions of the data."""
        D, A, _ = self.in_units_of_data(state)
        factors = [D, A] if self.series == 0 else [A, D]
        return self.data.folding.products(factors, self.data.blocks.rows)

    def spectra(self, state: PARAFAC2State) -> NDArray:
        """Mean of the spectra over the steps of the series."""
        return self.in_units_of_data(state)[2].mean(axis=0).T
