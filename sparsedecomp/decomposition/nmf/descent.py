"""Block coordinate descent for NMF with soft orthogonality and relevance.

A pixel is modelled as ``x_i = c_i S + noise`` with non-negative abundances ``C``
(n_pixels, k), non-negative spectra ``S`` (k, n_channels) of unit norm and noise of
variance ``s2``. In nats, and up to a constant, the objective is

    J = n/2 log s2 + Q / (2 s2) + sum_k [c log(1 + C_k / b) + e],
    Q = ||X - C S||^2 + 2 w sum_{j<k} C_j' C_k,

with ``n`` entries, soft orthogonality ``w`` and the sum ``C_k`` of the abundances of a
component. The sum is there with automatic relevance only: the prior of Tan and Fevotte
with its relevances ``lambda_k = (C_k + b) / c`` put in, for the components under the
prior, and the price ``e`` of a component, what one can gain on pure noise.
``C`` (one coordinate after another), ``S`` (one spectrum after another), ``s2`` and the
relevances are each set to the minimiser of ``J`` given the others, so ``J`` never
rises. ``X`` is met through ``X S'`` and ``C' X`` only: the loop is the same on the data
and on their low-rank picture.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from sparsedecomp.kernels.coordinate import nonnegative_rows, unit_norm_rows
from sparsedecomp.noise.scree import noise_edge

# Rows with a zero need many sweeps where spectra are alike; those that have settled are
# left early, and extrapolation takes them on.
ABUNDANCE_SWEEPS = 20
SETTLED = 3e-5
SPECTRUM_SWEEPS = 2
# A residual below this part of the data is not known.
ROUNDING = np.finfo(np.float64).eps


@dataclass(frozen=True)
class View:
    """The matrix as the descent meets it: ``X = blocks @ basis.T``.

    Attributes
    ----------
    blocks : BlockMatrix
    basis : (n_channels, rank) array or None
        None when the blocks are the data themselves.
    sum_of_squares : float
        Of the data, whether the basis holds all of them or not.
    """

    blocks: object
    basis: np.ndarray | None
    sum_of_squares: float

    @property
    def n_pixels(self):
        """Number of pixels."""
        return self.blocks.shape[0]

    @property
    def n_channels(self):
        """Number of channels of the data, not of the blocks."""
        return self.blocks.shape[1] if self.basis is None else len(self.basis)

    @property
    def size(self):
        """Number of entries."""
        return self.n_pixels * self.n_channels

    def project(self, S):
        """``S'`` in terms of the columns of the blocks."""
        A = S.T if self.basis is None else self.basis.T @ S.T
        return np.ascontiguousarray(A, self.blocks.dtype)

    def expand(self, CX):
        """What was projected, in terms of the channels again."""
        return CX if self.basis is None else CX @ self.basis.T


@dataclass(frozen=True)
class Prior:
    """Exponential abundances, with means that come from inverse gamma distributions.

    Attributes
    ----------
    floor : float
        The relevance of a component with no abundance, ``b / c``.
    weight : float
        ``c``, the number of pixels plus the shape of the inverse gamma plus one.
    price : float
        ``e``, in nats.
    """

    floor: float
    weight: float
    price: float

    def relevance(self, totals):
        """Relevances that minimise the objective, for these sums of abundances."""
        return self.floor + totals / self.weight

    def cost(self, relevance, under):
        """What the components cost, in nats."""
        log_ratio = np.log(relevance[under] / self.floor).sum()
        return self.weight * log_ratio + self.price * len(relevance)


@dataclass(frozen=True)
class Settings:
    """What a descent is asked to do.

    Attributes
    ----------
    orthogonality : float
        Weight of the overlap of the maps, ``w``.
    floor : float or None
        Relevance of a component without abundance; None for no prior.
    max_iter : int
    tol : float
        A descent ends when steps gain less than ``tol`` nats per two entries.
    watch : callable, optional
        ``watch(objective, n_components)`` after every step; True stops the descent.
    least_gain : float
        It ends as well when steps gain less than this number of nats.
    """

    orthogonality: float
    floor: float | None
    max_iter: int
    tol: float
    watch: object = None
    least_gain: float = 0.0

    def prior(self, n_pixels, n_channels):
        """The prior for that many pixels and channels, or None."""
        if self.floor is None:
            return None
        # The inverse gamma distribution has the shape 1: Tan and Fevotte's flattest.
        price = 0.5 * noise_edge(1.0, n_pixels, n_channels)
        return Prior(self.floor, n_pixels + 2.0, price)

    def stands_still(self, gain, size):
        """Whether a gain is too small to go on for."""
        return gain < max(0.5 * self.tol * size, self.least_gain)

    def stops(self, objective, n_components):
        """Tell the watcher, and ask whether it wants to stop."""
        return self.watch is not None and bool(self.watch(objective, n_components))


@dataclass
class Factors:
    """A state of the descent.

    Attributes
    ----------
    C : (n_pixels, k) array
    S : (k, n_channels) float64 array
        Spectra of unit norm.
    noise_variance : float
    relevance : (k,) array
    under : (k,) bool array
        Components that the prior applies to.
    """

    C: np.ndarray
    S: np.ndarray
    noise_variance: float
    relevance: np.ndarray
    under: np.ndarray

    @property
    def n_components(self):
        """Number of components."""
        return len(self.S)

    @property
    def threshold(self):
        """The l1 weights that the prior gives the abundances, times the noise."""
        return np.where(self.under, self.noise_variance / self.relevance, 0.0)

    def take(self, kept):
        """The state of some of the components."""
        return Factors(
            np.ascontiguousarray(self.C[:, kept]),
            self.S[kept],
            self.noise_variance,
            self.relevance[kept],
            self.under[kept],
        )


@dataclass
class Descent:
    """Where a descent ended and how it went."""

    factors: Factors
    history: list = field(default_factory=list)
    converged: bool = False
    stopped: bool = False
    interrupted: bool = False

    @property
    def objective(self):
        """The last objective."""
        return self.history[-1] if self.history else np.inf


@contextmanager
def interruptible(result):
    """Let Ctrl-C end a descent and keep what it has reached."""
    try:
        yield
    except KeyboardInterrupt:
        result.stopped = result.interrupted = True


def coupling(S, orthogonality):
    """Gram matrix of the spectra with the soft orthogonality of the maps added."""
    return S @ S.T + orthogonality * (1 - np.eye(len(S)))


def update_abundances(X, C, A, gram, threshold):
    """New abundances of some rows, and the sums that the other updates need."""
    C = C.copy()
    gram = gram.astype(X.dtype)
    nonnegative_rows(C, X @ A, gram, threshold, ABUNDANCE_SWEEPS, SETTLED)
    wide = C.astype(np.float64)
    return (C,), (wide.T @ wide, wide.T @ X.astype(np.float64))


def step(view, state, settings):
    """Update abundances, spectra, noise and relevance once; one pass over the view.

    Returns
    -------
    Factors, float
        The new state, without the components that have no abundance left unless none
        has, and its objective.
    """
    orthogonality = settings.orthogonality
    prior = settings.prior(view.n_pixels, view.n_channels)
    S = state.S.copy()
    (C,), (gram, CX) = view.blocks.run(
        update_abundances,
        rows=(state.C,),
        shared=(view.project(S), coupling(S, orthogonality), state.threshold),
    )
    F = view.expand(CX)
    unit_norm_rows(S, F, gram, SPECTRUM_SWEEPS)
    Q = view.sum_of_squares + squares_of_model(S, F, gram, orthogonality)
    noise_variance = max(Q, ROUNDING * view.sum_of_squares) / view.size
    relevance = state.relevance
    objective = 0.5 * view.size * (np.log(noise_variance) + 1)
    if prior is not None:
        # As a product, since NumPy is slow on few columns.
        relevance = prior.relevance(np.ones(len(C)) @ C)
        objective += prior.cost(relevance, state.under)
    new = Factors(C, S, noise_variance, relevance, state.under)
    alive = np.diag(gram) > 0
    return new.take(alive) if alive.any() and not alive.all() else new, objective


def squares_of_model(S, F, gram, orthogonality):
    """``||C S||^2 - 2 <X, C S>`` plus the penalty on overlapping maps."""
    overlap = gram.sum() - np.trace(gram)
    return np.vdot(gram, S @ S.T) - 2 * np.vdot(F, S) + orthogonality * overlap


def descend(view, state, settings):
    """Descend until the objective stands still; every step lowers it.

    Both factors are extrapolated along their last move before a step, which is taken
    back when the objective does not fall [1]_: the descent stays monotone.

    Parameters
    ----------
    view : View
    state : Factors
    settings : Settings

    Returns
    -------
    Descent

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Comput. 31 (2019) 417.
       https://doi.org/10.1162/neco_a_01157
    """
    result = Descent(state)
    momentum, ceiling = 0.5, 1.0
    ahead = None
    small = 0
    with interruptible(result):
        for _ in range(settings.max_iter):
            new, objective = step(view, ahead or state, settings)
            if ahead is not None and objective > result.objective:
                new, objective = step(view, state, settings)
                ceiling, momentum = momentum, momentum / 1.5
            elif ahead is not None:
                ceiling = min(1.0, ceiling * 1.01)
                momentum = min(ceiling, momentum * 1.05)
            if objective > result.objective:  # nothing left but rounding
                result.converged = True
                break
            gain = result.objective - objective
            same = new.n_components == state.n_components
            ahead = extrapolate(state, new, momentum) if same else None
            state = result.factors = new
            result.history.append(objective)
            if settings.stops(objective, state.n_components):
                result.stopped = True
                break
            # One small gain may be the shadow of a step that was taken back.
            small = small + 1 if settings.stands_still(gain, view.size) else 0
            if small == 2:
                result.converged = True
                break
    return result


def best_of(ends):
    """The end with the lowest objective; one that was stopped is the last."""
    best = None
    for found in ends:
        if best is None or found.objective < best.objective:
            best = found
        if found.stopped:
            best.stopped, best.interrupted = True, found.interrupted
            break
    return best


def extrapolate(old, new, momentum):
    """Go on along the last move of abundances and spectra."""
    C = _further(old.C, new.C, momentum)
    S = _further(old.S, new.S, momentum)
    # Of unit norm before, so that something is left of every spectrum.
    S /= np.linalg.norm(S, axis=1, keepdims=True)
    return replace(new, C=C, S=S)


def _further(old, new, momentum):
    """``max(new + momentum (new - old), 0)``, in the order that NumPy is quick in."""
    back = momentum * old
    ahead = (1 + momentum) * new
    np.maximum(ahead, back, out=ahead)
    ahead -= back
    return ahead
