"""Canonical polyadic decomposition, with and without non-negativity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix, MatrixLike
from sparsedecomp.decomposition.iterate import (
    Outcome,
    Phases,
    best_of,
    complete,
    iterate,
)
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.decomposition.tensor.algebra import (
    check_rank,
    congruence,
    core_consistency,
    normalised,
)
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
    compress_tensor,
    refuse_non_counts,
)
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    Factors,
)
from sparsedecomp.decomposition.tensor.cpd_likelihood import (
    CountTensor,
    PoissonCPD,
    starts_for_counts,
)
from sparsedecomp.decomposition.tensor.doubts import warn_of_doubts
from sparsedecomp.decomposition.tensor.exact_pass import exact_spectra
from sparsedecomp.decomposition.tensor.gaps import FilledBlocks, find_gaps
from sparsedecomp.decomposition.tensor.initialisation import descend_from_starts
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.decomposition.tensor.multistart import continued
from sparsedecomp.noise import unit_of

# The likelihood is maximised by default for at most so many counts, and at most so many
# per entry of the data. A choice: larger values maximise it for more data, in a time
# proportional to the counts.
_MANY_COUNTS = 2**25
_SPARSE = 0.1
# Upper bound on how often missing entries are filled and the data compressed again; it
# ends when the residual does not fall below this part of itself.
REFILLS = 4
SETTLED = 0.99


class CPD(TensorFactorisation):
    """Canonical polyadic decomposition (PARAFAC): one vector per mode and component.

    ``X[i, j, ..., e] ~ sum_r weights_r A_ir B_jr ... C_er`` is fitted by alternating
    least squares; non-negative factors by coordinate descent (HALS) [1]_. The data are
    read three times: two passes compress the channels, the iterations run on the
    scores, and non-negativity holds exactly on the full factors, since the compression
    only enters their right-hand sides [2]_. The last pass solves for the spectra
    without compression and computes the exact residual.

    With three or more modes the components are unique under mild conditions, without
    pure pixels and without any prior (``kruskal_``). The method cannot decide their
    number (see `tensor_rank`) nor whether the model holds: every component must have
    the same profile along a mode everywhere. A map is hardly ever the outer product of
    a row and a column, so keep the pixels of an image in one mode; a peak that shifts
    needs `PARAFAC2`. A matrix (two modes) is factorised too, as non-negative matrix
    factorisation, with all its ambiguity.

    Parameters
    ----------
    n_components : int, optional
        Number of components. Default: 2.
    modes : sequence of int or of sequences of int, optional
        Navigation axes that make up each mode, e.g. ``(0, (1, 2))`` for a series of
        images. Default: every navigation axis is a mode. The channels are the last.
    nonnegative : bool, default True
        Whether all factors are non-negative. The data may have negative noise.
    noise : {"auto", "uniform", "poisson"}
        Noise model. "poisson" weights every mode by its sums, which whitens the noise
        of counts; "auto" does so for whole numbers and multiples of one number.
    likelihood : {"auto", True, False}
        Whether to maximise the Poisson likelihood of the counts after the least
        squares, visiting only the entries that are not zero. "auto" does so for few
        counts (at most 2**25 in all).
    gaps : bool, default False
        Whether NaN mark missing entries, which then have no weight; otherwise NaN are
        refused. Missing entries are filled with the model (expectation maximisation),
        and after convergence the data are compressed again: six reads, and two more as
        long as that lowers the residual by 1 %. The positions of the missing entries
        are kept in memory. Mask positions without any data instead, which costs
        nothing.
    n_init : int, default 8
        Number of starts. The best two after 20 sweeps are continued. Half of the
        starts come from a direct solution.
    max_iter : int, default 1000
        Upper bound on the sweeps of a descent.
    tol : float, default 1e-8
        A descent ends when the residual sum of squares falls by less than this part
        of itself in a sweep.
    random_state : int, RandomState instance or None
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every sweep; returning True ends the fit. The
        objective is the residual sum of squares, or in the phase "likelihood" the
        negative log-likelihood in nats.

    Attributes
    ----------
    factors_ : list of (n_m, n_components_) float64 arrays
        Factors of unit norm, one for each mode, the channels last. They are zero at
        pixels without data.
    weights_ : (n_components_,) float64 array
        Norms of the components in descending order.
    components_ : (n_components_, n_channels) array
        Spectra: the factor of the channels.
    n_components_ : int
        Number of components.
    core_consistency_ : float
        How well a superdiagonal core describes the data, in per cent: near 100 for a
        valid model with not too many components. NaN if positions are missing.
    congruence_ : (n_init,) float64 array
        Congruence of the end of every start with the solution: 1 for the same model.
    kruskal_ : bool
        Whether the sizes of the modes allow Kruskal's condition for uniqueness.
    likelihood_ : bool
        Whether the likelihood of counts was maximised.
    noise_model_ : str
        Noise model that was used, "uniform" or "poisson".
    noise_variance_ : float
        Mean square of the (weighted) residual.
    objective_history_ : (n_sweeps,) array
        Residual sum of squares relative to the data, of the descent that was kept.
    residual_norm_, relative_residual_ : float
        Norm of the residual of the (weighted) data, and relative to that of the data.
    n_iter_ : int
        Number of sweeps of all descents.
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
    .. [1] A. Cichocki and A.-H. Phan, IEICE Trans. Fundam. E92-A (2009) 708.
    .. [2] J. E. Cohen, R. Cabral Farias and P. Comon, IEEE Signal Process. Lett. 22
       (2015) 862. https://doi.org/10.1109/LSP.2014.2374838

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import CPD
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.random((n, 2)) for n in (6, 7, 8))
    >>> X = np.einsum("ir,jr,er->ije", A, B, C)
    >>> model = CPD(n_components=2, random_state=0).fit(X)
    >>> [factor.shape for factor in model.factors_]
    [(6, 2), (7, 2), (8, 2)]
    >>> model.core_consistency_ > 99.9
    True
    """

    _parameter_constraints = {
        **TensorFactorisation._parameter_constraints,
        "likelihood": [StrOptions({"auto"}), "boolean"],
        "gaps": ["boolean"],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        modes: Sequence | None = None,
        nonnegative: bool = True,
        noise: str = "auto",
        likelihood: str | bool = "auto",
        gaps: bool = False,
        n_init: int = 8,
        max_iter: int = 1000,
        tol: float = 1e-8,
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[Progress], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.modes = modes
        self.nonnegative = nonnegative
        self.noise = noise
        self.likelihood = likelihood
        self.gaps = gaps
        self.n_init = n_init
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
            Products of the weights and all factors but the spectra.
        """
        blocks, folding, noise, scale = self._prepare(X)
        k = 2 if self.n_components is None else self.n_components
        self.kruskal_ = check_rank((*folding.shape, blocks.shape[1]), k)
        phases: Phases[Factors] = Phases(
            self._monitor(blocks, self.max_iter, self.n_init)
        )
        generator = self._generator()
        data, method, ends = self._least_squares(
            blocks, folding, noise, k, generator, phases
        )
        residual = None
        if self._counts_are_few(data):
            residual = self._maximise_likelihood(data, generator, phases)
        self.likelihood_ = residual is not None
        best = phases.outcome
        if residual is None:
            spectra, residual = phases.complete(
                lambda: exact_spectra(
                    data.blocks,
                    folding.products(best.state[:-1], data.blocks.rows),
                    best.state[-1],
                    method.solve_spectra,
                    data.missing,
                )
            )
            best.state = [*best.state[:-1], spectra]
        self._keep(data, method, best.state, ends)
        self._keep_fit(data, residual, phases)
        self._warn(stopped=best.stopped)
        warn_of_doubts(data, best.state, self.factors_, self.weights_)
        W = self.weights_ * folding.products(self.factors_[:-1], blocks.rows)
        return self._rescaled(W.astype(blocks.dtype), scale)

    def _least_squares(
        self,
        blocks: BlockMatrix,
        folding: Folding,
        noise: str,
        k: int,
        generator: np.random.Generator,
        phases: Phases[Factors],
    ) -> tuple[CompressedTensor, CPDLeastSquares, list[Factors]]:
        """Compress the data and descend, repeatedly if entries are missing."""
        rank, nature, missing = 2 * k + OVERSAMPLING, None, None
        filled: BlockMatrix | FilledBlocks = blocks
        if self.gaps:
            blocks, nature, missing, guess = find_gaps(blocks, folding)
            filled = blocks if missing is None else FilledBlocks(blocks, *guess)

        def compressed(filled: BlockMatrix | FilledBlocks) -> CompressedTensor:
            return compress_tensor(
                filled, folding, rank, noise=noise, generator=generator, nature=nature
            ).with_missing(missing)

        data = compressed(filled)
        full = CPDLeastSquares.from_tensor(data, self.nonnegative, self.tol)
        method = full.with_compressed_modes(rank)
        ends = descend_from_starts(
            method, k, self.n_init, self.max_iter, generator, phases
        )
        if method is not full:
            phases.run(
                "all modes in full",
                lambda best: continued(full, best, self.max_iter, phases.monitor),
            )

        def refill(best: Outcome[Factors]) -> Outcome[Factors]:
            nonlocal data, full
            unscaled = data.unscaled(best.state)
            loadings = folding.products(unscaled[:-1], blocks.rows)
            new = compressed(FilledBlocks(blocks, loadings, unscaled[-1]))
            refilled = CPDLeastSquares.from_tensor(new, self.nonnegative, self.tol)
            start = replace(best, state=new.scaled(unscaled))
            after = continued(refilled, start, self.max_iter, phases.monitor)
            data, full = new, refilled
            return after

        for _ in range(REFILLS if missing is not None else 0):
            before = phases.outcome.objective
            best = phases.run("missing entries", refill)
            if best.stopped or best.objective > SETTLED * before:
                break
        return data, method if missing is None else full, ends

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.gaps
        return tags

    def _counts_are_few(self, data: CompressedTensor) -> bool:
        if self.likelihood != "auto":
            return bool(self.likelihood)
        summary = data.summary
        unit = unit_of(summary)
        total = summary.row_sums.sum() / (unit or 1.0)
        few = total <= _MANY_COUNTS and total <= _SPARSE * data.n_entries
        return data.poisson and self.nonnegative and unit > 0 and bool(few)

    def _maximise_likelihood(
        self,
        data: CompressedTensor,
        generator: np.random.Generator,
        phases: Phases[Factors],
    ) -> float | None:
        """Go on from least squares to the maximum of the likelihood of the counts.

        Returns
        -------
        float or None
            Residual sum of squares; None when the fit was stopped before.
        """
        refuse_non_counts(data.summary)
        residual = None

        def climb(best: Outcome[Factors]) -> Outcome[Factors]:
            nonlocal residual
            tensor = CountTensor.read(data)
            method = PoissonCPD([tensor], [range(len(best.state))])
            starts = starts_for_counts(
                tensor.counts, data.unscaled(best.state), generator
            )
            top = best_of(
                iterate(method, start, self.max_iter, phases.monitor)
                for start in starts
            )
            if not top.history:
                best.stop_like(top)
                return best
            factors = data.scaled(top.state.factors)
            factors[0] *= top.state.weights[0] * tensor.counts.quantum
            residual = complete(top, lambda: _residual(data, tensor, factors))
            # The history is that of the least squares.
            return Outcome(
                factors, best.history, top.converged, top.stopped, top.interrupted
            )

        phases.run("likelihood", climb)
        return residual

    def _keep(
        self,
        data: CompressedTensor,
        method: CPDLeastSquares,
        factors: Factors,
        ends: list[Factors],
    ) -> None:
        for mode, factor in enumerate(factors):
            factor[data.unobserved(mode)] = 0.0
        self.weights_, self.factors_ = normalised(data.unscaled(factors))
        self.components_ = self.factors_[-1].T.astype(data.scores.dtype)
        self.n_components_ = len(self.weights_)
        self.congruence_ = np.array([congruence(factors, end) for end in ends])
        self.core_consistency_ = np.nan
        if data.observed is None:
            core = [method.to_basis(m, f) for m, f in enumerate(factors)]
            self.core_consistency_ = core_consistency(method.scores, core)


def _residual(data: CompressedTensor, tensor: CountTensor, factors: Factors) -> float:
    """Residual sum of squares of the scaled counts."""
    blocks, quantum = data.blocks, tensor.counts.quantum
    L = data.folding.products(factors[:-1], blocks.rows)
    inner = tensor.counts.inner(
        L / blocks.row_scale[:, None], factors[-1] / data.scales[-1][:, None]
    )
    squares = np.vdot(L.T @ L, factors[-1].T @ factors[-1])
    if data.missing is not None:
        squares -= np.square(data.missing.entries(L, factors[-1])).sum()
    return data.sum_of_squares - 2 * quantum * inner + squares
