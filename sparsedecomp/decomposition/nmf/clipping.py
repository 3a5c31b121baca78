"""Data whose negative noise was set to zero: a zero is an inequality, not a number.

Cutting noise off at zero lifts every weak channel by up to 0.4 standard deviations, and
a least-squares model fits the lift. Here the entries at zero are known as "not above
zero" only. Expectation maximisation fills them in with what they are expected to be
under the current model [1]_ and does one step of the ordinary descent, which never
raises the (censored) objective.

References
----------
.. [1] J. Tobin, Econometrica 26 (1958) 24. https://doi.org/10.2307/1907382
"""

from __future__ import annotations

import numpy as np

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.nmf.descent import (
    ROUNDING,
    SPECTRUM_SWEEPS,
    Descent,
    Factors,
    coupling,
    extrapolate,
    interruptible,
)
from sparsedecomp.kernels.clipped import fill_clipped
from sparsedecomp.kernels.coordinate import nonnegative_rows, unit_norm_rows

SWEEPS = 3
# Rounds of filling in for known spectra, and the relative change that ends them.
MOST_ROUNDS = 200
SETTLED = 1e-4
# Entries that the spectra are learnt from; more would not move them.
SAMPLE_ENTRIES = 2**22


def sample_of(blocks):
    """Evenly spread pixels that hold enough entries, read into memory in one pass.

    Returns
    -------
    sample : BlockMatrix
    chosen : int array
        Its rows in ``blocks``.
    """
    n, m = blocks.shape
    wanted = min(n, max(1024, SAMPLE_ENTRIES // m))
    chosen = np.linspace(0, n - 1, wanted).round().astype(int)
    (X,), _ = blocks.select(chosen).run(_themselves)
    return as_blocks(X), chosen


def _themselves(X):
    return (X,), ()


def descend_clipped(blocks, state, settings):
    """Descend on the likelihood of data that were clipped at zero.

    Parameters and result are those of `sparsedecomp.decomposition.nmf.descent.descend`,
    with the data themselves in the place of the view.
    """
    result = Descent(state)
    n, m = blocks.shape
    orthogonality, prior = settings.orthogonality, settings.prior(n, m)
    momentum, start, last = 0.5, state, state
    fallback, small = False, 0
    with interruptible(result):
        for _ in range(settings.max_iter):
            sigma = np.sqrt(start.noise_variance)
            shared = start.S, coupling(start.S, orthogonality), start.threshold, sigma
            (C,), sums = blocks.run(update_clipped, rows=(start.C,), shared=shared)
            gram, F, totals, before, squares, loss, positive = sums
            # The pass that improves a state is the one that scores it.
            objective = float(loss + positive * np.log(sigma))
            overlap = before.sum() - np.trace(before)
            objective += 0.5 * orthogonality * overlap / start.noise_variance
            if prior is not None:
                objective += prior.cost(start.relevance, start.under)
            if objective > result.objective:
                if fallback:
                    result.converged = True
                    break
                momentum /= 1.5
                start, fallback = last, True
                continue
            gain = result.objective - objective
            result.history.append(objective)
            result.factors = start
            if settings.stops(objective, start.n_components):
                result.stopped = True
                break
            small = small + 1 if settings.stands_still(gain, n * m) else 0
            if small == 2:
                result.converged = True
                break

            S = start.S.copy()
            unit_norm_rows(S, F, gram, SPECTRUM_SWEEPS)
            Q = squares + np.sum(gram * (S @ S.T)) - 2 * np.sum(F * S)
            Q += orthogonality * (gram.sum() - np.trace(gram))
            relevance = start.relevance
            if prior is not None:
                relevance = prior.relevance(totals)
            noise_variance = max(float(Q), ROUNDING * float(squares)) / (n * m)
            last = Factors(C, S, noise_variance, relevance, start.under)
            if not fallback:
                momentum = min(1.0, momentum * 1.05)
            fallback = False
            start = extrapolate(result.factors, last, momentum)
    return result


def update_clipped(X, C, S, gram, threshold, sigma):
    """Fill in the zeros, update the abundances of some rows, and add up the rest."""
    X = X.astype(np.float64)
    wide = C.astype(np.float64)
    before = wide.T @ wide
    loss, variance, n_positive = fill_clipped(X, wide @ S, sigma)
    nonnegative_rows(wide, X @ S.T, gram, threshold, SWEEPS, 0.0)
    C = wide.astype(C.dtype)
    wide = C.astype(np.float64)
    squares = np.vdot(X, X) + variance
    return (C,), (
        wide.T @ wide,
        wide.T @ X,
        wide.sum(axis=0),
        before,
        squares,
        loss,
        n_positive,
    )


def clipped_abundances(X, S, gram, threshold, sigma):
    """Abundances of some rows of clipped data, the spectra known."""
    C = np.zeros((X.shape[0], len(S)))
    nonnegative_rows(C, X @ S.T, gram, threshold, 100, 1e-6)
    unsettled = np.arange(len(C))
    for _ in range(MOST_ROUNDS):
        before = C[unsettled]
        filled = X[unsettled].astype(np.float64)
        fill_clipped(filled, before @ S, sigma)
        after = before.copy()
        nonnegative_rows(after, filled @ S.T, gram, threshold, SWEEPS, 0.0)
        C[unsettled] = after
        moved = np.abs(after - before).max(axis=1)
        unsettled = unsettled[moved > SETTLED * after.max(axis=1)]
        if not unsettled.size:
            break
    return C.astype(X.dtype)
