"""Objective and step of Poisson factorisation: one pass over the counts a step.

The counts ``x_ie`` of pixel ``i`` are Poisson distributed with the mean ``c_i S``.
Either their likelihood is maximised, less penalties on the abundances ``C``, or the
evidence of ``S``: the shares of the components in a pixel are Dirichlet distributed
with parameters ``alpha`` and are integrated over variationally [1]_. A step attributes
every count to the components, pixel by pixel, and makes the spectra of the counts of
each of them (expectation maximisation); neither part ever lowers what is maximised. The
state holds ``A``, the abundances or the Dirichlet parameters of the pixels.

References
----------
.. [1] D. M. Blei, A. Y. Ng and M. I. Jordan, J. Mach. Learn. Res. 3 (2003) 993, eqs.
   6-9, with ``alpha`` of a fixed sum.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import polygamma, psi

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.iterate import IterativeMethod, Momentum, SpectraState
from sparsedecomp.decomposition.poisson.counts import Counts, csr_of_array
from sparsedecomp.kernels.counts import likelihood_rows, posterior_rows

# Sweeps over the abundances of a pixel in a step. More of them make a step dearer and
# save fewer steps than they cost once the spectra hardly change.
SWEEPS = 3
# For given spectra a pixel has at most LAST_SWEEPS sweeps, and fewer when its
# abundances change by less than SETTLED relative to themselves. A larger SETTLED ends
# sooner and leaves slowly converging pixels less exact.
LAST_SWEEPS = 300
SETTLED = 1e-6
# Lower bound on a Dirichlet parameter, at which a component hardly occurs; digamma
# diverges at zero.
_LEAST_ALPHA = 1e-4
# Largest ratio of two consecutive values of an entry that is extrapolated, a safeguard.
# Smaller values limit the extrapolation of entries that fall towards zero.
_LARGEST_FACTOR = 10.0
# The momentum grows faster than the default: moves of the logarithm are extrapolated,
# which cannot make entries negative. A choice that was not tuned.
POISSON_MOMENTUM = Momentum(growth=1.1)


@dataclass(frozen=True)
class PoissonModel:
    """Priors and penalties of the objective.

    Attributes
    ----------
    concentration : float or None
        Sum of the parameters of the Dirichlet prior; None for the likelihood.
    overlap : float
        Weight of the products of the abundances of a pixel.
    smoothness : float
        Weight of squared differences between neighbours.
    neighbours : CSR array of shape (n_pixels, n_pixels) or None
        Ones between neighbouring pixels.
    closed : bool
        Whether abundances add up to one.
    """

    concentration: float | None = None
    overlap: float = 0.0
    smoothness: float = 0.0
    neighbours: scipy.sparse.csr_array | None = None
    closed: bool = False

    def alone(self) -> PoissonModel:
        """The model of single pixels, without their neighbours."""
        return replace(self, smoothness=0.0, neighbours=None)


@dataclass
class PoissonState(SpectraState):
    """Abundances and spectra with the parameters of the prior.

    Attributes
    ----------
    A : (n_pixels, k) float64 array
        Abundances, or Dirichlet parameters of the pixels.
    S : (k, n_channels) float64 array
        Spectra; their sums are one unless the model is closed.
    alpha : (k,) array
        Parameters of the Dirichlet prior; zeros for the likelihood.
    moved : float
        Part of the counts that the last step moved to another channel of the spectra.
        It measures how far the Karush-Kuhn-Tucker conditions are from being met: it is
        the sum of every ``S_ke`` times the slope there.
    """

    A: NDArray
    S: NDArray
    alpha: NDArray
    moved: float = np.inf

    @property
    def C(self) -> NDArray:
        """Abundances; under the prior the expected counts of every component."""
        return np.maximum(self.A - self.alpha, 0.0)

    def take(self, kept: NDArray) -> PoissonState:
        """State of some of the components."""
        return replace(
            self,
            A=np.ascontiguousarray(self.A[:, kept]),
            S=self.S[kept],
            alpha=self.alpha[kept],
        )


def start_state(C: NDArray, S: NDArray, model: PoissonModel) -> PoissonState:
    """Build a consistent state from abundances and spectra of arbitrary scale.

    Zeros are raised a little, since no step could change them.
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


def abundance_step(
    X: Any,
    A: NDArray,
    stiffness: NDArray,
    pull: NDArray,
    S: NDArray,
    alpha: NDArray,
    rate: NDArray | None,
    overlap: float,
    closed: bool,
    sweeps: int,
) -> tuple[tuple[NDArray], tuple[NDArray, float]]:
    """Attribute the counts of some rows to components; for `BlockMatrix.run`.

    The counts ``X`` are an array or CSR matrix. Without ``rate`` the rows ``A`` are
    Dirichlet parameters, otherwise abundances. The arguments are those of the kernels
    `posterior_rows` and `likelihood_rows`.
    """
    X = X if scipy.sparse.issparse(X) else csr_of_array(X)
    A = A.copy()
    # In one memory layout: numba compiles the kernels again for every other one.
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


@dataclass(frozen=True)
class PoissonNMFMethod(IterativeMethod[PoissonState]):
    """Expectation maximisation, extrapolated in the logarithm.

    Extrapolating the abundances too takes a fraction of the iterations that it takes
    with the spectra alone.

    Attributes
    ----------
    blocks : BlockMatrix or Counts
        The counts.
    model : PoissonModel
        Priors and penalties.
    tol : float
        The iteration ends when a step moves less than this part of the counts; see
        ``moved`` of `PoissonState`. This is not the decrease of the objective, which is
        small compared with its constant part.
    group : (n_channels,) int array or None
        Group of each channel when the columns of the blocks are groups of channels.
    momentum : Momentum
        Extrapolation.
    """

    blocks: BlockMatrix | Counts
    model: PoissonModel
    tol: float
    group: NDArray | None = None
    momentum: Momentum | None = POISSON_MOMENTUM

    def step(self, state: PoissonState) -> tuple[PoissonState, float]:
        """Attribute the counts and update the spectra; one pass over the counts.

        Returns
        -------
        state : PoissonState
            The new state, without components that have hardly any counts left.
        objective : float
            Negative logarithm of what is maximised, in nats and up to a constant, after
            the update of the abundances and before that of the spectra.
        """
        model, A, S, alpha = self.model, state.A, state.S, state.alpha
        n, k = A.shape
        stiffness, pull = np.zeros(n), np.zeros((n, k))
        rate = S.sum(axis=1) if model.concentration is None else None
        if model.smoothness:
            # With the former mean m of two neighbours a and b, the penalty (a - b)^2 is
            # at most 2 (a - m)^2 + 2 (b - m)^2, in which the pixels are independent.
            degree = model.neighbours.sum(axis=1)
            stiffness = 2 * model.smoothness * degree
            pull = model.smoothness * (degree[:, None] * A + model.neighbours @ A)
        (A,), (N, bound) = self.blocks.run(
            abundance_step,
            rows=(A, stiffness, pull),
            shared=(S, alpha, rate, model.overlap, model.closed, SWEEPS),
        )
        objective = -float(bound)
        if model.smoothness:
            objective -= (0.5 * stiffness[:, None] * A - pull).ravel() @ A.ravel()
            objective += model.smoothness * _roughness(A, model.neighbours)
        counts = N.sum(axis=1, keepdims=True)
        scale = A.sum(axis=0)[:, None] if model.closed else counts
        moved = np.abs(N - S * scale).sum() / max(counts.sum(), 1e-300)
        S = np.where(counts > 0, N / np.where(counts > 0, scale, 1.0), S)
        if model.concentration is not None:
            alpha = mean_of_shares(A, alpha)
        new = PoissonState(A, S, alpha, float(moved))
        C = new.C
        alive = C.sum(axis=0) > 1e-6 * C.sum() / k
        return new if alive.all() else new.take(np.flatnonzero(alive)), objective

    def extrapolate(
        self, old: PoissonState, new: PoissonState, momentum: float
    ) -> PoissonState | None:
        """Extrapolate everything along its last move in the logarithm."""
        if old.n_components != new.n_components:
            return None
        S = _beyond(old.S, new.S, momentum)
        if not self.model.closed:
            S /= S.sum(axis=1, keepdims=True)
        alpha = new.alpha
        if self.model.concentration is not None:
            alpha = _beyond(old.alpha, alpha, momentum)
            alpha *= self.model.concentration / alpha.sum()
        return PoissonState(_beyond(old.A, new.A, momentum), S, alpha)

    def is_small(
        self, old: PoissonState, new: PoissonState, decrease: float, objective: float
    ) -> bool:
        """Whether the step moved at most `tol` of the counts."""
        return new.moved <= self.tol

    def maps(self, state: PoissonState) -> NDArray:
        """Abundances of the pixels."""
        return state.C

    def spectra(self, state: PoissonState) -> NDArray:
        """Spectra; those of groups are shared out evenly among their channels."""
        if self.group is None:
            return state.S
        return (state.S / np.bincount(self.group))[:, self.group]


def _roughness(A: NDArray, neighbours: scipy.sparse.csr_array) -> float:
    """Half the sum of squared differences between neighbours, every pair once."""
    degree = neighbours.sum(axis=1)
    return 0.5 * float((degree[:, None] * A - neighbours @ A).ravel() @ A.ravel())


def mean_of_shares(A: NDArray, alpha: NDArray, rounds: int = 3) -> NDArray:
    """Dirichlet parameters of largest evidence, their sum kept fixed [1]_.

    Parameters
    ----------
    A : (n, k) array
        Dirichlet parameters of the pixels.
    alpha : (k,) array
        Parameters to start from.
    rounds : int, default 3
        Number of fixed-point iterations.

    Returns
    -------
    (k,) array
        Parameters with the same sum.

    References
    ----------
    .. [1] T. P. Minka, Estimating a Dirichlet distribution (2000), section 1.1.
    """
    concentration = alpha.sum()
    log_share = (psi(A) - psi(A.sum(axis=1))[:, None]).mean(axis=0)
    for _ in range(rounds):
        mean = alpha / concentration
        y = log_share - mean @ (log_share - psi(alpha))
        # The inverse of digamma by Newton's method, with Minka's initial values.
        small = -1 / (np.minimum(y, -2.22) - psi(1))
        solution = np.where(y >= -2.22, np.exp(np.clip(y, -2.22, 50)) + 0.5, small)
        for _ in range(5):
            solution = solution - (psi(solution) - y) / polygamma(1, solution)
        alpha = np.maximum(concentration * solution / solution.sum(), _LEAST_ALPHA)
    return alpha


def _beyond(old: NDArray, new: NDArray, momentum: float) -> NDArray:
    """Extrapolate the logarithm, within limits, so that no entry becomes zero."""
    ratio = np.where(old > 0, new, 1.0) / np.where(old > 0, old, 1.0)
    return new * np.clip(ratio, 1 / _LARGEST_FACTOR, _LARGEST_FACTOR) ** momentum
