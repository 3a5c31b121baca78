"""Cross-validation of a tensor: scores to fit a model to, and scores to predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.iterate import Outcome, Phases
from sparsedecomp.decomposition.tensor.compressed_tensor import CompressedTensor
from sparsedecomp.decomposition.tensor.cpd_least_squares import (
    CPDLeastSquares,
    Factors,
)
from sparsedecomp.decomposition.tensor.initialisation import descend_from_starts

# Parts of the cross-validation, each of which is predicted from the others. More parts
# take longer and predict from more data.
_FOLDS = 5
# Upper bound on the positions of the largest mode in the cross-validation, which limits
# its time.
_MOST_POSITIONS = 1024
# Descents of the diagnostics: less exact than those of `CPD`, as no diagnostic
# changes with the last digits of the factors.
MAX_ITER, TOL = 500, 1e-7
FOLD_MAX_ITER, FOLD_TOL = 150, 1e-6


def best_fit(
    method: CPDLeastSquares,
    k: int,
    n_init: int,
    generator: np.random.Generator,
    max_iter: int = MAX_ITER,
) -> Outcome[Factors]:
    """Descend from several starts and keep the best; Ctrl-C ends the diagnostics."""
    phases: Phases[Factors] = Phases()
    descend_from_starts(method, k, n_init, max_iter, generator, phases)
    # Diagnostics of some ranks alone would be misleading.
    phases.outcome.pass_on_interrupt()
    return phases.outcome


def least_squares_of(
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
class Fold:
    """Scores to fit a model to, and scores to predict with it.

    Attributes
    ----------
    training, validation : (*shape, rank) arrays
        Scores.
    basis : (n_channels, rank) array
        Basis of the channels.
    observed : (*shape,) bool array or None
        Positions of the training scores.
    predicted : (*shape,) bool array
        Positions of the validation scores.
    ratio : float
        Size of the validation data relative to the training data.
    """

    training: NDArray
    validation: NDArray
    basis: NDArray
    observed: NDArray | None
    predicted: NDArray
    ratio: float

    def error(
        self, k: int, nonnegative: bool, n_init: int, generator: np.random.Generator
    ) -> float:
        """Squared error of the prediction relative to the validation scores."""
        # Predictions settle long before the factors do.
        method = least_squares_of(
            self.training, self.basis, self.observed, nonnegative, FOLD_TOL
        )
        factors = best_fit(method, k, n_init, generator, FOLD_MAX_ITER).state
        model = np.ones((*self.training.shape[:-1], k))
        for mode, factor in enumerate(factors[:-1]):
            shape = [1] * model.ndim
            shape[mode], shape[-1] = factor.shape
            model *= factor.reshape(shape)
        spectra = self.basis.T @ factors[-1]
        residual = self.validation - self.ratio * (model @ spectra.T)
        squares = np.square(residual[self.predicted]).sum()
        total = np.square(self.validation[self.predicted]).sum()
        # The prediction of zeros has the error 1; a worse one is counted like it.
        return float(min(squares / total, 1.0))


def folds_of(data: CompressedTensor, generator: np.random.Generator) -> list[Fold]:
    """Parts of thinned counts; parts of the fibres of other data."""
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
            Fold(
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
        predicted = observed & (part == i)
        kept_fibres = observed & (part != i)
        training = np.where(kept_fibres[..., None], scores, 0.0)
        fold = Fold(training, scores, data.basis, kept_fibres, predicted, 1.0)
        folds.append(fold)
    return folds


def _thinned(data: CompressedTensor, seed: int) -> NDArray:
    """Scores of the counts of every fold, each count in one of them; one pass."""
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
    remaining = np.rint(X / quantum).astype(np.int64)
    scores = np.empty((len(X), V.shape[1], _FOLDS))
    for i in range(_FOLDS):
        part = generator.binomial(remaining, 1 / (_FOLDS - i))
        remaining -= part
        scores[:, :, i] = quantum * (part @ V) / scale[:, None]
    return (scores,), ()
