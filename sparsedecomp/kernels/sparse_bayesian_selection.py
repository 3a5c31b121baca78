"""Bayesian selection of the columns that a spectrum contains, by greedy search.

The model of every row is ``y ~ N(S w, v I)`` with ``w_j ~ N(0, d_j)`` if column j is in
the support, else zero; the search needs only G = S'S, F = S'y and y'y.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def greedy_supports(
    F,
    G,
    squares,
    size,
    prior,
    variances,
    log_odds,
    blocked,
    max_size,
    max_steps,
    W,
    D,
    best,
):
    """Add and delete columns of each row while the exact evidence rises.

    Every row is searched with each of the noise variances; the result is that of the
    largest evidence. A column whose weight would be negative is never kept.

    Parameters
    ----------
    F : (n, p) float64 array
        Products of the columns with the data.
    G : (p, p) float64 array
        Gram matrix of the columns.
    squares : (n,) float64 array
        Sum of squares of each row's data.
    size : int
        Number of data of a row.
    prior : (p,) float64 array
        Prior variance of the weight of each column.
    variances : (n, m) float64 array
        Noise variances that are tried for each row.
    log_odds : (p,) float64 array
        Prior log odds of each column.
    blocked : (p, 2) int array
        First and one past the last column that may not be added beside each column.
    max_size : int
        Largest number of columns.
    max_steps : int
        Largest number of additions and deletions of a row.
    W, D : (n, p) arrays
        Overwritten with the weights and their standard deviations; zero outside the
        support.
    best : (n, 2) float64 array
        Overwritten with the log evidence and the chosen noise variance.
    """
    n, p = F.shape
    s = np.empty(p)
    q = np.empty(p)
    c = np.empty(p)
    taken = np.empty(p, dtype=np.int64)
    active = np.empty(max_size, dtype=np.int64)
    cov = np.empty((max_size, max_size))
    mean = np.empty(max_size)
    t = np.empty(max_size)
    for i in range(n):
        best[i, 0] = -np.inf
        for level in range(variances.shape[1]):
            v = variances[i, level]
            evidence = -0.5 * (squares[i] / v + size * math.log(2.0 * math.pi * v))
            for j in range(p):
                s[j] = G[j, j] / v
                q[j] = F[i, j] / v
                taken[j] = 0
            count = 0
            # Once no step raises the evidence, columns are taken out in turn; the next
            # addition is where the evidence is largest then.
            turn = 0
            steps = 0
            while steps < max_steps:
                steps += 1
                gain = 0.0
                choice = -1
                if count < max_size:
                    for j in range(p):
                        if q[j] > 0.0 and taken[j] == 0:
                            value = 0.5 * (
                                q[j] * q[j] / (1.0 / prior[j] + s[j])
                                - math.log1p(prior[j] * s[j])
                            )
                            value += log_odds[j]
                            if value > gain:
                                gain = value
                                choice = j
                drop = -1
                for k in range(count):
                    j = active[k]
                    value = -0.5 * (
                        mean[k] * mean[k] / cov[k, k] - math.log(prior[j] / cov[k, k])
                    )
                    value -= log_odds[j]
                    if mean[k] <= 0.0:
                        drop = k
                        choice = -1
                        gain = value
                        break
                    if value > gain:
                        gain = value
                        drop = k
                        choice = -1
                if choice < 0 and drop < 0:
                    if turn >= 2 * count or count == 0:
                        break
                    # Take out the column that was added first; it may return.
                    drop = 0
                    turn += 1
                    j = active[0]
                    gain = -log_odds[j] - 0.5 * (
                        mean[0] * mean[0] / cov[0, 0] - math.log(prior[j] / cov[0, 0])
                    )
                evidence += gain
                if drop >= 0:
                    for j in range(p):
                        c[j] = 0.0
                    for k in range(count):
                        factor = cov[k, drop] / v
                        row = G[active[k]]
                        for j in range(p):
                            c[j] += factor * row[j]
                    inverse = 1.0 / cov[drop, drop]
                    for j in range(p):
                        s[j] += inverse * c[j] * c[j]
                        q[j] += inverse * mean[drop] * c[j]
                    gone = mean[drop] * inverse
                    for k in range(count):
                        t[k] = cov[k, drop]
                    for k in range(count):
                        mean[k] -= gone * t[k]
                        for m in range(count):
                            cov[k, m] -= inverse * t[k] * t[m]
                    for j in range(blocked[active[drop], 0], blocked[active[drop], 1]):
                        taken[j] -= 1
                    for k in range(drop, count - 1):
                        active[k] = active[k + 1]
                        mean[k] = mean[k + 1]
                    for k in range(drop, count - 1):
                        for m in range(count):
                            cov[k, m] = cov[k + 1, m]
                    for k in range(count - 1):
                        for m in range(drop, count - 1):
                            cov[k, m] = cov[k, m + 1]
                    count -= 1
                    continue
                a = choice
                for j in range(p):
                    c[j] = G[a, j] / v
                for k in range(count):
                    t[k] = 0.0
                    for m in range(count):
                        t[k] += cov[k, m] * G[active[m], a] / v
                for k in range(count):
                    factor = t[k] / v
                    row = G[active[k]]
                    for j in range(p):
                        c[j] -= factor * row[j]
                spread = 1.0 / (1.0 / prior[a] + s[a])
                weight = spread * q[a]
                for j in range(p):
                    s[j] -= spread * c[j] * c[j]
                    q[j] -= weight * c[j]
                for k in range(count):
                    mean[k] -= weight * t[k]
                    for m in range(count):
                        cov[k, m] += spread * t[k] * t[m]
                    cov[k, count] = -spread * t[k]
                    cov[count, k] = -spread * t[k]
                cov[count, count] = spread
                mean[count] = weight
                active[count] = a
                count += 1
                for j in range(blocked[a, 0], blocked[a, 1]):
                    taken[j] += 1
            if evidence > best[i, 0]:
                best[i, 0] = evidence
                best[i, 1] = v
                for j in range(p):
                    W[i, j] = 0.0
                    D[i, j] = 0.0
                for k in range(count):
                    W[i, active[k]] = mean[k]
                    D[i, active[k]] = math.sqrt(cov[k, k])
