"""Canonical polyadic decomposition, with and without non-negativity."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.iterate import (
    Outcome,
    Phases,
    best_of,
    complete,
    iterate,
)
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.decomposition.tensor.algebra import (
    congruence,
    core_consistency,
    kruskal_bound,
    normalised,
)
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compression import (
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
from sparsedecomp.decomposition.tensor.exact_pass import exact_spectra, loadings_of
from sparsedecomp.decomposition.tensor.gaps import FilledBlocks, survey
from sparsedecomp.decomposition.tensor.initialisation import initial_factors
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.decomposition.tensor.multistart import continued, multistart

if TYPE_CHECKING:
    from sparsedecomp.decomposition.base import MatrixLike

# The starts are compared after this many sweeps, and this many of them are continued.
# More cost time; fewer may drop the start that ends lowest.
TRIAL_SWEEPS = 20
FINALISTS = 2
# Counts whose likelihood is maximised by default: so many at most, so rarely not zero.
_MANY_COUNTS = 2**25
_SPARSE = 0.1
# How often the gaps are filled anew and the data compressed again at most; it ends when
# the residual does not fall below this part of itself.
REFILLS = 4
SETTLED = 0.99


class CPD(TensorFactorisation):
    """Canonical polyadic decomposition (PARAFAC): one vector per mode and component.

    ``X[i, j, ..., e] ~ sum_r weights_r A_ir B_jr ... C_er``, by alternating least
    squares; non-negative factors by coordinate descent (HALS) [1]_. The data are read
    three times: the channels are compressed in two passes, everything iterates on the
    scores, and non-negativity holds exactly on the full factors, as the compression
    only enters their right-hand sides [2]_. The last pass solves for the spectra
    without compression and finds the residual exactly.

    What it can decide: with three modes or more the components are unique under mild
    conditions, without pure pixels and without any prior (``kruskal_``). What it
    cannot: their number (see `tensor_rank`), and whether the model holds. Every
    component must behave the same along a mode wherever it is found: a map that is an
    outer product of a row and a column is hardly ever true, so keep the pixels of an
    image in one mode; a peak that shifts needs `PARAFAC2`. A matrix (two modes) is
    factorised too, as non-negative matrix factorisation, with all its ambiguity.

    Parameters
    ----------
    n_components : int, optional
        Default: 2.
    modes : sequence of int or of sequences of int, optional
        Navigation axes that make up each mode, e.g. ``(0, (1, 2))`` for a series of
        images. Default: every navigation axis is a mode. The channels are the last.
    nonnegative : bool, default True
        Of all factors. The data may be negative, by noise.
    noise : {"auto", "uniform", "poisson"}
        "poisson" weights every mode by its sums, which makes the noise of counts
        even; "auto" does so for whole numbers and multiples of one number.
    likelihood : {"auto", True, False}
        Maximise the Poisson likelihood of the counts in the end, on those entries that
        are not zero. "auto": for counts that are few (at most 2**25 in all).
    gaps : bool, default False
        Take NaN for entries that are missing, wherever they are, and leave them out,
        instead of refusing them. What they are is filled in by the model in turn
        (expectation maximisation), and the data are compressed anew when it has
        settled: six reads, and two more whenever that takes 1 % off the residual.
        The places of the gaps are kept in memory. Positions without any data are
        better masked, which costs nothing.
    n_init : int, default 8
        Starts; the best two after some sweeps go on to the end. Half of the starts
        come from a direct solution.
    max_iter : int, default 1000
        Sweeps of a descent.
    tol : float, default 1e-8
        A descent ends when the residual sum of squares falls by less than this part
        of itself in a sweep.
    random_state : int, RandomState instance or None
        Seed of the starts and of the range finder.
    callback : callable, optional
        Called with a `Progress` after every sweep; returning True stops the fit. The
        objective is the sum of squares of the residual.

    Attributes
    ----------
    factors_ : list of (n_m, n_components_) float64 arrays
        Of unit norm, one for each mode, the channels last. Positions of the pixels
        that are missing altogether are zero.
    weights_ : (n_components_,) float64 array
        Norms of the components, falling.
    components_ : (n_components_, n_channels) array
        Spectra: the factor of the channels.
    n_components_ : int
    core_consistency_ : float
        Per cent; see `core_consistency`. NaN where positions are missing.
    congruence_ : (n_init,) float64 array
        Of every start where it was left with the solution: 1 for the same one.
    kruskal_ : bool
        Whether the sizes of the modes allow Kruskal's condition for uniqueness.
    likelihood_ : bool
        Whether the likelihood of counts was maximised in the end.
    noise_model_ : str
    noise_variance_ : float
        Mean square of the (weighted) residual.
    objective_history_ : (n_sweeps,) array
        Residual sum of squares, relative to the data, of the descent that was kept.
    residual_norm_, relative_residual_ : float
        Of the weighted data where weights are used.
    n_iter_ : int
        Sweeps of all descents.
    converged_, interrupted_ : bool
    passes_ : int
        Reads of the whole of X.
    seconds_ : float

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
        k = self._number_of_components(folding, blocks.shape[1])
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
                    loadings_of(best.state[:-1], folding, data.blocks.rows),
                    best.state[-1],
                    method.solve_spectra,
                    data.missing,
                )
            )
            best.state = [*best.state[:-1], spectra]
        self._keep(data, method, best.state, ends)
        self._keep_fit(data, residual, phases)
        self._warn(stopped=best.stopped)
        W = self.weights_ * loadings_of(self.factors_[:-1], folding, blocks.rows)
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
        """Compress the data and descend; again after missing entries were filled."""
        rank, nature, missing = 2 * k + OVERSAMPLING, None, None
        filled = blocks
        if self.gaps:
            blocks, nature, missing, guess = survey(blocks, folding)
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

        def filled_anew(best: Outcome[Factors]) -> Outcome[Factors]:
            nonlocal data, full
            unscaled = data.unscaled(best.state)
            loadings = loadings_of(unscaled[:-1], folding, blocks.rows)
            new = compressed(FilledBlocks(blocks, loadings, unscaled[-1]))
            anew = CPDLeastSquares.from_tensor(new, self.nonnegative, self.tol)
            start = replace(best, state=new.scaled(unscaled))
            after = continued(anew, start, self.max_iter, phases.monitor)
            data, full = new, anew
            return after

        for _ in range(REFILLS if missing is not None else 0):
            before = phases.outcome.objective
            best = phases.run("missing entries", filled_anew)
            if best.stopped or best.objective > SETTLED * before:
                break
        return data, method if missing is None else full, ends

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.gaps
        return tags

    def _number_of_components(self, folding: Folding, n_channels: int) -> int:
        k = 2 if self.n_components is None else self.n_components
        shape = (*folding.shape, n_channels)
        most = min(int(np.prod(shape)) // n for n in shape)
        if k > most:
            raise ValueError(
                f"n_components = {k} was given for a tensor of the shape {shape}, "
                f"expected at most {most}: that many explain any data of this shape."
            )
        self.kruskal_ = kruskal_bound(shape, k)
        if len(shape) > 2 and not self.kruskal_:
            warnings.warn(
                f"A tensor of the shape {shape} is too small for {k} components to be "
                "unique by Kruskal's condition. Take fewer, or do not rely on them.",
                stacklevel=3,
            )
        return k

    def _counts_are_few(self, data: CompressedTensor) -> bool:
        if self.likelihood != "auto":
            return bool(self.likelihood)
        summary = data.summary
        counts = summary.whole_numbers or summary.quantum > 0
        total = summary.row_sums.sum() / (summary.quantum or 1.0)
        entries = np.prod(data.blocks.shape, dtype=float)
        few = total <= _MANY_COUNTS and total <= _SPARSE * entries
        return data.poisson and self.nonnegative and counts and bool(few)

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
                return replace(top, state=best.state)
            factors = data.scaled(top.state.factors)
            factors[0] *= top.state.weights[0] * tensor.counts.quantum
            residual = complete(top, lambda: _residual(data, tensor, factors))
            # The history is that of the least squares.
            return replace(top, state=factors, history=best.history)

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
            factor[data.unseen(mode)] = 0.0
        self.weights_, self.factors_ = normalised(data.unscaled(factors))
        self.components_ = self.factors_[-1].T.astype(data.scores.dtype)
        self.n_components_ = len(self.weights_)
        self.congruence_ = np.array([congruence(factors, end) for end in ends])
        self.core_consistency_ = np.nan
        if data.observed is None:
            core = [method.to_basis(m, f) for m, f in enumerate(factors)]
            self.core_consistency_ = core_consistency(method.scores, core)


def descend_from_starts(
    method: CPDLeastSquares,
    k: int,
    n_init: int,
    max_iter: int,
    generator: np.random.Generator,
    phases: Phases[Factors],
) -> list[Factors]:
    """Descend from direct and random starts in turn; see `multistart`.

    Parameters
    ----------
    method : CPDLeastSquares
        Compressed data.
    k : int
        Number of components.
    n_init : int
        Number of starts.
    max_iter : int
        Upper bound on the sweeps of one descent.
    generator : numpy.random.Generator
        Source of the starts.
    phases : Phases
        Holds the best result afterwards.

    Returns
    -------
    list of lists of arrays
        The last factors of the descent from each start.
    """
    starts = (
        initial_factors(method, k, generator, direct=start % 2 == 0)
        for start in range(n_init)
    )
    trial, n_finalists = TRIAL_SWEEPS, FINALISTS
    return multistart(
        method, starts, phases, max_iter, trial=trial, n_finalists=n_finalists
    )


def _residual(data: CompressedTensor, tensor: CountTensor, factors: Factors) -> float:
    """Residual sum of squares of the scaled counts."""
    blocks, quantum = data.blocks, tensor.counts.quantum
    L = loadings_of(factors[:-1], data.folding, blocks.rows)
    inner = tensor.counts.inner(
        L / blocks.row_scale[:, None], factors[-1] / data.scales[-1][:, None]
    )
    squares = np.vdot(L.T @ L, factors[-1].T @ factors[-1])
    if data.missing is not None:
        squares -= np.square(data.missing.entries(L, factors[-1])).sum()
    return data.sum_of_squares - 2 * quantum * inner + squares
