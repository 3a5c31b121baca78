"""The kernels once more, in the plainest Python."""

import itertools
import math

import numpy as np
from scipy.stats import norm, truncnorm


def row_objective(c, f, G, threshold):
    """``1/2 c G c' - f c' + threshold c'`` of one row."""
    return 0.5 * c @ G @ c - f @ c + threshold @ c


def nonnegative_sweep(c, f, G, threshold):
    """One sweep of coordinate descent over one row."""
    c = [float(value) for value in c]
    k = len(c)
    for j in range(k):
        if G[j][j] <= 0:
            c[j] = 0.0
            continue
        others = sum(G[j][m] * c[m] for m in range(k) if m != j)
        c[j] = max(0.0, (f[j] - threshold[j] - others) / G[j][j])
    return c


def nonnegative_rows(C, F, G, threshold, sweeps):
    """Every row by itself: its free minimum if that is allowed, else some sweeps."""
    rows = []
    for c, f in zip(C, F, strict=True):
        free = np.linalg.solve(G, f - threshold)
        if sweeps and np.all(free >= 0):
            c = free
        else:
            for _ in range(sweeps):
                c = nonnegative_sweep(c, f, G, threshold)
        rows.append(c)
    return np.array(rows, float).reshape(C.shape)


def best_nonnegative_row(f, G, threshold):
    """The minimum over all sets of components that may be positive; G definite."""
    k = len(f)
    best = np.zeros(k)
    for size in range(1, k + 1):
        for chosen in itertools.combinations(range(k), size):
            c = np.zeros(k)
            c[list(chosen)] = np.linalg.solve(
                G[np.ix_(chosen, chosen)], (f - threshold)[list(chosen)]
            )
            better = row_objective(c, f, G, threshold) < row_objective(
                best, f, G, threshold
            )
            if np.all(c >= 0) and better:
                best = c
    return best


def unit_norm_rows(S, F, G, sweeps):
    """``s_j = [f_j - sum_{m != j} G_jm s_m]_+``, normalised, one row after another."""
    S = np.array(S, float)
    for _ in range(sweeps):
        for j in range(len(S)):
            if G[j, j] <= 0:
                continue
            r = np.array(F[j], float)
            for m in range(len(S)):
                if m != j:
                    r = r - G[j, m] * S[m]
            r = np.maximum(r, 0)
            if r.any():
                S[j] = r / math.sqrt(sum(r * r))
    return S


def fill_clipped(X, M, sigma):
    """Filled block, loss, variance and number of positive entries."""
    filled = np.array(X, float)
    loss = variance = 0.0
    n_positive = 0
    for where, x in np.ndenumerate(X):
        model = float(M[where])
        if x > 0:
            loss += (float(x) - model) ** 2 / (2 * sigma**2)
            n_positive += 1
        else:
            below = truncnorm(-math.inf, -model / sigma, loc=model, scale=sigma)
            loss -= norm.logcdf(0, loc=model, scale=sigma)
            filled[where] = below.mean()
            variance += below.var()
    return filled, loss, variance, n_positive


def row_statistics(X):
    """Dictionary of what one look at a block tells."""
    found = {"sums": [], "squares": [], "bad": [], "smallest": [], "fractions": []}
    for row in X.astype(float).tolist():
        found["sums"].append(math.fsum(row))
        found["squares"].append(math.fsum(x * x for x in row))
        broken = [e for e, x in enumerate(row) if not math.isfinite(x)]
        found["bad"].append(broken[0] if broken else -1)
        found["smallest"].append(min((x for x in row if x > 0), default=math.inf))
        found["fractions"].append(any(not x.is_integer() for x in row))
    wide = X.astype(float)
    found["columns"] = np.array(
        [wide.sum(axis=0), (wide**2).sum(axis=0), (X == 0).sum(axis=0)], float
    )
    return found
