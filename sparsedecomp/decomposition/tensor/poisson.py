"""Maximum likelihood of counts: only the entries that are not zero are visited."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from sparsedecomp.decomposition.tensor.modes import contract, khatri_rao_rows
from sparsedecomp.kernels.tensor import shared_counts

# Part of a start that is spread evenly: from zero nothing returns.
_FLOOR = 1e-2
# Counts per position below which several starts are tried, and how many of them mixed.
_FEW = 10
_MIXED = 3


class Counts(NamedTuple):
    """The entries of a matrix that are not zero, row by row, in units of one count.

    Attributes
    ----------
    indptr : (n_rows + 1,) int64 array
    channels : (nnz,) int32 array
    values : (nnz,) float32 array
    n_channels : int
    """

    indptr: np.ndarray
    channels: np.ndarray
    values: np.ndarray
    n_channels: int

    def inner(self, L, C, scale):
        """Sum of ``counts (L (C / scale)')`` over the entries.

        Parameters
        ----------
        L : (n_rows, k) array
        C : (n_channels, k) array
        scale : (n_channels,) array
        """
        C = C / scale[:, None]
        rows = np.repeat(np.arange(len(L)), np.diff(self.indptr))
        total = 0.0
        for start in range(0, len(rows), 2**18):
            part = slice(start, start + 2**18)
            expected = np.einsum("ij,ij->i", L[rows[part]], C[self.channels[part]])
            total += expected @ self.values[part]
        return float(total)

    @property
    def total(self):
        """Sum of all counts."""
        return float(self.values.sum(dtype=float))


def gather_counts(blocks, quantum=1.0):
    """Read the entries that are not zero, in one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        Not scaled.
    quantum : float, default 1.0
        The size of one count.

    Returns
    -------
    Counts
    """
    n = blocks.shape[0]
    (pieces,), _ = blocks.run(_nonzeros, rows=(np.arange(n),))
    pieces = [piece for piece in pieces if piece is not None]
    # Blocks of a dask array hold rows that are not neighbours in the matrix.
    rows = np.concatenate([piece[0] for piece in pieces])
    lengths = np.concatenate([piece[1] for piece in pieces])
    channels = np.concatenate([piece[2] for piece in pieces])
    values = np.concatenate([piece[3] for piece in pieces])
    indptr = np.zeros(n + 1, np.int64)
    indptr[1 + rows] = lengths
    np.cumsum(indptr, out=indptr)
    if np.any(np.diff(rows) < 0):
        start = np.repeat(indptr[rows] - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
        target = start + np.arange(len(values))
        ordered = np.empty_like(channels), np.empty_like(values)
        ordered[0][target], ordered[1][target] = channels, values
        channels, values = ordered
    return Counts(indptr, channels, values / np.float32(quantum), blocks.shape[1])


def _nonzeros(X, rows):
    """The non-zero entries of a tile, handed over together with its first row."""
    X = scipy.sparse.csr_array(X)
    X.eliminate_zeros()
    part = np.full(len(rows), None, dtype=object)
    lengths = np.diff(X.indptr)
    part[0] = rows, lengths, X.indices.astype(np.int32), X.data.astype(np.float32)
    return (part,), ()


class Likelihood:
    """Expectation maximisation of a canonical polyadic model of counts.

    The expectation shares every count out among the components, in proportion to what
    each expects there; all factors follow from the sums at once, so that one visit to
    the counts updates every mode and the likelihood never falls [1]_ [2]_. Positions
    that are missing are filled with what the model expects.

    Parameters
    ----------
    counts : Counts
    indices : list of (n_rows,) int arrays
        Position of every row in each mode but the channels.
    sizes : tuple of int
        Of the same modes.
    observed : (*sizes,) bool array, optional
    holes : MissingEntries, optional
        Single entries that are missing, filled alike.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, J. R. Stat. Soc. B 39 (1977) 1.
    .. [2] E. C. Chi and T. G. Kolda, SIAM J. Matrix Anal. Appl. 33 (2012) 1272.
       https://doi.org/10.1137/110859063
    """

    def __init__(self, counts, indices, sizes, observed=None, holes=None):
        self.counts = counts
        self.indices = indices
        self.sizes = sizes
        self.missing = (
            None if observed is None else (~observed)[..., None].astype(float)
        )
        self.holes = holes

    def step(self, weights, factors):
        """One iteration.

        Parameters
        ----------
        weights : (k,) array
            Expected counts of every component, over all positions.
        factors : list of (n_m, k) arrays
            With columns that sum to one, the channels last.

        Returns
        -------
        objective : float
            Negative log likelihood of the parameters given, up to a constant.
        weights, factors
            The new parameters, normalised alike.
        """
        L = weights * khatri_rao_rows(factors[:-1], self.indices)
        of_rows, of_channels = np.empty_like(L), np.empty_like(factors[-1])
        gain = shared_counts(
            self.counts.indptr,
            self.counts.channels,
            self.counts.values,
            L,
            factors[-1],
            of_rows,
            of_channels,
        )
        sums = [
            sums_at(at, of_rows, n)
            for at, n in zip(self.indices, self.sizes, strict=True)
        ]
        expected = weights.sum()
        if self.missing is not None:
            expected -= self._fill(sums, of_channels, weights, factors)
        sums.append(of_channels)
        if self.holes is not None:
            hidden = weights * self.holes.products(factors)
            expected -= hidden.sum()
            for at, total in zip(self.holes.indices, sums, strict=True):
                total += sums_at(at, hidden, len(total))
        total = of_channels.sum(axis=0)
        return (
            expected - gain,
            total,
            [s / np.maximum(s.sum(axis=0), 1e-300) for s in sums],
        )

    def _fill(self, sums, of_channels, weights, factors):
        """Add what the model expects where nothing was measured."""
        shape = (*self.missing.shape[:-1], len(weights))
        missing = np.broadcast_to(self.missing, shape)
        for mode, total in enumerate(sums):
            total += contract(missing, factors[:-1], mode) * factors[mode] * weights
        hidden = contract(missing, factors[:-1]) * weights
        of_channels += hidden * factors[-1]
        return hidden.sum()

    def starts(self, factors, generator):
        """Where to climb from, given the factors of weighted least squares.

        With few counts per position these are noisy, and what they put to zero comes
        back slowly. Then their spectra alone are a better start, with all else even,
        and so are spectra mixed at random.

        Parameters
        ----------
        factors : list of (n_m, k) arrays
        generator : numpy.random.Generator

        Returns
        -------
        list of (weights, factors)
        """
        k = factors[0].shape[1]
        starts = [(np.ones(k), factors)]
        if self.counts.total >= _FEW * (len(self.counts.indptr) - 1):
            return starts
        even = [np.full_like(f, 1 / len(f)) for f in factors[:-1]]
        spectra = factors[-1] / np.maximum(factors[-1].sum(axis=0), 1e-300)
        mixed = [spectra]
        for _ in range(_MIXED):
            mixed.append(spectra @ generator.dirichlet(np.ones(k), k).T)
        share = np.full(k, self.counts.total / k)
        return starts + [(share, [*even, S]) for S in mixed]

    def maximise(self, weights, factors, max_iter, tol, watch):
        """Climb from a start; see `climb`."""
        point = proportions(weights, factors)
        return climb(self.step, point, max_iter, tol * self.counts.total, watch)


class Maximum(NamedTuple):
    """Where the likelihood is largest."""

    weights: np.ndarray
    factors: list
    objective: float
    history: list
    converged: bool
    stopped: bool
    interrupted: bool


def sums_at(at, rows, n):
    """Sum the rows that belong to each of ``n`` places."""
    return np.stack([np.bincount(at, column, n) for column in rows.T], axis=1)


def climb(step, point, max_iter, least, watch):
    """Iterate, each step prolonged as long as that helps [1]_; Ctrl-C ends it.

    Parameters
    ----------
    step : callable
        ``step(weights, factors) -> (objective, weights, factors)``.
    point : (weights, factors)
        Where to start.
    max_iter : int
    least : float
        Ends when an iteration gains less than so many nats.
    watch : callable
        ``watch(objective)`` after every iteration, True to stop.

    Returns
    -------
    Maximum

    References
    ----------
    .. [1] R. Salakhutdinov and S. Roweis, Proc. ICML (2003) 664.
    """
    good, lowest, stretch = None, np.inf, 1.0
    history, converged, stopped, interrupted = [], False, False, False
    try:
        for _ in range(max_iter):
            objective, *new = step(*point)
            if objective > lowest:
                # Too far: back to the plain step from the last good point.
                point, stretch = good, 1.0
                lowest = np.inf
                continue
            gained = lowest - objective
            good, lowest = new, objective
            history.append(objective)
            if watch(objective):
                stopped = True
                break
            if gained <= least:
                converged = True
                break
            point = prolonged(point, new, stretch) if stretch > 1.0 else new
            stretch *= 1.1
    except KeyboardInterrupt:
        if good is None:
            raise
        point, stopped, interrupted = good, True, True
    return Maximum(*point, float(lowest), history, converged, stopped, interrupted)


def proportions(weights, factors):
    """Factors whose columns sum to one, nowhere zero, and the counts they stand for."""
    weights, parts = np.array(weights, float), []
    for factor in factors:
        total = factor.sum(axis=0)
        weights = weights * total
        part = factor / np.where(total > 0, total, 1.0) + _FLOOR / len(factor)
        parts.append(part / part.sum(axis=0))
    return weights, parts


def prolonged(old, new, stretch):
    """Go on beyond ``new`` on the logarithmic line from ``old``."""
    parts, (weights, steps) = old[1], new
    factors = []
    for part, step in zip(parts, steps, strict=True):
        step = np.maximum(step, 1e-300)
        longer = step * (step / np.maximum(part, 1e-300)) ** (stretch - 1)
        factors.append(longer / longer.sum(axis=0))
    return weights, factors
