"""A tensor in a basis of its channels, weighted by its noise; made in two passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.compression import random_basis, rotate_in_place, sketch
from sparsedecomp.blocks.summary import Summary, poisson_column_scale
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.noise import count_gain, unit_of

if TYPE_CHECKING:
    from sparsedecomp.decomposition.tensor.gaps import FilledBlocks, MissingEntries

# Directions beyond twice the components: the last ones of a basis are less exact.
OVERSAMPLING = 10


@dataclass(frozen=True)
class CompressedTensor:
    """``X ~ scores x_channels basis``, entries divided by one scale for each mode.

    Attributes
    ----------
    scores : (*shape, rank) array
        Scaled data in the basis; zero at positions that are missing.
    basis : (n_channels, rank) float64 array
        Orthonormal basis of the channels.
    observed : (*shape,) bool array or None
        Positions with data; None if none is missing.
    scales : list of float64 arrays
        Scale of every entry of each mode, the channels last.
    sum_of_squares : float
        Sum of the squares of all scaled data.
    folding : Folding
        Modes of the tensor.
    blocks : BlockMatrix
        The scaled data.
    summary : Summary
        Sums of the data without scaling.
    poisson : bool
        Whether the scales are those of counts.
    missing : MissingEntries or None
        Single missing entries, which are filled in `blocks`.
    fill : (n,) float64 array or None
        Scaled values that they are filled with, which are not part of the sum of
        squares.
    """

    scores: NDArray
    basis: NDArray
    observed: NDArray | None
    scales: list[NDArray]
    sum_of_squares: float
    folding: Folding
    blocks: BlockMatrix | FilledBlocks
    summary: Summary
    poisson: bool
    missing: MissingEntries | None = None
    fill: NDArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all modes, the channels last."""
        return (*self.scores.shape[:-1], len(self.basis))

    @property
    def n_entries(self) -> float:
        """Number of entries that are not missing."""
        n, n_channels = self.blocks.shape
        return float(n) * n_channels - (0 if self.fill is None else len(self.fill))

    def unobserved(self, mode: int) -> NDArray:
        """Entries of a mode without any data, an (n_mode,) bool array."""
        if self.observed is None or mode == self.observed.ndim:
            return np.zeros(self.shape[mode], bool)
        others = tuple(m for m in range(self.observed.ndim) if m != mode)
        return np.asarray(~self.observed.any(axis=others))

    def unscaled(self, factors: Sequence[NDArray]) -> list[NDArray]:
        """Factors in the units of the data."""
        return [f * s[:, None] for f, s in zip(factors, self.scales, strict=True)]

    def scaled(self, factors: Sequence[NDArray]) -> list[NDArray]:
        """Factors of the scaled data, from those in the units of the data."""
        return [f / s[:, None] for f, s in zip(factors, self.scales, strict=True)]

    def maps(self, factors: Sequence[NDArray]) -> NDArray:
        """Products of all factors but the spectra, at the positions of the data."""
        return self.folding.products(self.unscaled(factors)[:-1], self.blocks.rows)

    def spectra(self, factors: Sequence[NDArray]) -> NDArray:
        """Factor of the channels in the units of the data, (k, n_channels)."""
        return (factors[-1] * self.scales[-1][:, None]).T

    def with_missing(self, missing: MissingEntries | None) -> CompressedTensor:
        """The same with the information which entries are missing and were filled."""
        if missing is None:
            return self
        blocks = cast("FilledBlocks", self.blocks)
        fill = missing.entries(blocks.loadings, blocks.spectra).astype(float)
        return replace(
            self,
            scores=np.array(self.scores, float, order="C"),
            sum_of_squares=self.sum_of_squares - float(fill @ fill),
            missing=missing,
            fill=fill,
        )


class Weighting(NamedTuple):
    """Keenan and Kotula's weights as a product over the modes.

    Attributes
    ----------
    scales : list of arrays
        Scale of every entry of each mode, the channels last.
    rows : (n_pixels,) array
        Scales of the pixels: products over the navigation modes.
    columns : (n_channels,) array
        Scales of the channels.
    """

    scales: list[NDArray]
    rows: NDArray
    columns: NDArray


def compress_tensor(
    blocks: BlockMatrix | FilledBlocks,
    folding: Folding,
    rank: int,
    *,
    noise: str = "auto",
    generator: np.random.Generator | None = None,
    nature: Summary | None = None,
) -> CompressedTensor:
    """Compress the channels of a tensor in two passes.

    The first pass computes ``X' (X V)`` for random ``V``. The contribution of the noise
    is subtracted: that of counts is ``diag(column sums) V`` whatever the model, that of
    other data the level that the sketch leaves unexplained. The second pass gives the
    scores.

    Parameters
    ----------
    blocks : BlockMatrix of shape (n_positions, n_channels)
        The data. Masked positions are missing.
    folding : Folding
        Modes of the tensor.
    rank : int
        Number of directions to keep.
    noise : {"auto", "uniform", "poisson"}
        "poisson" divides every mode by the root of its sums, which whitens the noise of
        counts and keeps the model multilinear: Keenan and Kotula's weights [1]_, with
        the weight of a position taken as the product over its modes. "auto" does so
        for counts: whole numbers, or multiples of one smallest number.
    generator : numpy.random.Generator
        Source of the random matrix.
    nature : Summary, optional
        Summary of the data before missing entries were filled, which decides whether
        they are counts.

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
    product, summary = sketch(cast("BlockMatrix", blocks), V)
    if nature is None:
        blocks.once("summary", lambda: summary)
    else:
        summary = summary._replace(
            minimum=nature.minimum,
            minimum_at=nature.minimum_at,
            whole_numbers=nature.whole_numbers,
            quantum=nature.quantum,
        )
    counts = (
        unit_of(summary)
        if nature is not None
        else count_gain(cast("BlockMatrix", blocks))
    )
    poisson = noise == "poisson" or (noise == "auto" and counts)
    if poisson:
        refuse_non_counts(summary)
        weighting = separable_weights(blocks, folding, summary)
        scales = weighting.scales
    else:
        scales = [np.ones(size) for size in (*folding.shape, blocks.shape[1])]
    if poisson and counts:
        # Counts may be multiplied by a constant, which the smallest count reveals.
        level = summary.column_sums * counts
    else:
        level = np.full(blocks.shape[1], noise_level(product, V, summary))
        if poisson:
            level *= summary.column_sums / summary.column_sums.mean()
    signal = product - level[:, None] * V
    if poisson:
        signal /= weighting.columns[:, None]
        blocks = blocks.scaled(weighting.rows, weighting.columns)
    basis = np.linalg.qr(signal)[0]
    (scores, squares), (gram,) = blocks.run(_scores, shared=(basis,))
    turn = np.linalg.eigh(gram)[1][:, ::-1]
    rotate_in_place(scores, turn)
    observed = observed_positions(blocks, folding)
    if observed is not None:
        whole = np.zeros((observed.size, scores.shape[1]), scores.dtype)
        whole[blocks.rows] = scores
        scores = whole
    return CompressedTensor(
        scores=folding.tensor(scores),
        basis=basis @ turn,
        observed=observed,
        scales=scales,
        sum_of_squares=float(squares.sum()),
        folding=folding,
        blocks=blocks,
        summary=summary,
        poisson=bool(poisson),
    )


def _scores(X, V):
    if isinstance(X, np.ndarray):
        squares = np.einsum("ij,ij->i", X, X, dtype=float)
    else:
        squares = np.asarray(X.power(2).sum(axis=1), float).ravel()
    Y = X @ V.astype(X.dtype)
    Y64 = Y.astype(float)
    return (Y, squares), (Y64.T @ Y64,)


def noise_level(product: NDArray, V: NDArray, summary: Summary) -> float:
    """Eigenvalue that the noise has in ``X'X``, from a sketch of it.

    The part of the trace that the Nystroem approximation ``Y (V'Y)^+ Y'`` does not
    explain, divided by the number of the other channels.

    Parameters
    ----------
    product : (n_channels, rank) array
        ``Y = X'X V``.
    V : (n_channels, rank) array
        Random matrix of the sketch.
    summary : Summary
        Sums of the data.

    Returns
    -------
    float
    """
    n_channels, rank = product.shape
    if n_channels == rank:
        return 0.0
    middle = V.T.astype(float) @ product
    explained = np.trace(np.linalg.lstsq(middle, product.T @ product, rcond=1e-6)[0])
    unexplained = summary.sum_of_squares - explained
    return max(unexplained, 0.0) / (n_channels - rank)


def refuse_non_counts(summary: Summary) -> None:
    """Refuse negative data where the noise is taken as that of counts."""
    if summary.minimum < 0:
        raise ValueError(
            "Poisson weights need counts, but the data are negative "
            f"({summary.minimum:g}) at {summary.minimum_at}. Mask these pixels, clip "
            "the data or set noise='uniform'."
        )


def separable_weights(
    blocks: BlockMatrix | FilledBlocks, folding: Folding, summary: Summary
) -> Weighting:
    """Roots of the sums along every mode, with mean squares of one.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.
    folding : Folding
        Modes of the tensor.
    summary : Summary
        Sums of the data without scaling.

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
        scales.append(poisson_column_scale(total / np.maximum(count, 1)))
    rows = np.ones(len(blocks.rows))
    for index, scale in zip(indices, scales, strict=True):
        rows *= scale[index]
    columns = poisson_column_scale(summary.column_sums)
    return Weighting([*scales, columns], rows, columns)


def observed_positions(
    blocks: BlockMatrix | FilledBlocks, folding: Folding
) -> NDArray | None:
    """Positions of the tensor with data, a bool array; None if none is missing."""
    n = int(np.prod(folding.navigation_shape))
    if blocks.shape[0] == n:
        return None
    here = np.zeros(n, bool)
    here[blocks.rows] = True
    observed = folding.tensor(here)
    for mode, axes in enumerate(folding.modes):
        others = tuple(i for i in range(observed.ndim) if i != mode)
        empty = np.flatnonzero(~observed.any(axis=others))
        # A map may lack pixels without data; a profile along a single axis may not
        # have gaps.
        if empty.size and len(axes) == 1 and len(folding.modes) > 1:
            raise ValueError(
                f"Everything is masked at position {int(empty[0])} of navigation axis "
                f"{axes[0]}: nothing can be said about it. Crop the data or change "
                "the mask."
            )
    return observed
