"""Maps as smooth as predicts best, for known spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import IterativeMethod, Momentum, iterate
from sparsedecomp.decomposition.poisson.counts import grid_neighbours
from sparsedecomp.decomposition.tensor.cpd_least_squares import solve_nonnegative

# Strengths that are tried one after the other, relative to the weight of the data. They
# cover all from no visible effect to nearly constant maps in half decades.
STRENGTHS = 10.0 ** np.arange(-3.0, 2.51, 0.5)
# The iteration ends when the maps change by less than SETTLED relative to themselves.
# Smaller values and more iterations give more exact maps of very strong smoothing.
MAX_ITER = 500
SETTLED = 5e-6


def smooth_rows(
    F: NDArray,
    G: NDArray,
    start: NDArray,
    shape: tuple[int, ...],
    generator: np.random.Generator,
) -> tuple[NDArray, float]:
    """Minimise a quadratic cost of maps plus that of their curvature.

    ``sum_i (1/2 a_i G_i a_i' - f_i a_i') + s/2 ||D A||^2`` over ``A >= 0``, where ``D``
    is the difference between a pixel and its neighbours on the grid, and ``f_i`` has
    noise of the covariance ``G_i``, as normal equations of data of unit variance have.
    The strength ``s`` is found from the data alone: with additional noise ``z`` of that
    covariance, ``f + z`` and ``f - z`` are independent [1]_, as two measurements of
    half the dose; the best strength is the one at which the maps of one predict the
    other.

    Parameters
    ----------
    F : (n, k) float64 array
        Right-hand sides of the normal equations.
    G : (n, k, k) float64 array
        Gram matrices; zero where nothing was measured.
    start : (n, k) float64 array
        Maps without smoothing.
    shape : tuple of int
        Shape of the grid.
    generator : numpy.random.Generator
        Source of the additional noise.

    Returns
    -------
    maps : (n, k) float64 array
        `start` itself where smoothing does not help to predict.
    strength : float
        Strength relative to the mean diagonal of ``G``; 0 for none.

    References
    ----------
    .. [1] A. Neufeld, A. Dharamshi, L. L. Gao and D. Witten, J. Mach. Learn. Res. 25
       (2024) 57.
    """
    n, k = F.shape
    neighbours = grid_neighbours(np.arange(n), shape)
    D = scipy.sparse.diags_array(neighbours.sum(axis=1)) - neighbours
    curvature = (D @ D).tocsr()
    unit = np.einsum("ikk->", G) / n / k
    values, vectors = np.linalg.eigh(G)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None]
    noise = np.einsum("ikl,il->ik", roots, generator.standard_normal((n, k)))
    halves = [(F + noise, F - noise), (F - noise, F + noise)]

    best, strength = np.inf, 0.0
    maps = [start, start]
    for s in (0.0, *STRENGTHS):
        score = 0.0
        for side, (visible, hidden) in enumerate(halves):
            half = SmoothedRows(visible / 2, G / 2, curvature, s * unit)
            maps[side] = half.minimise(maps[side])
            score += 0.5 * np.einsum("ik,ikl,il->", maps[side], G, maps[side])
            score -= np.vdot(hidden, maps[side])
        if score > best:
            break
        best, strength = score, s
    if strength == 0.0:
        return start, strength
    return SmoothedRows(F, G, curvature, strength * unit).minimise(start), strength


@dataclass
class SmoothedRows(IterativeMethod[NDArray]):
    """Accelerated majorisation [1]_ of the cost of `smooth_rows`.

    The curvature is majorised by a diagonal, so that every pixel has a least-squares
    problem of its own in which its neighbours enter with their last values. A state is
    the (n, k) array of the maps.

    Attributes
    ----------
    F : (n, k) float64 array
        Right-hand sides.
    G : (n, k, k) float64 array
        Gram matrices.
    curvature : CSR array of shape (n, n)
        ``D' D`` of the differences between neighbours.
    strength : float
        Weight of the curvature.

    References
    ----------
    .. [1] D. R. Hunter and K. Lange, Am. Stat. 58 (2004) 30.
       https://doi.org/10.1198/0003130042836
    """

    F: NDArray
    G: NDArray
    curvature: scipy.sparse.csr_array
    strength: float

    momentum = Momentum()

    def __post_init__(self) -> None:
        self._bound = self.strength * abs(self.curvature).sum(axis=1)[:, None]
        self._gram = self.G + self._bound[:, None] * np.eye(self.F.shape[1])

    def step(self, state: NDArray) -> tuple[NDArray, float]:
        """Minimise the majorisation; the cost of its minimum."""
        maps = state.copy()
        pull = self.strength * (self.curvature @ state)
        solve_nonnegative(maps, self.F - pull + self._bound * state, self._gram)
        return maps, self.cost(maps)

    def cost(self, maps: NDArray) -> float:
        """Value of the cost that is minimised."""
        slope = np.einsum("ikl,il->ik", self.G, maps) / 2 - self.F
        slope += self.strength / 2 * (self.curvature @ maps)
        return float(np.vdot(slope, maps))

    def extrapolate(self, old: NDArray, new: NDArray, momentum: float) -> NDArray:
        """``new + momentum (new - old)``, clipped to what is not negative."""
        return np.maximum(new + momentum * (new - old), 0.0)

    def is_small(
        self, old: NDArray, new: NDArray, decrease: float, objective: float
    ) -> bool:
        """Whether the maps hardly changed."""
        return np.abs(new - old).sum() <= SETTLED * np.abs(old).sum()

    def n_components(self, state: NDArray) -> int:
        """Number of components."""
        return state.shape[1]

    def minimise(self, start: NDArray) -> NDArray:
        """Iterate to convergence from a start."""
        outcome = iterate(self, start, MAX_ITER)
        outcome.pass_on_interrupt()
        return outcome.state
