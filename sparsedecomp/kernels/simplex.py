"""Abundances for known spectra: one small quadratic programme for each pixel."""

import math

import numba
import numpy as np

_EPS = 2.220446049250313e-16


@numba.njit(cache=True, nogil=True)
def solve_by_supports(C, F, G, closed, maps, offsets, known):
    """Minimise ``1/2 c G c' - f c'`` over ``c >= 0`` by linear maps, one per support.

    For a support, the set of components that may be positive, the abundances inside
    and the gradients outside of it are ``maps[set] @ f + offsets[set]``; if none of
    them is negative, the support is that of the minimum. A pixel first tries the
    support of the pixel before and exchanges components with negative values. If that
    does not converge, all supports are compared.

    Parameters
    ----------
    C : (n, k) array
        Overwritten with the abundances.
    F : (n, k) array
        Product of every row with every spectrum.
    G : (k, k) float64 array
        Gram matrix of the spectra.
    closed : bool
        Whether the abundances of a row also add up to one.
    maps : (2**k, k, k) float64 array
        Linear map of each support; bit ``j`` of the first index says that component
        ``j`` is inside.
    offsets : (2**k, k) float64 array
        Constant of each support.
    known : (2**k,) bool array
        Whether the spectra of a support are linearly independent.
    """
    n, k = C.shape
    n_sets = known.shape[0]
    value = np.empty(k)
    best = np.empty(k)
    f = np.empty(k)
    here = n_sets - 1
    for i in range(n):
        size = 0.0
        for j in range(k):
            f[j] = F[i, j]
            size = max(size, abs(f[j]))
        settled = False
        attempt = 0
        while known[here] and attempt < 6 * k:
            flips = 0
            largest = 0.0
            for j in range(k):
                total = offsets[here, j]
                for m in range(k):
                    total += maps[here, j, m] * f[m]
                value[j] = total
                if here >> j & 1:
                    largest = max(largest, abs(total))
            for j in range(k):
                inside = here >> j & 1
                slack = largest if inside else size + G[j, j] * closed
                if value[j] < -64 * _EPS * slack:
                    # First all at once; then one at a time, which cannot cycle (Murty).
                    flips = flips | 1 << j if attempt < k else 1 << j
            if flips == 0:
                settled = True
                break
            here ^= flips
            attempt += 1
        if settled:
            for j in range(k):
                C[i, j] = max(value[j], 0.0) if here >> j & 1 else 0.0
            continue

        least = math.inf
        best[:] = 0.0
        for s in range(n_sets):
            if not known[s]:
                continue
            feasible = True
            for j in range(k):
                value[j] = 0.0
                if s >> j & 1:
                    total = offsets[s, j]
                    for m in range(k):
                        total += maps[s, j, m] * f[m]
                    value[j] = total
                    feasible = feasible and total >= 0.0
            if not feasible:
                continue
            objective = 0.0
            for j in range(k):
                total = -f[j]
                for m in range(k):
                    total += 0.5 * G[j, m] * value[m]
                objective += value[j] * total
            if objective < least:
                least = objective
                here = s
                best[:] = value
        for j in range(k):
            C[i, j] = best[j]


@numba.njit(cache=True, nogil=True)
def solve_by_active_set(C, F, G, closed):
    """Minimise ``1/2 c G c' - f c'`` over ``c >= 0`` by Lawson and Hanson's method.

    The component with the steepest gradient enters the active set. Components leave it
    if they become negative on the way to its unconstrained minimum.

    Parameters
    ----------
    C : (n, k) array
        Overwritten with the abundances.
    F : (n, k) array
        Product of every row with every spectrum.
    G : (k, k) float64 array
        Gram matrix of the spectra.
    closed : bool
        Whether the abundances of a row also add up to one.
    """
    n, k = C.shape
    # If the sum is one, a constant added to G and f does not move the minimum; with it
    # a spectrum of zeros (shade) is linearly independent.
    shift = 0.0
    if closed:
        for j in range(k):
            shift += G[j, j] / k
    H = G + shift
    inside = np.empty(k, np.int64)
    barred = np.empty(k, np.bool_)
    c = np.empty(k)
    f = np.empty(k)
    target = np.empty(k)
    ones = np.empty(k)
    slope = np.empty(k)
    L = np.empty((k, k))
    for i in range(n):
        size = 0.0
        for j in range(k):
            f[j] = F[i, j] + shift
            size = max(size, abs(f[j]))
            c[j] = 0.0
            barred[j] = H[j, j] <= 0.0
        count = 0
        if closed:
            first = 0
            for j in range(k):
                if 0.5 * H[j, j] - f[j] < 0.5 * H[first, first] - f[first]:
                    first = j
            inside[0] = first
            c[first] = 1.0
            count = 1
        steps = 0
        while True:
            # Gradient at c, and Lagrange multiplier of the sum.
            for j in range(k):
                total = -f[j]
                for m in range(count):
                    total += H[j, inside[m]] * c[inside[m]]
                slope[j] = total
            level = 0.0
            if closed:
                for m in range(count):
                    level += slope[inside[m]] / count
            entering = -1
            steepest = -1e-12 * size
            for j in range(k):
                if slope[j] - level < steepest:
                    out = not barred[j]
                    for m in range(count):
                        out = out and inside[m] != j
                    if out:
                        entering = j
                        steepest = slope[j] - level
            # Each step lowers the misfit; the limit is for steps that only round.
            if entering < 0 or steps == 3 * k + 10:
                break
            steps += 1
            inside[count] = entering
            count += 1
            independent = True
            while True:
                # Cholesky factor of the Gram matrix of the active set.
                for a in range(count):
                    for b in range(a + 1):
                        total = H[inside[a], inside[b]]
                        for m in range(b):
                            total -= L[a, m] * L[b, m]
                        if a > b:
                            L[a, b] = total / L[b, b]
                        elif total > 1e-14 * H[inside[a], inside[a]]:
                            L[a, a] = math.sqrt(total)
                        else:
                            independent = False
                            L[a, a] = 1.0
                if not independent:
                    break
                for a in range(count):
                    total, one = f[inside[a]], 1.0
                    for m in range(a):
                        total -= L[a, m] * target[m]
                        one -= L[a, m] * ones[m]
                    target[a] = total / L[a, a]
                    ones[a] = one / L[a, a]
                for back in range(count):
                    a = count - 1 - back
                    total, one = target[a], ones[a]
                    for m in range(a + 1, count):
                        total -= L[m, a] * target[m]
                        one -= L[m, a] * ones[m]
                    target[a] = total / L[a, a]
                    ones[a] = one / L[a, a]
                if closed:
                    missing, weight = 1.0, 0.0
                    for a in range(count):
                        missing -= target[a]
                        weight += ones[a]
                    for a in range(count):
                        target[a] += ones[a] * missing / weight
                step = 1.0
                first = -1
                for a in range(count):
                    if target[a] <= 0.0:
                        now = c[inside[a]]
                        reach = now / (now - target[a]) if now > 0.0 else 0.0
                        if first < 0 or reach < step:
                            first = a
                            step = reach
                left = 0
                for a in range(count):
                    j = inside[a]
                    c[j] += step * (target[a] - c[j])
                    if a != first and c[j] > 0.0:
                        inside[left] = j
                        left += 1
                    else:
                        c[j] = 0.0
                        # It entered because of rounding and must not enter again.
                        barred[j] = barred[j] or (j == entering and step == 0.0)
                count = left
                if first < 0:
                    break
            if not independent:
                # A linearly dependent component cannot lower the misfit.
                count -= 1
                barred[entering] = True
        for j in range(k):
            C[i, j] = c[j]


@numba.njit(cache=True, nogil=True)
def soft_hinge(T, Q, width, weight, gradient):
    """Weighted sum of a smooth penalty of negative abundances ``T Q``.

    The hinge ``max(-a, 0)`` of an abundance is smoothed to ``w log(1 + exp(-a / w))``.

    Parameters
    ----------
    T : (n, k) float64 array
        Homogeneous coordinates of the pixels.
    Q : (k, k) float64 array
        Map to the abundances, one column for each.
    width : (k,) float64 array
        Width ``w`` of the smoothing, for each abundance.
    weight : (k,) float64 array
        Weight of each abundance in the sum.
    gradient : (k, k) float64 array
        Overwritten with the derivative with respect to ``Q``.

    Returns
    -------
    float
        Weighted sum of the penalties.
    """
    n, k = T.shape
    total = 0.0
    gradient[:] = 0.0
    for i in range(n):
        for j in range(k):
            a = 0.0
            for m in range(k):
                a += T[i, m] * Q[m, j]
            x = a / width[j]
            if x > 36.0:
                continue
            if x > 0.0:
                tail = math.exp(-x)
                total += weight[j] * width[j] * math.log1p(tail)
                slope = -weight[j] * tail / (1.0 + tail)
            else:
                tail = math.exp(x)
                total += weight[j] * (width[j] * math.log1p(tail) - a)
                slope = -weight[j] / (1.0 + tail)
            for m in range(k):
                gradient[m, j] += slope * T[i, m]
    return total
