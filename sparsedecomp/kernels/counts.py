"""Poisson EM, pixel by pixel: every count is attributed to the components.

A pixel with counts ``x_e`` in the channels ``e`` is modelled by the abundances ``c_k``
and the spectra ``S_ke``. Given weights ``t_k``, a count in channel ``e`` belongs to
component ``k`` with probability ``t_k S_ke / sum_j t_j S_je``; ``n_k`` is the expected
number of counts of a component. Only channels with counts are visited.
"""

import math

import numba
import numpy as np

# Reassociation vectorises the sums over channels; NumPy's error model vectorises
# divisions, since it does not test for zeros.
_FAST = {
    "fastmath": {"reassoc", "contract", "arcp", "nsz"},
    "error_model": "numpy",
}
_TINY = 1e-300
# A positive double has the bits of its exponent plus 1023 above 52 bits of its
# fraction. An integer with the bits of _GIVES_INTEGER above it reads as 2^52 more.
_FRACTION = np.uint64(52)
_EXPONENT = np.uint64(0xFFF << 52)
_RAISED = np.uint64(1024 << 52)
_ROOT_HALF = np.uint64(np.float64(math.sqrt(0.5)).view(np.int64))
_GIVES_INTEGER = np.uint64(0x433 << 52)
_LOG_2 = math.log(2.0)
# Number of sweeps before a row is extrapolated, in every third sweep. A smaller number
# also extrapolates rows that would converge soon.
_PATIENCE = 6
# Longest extrapolation, in steps: it is limited where two steps are almost equal.
_LONGEST = 1e3


@numba.njit(cache=True, nogil=True)
def digamma(x):
    """Derivative of ``log Gamma`` for a positive number.

    Parameters
    ----------
    x : float
        Positive number.

    Returns
    -------
    float
        Derivative of ``log Gamma`` at ``x``.
    """
    shifted = 0.0
    while x < 6.0:
        shifted -= 1.0 / x
        x += 1.0
    f = 1.0 / (x * x)
    series = f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f / 132))))
    return shifted + math.log(x) - 0.5 / x - series


@numba.njit(cache=True, nogil=True, **_FAST)
def _share_out(size, x, B, t, model, ratio, n):
    """Attribute the counts of one pixel to the components.

    The first ``size`` columns of ``B`` hold the spectra in the channels with counts.
    Overwrites ``n`` with the counts of every component, ``model`` with the model and
    ``ratio`` with the counts over the model.
    """
    # Arrays are passed whole: loops over a view of their columns are not vectorised.
    k = t.size
    for p in range(size):
        model[p] = _TINY
    for j in range(k):
        row = B[j]
        weight = t[j]
        for p in range(size):
            model[p] += weight * row[p]
    for p in range(size):
        ratio[p] = x[p] / model[p]
    for j in range(k):
        row = B[j]
        total = 0.0
        for p in range(size):
            total += ratio[p] * row[p]
        n[j] = total * t[j]


@numba.njit(cache=True, nogil=True, **_FAST)
def _log_likelihood(size, x, model, power):
    """Sum ``x log(model)`` over one pixel; ``model`` and ``power`` are overwritten.

    This logarithm can be vectorised: ``model`` is ``2^power m`` with ``m`` between the
    roots of 1/2 and 2, and ``log m = 2 artanh((m - 1) / (m + 1))``. Terms of its series
    beyond the 19th power are below double precision.
    """
    bits, raised = model.view(np.uint64), power.view(np.uint64)
    for p in range(size):
        above = bits[p] + _RAISED - _ROOT_HALF
        raised[p] = _GIVES_INTEGER | (above >> _FRACTION)
        bits[p] = bits[p] + _RAISED - (above & _EXPONENT)
    for p in range(size):
        power[p] -= 2.0**52 + 1024.0
    total = 0.0
    for p in range(size):
        z = (model[p] - 1.0) / (model[p] + 1.0)
        w = z * z
        s = 1 / 11 + w * (1 / 13 + w * (1 / 15 + w * (1 / 17 + w / 19)))
        s = 1.0 + w * (1 / 3 + w * (1 / 5 + w * (1 / 7 + w * (1 / 9 + w * s))))
        total += x[p] * (2.0 * z * s + _LOG_2 * power[p])
    return total


@numba.njit(cache=True, nogil=True)
def _leap(a, before, move):
    """Extrapolate a row that converges slowly by SQUAREM (Varadhan and Roland 2008).

    ``before`` and ``move`` are the row before two steps and the first of them, ``a`` is
    the row after both, which is overwritten. No entry becomes less than half of it.
    """
    first, bend = 0.0, 0.0
    for j in range(a.size):
        first += move[j] * move[j]
        bend += (a[j] - before[j] - 2.0 * move[j]) ** 2
    stretch = min(max(math.sqrt(first / (bend + _TINY)), 1.0), _LONGEST)
    for j in range(a.size):
        bent = a[j] - before[j] - 2.0 * move[j]
        leapt = before[j] + 2.0 * stretch * move[j] + stretch * stretch * bent
        a[j] = max(leapt, 0.5 * a[j])


@numba.njit(cache=True, nogil=True)
def _remember(sweep, a, before, move):
    """Keep the row before two steps, and the first of them, for `_leap`."""
    for j in range(a.size):
        if sweep % 3 == 1:
            move[j] = a[j] - before[j]
        elif sweep % 3 == 0:
            before[j] = a[j]


@numba.njit(cache=True, nogil=True)
def _read(first, size, indices, counts, S, x, B):
    """Gather the counts of one pixel, and the spectra in their channels."""
    for p in range(size):
        x[p] = counts[first + p]
    for j in range(S.shape[0]):
        spectrum, row = S[j], B[j]
        for p in range(size):
            row[p] = spectrum[indices[first + p]]


@numba.njit(cache=True, nogil=True)
def _credit(first, size, indices, B, t, ratio, N):
    """Add the counts of one pixel that are attributed to each component."""
    for j in range(t.size):
        row, found, weight = B[j], N[j], t[j]
        for p in range(size):
            found[indices[first + p]] += weight * ratio[p] * row[p]


@numba.njit(cache=True, nogil=True)
def _longest_row(indptr):
    longest = 0
    for i in range(indptr.size - 1):
        longest = max(longest, indptr[i + 1] - indptr[i])
    return longest


@numba.njit(cache=True, nogil=True)
def posterior_rows(indptr, indices, counts, A, S, alpha, sweeps, tol, N):
    """Variational posterior of the shares of every pixel under a Dirichlet prior.

    The shares of the components in the counts of a pixel are Dirichlet distributed, a
    priori with ``alpha`` and a posteriori with the parameters ``a_k = alpha_k + n_k``,
    where the counts are attributed with the weights ``t_k = exp(digamma(a_k))``.

    Parameters
    ----------
    indptr, indices : int arrays
        Structure of a CSR matrix of shape (n, m).
    counts : array
        Entries of this matrix, not negative.
    A : (n, k) array
        Initial parameters ``a``, overwritten with the result.
    S : (k, m) float64 array
        Spectra.
    alpha : (k,) float64 array
        Positive parameters of the prior.
    sweeps : int
        Largest number of updates of a row.
    tol : float
        A row has converged when no parameter changes by more than ``tol`` times their
        sum.
    N : (k, m) float64 array
        The expected counts of every component in every channel are added to it.

    Returns
    -------
    float
        Bound on the evidence without terms that depend on the sums of the rows alone:
        ``sum_e x_e log sum_k t_k S_ke - sum_k n_k log t_k`` plus
        ``sum_k log(Gamma(a_k) / Gamma(alpha_k))``, summed over the rows.
    """
    n, k = A.shape
    longest = _longest_row(indptr)
    B = np.empty((k, longest))
    x = np.empty(longest)
    model = np.empty(longest)
    ratio = np.empty(longest)
    a = np.empty(k)
    t = np.empty(k)
    share = np.empty(k)
    before = np.empty(k)
    move = np.empty(k)
    prior = 0.0
    for j in range(k):
        prior += math.lgamma(alpha[j])
    bound = -n * prior
    for i in range(n):
        first = indptr[i]
        size = indptr[i + 1] - first
        _read(first, size, indices, counts, S, x, B)
        a[:] = A[i]
        for sweep in range(sweeps):
            _remember(sweep, a, before, move)
            total = 0.0
            for j in range(k):
                t[j] = math.exp(digamma(a[j]))
                total += a[j]
            _share_out(size, x, B, t, model, ratio, share)
            moved = 0.0
            for j in range(k):
                new = alpha[j] + share[j]
                moved = max(moved, abs(new - a[j]))
                a[j] = new
            if moved <= tol * total:
                break
            if sweep > _PATIENCE and sweep % 3 == 1 and sweep + 1 < sweeps:
                _leap(a, before, move)
        _credit(first, size, indices, B, t, ratio, N)
        bound += _log_likelihood(size, x, model, ratio)
        for j in range(k):
            if share[j] > 0.0:
                bound -= share[j] * math.log(t[j])
            bound += math.lgamma(a[j])
            A[i, j] = a[j]
    return bound


@numba.njit(cache=True, nogil=True)
def likelihood_rows(
    indptr,
    indices,
    counts,
    C,
    S,
    rate,
    overlap,
    stiffness,
    pull,
    closed,
    sweeps,
    tol,
    N,
):
    """Abundances of largest (penalised) likelihood of every pixel, by minorisation.

    Maximises for every row, one abundance after the other,

        sum_e x_e log(c S)_e - rate c' - overlap sum_{j<k} c_j c_k
            - stiffness/2 c c' + pull c'

    over ``c >= 0``. With the counts attributed by the current abundances, each has the
    closed form ``c = (sqrt(b^2 + 4 q n) - b) / (2 q)`` with the stiffness ``q`` and
    ``b = rate + overlap (sum of the others) - pull``, which is ``n / b`` for ``q = 0``.

    Parameters
    ----------
    indptr, indices : int arrays
        Structure of a CSR matrix of shape (n, m).
    counts : array
        Entries of this matrix, not negative.
    C : (n, k) array
        Initial abundances, overwritten with the result. A zero stays zero.
    S : (k, m) float64 array
        Spectra.
    rate : (k,) float64 array
        Sums of the spectra plus l1 weights, positive.
    overlap : float
        Weight of the products of abundances.
    stiffness : (n,) array
        Quadratic weight of each row.
    pull : (n, k) array
        Linear weight that increases abundances, not negative.
    closed : bool
        Whether abundances add up to one; overlap, stiffness and pull are zero then.
    sweeps : int
        Largest number of updates of a row.
    tol : float
        A row has converged when no abundance changes by more than ``tol`` times their
        sum.
    N : (k, m) float64 array
        The expected counts of every component in every channel are added to it.

    Returns
    -------
    float
        Lower bound on the objective, summed over the rows; exact for rows that have
        converged.
    """
    n, k = C.shape
    longest = _longest_row(indptr)
    B = np.empty((k, longest))
    x = np.empty(longest)
    model = np.empty(longest)
    ratio = np.empty(longest)
    c = np.empty(k)
    t = np.empty(k)
    share = np.empty(k)
    before = np.empty(k)
    move = np.empty(k)
    bound = 0.0
    for i in range(n):
        first = indptr[i]
        size = indptr[i + 1] - first
        _read(first, size, indices, counts, S, x, B)
        c[:] = C[i]
        q = np.float64(stiffness[i])
        for sweep in range(sweeps):
            _remember(sweep, c, before, move)
            total = 0.0
            for j in range(k):
                t[j] = c[j]
                total += c[j]
            _share_out(size, x, B, t, model, ratio, share)
            moved = 0.0
            shift = 0.0
            emitted = 0.0
            for j in range(k):
                emitted += share[j]
            if closed and emitted > 0.0:
                # Newton's method on sum n / (rate + shift) = 1. The sum is convex and
                # falls with the shift: from the left it approaches the root monotonely.
                shift = -math.inf
                for j in range(k):
                    if share[j] > 0.0:
                        shift = max(shift, share[j] - rate[j])
                excess = 1.0
                while excess > 1e-12:
                    excess = -1.0
                    slope = 0.0
                    for j in range(k):
                        if share[j] > 0.0:
                            excess += share[j] / (rate[j] + shift)
                            slope += share[j] / (rate[j] + shift) ** 2
                    shift += excess / slope
            for j in range(k):
                total -= c[j]
                b = rate[j] + shift + overlap * total - pull[i, j]
                if closed and emitted <= 0.0:
                    new = 1.0 / k
                elif share[j] <= 0.0:
                    new = max(-b / q, 0.0) if q > 0.0 else 0.0
                elif q > 0.0:
                    root = math.sqrt(b * b + 4.0 * q * share[j])
                    # Of the two forms of the root, the one without cancellation.
                    new = 2.0 * share[j] / (root + b) if b > 0.0 else (root - b) / 2 / q
                else:
                    new = share[j] / b
                moved = max(moved, abs(new - c[j]))
                c[j] = new
                total += new
            if moved <= tol * total:
                break
            if sweep > _PATIENCE and sweep % 3 == 1 and sweep + 1 < sweeps:
                _leap(c, before, move)
        _credit(first, size, indices, B, t, ratio, N)
        bound += _log_likelihood(size, x, model, ratio)
        total = 0.0
        for j in range(k):
            if share[j] > 0.0:
                bound += share[j] * math.log(c[j] / t[j])
            bound -= (rate[j] - pull[i, j] + overlap * total + 0.5 * q * c[j]) * c[j]
            total += c[j]
            C[i, j] = c[j]
    return bound
