"""The published update rules of NMF-SO and NMF-ARD-SO, with their defects corrected.

The rules are those of Shiga et al. [1]_ as in the scripts of the authors: one component
after another by hierarchical alternating least squares, after which a part ``w`` of the
projection on the sum of all other maps is subtracted from the abundances of the
component. This projection does not lower any objective, so the residual may rise, and
the fixed point is not a minimum; use it to compare with published results.

What differs from the scripts:

1. Abundances start at the scale of the data, and the fit ends when the spectra move
   little relative to their norm: the result does not depend on the unit of X.
2. The components and their order belong to the best start, not to the last one.
3. A component without abundance does not count in the objective, and relevances enter
   it relative to the noise; so starts that end with different numbers of components can
   be compared.
4. Where all other maps are zero nothing is projected out (the scripts divide 0 by 0).
5. Two components of nearly the same spectrum (cosine 0.99) merge only if noise could
   explain their difference, and the spectrum of the sum is weighted by intensity.
   With the cosine alone, data with a common background end as one component.
6. Residuals come from Gram matrices instead of dense products.

References
----------
.. [1] M. Shiga et al., Ultramicroscopy 170 (2016) 43.
   https://doi.org/10.1016/j.ultramic.2016.08.006
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.decomposition.initialisation import initial_spectra
from sparsedecomp.decomposition.iterate import (
    IterativeMethod,
    Outcome,
    Phases,
    SpectraState,
    best_of,
    iterate,
)
from sparsedecomp.decomposition.nmf.factorisation import (
    AbundanceModel,
    NMFFactorisation,
    NMFOptions,
)
from sparsedecomp.decomposition.nmf.fit import matrices
from sparsedecomp.decomposition.nmf.model import CompressedMatrix
from sparsedecomp.noise import (
    Whitened,
    count_components,
    find_noise,
    noise_edge,
    whiten,
)

# Cosine above which two spectra are compared with the noise, and the number of
# iterations before the first comparison; both from the authors' scripts.
ALIKE = 0.99
MERGE_AFTER = 3
# Iterations on the data themselves, which remove the error of the compression. Each
# is two passes over the data.
EXACT_ITERATIONS = 10


@dataclass
class PublishedState(SpectraState):
    """Abundances and spectra between two iterations.

    Attributes
    ----------
    C : (n_pixels, k) array
        Abundances.
    S : (k, n_channels) float64 array
        Spectra.
    noise_variance : float
        Mean square of the residual.
    relevance : (k,) array or None
        Relevances, None without automatic relevance determination.
    iteration : int
        Number of iterations before.
    """

    C: NDArray
    S: NDArray
    noise_variance: float
    relevance: NDArray | None = None
    iteration: int = 0


@dataclass(frozen=True)
class PublishedNMFSO(IterativeMethod[PublishedState]):
    """The update rule of NMF-SO: maps of unit norm, the scale in the spectra.

    Attributes
    ----------
    matrix : CompressedMatrix
        The data.
    orthogonality : float
        Part of the projection on the other maps that is removed, 0 to 1.
    tol : float
        The iteration ends when the spectra move by less than this part of their norm.
    """

    matrix: CompressedMatrix
    orthogonality: float
    tol: float

    monotone = False
    determines_relevance = False

    def start(self, S: NDArray, generator: np.random.Generator) -> PublishedState:
        """Start of the authors: equal maps, and the given spectra of unit norm."""
        n = self.matrix.n_pixels
        C = np.full((n, len(S)), 1 / np.sqrt(n), self.matrix.blocks.dtype)
        return PublishedState(
            C, S * np.sqrt(self.matrix.sum_of_squares / len(S)), 0.0, None
        )

    def step(self, state: PublishedState) -> tuple[PublishedState, float]:
        """Update spectra, maps and relevances once, component by component."""
        matrix, C, S = self.matrix, state.C.copy(), state.S.copy()
        gram = gram_of(C)
        XC = matrix.expand(matrix.blocks.rmatmul(C).T).T
        for j in range(len(S)):
            s = np.maximum(_without(XC, gram, S.T, j), 0.0)
            S[j] = _unit(s, 1 / np.sqrt(len(s))) if self.determines_relevance else s
        gram = S @ S.T
        XS = matrix.blocks.matmul(matrix.project(S))
        total = C.sum(axis=1)
        for j in range(len(S)):
            total -= C[:, j]
            c = _without(XS, gram, C, j)
            if self.determines_relevance:
                c -= state.noise_variance / state.relevance[j]
            c = np.maximum(_cleared(c, total, self.orthogonality), 0.0)
            C[:, j] = c if self.determines_relevance else _unit(c, 0.0)
            total += C[:, j]
        if self.determines_relevance and state.iteration >= MERGE_AFTER:
            _merge(matrix, C, S, XS, state.noise_variance)
        noise_variance = _residual(matrix, C, S, XS) / matrix.size
        new = PublishedState(C, S, noise_variance, None, state.iteration + 1)
        if not self.determines_relevance:
            return new, noise_variance
        n, totals = matrix.n_pixels, C.sum(axis=0, dtype=np.float64)
        alive = np.flatnonzero(totals > 0)
        if alive.size < len(totals):
            new.C, new.S = np.ascontiguousarray(C[:, alive]), S[alive]
        new.relevance = totals[alive] / (n + 2.0)
        ratio = new.relevance / np.sqrt(noise_variance)
        objective = 0.5 * matrix.size * np.log(noise_variance) + n * np.log(ratio).sum()
        return new, float(objective)

    def is_small(
        self,
        old: PublishedState,
        new: PublishedState,
        decrease: float,
        objective: float,
    ) -> bool:
        """Whether the spectra have moved by less than `tol` of their norm."""
        if old.S.shape != new.S.shape:
            return False
        moved = np.linalg.norm(new.S - old.S)
        return bool(moved <= self.tol * np.linalg.norm(old.S))


@dataclass(frozen=True)
class PublishedNMFARDSO(PublishedNMFSO):
    """The update rule of NMF-ARD-SO: spectra of unit norm, the scale in the maps."""

    determines_relevance = True

    def start(self, S: NDArray, generator: np.random.Generator) -> PublishedState:
        """Random maps at the scale of the data, and the given spectra."""
        matrix = self.matrix
        k, n = len(S), matrix.n_pixels
        size = np.sqrt(matrix.sum_of_squares / n)
        C = (generator.random((n, k)) + 1) * size / k
        C = C.astype(matrix.blocks.dtype)
        XS = matrix.blocks.matmul(matrix.project(S))
        noise_variance = _residual(matrix, C, S, XS) / matrix.size
        relevance = C.sum(axis=0, dtype=np.float64) / (n + 2.0)
        return PublishedState(C, S, noise_variance, relevance)


def fit_published(blocks: BlockMatrix, options: NMFOptions) -> NMFFactorisation:
    """Fit by the published rules.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    options : NMFOptions
        Parameters of the fit. The orthogonality is the removed part of the projection,
        0 to 1; noise "auto" means "uniform" here, and clipping is ignored.

    Returns
    -------
    NMFFactorisation
    """
    kind = "uniform" if options.noise == "auto" else options.noise
    noise = find_noise(blocks, kind, clipping=False)
    n_components = options.n_components or count_components(blocks, noise)
    rank = options.rank(n_components)
    data = whiten(blocks, rank, noise=noise, random_state=options.generator)
    exact, matrix = matrices(data, options.compression)
    rule = PublishedNMFARDSO if options.relevance else PublishedNMFSO
    method = rule(matrix, options.orthogonality, options.tol)

    def outcomes(_: object) -> Iterator[Outcome[PublishedState]]:
        init = "random" if options.init == "auto" else options.init
        for number in range(options.n_init):
            options.monitor.start = number
            S = initial_spectra(data.low_rank, n_components, init, options.generator)
            start = method.start(S, options.generator)
            yield iterate(method, start, options.max_iter, options.monitor)

    phases: Phases[PublishedState] = Phases(options.monitor)
    best = phases.run("starts", lambda before: best_of(outcomes(before)))
    if matrix is not exact and not best.stopped:
        # Iterations on the data themselves remove the error of the compression.
        polish = iterate(
            replace(method, matrix=exact, tol=0.0), best.state, EXACT_ITERATIONS
        )
        best.state = polish.state
        if polish.interrupted:
            best.interrupt()
    return _factorisation(data, best)


def _unit(vector: NDArray, empty: float) -> NDArray | float:
    """A vector divided by its norm; a value for all its entries if that is zero."""
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0 else empty


def _cleared(c: NDArray, others: NDArray, orthogonality: float) -> NDArray:
    """The abundances without a part of their projection on the other maps."""
    size = others @ others
    return c - orthogonality * (others @ c) / size * others if size > 0 else c


def _without(F: NDArray, gram: NDArray, factors: NDArray, j: int) -> NDArray:
    """``F_j - sum over k != j of gram_jk factors_k``, factors in columns."""
    return F[:, j] - factors @ gram[j] + gram[j, j] * factors[:, j]


def _residual(matrix: CompressedMatrix, C: NDArray, S: NDArray, XS: NDArray) -> float:
    cross = 2 * np.sum(C * XS, dtype=np.float64)
    return matrix.sum_of_squares - cross + np.sum(gram_of(C) * (S @ S.T))


def _merge(
    matrix: CompressedMatrix, C: NDArray, S: NDArray, XS: NDArray, noise_variance: float
) -> None:
    """Merge components of one spectrum, in place, if noise explains the difference."""
    edge = noise_edge(noise_variance, matrix.n_pixels, matrix.n_channels)
    gram = gram_of(C)
    cosine = S @ S.T
    for i in range(len(S)):
        for j in range(i + 1, len(S)):
            if cosine[i, j] < ALIKE or not (gram[i, i] and gram[j, j]):
                continue
            pair = gram[np.ix_([i, j], [i, j])] @ cosine[np.ix_([i, j], [i, j])]
            if np.linalg.eigvals(pair).real.min() > edge:
                continue
            weight = C[:, [i, j]].sum(axis=0, dtype=np.float64)
            s = weight @ S[[i, j]]
            S[i] = s / np.linalg.norm(s)
            C[:, i] += C[:, j]
            C[:, j] = 0.0
            XS[:, [i]] = matrix.blocks.matmul(matrix.project(S[[i]]))
            gram, cosine = gram_of(C), S @ S.T


def _factorisation(data: Whitened, best: Outcome[PublishedState]) -> NMFFactorisation:
    state = best.state
    S = state.S * data.noise.column_scale
    norm = np.linalg.norm(S, axis=1)
    alive = np.flatnonzero(norm > 0)
    S, norm = S[alive], norm[alive]
    C = state.C[:, alive] * (data.noise.row_scale[:, None] * norm).astype(state.C.dtype)
    S = S / norm[:, None]
    gram = gram_of(C)
    order = np.argsort(-np.diag(gram), kind="stable")
    C, S, gram = np.ascontiguousarray(C[:, order]), S[order], gram[np.ix_(order, order)]
    inner = state.S[alive][order]
    scaled = inner / np.linalg.norm(inner, axis=1, keepdims=True)
    residual = state.noise_variance * data.blocks.shape[0] * data.blocks.shape[1]
    relevance = state.relevance
    if relevance is not None:
        relevance = (relevance / np.sqrt(state.noise_variance))[alive][order]
    return NMFFactorisation(
        C=C,
        S=S,
        noise_variance=state.noise_variance * data.noise.mean_scale,
        relevance=relevance,
        objective=best.objective,
        residual=max(residual, 0.0),
        sum_of_squares=data.low_rank.summary.sum_of_squares,
        outcome=best,
        noise_model=data.noise,
        abundance_model=AbundanceModel(
            scaled, scaled @ scaled.T, np.zeros(len(scaled)), None
        ),
    )
