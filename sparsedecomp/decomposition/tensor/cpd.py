"""Canonical polyadic decomposition, with and without non-negativity."""

from __future__ import annotations

import logging
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from sparsedecomp.decomposition.tensor.algebra import (
    congruence,
    core_consistency,
    kruskal_bound,
    normalised,
)
from sparsedecomp.decomposition.tensor.base import TensorFactorisation
from sparsedecomp.decomposition.tensor.compression import (
    OVERSAMPLING,
    compress_modes,
    compress_tensor,
    refuse_non_counts,
)
from sparsedecomp.decomposition.tensor.descent import Problem, descend
from sparsedecomp.decomposition.tensor.finish import exact_spectra, loadings_of
from sparsedecomp.decomposition.tensor.poisson import Likelihood, gather_counts
from sparsedecomp.decomposition.tensor.starts import start_factors

_logger = logging.getLogger(__name__)

# Sweeps after which the starts are compared, and how many of them go on.
_TRIAL = 20
_FINALISTS = 2
# Counts that the likelihood is for by itself: so many at most, so rarely not zero.
_MANY_COUNTS = 2**25
_SPARSE = 0.1
_NATS_PER_COUNT = 1e-6


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
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        n_components=None,
        *,
        modes=None,
        nonnegative=True,
        noise="auto",
        likelihood="auto",
        n_init=8,
        max_iter=1000,
        tol=1e-8,
        random_state=None,
        callback=None,
    ):
        self.n_components = n_components
        self.modes = modes
        self.nonnegative = nonnegative
        self.noise = noise
        self.likelihood = likelihood
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit_transform(self, X, y=None):
        """Fit the model and return the abundances of the pixels.

        Parameters
        ----------
        X : array, SciPy sparse matrix, dask array or BlockMatrix
            Of shape (*modes, n_channels).
        y : None
            Ignored.

        Returns
        -------
        (n_pixels, n_components_) array
            Products of the weights and all factors but the spectra.
        """
        blocks, folding, noise, scale = self._prepare(X)
        k = self._n_components(folding, blocks.shape[1])
        generator = self._generator()
        watch = self._watch(blocks, self.max_iter, self.n_init)
        data = compress_tensor(
            blocks, folding, 2 * k + OVERSAMPLING, noise=noise, generator=generator
        )
        small, full = problems(data, 2 * k + OVERSAMPLING, self.nonnegative)
        search = Search(self, small, k, generator, watch)
        best = search.run()
        if full is not small and not search.stopped:
            best = search.go_on(best, full)
        self.likelihood_ = self._counts_are_few(data) and not search.interrupted
        if self.likelihood_:
            best, residual = self._maximise(data, blocks, best, search)
        else:
            loadings = loadings_of(best.factors[:-1], folding, blocks.rows)
            best.factors[-1], residual = exact_spectra(
                data.blocks, loadings, best.factors[-1], small.updated
            )
        self._keep(data, small, best.factors, residual, search, best)
        self.passes_ = watch.passes
        self.seconds_ = watch.seconds
        self.n_iter_ = watch.count
        self._warn(stopped=search.stopped)
        W = self.weights_ * loadings_of(self.factors_[:-1], folding, blocks.rows)
        return self._rescaled(W.astype(blocks.dtype), scale)

    def _n_components(self, folding, n_channels):
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

    def _counts_are_few(self, data):
        if self.likelihood != "auto":
            return self.likelihood
        summary = data.summary
        counts = summary.whole_numbers or summary.quantum > 0
        total = summary.row_sums.sum() / (summary.quantum or 1.0)
        entries = np.prod(data.blocks.shape, dtype=float)
        few = total <= _MANY_COUNTS and total <= _SPARSE * entries
        return data.poisson and self.nonnegative and counts and bool(few)

    def _maximise(self, data, blocks, best, search):
        """Go on from the least squares to the largest likelihood."""
        refuse_non_counts(data.summary)
        quantum = data.summary.quantum or 1.0
        counts = gather_counts(blocks, quantum)
        indices = data.folding.indices(blocks.rows)
        model = Likelihood(counts, indices, data.folding.shape, data.observed)
        unscaled = [
            f * s[:, None] for f, s in zip(best.factors, data.scales, strict=True)
        ]
        starts = model.starts(unscaled, search.generator)
        found = []
        for number, start in enumerate(starts):
            if search.stopped:
                break
            found.append(search.maximise(model, start, number))
        if not found:
            return best, best.residual
        top = min(found, key=lambda maximum: maximum.objective)
        scales = data.scales
        factors = [f / s[:, None] for f, s in zip(top.factors, scales, strict=True)]
        factors[0] *= top.weights * quantum
        L = loadings_of(factors[:-1], data.folding, blocks.rows)
        inner = counts.inner(
            L / data.blocks.row_scale[:, None], factors[-1], scales[-1]
        )
        model_squares = np.vdot(L.T @ L, factors[-1].T @ factors[-1])
        residual = data.sum_of_squares - 2 * quantum * inner + model_squares
        return (
            best._replace(factors=factors, converged=top.converged),
            max(residual, 0.0),
        )

    def _keep(self, data, problem, factors, residual, search, best):
        unscaled = [f * s[:, None] for f, s in zip(factors, data.scales, strict=True)]
        self.weights_, self.factors_ = normalised(unscaled)
        self.components_ = self.factors_[-1].T.astype(data.scores.dtype)
        self.n_components_ = len(self.weights_)
        self.residual_norm_ = float(np.sqrt(residual))
        self.relative_residual_ = float(np.sqrt(residual / data.sum_of_squares))
        self.noise_variance_ = residual / (np.prod(data.blocks.shape, dtype=float))
        self.noise_model_ = "poisson" if data.poisson else "uniform"
        self.objective_history_ = np.array(best.history) / data.sum_of_squares
        self.converged_ = best.converged
        self.interrupted_ = search.interrupted
        self.congruence_ = np.array([congruence(best.factors, f) for f in search.ends])
        self._channel_scale = data.scales[-1]
        self.core_consistency_ = np.nan
        if data.observed is None:
            inside = [problem.inside(m, f) for m, f in enumerate(factors)]
            self.core_consistency_ = core_consistency(problem.scores, inside)


def problems(data, rank, nonnegative):
    """The compressed problem with and without compression of the other modes."""
    whole = [None] * (data.scores.ndim - 1)
    full = Problem(
        data.scores,
        [*whole, data.basis],
        data.sum_of_squares,
        data.observed,
        nonnegative,
    )
    if data.observed is not None:
        return full, full
    core, bases = compress_modes(data.scores, [rank] * len(whole))
    if all(basis is None for basis in bases):
        return full, full
    core = Problem(
        core, [*bases, data.basis], data.sum_of_squares, nonnegative=nonnegative
    )
    return core, full


class Search:
    """Descents from several starts; Ctrl-C keeps the best result so far.

    Attributes
    ----------
    ends : list of lists of factors
        Where each start was left.
    stopped, interrupted : bool
        By the callback, by Ctrl-C.
    """

    def __init__(self, settings, problem, k, generator, watch):
        self.settings = settings
        self.problem = problem
        self.k = k
        self.generator = generator
        self.watch = watch
        self.ends = []
        self.stopped = self.interrupted = False

    def run(self):
        """Try all starts, follow the best, return the best descent."""
        found = []
        try:
            for start in range(self.settings.n_init):
                factors = start_factors(
                    self.problem, self.k, self.generator, direct=start % 2 == 0
                )
                found.append(self._descend(start, self.problem, factors, _TRIAL))
                if self.stopped:
                    break
        except KeyboardInterrupt:
            if not found:
                raise
            self.stopped = self.interrupted = True
        order = sorted(range(len(found)), key=lambda i: found[i].residual)
        if not self.stopped:
            for i in order[:_FINALISTS]:
                found[i] = self.go_on(found[i], self.problem, i)
        best = min(found, key=lambda descent: descent.residual)
        self.ends = [descent.factors for descent in found]
        return best

    def go_on(self, descent, problem, start=0):
        """Continue a descent to its end, perhaps on another form of the problem."""
        if self.stopped:
            return descent
        try:
            end = self._descend(start, problem, descent.factors, self.settings.max_iter)
        except KeyboardInterrupt:
            self.stopped = self.interrupted = True
            return descent
        return end._replace(history=descent.history + end.history)

    def maximise(self, model, start, number):
        """Climb the likelihood from a start; Ctrl-C ends at the best point so far."""
        settings = self.settings
        top = model.maximise(
            *start,
            settings.max_iter,
            _NATS_PER_COUNT,
            lambda objective: self.watch(number, float(objective), self.k),
        )
        self.stopped = self.stopped or top.stopped
        self.interrupted = self.interrupted or top.interrupted
        return top

    def _descend(self, start, problem, factors, max_iter):
        descent = descend(
            problem,
            [f.copy() for f in factors],
            min(max_iter, self.settings.max_iter),
            self.settings.tol,
            lambda residual: self.watch(start, float(residual), self.k),
        )
        self.stopped = self.stopped or descent.stopped
        self.interrupted = self.interrupted or descent.interrupted
        return descent
