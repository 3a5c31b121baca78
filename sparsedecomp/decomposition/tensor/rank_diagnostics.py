"""Number of components of a tensor by three diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import MatrixLike, as_blocks
from sparsedecomp.decomposition.tensor.algebra import congruence, core_consistency
from sparsedecomp.decomposition.tensor.compressed_tensor import (
    OVERSAMPLING,
    CompressedTensor,
    compress_tensor,
)
from sparsedecomp.decomposition.tensor.cpd_least_squares import CPDLeastSquares
from sparsedecomp.decomposition.tensor.folds import (
    TOL,
    best_fit,
    folds_of,
    least_squares_of,
)
from sparsedecomp.decomposition.tensor.modes import Folding
from sparsedecomp.decomposition.tensor.unfolding import singular_values
from sparsedecomp.results import Result, Table

# Models of two halves of the data with this mean congruence count as equal.
_REPEATED = 0.95
# Core consistency in per cent of a model that has not too many components. Both
# thresholds were chosen before any data were looked at.
_CONSISTENT = 60.0


@dataclass(frozen=True, repr=False)
class RankReport(Result):
    """Diagnostics of the number of components, and what they recommend.

    Attributes
    ----------
    ranks : (n,) int array
        Numbers of components that were tried, from 1.
    fit : (n,) array
        Part of the sum of squares that the compressed model explains, in per cent.
    core_consistency : (n,) array
        Core consistency in per cent; NaN if positions are missing.
    split_congruence : (n,) array
        Congruence of the models of two halves of the data; 1 for equal models.
    prediction_error, prediction_spread : (n,) arrays
        Squared error of data that were left out, relative to their size, and the
        standard error of its difference to the best.
    singular_values : list of arrays
        Singular values of the unfolding of the compressed data along each mode.
    votes : dict of str to int or None
        Number that each of the three diagnostics finds by itself.
    recommended : int or None
        Number that at least two of them find; None if no two agree.
    reason : str
        Explanation of the recommendation.
    """

    ranks: NDArray
    fit: NDArray
    core_consistency: NDArray
    split_congruence: NDArray
    prediction_error: NDArray
    prediction_spread: NDArray
    singular_values: list[NDArray]
    votes: dict[str, int | None]
    recommended: int | None
    reason: str

    @property
    def summary(self) -> str:
        """The recommended number in one line."""
        number = "no number" if self.recommended is None else f"{self.recommended}"
        return f"{number} of 1 to {self.ranks[-1]} components recommended"

    def _details(self) -> Iterator[str | Table]:
        yield self.reason
        yield [
            ["rank", "fit %", "consistency %", "halves agree", "prediction error"],
            *(
                [
                    f"{rank}",
                    f"{fit:.2f}",
                    f"{core:.1f}",
                    f"{halves:.3f}",
                    f"{error:.6f}",
                ]
                for rank, fit, core, halves, error in zip(
                    self.ranks,
                    self.fit,
                    self.core_consistency,
                    self.split_congruence,
                    self.prediction_error,
                    strict=True,
                )
            ),
        ]


def tensor_rank(
    X: MatrixLike,
    max_rank: int = 8,
    *,
    modes: Sequence | None = None,
    nonnegative: bool = True,
    noise: str = "auto",
    worth: float = 1e-3,
    n_init: int = 6,
    random_state: int | np.random.Generator | None = None,
) -> RankReport:
    """Estimate the number of components of a canonical polyadic model.

    Three diagnostics on compressed data, which are read in two passes (three for
    counts):

    - prediction: the smallest rank whose error on data that were left out (thinned
      counts, or fibres of other data) is within one standard error of the least;
    - halves: the last rank, from 1 upwards, at which the models of the even and of the
      odd entries of the largest mode agree (mean congruence above 0.95);
    - core consistency [1]_: the last rank, from 1 upwards, with more than 60 %.

    Components that explain next to nothing are not counted (`worth`). Each of the
    three can be wrong. Core consistency falls early if components are alike; the
    prediction favours more components where the data are not exactly multilinear;
    halves agree on too few components as well as on the right ones. So a number is
    recommended only if two of the three find it. The thresholds of the three were
    chosen before any data were looked at; `worth` was added for the fluorescence of
    amino acids, where a fourth component of 0.01 % predicts and repeats.

    The number differs from that of `estimate_rank` for the same data as a matrix where
    components share a spectrum, which the matrix counts once, or where the data are
    mixtures but not multilinear, which only the matrix counts.

    Parameters
    ----------
    X : array, dask array or BlockMatrix
        Data of shape (*modes, n_channels).
    max_rank : int, default 8
        Largest number of components that is tried.
    modes : sequence, optional
        Navigation axes of each mode, as in `CPD`.
    nonnegative : bool, default True
        Whether factors are non-negative.
    noise : {"auto", "uniform", "poisson"}
        Noise model, as in `CPD`.
    worth : float, default 1e-3
        Part of what the largest model explains that a component must explain to be
        counted: real data have ever smaller deviations from any model, which predict
        and repeat like components. Larger values give fewer components.
    n_init : int, default 6
        Number of starts of every fit.
    random_state : int or Generator, optional
        Seed of the starts, the range finder and the cross-validation.

    Returns
    -------
    RankReport
        Diagnostics and recommendation.

    Raises
    ------
    ValueError
        For a matrix, whose factorisation is not unique at any rank.

    References
    ----------
    .. [1] R. Bro and H. A. L. Kiers, J. Chemom. 17 (2003) 274.
       https://doi.org/10.1002/cem.801

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import tensor_rank
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.random((n, 2)) for n in (8, 20, 30))
    >>> X = np.einsum("ir,jr,er->ije", A, B, C) + rng.normal(0, 0.01, (8, 20, 30))
    >>> tensor_rank(X, 4, random_state=0).recommended
    2
    """
    blocks = as_blocks(X).unscaled()
    folding = Folding.of(blocks.navigation_shape, modes)
    if len(folding.modes) < 2:
        raise ValueError(
            f"The data have the shape {(*folding.shape, blocks.shape[1])}, a matrix: "
            "its factorisation is not unique at any rank. Give data with a third mode, "
            "or use NMFSOARD to find the components that rise above the noise."
        )
    generator = np.random.default_rng(random_state)
    n_init = max(n_init, 2)
    room = 2 * max_rank + OVERSAMPLING
    data = compress_tensor(blocks, folding, room, noise=noise, generator=generator)
    full = CPDLeastSquares.from_tensor(data, nonnegative, TOL)
    small = full.with_compressed_modes(room)
    folds = folds_of(data, generator)
    ranks = np.arange(1, 1 + min(max_rank, *sorted(data.shape)[-2:]))
    fit, consistency, halves = [], [], []
    fold_errors: list[list[float]] = []
    for k in ranks.tolist():
        best = best_fit(small, k, n_init, generator)
        fit.append(100 * (1 - best.objective / data.sum_of_squares))
        core = [small.to_basis(m, f) for m, f in enumerate(best.state)]
        complete = data.observed is None
        consistency.append(core_consistency(small.scores, core) if complete else np.nan)
        halves.append(_halves(data, k, nonnegative, n_init, generator))
        fold_errors.append(
            [fold.error(k, nonnegative, n_init // 2, generator) for fold in folds]
        )
    errors = np.array(fold_errors)
    least = int(errors.mean(axis=1).argmin())
    spread = (errors - errors[least]).std(axis=1, ddof=1) / np.sqrt(len(folds))
    within = errors.mean(axis=1) <= errors.mean(axis=1)[least] + spread
    gains = np.diff(fit, prepend=0.0)
    last = int(ranks[np.flatnonzero(gains >= worth * fit[-1])[-1]])
    votes: dict[str, int | None] = {
        "prediction": int(ranks[np.argmax(within)]),
        "halves": _largest(ranks, np.array(halves) >= _REPEATED),
        "core consistency": _largest(ranks, np.array(consistency) >= _CONSISTENT),
    }
    votes = {name: vote and min(vote, last) for name, vote in votes.items()}
    recommended, reason = _verdict(votes, ranks)
    return RankReport(
        ranks=ranks,
        fit=np.array(fit),
        core_consistency=np.array(consistency),
        split_congruence=np.array(halves),
        prediction_error=errors.mean(axis=1),
        prediction_spread=spread,
        singular_values=singular_values(small.scores),
        votes=votes,
        recommended=recommended,
        reason=reason,
    )


def _largest(ranks: NDArray, passed: NDArray) -> int | None:
    """The last rank before the first that does not pass, or None."""
    n = len(ranks) if passed.all() else int(np.argmin(passed))
    return int(ranks[n - 1]) if n else None


def _verdict(votes: dict[str, int | None], ranks: NDArray) -> tuple[int | None, str]:
    numbers = [vote for vote in votes.values() if vote is not None]
    words = ", ".join(f"{name} {vote}" for name, vote in votes.items())
    for rank in sorted(set(numbers)):
        if numbers.count(rank) >= 2:
            if rank == ranks[-1] and numbers.count(rank) == len(numbers):
                return None, f"Every rank tried passes ({words}): try larger ones."
            return rank, f"{rank} components ({words})."
    return None, (
        f"No two diagnostics agree ({words}): look at the components of each, with "
        "what you know of the specimen."
    )


def _halves(
    data: CompressedTensor,
    k: int,
    nonnegative: bool,
    n_init: int,
    generator: np.random.Generator,
) -> float:
    """Congruence of the models of even and odd entries of the largest mode."""
    mode = int(np.argmax(data.scores.shape[:-1]))
    models = []
    for half in range(2):
        entries = np.arange(half, data.scores.shape[mode], 2)
        part = np.take(data.scores, entries, axis=mode)
        observed = data.observed
        if observed is not None:
            observed = np.take(observed, entries, axis=mode)
        method = least_squares_of(part, data.basis, observed, nonnegative)
        factors = best_fit(method, k, n_init, generator).state
        models.append([f for m, f in enumerate(factors) if m != mode])
    return congruence(*models)
