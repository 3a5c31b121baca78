"""Accelerated minorisation for Poisson factorisation: one pass over the counts a step.

The counts ``x_ie`` of pixel ``i`` are modelled as Poisson distributed about ``c_i S``.
Either their likelihood is maximised, less penalties on the abundances ``C``, or the
evidence of ``S``: with the shares of the components in a pixel Dirichlet distributed
with ``alpha``, and integrated over in the variational way [1]_. A step shares out every
count among the components, pixel by pixel, and makes the spectra of what each of them
got; neither ever lowers what is maximised. The state carries ``A``, the abundances or
the Dirichlet parameters of the pixels.

References
----------
.. [1] D. M. Blei, A. Y. Ng and M. I. Jordan, J. Mach. Learn. Res. 3 (2003) 993, eqs.
   6-9, with ``alpha`` of a fixed sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from scipy.special import polygamma, psi

from sparsedecomp.decomposition.iterate import Outcome, keep_on_interrupt
from sparsedecomp.decomposition.poisson.counts import csr_of_array
from sparsedecomp.kernels.counts import likelihood_rows, posterior_rows

SWEEPS = 3
# Sweeps of pixels whose spectra are known, and when they are left.
LAST_SWEEPS = 300
SETTLED = 1e-6
_LEAST_ALPHA = 1e-4
# An extrapolated entry changes by this factor at most.
_FARTHEST = 10.0


@dataclass(frozen=True)
class PoissonModel:
    """What is minimised, apart from the data.

    Attributes
    ----------
    concentration : float or None
        Sum of the parameters of the Dirichlet prior; None for the likelihood.
    overlap : float
        Weight of the products of the abundances of a pixel.
    smoothness : float
        Weight of squared differences between neighbours.
    neighbours : CSR array of shape (n_pixels, n_pixels) or None
        Ones between neighbours.
    closed : bool
        Whether abundances add up to one.
    floor : float or None
        With relevance: the relevance of a component without counts, in counts per
        pixel.
    """

    concentration: float | None = None
    overlap: float = 0.0
    smoothness: float = 0.0
    neighbours: object = None
    closed: bool = False
    floor: float | None = None

    def alone(self):
        """The model for pixels without their neighbours."""
        return replace(self, smoothness=0.0, neighbours=None)


@dataclass
class PoissonState:
    """A state of the descent.

    Attributes
    ----------
    A : (n_pixels, k) float64 array
        Abundances, or Dirichlet parameters.
    S : (k, n_channels) float64 array
        Spectra; their sums are one unless the model is closed.
    alpha : (k,) array
        Of the Dirichlet prior; zeros for the likelihood.
    """

    A: np.ndarray
    S: np.ndarray
    alpha: np.ndarray

    @property
    def n_components(self):
        """Number of components."""
        return len(self.S)

    @property
    def C(self):
        """Abundances; under the prior the expected counts of every component."""
        return np.maximum(self.A - self.alpha, 0.0)

    def take(self, kept):
        """The state of some of the components."""
        return PoissonState(
            np.ascontiguousarray(self.A[:, kept]), self.S[kept], self.alpha[kept]
        )


@dataclass(frozen=True)
class Budget:
    """How long a descent may go on.

    Attributes
    ----------
    max_iter : int
    tol : float
        It ends when a step moves less than this part of the counts.
    watch : callable, optional
        ``watch(objective, n_components)`` after every step; True stops the descent.
    """

    max_iter: int
    tol: float
    watch: object = None

    def stops(self, objective, n_components):
        """Tell the watcher, and ask whether it wants to stop."""
        return self.watch is not None and bool(self.watch(objective, n_components))


def start_state(C, S, model):
    """A state from abundances and spectra that need not fit together in scale.

    Zeros, which no step could leave, are raised a little.
    """
    mean = C @ S.sum(axis=1) / max(len(C), 1)
    typical = max(float(mean.mean()), 1e-300)
    background = C.sum(axis=0) @ S
    S = S + 1e-3 * S.sum(axis=1, keepdims=True) * background / background.sum()
    total = S.sum(axis=1)
    C, S = C * total, S / total[:, None]
    C = np.maximum(C, 1e-3 * typical / len(S))
    k = len(S)
    alpha = np.zeros(k)
    if model.concentration is not None:
        alpha = np.full(k, model.concentration / k)
    if model.closed:
        S = S * C.sum(axis=1).mean()
        C = C / C.sum(axis=1, keepdims=True)
    return PoissonState(C + alpha, S, alpha)


def abundance_step(X, A, stiffness, pull, S, alpha, rate, overlap, closed, sweeps):
    """Share out the counts of some rows; a function for `BlockMatrix.run`."""
    X = X if scipy.sparse.issparse(X) else csr_of_array(X)
    A = A.copy()
    # One layout of the arrays: the kernels are compiled anew for every other.
    S, alpha = np.array(S, order="C"), np.array(alpha)
    N = np.zeros_like(S)
    tol = SETTLED if sweeps > SWEEPS else 0.0
    csr = X.indptr, X.indices, X.data
    if rate is None:
        bound = posterior_rows(*csr, A, S, alpha, sweeps, tol, N)
    else:
        bound = likelihood_rows(
            *csr, A, S, rate, overlap, stiffness, pull, closed, sweeps, tol, N
        )
    return (A,), (N, bound)


def step(blocks, state, model, sweeps=SWEEPS):
    """One pass: abundances and spectra, and the objective between the two.

    Returns
    -------
    state : PoissonState
    objective : float
        Negative logarithm of what is maximised, in nats, but for a constant.
    moved : float
        Part of the counts that changed their channel within the spectra, which is
        what is left of the Karush-Kuhn-Tucker conditions: every ``S_ke`` times the
        slope there.
    """
    A, S, alpha = state.A, state.S, state.alpha
    n, k = A.shape
    stiffness, pull = np.zeros(n), np.zeros((n, k))
    rate = None
    if model.concentration is None:
        rate = S.sum(axis=1)
    if model.floor is not None:
        relevance = _relevance(A, model)
        rate = rate + 1 / relevance
    if model.smoothness:
        # (a - b)^2 lies below 2 (a - m)^2 + 2 (b - m)^2, m being the old mean.
        degree = model.neighbours.sum(axis=1)
        stiffness = 2 * model.smoothness * degree
        pull = model.smoothness * (degree[:, None] * A + model.neighbours @ A)
    shared = (S, alpha, rate, model.overlap, model.closed, sweeps)
    (A,), (N, bound) = blocks.run(
        abundance_step, rows=(A, stiffness, pull), shared=shared
    )
    objective = -float(bound)
    if model.floor is not None:
        found = _relevance(A, model)
        objective -= (A.sum(axis=0) / relevance).sum()
        objective += (n + 2) * np.log(found / model.floor).sum()
    if model.smoothness:
        objective -= (0.5 * stiffness[:, None] * A - pull).ravel() @ A.ravel()
        objective += model.smoothness * _roughness(A, model.neighbours)
    counts = N.sum(axis=1, keepdims=True)
    scale = A.sum(axis=0)[:, None] if model.closed else counts
    new = np.where(counts > 0, N / np.where(counts > 0, scale, 1.0), S)
    moved = np.abs(N - S * scale).sum() / max(counts.sum(), 1e-300)
    if model.concentration is not None:
        alpha = mean_of_shares(A, alpha)
    return PoissonState(A, new, alpha), objective, float(moved)


def _relevance(A, model):
    """Mean counts under the exponential prior of Tan and Fevotte, shape one."""
    return model.floor + A.sum(axis=0) / (len(A) + 2)


def _roughness(A, neighbours):
    """Half the sum of squared differences between neighbours, every pair once."""
    degree = neighbours.sum(axis=1)
    return 0.5 * float((degree[:, None] * A - neighbours @ A).ravel() @ A.ravel())


def mean_of_shares(A, alpha, rounds=3):
    """Dirichlet parameters of most evidence with the sum that they have [1]_.

    Parameters
    ----------
    A : (n, k) array
        Dirichlet parameters of the pixels.
    alpha : (k,) array
    rounds : int, default 3

    References
    ----------
    .. [1] T. P. Minka, Estimating a Dirichlet distribution (2000), section 1.1.
    """
    concentration = alpha.sum()
    log_share = (psi(A) - psi(A.sum(axis=1))[:, None]).mean(axis=0)
    for _ in range(rounds):
        mean = alpha / concentration
        y = log_share - mean @ (log_share - psi(alpha))
        # The inverse of digamma by Newton's method.
        low = -1 / (np.minimum(y, -2.22) - psi(1))
        found = np.where(y >= -2.22, np.exp(np.clip(y, -2.22, 50)) + 0.5, low)
        for _ in range(5):
            found = found - (psi(found) - y) / polygamma(1, found)
        alpha = np.maximum(concentration * found / found.sum(), _LEAST_ALPHA)
    return alpha


def descend(blocks, state, model, budget):
    """Descend until the spectra stand still; the objective never rises.

    Everything is extrapolated along the last move of its logarithm before a step, which
    is taken back when the objective does not fall [1]_. To extrapolate the abundances
    too takes a fraction of the steps that it takes with the spectra alone.

    Returns
    -------
    Outcome
        Its state is a `PoissonState`; ``moved`` is what the last step moved.

    References
    ----------
    .. [1] A. M. S. Ang and N. Gillis, Neural Comput. 31 (2019) 417.
       https://doi.org/10.1162/neco_a_01157
    """
    result = Outcome(state)
    result.moved = np.inf
    momentum, ceiling = 0.5, 1.0
    ahead = None
    with keep_on_interrupt(result):
        for _ in range(budget.max_iter):
            new, objective, moved = step(blocks, ahead or state, model)
            if ahead is not None and not objective <= result.objective:
                ahead = None
                ceiling, momentum = momentum, momentum / 1.5
                continue
            if ahead is None and objective > result.objective:
                result.converged = True  # nothing left but rounding
                break
            if ahead is not None:
                ceiling = min(1.0, ceiling * 1.01)
                momentum = min(ceiling, momentum * 1.1)
            ahead = _extrapolated(state, new, momentum, model)
            state = result.state = new
            result.history.append(objective)
            result.moved = moved
            alive = state.C.sum(axis=0) > 1e-6 * state.C.sum() / state.n_components
            if not alive.all():
                state = result.state = state.take(np.flatnonzero(alive))
                ahead = None
            if budget.stops(objective, state.n_components):
                result.stopped = True
                break
            if moved <= budget.tol:
                result.converged = True
                break
    return result


def _extrapolated(old, new, momentum, model):
    S = _further(old.S, new.S, momentum)
    if not model.closed:
        S /= S.sum(axis=1, keepdims=True)
    alpha = new.alpha
    if model.concentration is not None:
        alpha = _further(old.alpha, alpha, momentum)
        alpha *= model.concentration / alpha.sum()
    return PoissonState(_further(old.A, new.A, momentum), S, alpha)


def _further(old, new, momentum):
    """Go on in the logarithm, where nothing becomes zero, and not too far at once."""
    ratio = np.where(old > 0, new, 1.0) / np.where(old > 0, old, 1.0)
    return new * np.clip(ratio, 1 / _FARTHEST, _FARTHEST) ** momentum
