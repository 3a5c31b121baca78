"""Maximum likelihood of counts: only the entries that are not zero are visited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.iterate import IterativeMethod, Momentum
from sparsedecomp.decomposition.poisson.counts import in_memory
from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.gaps import FilledBlocks, MissingEntries
from sparsedecomp.decomposition.tensor.modes import contract, khatri_rao_rows
from sparsedecomp.kernels.tensor import shared_counts

# Part of a start that is spread evenly, since expectation maximisation cannot raise a
# zero. A larger part makes the start less informative.
EVEN_PART = 1e-2
# Several starts are tried below this mean number of counts per position, where the
# spectra of least squares are noisy; as many of them have randomly mixed spectra.
FEW_COUNTS = 10
MIXED_STARTS = 3
# The likelihood is maximised until an iteration gains less than this many nats per
# count. Smaller values take more iterations for ever smaller changes.
NATS_PER_COUNT = 1e-6
# Entries whose expected counts are computed at once.
CHUNK = 2**18
# The smallest divisor: far below any count, above the underflow of float64.
TINY = 1e-300

Factors = list[NDArray]


class CountEntries(NamedTuple):
    """The entries of a matrix that are not zero, row by row, in units of one count.

    Attributes
    ----------
    indptr : (n_rows + 1,) int64 array
        Where the entries of each row begin.
    channels : (nnz,) int32 array
        Channel of each entry.
    values : (nnz,) float32 array
        Number of counts in each entry.
    quantum : float
        Size of one count in the units of the data.
    """

    indptr: NDArray
    channels: NDArray
    values: NDArray
    quantum: float = 1.0

    @property
    def total(self) -> float:
        """Sum of all counts."""
        return float(self.values.sum(dtype=float))

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def inner(self, L: NDArray, C: NDArray) -> float:
        """Inner product of the counts with ``L C'``.

        Parameters
        ----------
        L : (n_rows, k) array
            Abundances of the rows.
        C : (n_channels, k) array
            Spectra.

        Returns
        -------
        float
        """
        rows = np.repeat(np.arange(len(L)), np.diff(self.indptr))
        total = 0.0
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            expected = np.einsum("ij,ij->i", L[rows[part]], C[self.channels[part]])
            total += expected @ self.values[part]
        return float(total)


def gather_counts(
    blocks: BlockMatrix | FilledBlocks, quantum: float = 1.0
) -> CountEntries:
    """Read the entries that are not zero, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        Data without scaling.
    quantum : float, default 1.0
        Size of one count.

    Returns
    -------
    CountEntries
    """
    X = in_memory(cast("BlockMatrix", blocks), np.inf)
    return CountEntries(
        indptr=X.indptr.astype(np.int64),
        channels=X.indices.astype(np.int32, copy=False),
        values=X.data.astype(np.float32, copy=False) / np.float32(quantum),
        quantum=quantum,
    )


@dataclass(frozen=True)
class CountTensor:
    """Counts folded into a tensor.

    Attributes
    ----------
    counts : CountEntries
        The entries that are not zero.
    indices : list of (n_rows,) int arrays
        Position of every row in each mode but the channels.
    sizes : tuple of int
        Sizes of the same modes.
    observed : (*sizes,) bool array or None
        Positions with data; None where all are.
    missing : MissingEntries or None
        Single missing entries.
    """

    counts: CountEntries
    indices: list[NDArray]
    sizes: tuple[int, ...]
    observed: NDArray | None = None
    missing: MissingEntries | None = None

    @classmethod
    def read(cls, data: CompressedTensor) -> CountTensor:
        """Gather the counts of a compressed tensor, in one pass over its data."""
        counts = gather_counts(data.blocks.unscaled(), data.summary.quantum or 1.0)
        indices = data.folding.indices(data.blocks.rows)
        sizes = data.folding.shape
        return cls(counts, indices, sizes, data.observed, data.missing)

    def expectation(self, weights: NDArray, factors: Factors) -> tuple[float, Factors]:
        """Attribute the counts to the components and sum them along every mode.

        Positions and entries that are missing are filled with what the model expects.

        Parameters
        ----------
        weights : (k,) array
            Expected counts of every component, over all positions.
        factors : list of (n_m, k) arrays
            Factors with columns that sum to one, the channels last.

        Returns
        -------
        objective : float
            Negative log-likelihood of the parameters in nats, up to a constant.
        sums : list of (n_m, k) arrays
            Counts of every component along each mode.
        """
        L = weights * khatri_rao_rows(factors[:-1], self.indices)
        of_rows, of_channels = np.empty_like(L), np.empty_like(factors[-1])
        entries = self.counts.indptr, self.counts.channels, self.counts.values
        gain = shared_counts(*entries, L, factors[-1], of_rows, of_channels)
        sums = [
            _sums_at(at, of_rows, n)
            for at, n in zip(self.indices, self.sizes, strict=True)
        ]
        expected = weights.sum()
        if self.observed is not None:
            shape = (*self.sizes, len(weights))
            absent = np.broadcast_to((~self.observed[..., None]).astype(float), shape)
            for mode, total in enumerate(sums):
                total += contract(absent, factors[:-1], mode) * factors[mode] * weights
            hidden = contract(absent, factors[:-1]) * weights
            of_channels += hidden * factors[-1]
            expected -= hidden.sum()
        sums.append(of_channels)
        if self.missing is not None:
            hidden = weights * self.missing.products(factors)
            expected -= hidden.sum()
            for at, total in zip(self.missing.indices, sums, strict=True):
                total += _sums_at(at, hidden, len(total))
        return expected - gain, sums


class KruskalState(NamedTuple):
    """Canonical polyadic models of one or several tensors that share factors.

    Attributes
    ----------
    weights : (n_tensors, k) array
        Expected counts of every component in each tensor, over all positions.
    factors : list of (n_m, k) arrays
        Factors of all modes, with columns that sum to one.
    """

    weights: NDArray
    factors: Factors


@dataclass(frozen=True)
class GrowingStretch(Momentum):
    """Steps of the logarithm that are stretched by a growing factor [1]_.

    The momentum is the factor itself: 1 for a plain step. It grows by `growth` with
    every accepted step and is 1 again after a step that was taken back.

    Parameters
    ----------
    initial, growth : float
        Factor of the first step and its growth, as published.

    References
    ----------
    .. [1] R. Salakhutdinov and S. Roweis, Proc. ICML (2003) 664.
    """

    initial: float = 1.0
    growth: float = 1.1

    def after_success(self, value: float, ceiling: float) -> tuple[float, float]:
        """Factor after a stretched step that was accepted."""
        return value * self.growth, ceiling

    def after_failure(self, value: float, ceiling: float) -> tuple[float, float]:
        """Factor after a stretched step that was taken back."""
        return self.initial, ceiling


@dataclass
class PoissonCPD(IterativeMethod[KruskalState]):
    """Expectation maximisation of canonical polyadic models of counts.

    The expectation attributes every count to the components, in proportion to what
    each expects there; all factors follow from the sums at once, so that one visit to
    the counts updates every mode and the likelihood never falls [1]_ [2]_. Factors that
    several tensors share follow from the sum of the counts of all of them.

    Attributes
    ----------
    tensors : sequence of CountTensor
        The counts.
    modes : sequence of sequences of int
        Number of the factor of each mode of each tensor, the channels last.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, J. R. Stat. Soc. B 39 (1977) 1.
    .. [2] E. C. Chi and T. G. Kolda, SIAM J. Matrix Anal. Appl. 33 (2012) 1272.
       https://doi.org/10.1137/110859063
    """

    tensors: Sequence[CountTensor]
    modes: Sequence[Sequence[int]]

    momentum = GrowingStretch()
    patience = 2
    scores_start = True

    def __post_init__(self) -> None:
        n_counts = sum(tensor.counts.total for tensor in self.tensors)
        self._least_gain = NATS_PER_COUNT * n_counts

    def step(self, state: KruskalState) -> tuple[KruskalState, float]:
        """One visit to the counts of all tensors; the objective before it in nats."""
        objective, weights = 0.0, []
        totals: list = [0.0] * len(state.factors)
        for tensor, modes, weight in zip(
            self.tensors, self.modes, state.weights, strict=True
        ):
            nats, sums = tensor.expectation(weight, [state.factors[m] for m in modes])
            objective += nats
            weights.append(sums[-1].sum(axis=0))
            for mode, total in zip(modes, sums, strict=True):
                totals[mode] = totals[mode] + total
        factors = [t / np.maximum(t.sum(axis=0), TINY) for t in totals]
        return KruskalState(np.array(weights), factors), objective

    def extrapolate(
        self, old: KruskalState, new: KruskalState, momentum: float
    ) -> KruskalState:
        """Go on beyond ``new`` on the logarithmic line from ``old``."""
        if momentum == 1.0:
            return new
        factors = []
        for before, after in zip(old.factors, new.factors, strict=True):
            after = np.maximum(after, TINY)
            ahead = after * (after / np.maximum(before, TINY)) ** (momentum - 1)
            factors.append(ahead / ahead.sum(axis=0))
        return KruskalState(new.weights, factors)

    def is_small(
        self,
        old: KruskalState,
        new: KruskalState,
        decrease: float,
        objective: float,
    ) -> bool:
        """Whether a step gains less than `NATS_PER_COUNT` for every count."""
        return decrease <= self._least_gain

    def n_components(self, state: KruskalState) -> int:
        """Number of components of a state."""
        return state.weights.shape[1]

    def maps(self, state: KruskalState) -> NDArray:
        """Abundances in the first tensor."""
        tensor = self.tensors[0]
        factors = [state.factors[mode] for mode in self.modes[0][:-1]]
        amounts = state.weights[0] * tensor.counts.quantum
        return amounts * khatri_rao_rows(factors, tensor.indices)

    def spectra(self, state: KruskalState) -> NDArray:
        """Spectra of the first tensor."""
        return state.factors[self.modes[0][-1]].T


def starts_for_counts(
    counts: CountEntries, factors: Factors, generator: np.random.Generator
) -> Iterable[KruskalState]:
    """States to start from, given the factors of weighted least squares.

    With few counts per position these are noisy, and what they set to zero comes back
    slowly. Then their spectra alone are a better start, with all other factors even,
    and so are randomly mixed spectra.

    Parameters
    ----------
    counts : CountEntries
        The counts.
    factors : list of (n_m, k) arrays
        Factors in the units of the data.
    generator : numpy.random.Generator
        Source of the random mixtures.

    Returns
    -------
    list of KruskalState
    """
    k = factors[0].shape[1]
    starts = [start_state(np.ones((1, k)), factors)]
    if counts.total >= FEW_COUNTS * counts.n_rows:
        return starts
    even = [np.full_like(f, 1 / len(f)) for f in factors[:-1]]
    spectra = factors[-1] / np.maximum(factors[-1].sum(axis=0), TINY)
    mixed = [spectra]
    for _ in range(MIXED_STARTS):
        mixed.append(spectra @ generator.dirichlet(np.ones(k), k).T)
    share = np.full((1, k), counts.total / k)
    return starts + [start_state(share, [*even, S]) for S in mixed]


def start_state(weights: NDArray, factors: Sequence[NDArray]) -> KruskalState:
    """State with columns that sum to one and are nowhere zero.

    Parameters
    ----------
    weights : (n_tensors, k) array
        Weights of the components; multiplied by the sums of all factors.
    factors : sequence of (n_m, k) arrays
        Factors of arbitrary scale.

    Returns
    -------
    KruskalState
    """
    weights, parts = np.array(weights, float), []
    for factor in factors:
        total = factor.sum(axis=0)
        weights = weights * total
        part = factor / np.where(total > 0, total, 1.0) + EVEN_PART / len(factor)
        parts.append(part / part.sum(axis=0))
    return KruskalState(weights, parts)


def _sums_at(at: NDArray, rows: NDArray, n: int) -> NDArray:
    """Sum the rows that belong to each of ``n`` positions."""
    return np.stack([np.bincount(at, column, n) for column in rows.T], axis=1)
