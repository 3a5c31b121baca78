"""Sampling of the supports of sparse weights by parallel tempering."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def support_evidence(f, G, square, size, prior, variance, columns, count, mean, factor):
    """Log evidence of one support, and the posterior mean of its weights.

    With A = G_cc / v + 1/d it is ``-1/2 [y'y/v - f_c' A^-1 f_c / v^2 + size log 2 pi v
    + log |A| + sum log d]``.

    Parameters
    ----------
    f : (p,) float64 array
        Products of the columns with the data.
    G : (p, p) float64 array
        Gram matrix.
    square, size, variance : float, int, float
        Sum of squares, number and noise variance of the data of one spectrum.
    prior : (p,) float64 array
        Prior variances.
    columns : (m,) int array
        Columns of the support in the first ``count`` entries.
    count : int
        Size of the support.
    mean : (m,) float64 array
        Overwritten with the posterior mean.
    factor : (m, m) float64 array
        Overwritten with the Cholesky factor of A, lower triangle.

    Returns
    -------
    float
        Log evidence, without the prior of the support.
    """
    value = -0.5 * (square / variance + size * math.log(2.0 * math.pi * variance))
    for k in range(count):
        a = columns[k]
        for m in range(k + 1):
            total = G[a, columns[m]] / variance
            if m == k:
                total += 1.0 / prior[a]
            for h in range(m):
                total -= factor[k, h] * factor[m, h]
            if m == k:
                factor[k, k] = math.sqrt(total)
            else:
                factor[k, m] = total / factor[m, m]
        total = f[a] / variance
        for h in range(k):
            total -= factor[k, h] * mean[h]
        mean[k] = total / factor[k, k]
        value += 0.5 * mean[k] * mean[k]
        value -= math.log(factor[k, k]) + 0.5 * math.log(prior[a])
    for k in range(count - 1, -1, -1):
        total = mean[k]
        for h in range(k + 1, count):
            total -= factor[h, k] * mean[h]
        mean[k] = total / factor[k, k]
    return value


@numba.njit(cache=True, nogil=True)
def exchange_chains(
    f,
    G,
    square,
    size,
    prior,
    log_odds,
    betas,
    log_variances,
    max_size,
    columns,
    counts,
    uniforms,
    burn,
    reach,
    inclusion,
    first,
    second,
    trace,
    moves,
):
    """Replica exchange over supports and the noise variance.

    Each replica b samples ``P(y | c, v)^beta_b P(c)`` with the weights integrated out.
    A sweep has one move in every replica (flip a column, shift one by up to ``reach``
    columns, or draw another noise variance from its list) and one exchange of
    neighbouring replicas. Supports with a negative posterior mean weight are refused.

    Parameters
    ----------
    f : (p,) float64 array
        Products of the columns with the data.
    G : (p, p) float64 array
        Gram matrix.
    square, size : float, int
        Sum of squares and number of data.
    prior, log_odds : (p,) float64 arrays
        Prior variances and log odds of the columns.
    betas : (m,) float64 array
        Inverse temperatures, the first one 1.
    log_variances : (h,) float64 array
        Logarithms of the noise variances that are possible, all equally likely.
    max_size : int
        Largest support.
    columns : (m, max_size) int array
        Support of each replica, overwritten.
    counts : (m, 2) int array
        Size of each support and index of its noise variance, overwritten.
    uniforms : (n_sweeps, m + 1, 4) float64 array
        Random numbers between 0 and 1.
    burn : int
        Sweeps that are not counted.
    reach : int
        Longest shift.
    inclusion, first, second : (p,) float64 arrays
        Overwritten with the fraction of the sweeps in which the support of the first
        replica contained each column, and with the mean weight and the mean squared
        weight (with posterior variance) of the column in these sweeps.
    trace : (n_sweeps, 3) float64 array
        Overwritten with log evidence, size and log noise variance of the first
        replica.
    moves : (m, 2) float64 array
        Overwritten with the accepted fractions of moves and of exchanges.
    """
    p = len(f)
    m = len(betas)
    n_sweeps = len(uniforms)
    value = np.empty(m)
    order = np.arange(m)
    trial = np.empty(max_size, dtype=np.int64)
    mean = np.empty(max_size)
    factor = np.empty((max_size, max_size))
    solved = np.empty(max_size)
    inclusion[:] = 0.0
    first[:] = 0.0
    second[:] = 0.0
    moves[:] = 0.0
    kept = 0
    for sweep in range(-1, n_sweeps):
        for b in range(m):
            slot = order[b]
            count = counts[slot, 0]
            level = counts[slot, 1]
            for k in range(count):
                trial[k] = columns[slot, k]
            ratio = 0.0
            valid = True
            if sweep >= 0:
                u = uniforms[sweep, b]
                if u[0] < 0.4:
                    j = min(int(u[1] * p), p - 1)
                    place = -1
                    for k in range(count):
                        if trial[k] == j:
                            place = k
                    if place >= 0:
                        trial[place] = trial[count - 1]
                        count -= 1
                        ratio = -log_odds[j]
                    elif count < max_size:
                        trial[count] = j
                        count += 1
                        ratio = log_odds[j]
                    else:
                        valid = False
                elif u[0] < 0.9:
                    if count == 0:
                        valid = False
                    else:
                        k = min(int(u[1] * count), count - 1)
                        step = 1 + min(int(u[2] * 2 * reach), 2 * reach - 1)
                        j = trial[k] + (step if step <= reach else reach - step)
                        valid = 0 <= j < p
                        for h in range(count):
                            valid = valid and trial[h] != j
                        if valid:
                            ratio = log_odds[j] - log_odds[trial[k]]
                            trial[k] = j
                else:
                    level = min(int(u[1] * len(log_variances)), len(log_variances) - 1)
            if not valid:
                continue
            new = support_evidence(
                f,
                G,
                square,
                size,
                prior,
                math.exp(log_variances[level]),
                trial,
                count,
                mean,
                factor,
            )
            for k in range(count):
                valid = valid and mean[k] > 0.0
            if sweep < 0:
                value[slot] = new
                continue
            if valid and math.log(uniforms[sweep, b, 3] + 1e-300) < (
                betas[b] * (new - value[slot]) + ratio
            ):
                value[slot] = new
                counts[slot, 0] = count
                counts[slot, 1] = level
                for k in range(count):
                    columns[slot, k] = trial[k]
                moves[b, 0] += 1.0
        if sweep < 0:
            continue
        if m > 1:
            b = min(int(uniforms[sweep, m, 0] * (m - 1)), m - 2)
            gain = (betas[b] - betas[b + 1]) * (value[order[b + 1]] - value[order[b]])
            if math.log(uniforms[sweep, m, 1] + 1e-300) < gain:
                order[b], order[b + 1] = order[b + 1], order[b]
                moves[b, 1] += 1.0
        slot = order[0]
        count = counts[slot, 0]
        trace[sweep, 0] = value[slot]
        trace[sweep, 1] = count
        trace[sweep, 2] = log_variances[counts[slot, 1]]
        if sweep < burn:
            continue
        kept += 1
        support_evidence(
            f,
            G,
            square,
            size,
            prior,
            math.exp(log_variances[counts[slot, 1]]),
            columns[slot],
            count,
            mean,
            factor,
        )
        for k in range(count):
            # Variance of a weight: squared norm of a column of the inverse factor.
            variance = 0.0
            for h in range(k, count):
                total = 1.0 if h == k else 0.0
                for g in range(k, h):
                    total -= factor[h, g] * solved[g]
                solved[h] = total / factor[h, h]
                variance += solved[h] * solved[h]
            a = columns[slot, k]
            inclusion[a] += 1.0
            first[a] += mean[k]
            second[a] += mean[k] * mean[k] + variance
    for a in range(p):
        if inclusion[a] > 0.0:
            first[a] /= inclusion[a]
            second[a] /= inclusion[a]
            inclusion[a] /= kept
    for b in range(m):
        moves[b, 0] /= n_sweeps
        moves[b, 1] /= n_sweeps
