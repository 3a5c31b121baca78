"""How many components a tensor has, asked in three ways."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.iterate import Outcome, Phases
from sparsedecomp.decomposition.tensor.algebra import congruence, core_consistency
from sparsedecomp.decomposition.tensor.compression import (
    OVERSAMPLING,
    compress_tensor,
    leading_vectors,
)
from sparsedecomp.decomposition.tensor.cpd import descend_from_starts
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    Factors,
)
from sparsedecomp.decomposition.tensor.modes import Folding

# Halves of the data that agree so far have the same components.
_REPEATED = 0.95
# The core of a model that is not too large is so consistent, per cent.
_CONSISTENT = 60.0
_FOLDS = 5
# Positions of the largest mode that the cross-validation looks at.
_MOST_POSITIONS = 1024
# Descents of the diagnostics: less exact than those of `CPD`, as no diagnostic
# changes with the last digits of the factors.
MAX_ITER, TOL = 500, 1e-7
FOLD_MAX_ITER, FOLD_TOL = 150, 1e-6


@dataclass(frozen=True)
class RankReport:
    """What speaks for which number of components.

    Attributes
    ----------
    ranks : (n,) int array
        The numbers that were tried, from 1.
    fit : (n,) array
        Share of the sum of squares that the compressed model explains, per cent.
    core_consistency : (n,) array
        Per cent; NaN where positions are missing.
    split_congruence : (n,) array
        Agreement of the models of two halves of the data.
    prediction_error, prediction_spread : (n,) arrays
        Squared error of data that were left out, relative to their size, and the
        standard error of its difference to the best.
    singular_values : list of arrays
        Of the unfoldings of the compressed data: the scree plot of every mode.
    votes : dict of str to int or None
        What each of the three diagnostics says by itself.
    recommended : int or None
        What at least two of them say; None when no two agree.
    reason : str
    """

    ranks: np.ndarray
    fit: np.ndarray
    core_consistency: np.ndarray
    split_congruence: np.ndarray
    prediction_error: np.ndarray
    prediction_spread: np.ndarray
    singular_values: list
    votes: dict
    recommended: int | None
    reason: str

    def __str__(self):
        lines = ["rank   fit %  consistency %  halves agree  prediction error"]
        for i, rank in enumerate(self.ranks):
            lines.append(
                f"{rank:4d} {self.fit[i]:7.2f} {self.core_consistency[i]:14.1f} "
                f"{self.split_congruence[i]:13.3f} {self.prediction_error[i]:17.6f}"
            )
        return "\n".join([*lines, self.reason])


def tensor_rank(
    X,
    max_rank=8,
    *,
    modes=None,
    nonnegative=True,
    noise="auto",
    worth=1e-3,
    n_init=6,
    random_state=None,
):
    """Ask the data for the number of components of a canonical polyadic model.

    Three diagnostics, all on compressed data, read in two passes (three for counts):

    - prediction: of data left out, counts by thinning and other data by fibres, the
      smallest rank whose error is within one standard error of the least;
    - halves: the last rank, from 1 upwards, at which the models of the even and of the
      odd entries of the largest mode agree (mean congruence above 0.95);
    - core consistency [1]_: the last rank, from 1 upwards, with more than 60 %.

    Ranks whose components explain next to nothing are left out (`worth`). None of the
    three is right always. Core consistency falls early for components that are
    alike; prediction goes on where the data are no exact tensor; halves agree on too
    few components as well as on the right ones. So a number is recommended when two of
    the three name it, and otherwise none. The thresholds of the three were set before
    any data were looked at; `worth` was added with the fluorescence of the amino acids
    in view, where a fourth component of 0.01 % predicts and repeats.

    Parameters
    ----------
    X : array, dask array or BlockMatrix
        Of shape (*modes, n_channels).
    max_rank : int, default 8
    modes : sequence, optional
        As in `CPD`.
    nonnegative : bool, default True
    noise : {"auto", "uniform", "poisson"}
    worth : float, default 1e-3
        Ranks are not looked at beyond the last component that explains this part of
        what the largest model explains: real data hold ever smaller departures from
        any model, which predict and repeat like components.
    n_init : int, default 6
        Starts of every fit.
    random_state : int or Generator, optional

    Returns
    -------
    RankReport

    Raises
    ------
    ValueError
        For a matrix: its rank is no number of components. See also `CPD`.

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
    folds = _folds(data, generator)
    ranks = np.arange(1, 1 + min(max_rank, *sorted(data.shape)[-2:]))
    fit, consistency, halves, errors = [], [], [], []
    for k in ranks:
        best = _best_fit(small, k, n_init, generator)
        fit.append(100 * (1 - best.objective / data.sum_of_squares))
        core = [small.to_basis(m, f) for m, f in enumerate(best.state)]
        complete = data.observed is None
        consistency.append(core_consistency(small.scores, core) if complete else np.nan)
        halves.append(_halves(data, k, nonnegative, n_init, generator))
        errors.append(
            [fold.error(k, nonnegative, n_init // 2, generator) for fold in folds]
        )
    errors = np.array(errors)
    best = int(errors.mean(axis=1).argmin())
    spread = (errors - errors[best]).std(axis=1, ddof=1) / np.sqrt(len(folds))
    within = errors.mean(axis=1) <= errors.mean(axis=1)[best] + spread
    gains = np.diff(fit, prepend=0.0)
    last = int(ranks[np.flatnonzero(gains >= worth * fit[-1])[-1]])
    votes = {
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
        singular_values=[
            leading_vectors(small.scores, m, 1)[1] for m in range(small.scores.ndim)
        ],
        votes=votes,
        recommended=recommended,
        reason=reason,
    )


def _largest(ranks, passed):
    """The last rank before the first that did not pass, or None."""
    n = len(ranks) if passed.all() else int(np.argmin(passed))
    return int(ranks[n - 1]) if n else None


def _verdict(votes, ranks):
    said = [vote for vote in votes.values() if vote is not None]
    words = ", ".join(f"{name} {vote}" for name, vote in votes.items())
    for rank in sorted(set(said)):
        if said.count(rank) >= 2:
            if rank == ranks[-1] and said.count(rank) == len(said):
                return None, f"Every rank tried passes ({words}): try larger ones."
            return rank, f"{rank} components ({words})."
    return None, (
        f"No two diagnostics agree ({words}): look at the components of each, with "
        "what you know of the specimen."
    )


def _best_fit(
    method: CPDLeastSquares,
    k: int,
    n_init: int,
    generator: np.random.Generator,
    max_iter: int = MAX_ITER,
) -> Outcome[Factors]:
    phases: Phases[Factors] = Phases()
    descend_from_starts(method, k, n_init, max_iter, generator, phases)
    # Diagnostics of some ranks alone would be misleading.
    phases.outcome.pass_on_interrupt()
    return phases.outcome


def _halves(data, k, nonnegative, n_init, generator):
    """Congruence of the models of even and odd entries of the largest mode."""
    mode = int(np.argmax(data.scores.shape[:-1]))
    found = []
    for half in range(2):
        entries = np.arange(half, data.scores.shape[mode], 2)
        part = np.take(data.scores, entries, axis=mode)
        seen = data.observed
        seen = None if seen is None else np.take(seen, entries, axis=mode)
        method = _part(part, data.basis, seen, nonnegative)
        factors = _best_fit(method, k, n_init, generator).state
        found.append([f for m, f in enumerate(factors) if m != mode])
    return congruence(*found)


def _part(
    scores: NDArray,
    basis: NDArray,
    observed: NDArray | None,
    nonnegative: bool,
    tol: float = TOL,
) -> CPDLeastSquares:
    """Least squares of a part of the data, all modes compressed if it is complete."""
    squares = float(np.square(scores, dtype=float).sum())
    bases = [*[None] * (scores.ndim - 1), basis]
    part = CPDLeastSquares(scores, bases, squares, observed, nonnegative, tol=tol)
    return part.with_compressed_modes(basis.shape[1])


@dataclass(frozen=True)
class _Fold:
    """Data to learn from and data to predict."""

    learnt: np.ndarray
    hidden: np.ndarray
    basis: np.ndarray
    seen: np.ndarray | None
    asked: np.ndarray
    ratio: float

    def error(self, k, nonnegative, n_init, generator):
        # Predictions settle long before the factors do.
        method = _part(self.learnt, self.basis, self.seen, nonnegative, FOLD_TOL)
        factors = _best_fit(method, k, n_init, generator, FOLD_MAX_ITER).state
        inside = [*factors[:-1], self.basis.T @ factors[-1]]
        model = np.ones((*self.learnt.shape[:-1], k))
        for mode, factor in enumerate(inside[:-1]):
            shape = [1] * model.ndim
            shape[mode], shape[-1] = factor.shape
            model *= factor.reshape(shape)
        left = self.hidden - self.ratio * (model @ inside[-1].T)
        squares = np.square(left[self.asked]).sum()
        # Worse than to predict nothing is not worse than that.
        return float(min(squares / np.square(self.hidden[self.asked]).sum(), 1.0))


def _folds(data, generator):
    """Counts are thinned; of other data every fold hides a part of the fibres."""
    mode = int(np.argmax(data.scores.shape[:-1]))
    n = data.scores.shape[mode]
    kept = np.sort(generator.choice(n, min(n, _MOST_POSITIONS), replace=False))
    observed = data.observed
    if observed is None:
        observed = np.ones(data.scores.shape[:-1], bool)
    observed = np.take(observed, kept, axis=mode)
    if data.poisson:
        parts = _thinned(data, int(generator.integers(2**31)))
        parts = np.take(parts, kept, axis=mode)
        whole = parts.sum(axis=-1)
        complete = observed if data.observed is not None else None
        return [
            _Fold(
                whole - parts[..., i],
                parts[..., i],
                data.basis,
                complete,
                observed,
                1 / (_FOLDS - 1),
            )
            for i in range(_FOLDS)
        ]
    scores = np.take(data.scores, kept, axis=mode).astype(float)
    # Every entry of the largest mode has about as many fibres in each fold.
    others = observed.size // len(kept)
    part = generator.permuted(
        np.tile(np.arange(others), (len(kept), 1)), axis=1
    ) + generator.integers(_FOLDS, size=(len(kept), 1))
    part = (part % _FOLDS).reshape(len(kept), *np.delete(observed.shape, mode))
    part = np.moveaxis(part, 0, mode)
    folds = []
    for i in range(_FOLDS):
        hidden = observed & (part == i)
        seen = observed & (part != i)
        learnt = np.where(seen[..., None], scores, 0.0)
        folds.append(_Fold(learnt, scores, data.basis, seen, hidden, 1.0))
    return folds


def _thinned(data, seed):
    """One pass: scores of the counts, each count given to one of the folds."""
    blocks = data.blocks
    quantum = data.summary.quantum or 1.0
    plain = blocks.unscaled()
    (scores,), _ = plain.run(
        _split_counts,
        rows=(np.arange(blocks.shape[0]), blocks.row_scale),
        shared=(data.basis / blocks.column_scale[:, None], quantum, seed),
    )
    whole = np.zeros((int(np.prod(data.folding.shape)), *scores.shape[1:]))
    whole[blocks.rows] = scores
    return data.folding.tensor(whole)


def _split_counts(X, rows, scale, V, quantum, seed):
    X = np.asarray(X.todense()) if hasattr(X, "todense") else X
    generator = np.random.default_rng([seed, int(rows[0])])
    left = np.rint(X / quantum).astype(np.int64)
    scores = np.empty((len(X), V.shape[1], _FOLDS))
    for i in range(_FOLDS):
        part = generator.binomial(left, 1 / (_FOLDS - i))
        left -= part
        scores[:, :, i] = quantum * (part @ V) / scale[:, None]
    return (scores,), ()
