"""A tensor met in two passes: scores in a basis of its channels, noise made even."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from sparsedecomp.blocks.compression import gram_of, random_basis
from sparsedecomp.blocks.summary import Summary, root_of_sums, row_summary
from sparsedecomp.decomposition.tensor.modes import Folding, khatri_rao_rows

# Directions beyond twice the components: the last ones of a basis are less exact.
OVERSAMPLING = 10


@dataclass(frozen=True)
class CompressedTensor:
    """``X ~ scores x_channels basis``, entries divided by one scale for each mode.

    Attributes
    ----------
    scores : (*shape, rank) array
        Zero where positions are missing.
    basis : (n_channels, rank) float64 array
        Orthonormal.
    observed : (*shape,) bool array or None
        None where nothing is missing.
    scales : list of float64 arrays
        One for each mode, the channels last.
    sum_of_squares : float
        Of the scaled data, all of them.
    folding : Folding
    blocks : BlockMatrix
        The scaled data.
    summary : Summary
        Of the data as they are.
    poisson : bool
        Whether the scales are those of counts.
    missing : MissingEntries or None
        Single entries that are missing, which `blocks` has filled in.
    fill : (n,) float64 array or None
        With what, scaled. Not part of the sum of squares.
    """

    scores: np.ndarray
    basis: np.ndarray
    observed: np.ndarray | None
    scales: list
    sum_of_squares: float
    folding: Folding
    blocks: object
    summary: Summary
    poisson: bool
    missing: object = None
    fill: np.ndarray | None = None

    @property
    def shape(self):
        """Sizes of all modes, the channels last."""
        return (*self.scores.shape[:-1], len(self.basis))

    @property
    def n_entries(self):
        """Number of entries that are there."""
        missing = 0 if self.fill is None else len(self.fill)
        return np.prod(self.blocks.shape, dtype=float) - missing

    def unseen(self, mode):
        """Entries of a mode of which nothing was measured; (n_mode,) bool array."""
        if self.observed is None or mode == self.observed.ndim:
            return np.zeros(self.shape[mode], bool)
        others = tuple(m for m in range(self.observed.ndim) if m != mode)
        return ~self.observed.any(axis=others)

    def unscaled(self, factors):
        """Factors in the units of the data."""
        return [f * s[:, None] for f, s in zip(factors, self.scales, strict=True)]

    def scaled(self, factors):
        """Factors of the scaled data, from those in the units of the data."""
        return [f / s[:, None] for f, s in zip(factors, self.scales, strict=True)]

    def maps(self, factors: list[np.ndarray]) -> np.ndarray:
        """Products of all factors but the spectra, at the positions of the data."""
        indices = self.folding.indices(self.blocks.rows)
        return khatri_rao_rows(self.unscaled(factors)[:-1], indices)

    def spectra(self, factors: list[np.ndarray]) -> np.ndarray:
        """Factor of the channels in the units of the data, (k, n_channels)."""
        return (factors[-1] * self.scales[-1][:, None]).T

    def with_missing(self, missing):
        """The same, knowing that some entries are only filled in."""
        if missing is None:
            return self
        blocks = self.blocks
        fill = missing.entries(blocks.loadings, blocks.spectra).astype(float)
        return replace(
            self,
            scores=np.array(self.scores, float, order="C"),
            sum_of_squares=self.sum_of_squares - float(fill @ fill),
            missing=missing,
            fill=fill,
        )


class Weighting(NamedTuple):
    """Keenan and Kotula's weights, one factor for each mode."""

    scales: list
    rows: np.ndarray
    columns: np.ndarray


def compress_tensor(
    blocks, folding, rank, *, noise="auto", generator=None, nature=None
):
    """Compress the channels of a tensor in two passes.

    The first forms ``X' (X V)`` for random ``V``. The part of the noise in it is taken
    off: of counts it is ``diag(column sums) V`` whatever the model, of other data the
    level that the sketch leaves unexplained. The second pass gives the scores.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_positions, n_channels)
        Positions that are masked are missing.
    folding : Folding
    rank : int
        Directions to keep.
    noise : {"auto", "uniform", "poisson"}
        "poisson" scales every mode by the root of its sums, which makes the noise of
        counts even and keeps the model what it is: Keenan and Kotula's weights [1]_,
        with the weight of a position taken as the product over its modes. "auto" does
        so for counts: whole numbers, or multiples of one smallest number.
    generator : numpy.random.Generator
    nature : Summary, optional
        Of the data before gaps were filled: tells whether they are counts.

    Returns
    -------
    CompressedTensor

    References
    ----------
    .. [1] M. R. Keenan and P. G. Kotula, Surf. Interface Anal. 36 (2004) 203.
       https://doi.org/10.1002/sia.1657
    """
    rank = min(rank, *blocks.shape)
    V = random_basis(blocks.shape[1], rank, generator).astype(blocks.dtype)
    rows, (columns, product) = blocks.run(_sketch, shared=(V,))
    summary = Summary.of(rows, (columns,), blocks.place)
    if nature is not None:
        summary = summary._replace(
            minimum=nature.minimum,
            minimum_at=nature.minimum_at,
            whole_numbers=nature.whole_numbers,
            quantum=nature.quantum,
        )
    counts = summary.minimum >= 0 and (summary.whole_numbers or summary.quantum > 0)
    poisson = noise == "poisson" or (noise == "auto" and counts)
    if poisson:
        refuse_non_counts(summary)
        weighting = separable_weights(blocks, folding, summary)
    else:
        weighting = None
    if poisson and counts:
        # Of counts times a constant, which the smallest count tells.
        level = summary.column_sums * (summary.quantum or 1.0)
    else:
        level = np.full(blocks.shape[1], noise_level(product, V, summary))
        if poisson:
            level *= summary.column_sums / summary.column_sums.mean()
    sketch = product - level[:, None] * V
    if poisson:
        sketch /= weighting.columns[:, None]
        blocks = blocks.scaled(weighting.rows, weighting.columns)
    basis = np.linalg.qr(sketch)[0]
    (scores, squares), (gram,) = blocks.run(_scores, shared=(basis,))
    turn = np.linalg.eigh(gram)[1][:, ::-1]
    observed = observed_positions(blocks, folding)
    return CompressedTensor(
        scores=_spread(scores, turn.astype(scores.dtype), blocks, folding, observed),
        basis=basis @ turn,
        observed=observed,
        scales=weighting.scales if poisson else _ones(folding, blocks),
        sum_of_squares=float(squares.sum()),
        folding=folding,
        blocks=blocks,
        summary=summary,
        poisson=poisson,
    )


def _sketch(X, V):
    rows, (columns,) = row_summary(X)
    return rows, (columns, X.T @ (X @ V))


def _scores(X, V):
    if isinstance(X, np.ndarray):
        squares = np.einsum("ij,ij->i", X, X, dtype=float)
    else:
        squares = np.asarray(X.power(2).sum(axis=1), float).ravel()
    Y = X @ V.astype(X.dtype)
    Y64 = Y.astype(float)
    return (Y, squares), (Y64.T @ Y64,)


def noise_level(product, V, summary):
    """Eigenvalue that the noise has in ``X'X``, from a sketch of it.

    What the Nystroem approximation ``Y (V'Y)^+ Y'`` leaves of the trace, spread over
    the other channels.

    Parameters
    ----------
    product : (n_channels, rank) array
        ``Y = X'X V``.
    V : (n_channels, rank) array
    summary : Summary
    """
    n_channels, rank = product.shape
    if n_channels == rank:
        return 0.0
    middle = V.T.astype(float) @ product
    explained = np.trace(np.linalg.lstsq(middle, product.T @ product, rcond=1e-6)[0])
    left = summary.sum_of_squares - explained
    return max(left, 0.0) / (n_channels - rank)


def refuse_non_counts(summary):
    """Refuse negative data where their noise is to be that of counts."""
    if summary.minimum < 0:
        raise ValueError(
            "Poisson weights need counts, but the data are negative "
            f"({summary.minimum:g}) at {summary.minimum_at}. Mask these pixels, clip "
            "the data or set noise='uniform'."
        )


def separable_weights(blocks, folding, summary):
    """Roots of the sums along every mode, with mean squares of one.

    Parameters
    ----------
    blocks : BlockMatrix
    folding : Folding
    summary : Summary
        Of the data without scaling.

    Returns
    -------
    Weighting
    """
    indices = folding.indices(blocks.rows)
    scales = []
    for index, size in zip(indices, folding.shape, strict=True):
        total = np.bincount(index, summary.row_sums, size)
        count = np.bincount(index, minlength=size)
        # Means, not sums: positions may be missing.
        scales.append(root_of_sums(total / np.maximum(count, 1)))
    rows = np.ones(len(blocks.rows))
    for index, scale in zip(indices, scales, strict=True):
        rows *= scale[index]
    columns = root_of_sums(summary.column_sums)
    return Weighting([*scales, columns], rows, columns)


def observed_positions(blocks, folding):
    """Which positions of the tensor there are; None where all are."""
    n = int(np.prod(folding.navigation_shape))
    if blocks.shape[0] == n:
        return None
    here = np.zeros(n, bool)
    here[blocks.rows] = True
    observed = folding.tensor(here)
    for mode, axes in enumerate(folding.modes):
        others = tuple(i for i in range(observed.ndim) if i != mode)
        empty = np.flatnonzero(~observed.any(axis=others))
        # A pixel without data has no abundance, which is no harm in a map; another
        # mode must be known everywhere.
        if empty.size and len(axes) == 1 and len(folding.modes) > 1:
            raise ValueError(
                f"Everything is masked at position {int(empty[0])} of navigation axis "
                f"{axes[0]}: nothing can be said about it. Crop the data or change "
                "the mask."
            )
    return observed


def _spread(scores, turn, blocks, folding, observed):
    """Turn the scores to singular vectors and fold them, a part at a time."""
    for start in range(0, len(scores), 65536):
        part = slice(start, start + 65536)
        scores[part] = scores[part] @ turn
    if observed is not None:
        whole = np.zeros((observed.size, scores.shape[1]), scores.dtype)
        whole[blocks.rows] = scores
        scores = whole
    return folding.tensor(scores)


def _ones(folding, blocks):
    return [np.ones(size) for size in (*folding.shape, blocks.shape[1])]


def leading_vectors(scores, mode, rank):
    """Leading singular vectors of one unfolding, and all its singular values.

    Parameters
    ----------
    scores : (n_1, ..., n_M, r) array
    mode : int
    rank : int

    Returns
    -------
    vectors : (n_mode, rank) float64 array
    singular_values : float64 array
        Falling.
    """
    unfolded = np.moveaxis(scores, mode, 0).reshape(scores.shape[mode], -1)
    if unfolded.shape[0] <= unfolded.shape[1]:
        values, vectors = np.linalg.eigh(gram_of(unfolded.T))
        vectors = vectors[:, ::-1][:, :rank]
    else:
        values, right = np.linalg.eigh(gram_of(unfolded))
        right = right[:, ::-1][:, :rank]
        vectors = np.linalg.qr(unfolded @ right.astype(unfolded.dtype))[0].astype(float)
    return vectors, np.sqrt(np.maximum(values[::-1], 0.0))


def compress_modes(scores, ranks):
    """Sequentially truncated higher-order singular value decomposition [1]_.

    Parameters
    ----------
    scores : (n_1, ..., n_M, r) array
        Complete.
    ranks : sequence of int
        For the first M modes. A mode that is hardly larger is left as it is.

    Returns
    -------
    core : float64 array
    bases : list of arrays or None
        One for each of the M modes.

    References
    ----------
    .. [1] N. Vannieuwenhoven, R. Vandebril and K. Meerbergen, SIAM J. Sci. Comput. 34
       (2012) A1027. https://doi.org/10.1137/110836067
    """
    core, bases = scores, [None] * len(ranks)
    for mode in np.argsort(scores.shape[:-1], kind="stable"):
        if ranks[mode] < 0.75 * core.shape[mode]:
            bases[mode] = leading_vectors(core, mode, ranks[mode])[0]
            core = multiply_mode(core, bases[mode].T, mode)
    return np.asarray(core, float), bases


def multiply_mode(T, matrix, mode):
    """Multiply a tensor by a matrix along one mode.

    Parameters
    ----------
    T : (..., n_mode, ...) array
    matrix : (m, n_mode) array
    mode : int

    Returns
    -------
    (..., m, ...) array
    """
    moved = np.tensordot(matrix.astype(T.dtype), T, axes=(1, mode))
    return np.moveaxis(moved, 0, mode)
