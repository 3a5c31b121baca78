"""Density of noisy mixtures of a few spectra: uniform on every face of their simplex.

A face with ``q`` vertices is described by one row of each of these arrays; pixels are
points of ``D`` coordinates, with the error covariance ``variance[i] * C`` where ``C``
belongs to the face. Whitening with ``C`` is part of the maps:

``size`` (n_faces,) int
    Number of vertices ``q``.
``bary_map`` (n_faces, K, D + 1) float64
    Affine map from a point to its ``q`` barycentric coordinates on the face.
``bary_sd`` (n_faces, K) float64
    Standard deviation of each of them for a pixel of variance one.
``normal_map`` (n_faces, D, D + 1) float64
    Affine map to the ``D - q + 1`` whitened coordinates perpendicular to the face.
``log_constant`` (n_faces,) float64
    Logarithm of the density of the affine hull at zero distance, for variance one.
``log_cap`` (n_faces,) float64
    Logarithm of the volume of the whitened face times the peak of a Gaussian density
    in its ``q - 1`` dimensions, for variance one.
``grid_start``, ``grid_stop`` (n_faces,) int
    Rows of ``grid`` that hold the lattice of a small face; equal for the other faces.
``grid`` (n_points, D) float64
    Whitened lattice points.
``whiten`` (n_faces, D, D) float64
    Whitening matrix, used for small faces only.
``centre`` (n_faces, D), ``radius`` (n_faces,) float64
    Whitened centroid of a small face, and the distance of its farthest lattice point.

The density of a small face is the mean of Gaussian densities over its lattice. For all
other faces it is the density of the affine hull times the probability that the noise
did not carry the pixel past a facet: exact for one and two vertices, the product of
one-dimensional normal probabilities for more, at most volume times peak density.
"""

import math

import numba
import numpy as np

_HALF_LOG_2PI = 0.9189385332046727
_SQRT_HALF = 0.7071067811865476
# A face this many nats below the most likely one contributes less than 1e-10.
_NEGLIGIBLE = 24.0


@numba.njit(cache=True, nogil=True)
def log_normal_probability(z):
    """Logarithm of the standard normal distribution function.

    Parameters
    ----------
    z : float

    Returns
    -------
    float
        Logarithm with a relative error below 1e-9.
    """
    if z > 0:
        return math.log1p(-0.5 * math.erfc(z * _SQRT_HALF))
    if z > -20:
        return math.log(0.5 * math.erfc(-z * _SQRT_HALF))
    inverse = 1 / (z * z)
    series = -inverse * (1 - inverse * (3 - inverse * 15))
    return -0.5 * z * z - math.log(-z) - _HALF_LOG_2PI + math.log1p(series)


@numba.njit(cache=True, nogil=True)
def log_edge_probability(z, other):
    """Logarithm of ``Phi(z) + Phi(other) - 1``, the probability of an interval.

    Parameters
    ----------
    z, other : float
        Distances from both ends in standard deviations, positive inside; their sum,
        the length of the interval, is positive.

    Returns
    -------
    float
        Logarithm of the probability.
    """
    low = min(z, other)
    high = max(z, other)
    outside = log_normal_probability(-high)
    if low > 0:
        return math.log1p(-math.exp(outside) - math.exp(log_normal_probability(-low)))
    inside = log_normal_probability(low)
    return inside + math.log(-math.expm1(min(outside - inside, -1e-15)))


@numba.njit(cache=True, nogil=True)
def _smooth_face(x, v, q, bary_map, bary_sd, normal_map, constant, cap, b, z, e, least):
    """Log density of one pixel on a face; fills ``b``, ``z`` and ``e``.

    Returns the log density, or minus infinity once it is certainly below ``least``,
    and the index of the facet that limits the cap, -1 without cap.
    """
    D = x.shape[0]
    square = 0.0
    for a in range(D - q + 1):
        total = normal_map[a, D]
        for m in range(D):
            total += normal_map[a, m] * x[m]
        e[a] = total
        square += total * total
    log_density = constant - 0.5 * square / v - 0.5 * (D - q + 1) * math.log(v)
    if log_density < least:
        return -math.inf, -1
    if q == 1:
        b[0] = 1.0
        z[0] = math.inf
        return log_density, -1
    sd = math.sqrt(v)
    worst = 0
    for j in range(q):
        total = bary_map[j, D]
        for m in range(D):
            total += bary_map[j, m] * x[m]
        b[j] = total
        z[j] = total / (bary_sd[j] * sd)
        if z[j] < z[worst]:
            worst = j
    if z[worst] < 0 and log_density - 0.5 * z[worst] * z[worst] < least:
        return -math.inf, -1
    if q == 2:
        return log_density + log_edge_probability(z[0], z[1]), -1
    inside = 0.0
    for j in range(q):
        if z[j] < 8:
            inside += log_normal_probability(z[j])
    limit = cap - 0.5 * (q - 1) * math.log(v) - 0.5 * min(z[worst], 0.0) ** 2
    if inside > limit:
        return log_density + limit, worst
    return log_density + inside, -1


@numba.njit(cache=True, nogil=True)
def _lattice_face(x, v, W, centre, radius, grid, u, p, least):
    """Log density of one pixel on a small face; fills ``u`` and the shares ``p``."""
    D = x.shape[0]
    away = 0.0
    square = 0.0
    for a in range(D):
        total = 0.0
        for m in range(D):
            total += W[a, m] * x[m]
        u[a] = total
        away += (total - centre[a]) ** 2
        square += total * total
    gap = max(math.sqrt(away) - radius, 0.0)
    constant = -D * (_HALF_LOG_2PI + 0.5 * math.log(v))
    if constant - 0.5 * gap * gap / v < least:
        return -math.inf
    top = -math.inf
    for i in range(grid.shape[0]):
        total = square
        for a in range(D):
            total += grid[i, a] * (grid[i, a] - 2 * u[a])
        p[i] = -0.5 * total / v
        top = max(top, p[i])
    total = 0.0
    for i in range(grid.shape[0]):
        p[i] = math.exp(p[i] - top) if p[i] > top - _NEGLIGIBLE else 0.0
        total += p[i]
    for i in range(grid.shape[0]):
        p[i] /= total
    return constant + top + math.log(total / grid.shape[0])


@numba.njit(cache=True, nogil=True)
def face_log_densities(
    L,
    X,
    variance,
    log_share,
    log_whiten,
    size,
    bary_map,
    bary_sd,
    normal_map,
    log_constant,
    log_cap,
    grid_start,
    grid_stop,
    grid,
    whiten,
    centre,
    radius,
):
    """Log density of every pixel on every face, shares not included.

    Parameters
    ----------
    L : (n_pixels, n_faces) float64 array
        Overwritten with the log densities; minus infinity where the face contributes
        less than 1e-10 to the mixture with the shares of ``log_share``.
    X : (n_pixels, D) array
        Coordinates of the pixels.
    variance : (n_pixels,) array
        Factor of the error covariance of each pixel.
    log_share : (n_faces,) array
        Logarithm of the share of pixels on each face; with zeros no face is skipped
        that could contribute with any shares.
    log_whiten : (n_faces,) array
        Logarithm of the determinant of the whitening of each face.
    size, bary_map, bary_sd, normal_map, log_constant, log_cap, grid_start, grid_stop, \
grid, whiten, centre, radius : arrays
        Description of the faces, see the docstring of the module.
    """
    n, D = X.shape
    n_faces = size.shape[0]
    K = bary_sd.shape[1]
    b = np.empty(K)
    z = np.empty(K)
    e = np.empty(D + 1)
    p = np.empty(max(grid.shape[0], 1))
    x = np.empty(D)
    for i in range(n):
        for m in range(D):
            x[m] = X[i, m]
        v = float(variance[i])
        best = -math.inf
        for f in range(n_faces):
            shift = log_whiten[f] + log_share[f]
            least = best - _NEGLIGIBLE - shift
            if grid_stop[f] > grid_start[f]:
                value = _lattice_face(
                    x,
                    v,
                    whiten[f],
                    centre[f],
                    radius[f],
                    grid[grid_start[f] : grid_stop[f]],
                    e,
                    p,
                    least,
                )
            else:
                value, _ = _smooth_face(
                    x,
                    v,
                    size[f],
                    bary_map[f],
                    bary_sd[f],
                    normal_map[f],
                    log_constant[f],
                    log_cap[f],
                    b,
                    z,
                    e,
                    least,
                )
            L[i, f] = value + log_whiten[f]
            best = max(best, value + shift)


@numba.njit(cache=True, nogil=True)
def face_slopes(
    total_smooth,
    normal_bary,
    push_bary,
    normal_push,
    curvature,
    free,
    point_share,
    lattice_share,
    R,
    X,
    variance,
    size,
    bary_map,
    bary_sd,
    normal_map,
    log_constant,
    log_cap,
    grid_start,
    grid_stop,
    grid,
    grid_share,
    whiten,
    centre,
    radius,
):
    """Sums over pixels that give the gradient with respect to the vertices.

    Parameters
    ----------
    total_smooth : (n_faces,) float64 array
        Overwritten with the sum of the responsibilities.
    normal_bary : (n_faces, D, K) float64 array
        Sum of perpendicular coordinates times barycentric ones, over the variance.
    push_bary : (n_faces, K, K) float64 array
        Sum of the derivative by each barycentric coordinate times the coordinates.
    normal_push : (n_faces, D, K) float64 array
        Sum of perpendicular coordinates times those derivatives.
    curvature : (n_faces, K) float64 array
        Sum of ``z`` times the derivative with respect to ``z``.
    free : (n_faces,) float64 array
        Sum of the responsibilities of pixels to which no cap applies.
    point_share : (n_faces, D, K) float64 array
        Sum of whitened pixels times mean barycentric coordinates, over the variance;
        small faces only.
    lattice_share : (n_points,) float64 array
        Sum of the weights of each lattice point, over the variance; small faces only.
    R : (n_pixels, n_faces) float64 array
        Responsibility of each face for each pixel, times the weight of the pixel.
    grid_share : (n_points, K) float64 array
        Barycentric coordinates of the lattice points.
    X, variance, size, bary_map, bary_sd, normal_map, log_constant, log_cap, \
grid_start, grid_stop, grid, whiten, centre, radius : arrays
        As in `face_log_densities`.
    """
    n, D = X.shape
    n_faces = size.shape[0]
    K = bary_sd.shape[1]
    b = np.empty(K)
    z = np.empty(K)
    e = np.empty(D + 1)
    p = np.empty(max(grid.shape[0], 1))
    mean = np.empty(K)
    slope = np.empty(K)
    x = np.empty(D)
    total_smooth[:] = 0.0
    normal_bary[:] = 0.0
    push_bary[:] = 0.0
    normal_push[:] = 0.0
    curvature[:] = 0.0
    free[:] = 0.0
    point_share[:] = 0.0
    lattice_share[:] = 0.0
    for i in range(n):
        for m in range(D):
            x[m] = X[i, m]
        v = float(variance[i])
        for f in range(n_faces):
            r = R[i, f]
            if r < 1e-10:
                continue
            q = size[f]
            if grid_stop[f] > grid_start[f]:
                first = grid_start[f]
                count = grid_stop[f] - first
                _lattice_face(
                    x,
                    v,
                    whiten[f],
                    centre[f],
                    radius[f],
                    grid[first : first + count],
                    e,
                    p,
                    -math.inf,
                )
                mean[:] = 0.0
                for g in range(count):
                    if p[g] > 0:
                        lattice_share[first + g] += r / v * p[g]
                        for j in range(q):
                            mean[j] += p[g] * grid_share[first + g, j]
                for a in range(D):
                    for j in range(q):
                        point_share[f, a, j] += r / v * e[a] * mean[j]
                continue
            value, capped = _smooth_face(
                x,
                v,
                q,
                bary_map[f],
                bary_sd[f],
                normal_map[f],
                log_constant[f],
                log_cap[f],
                b,
                z,
                e,
                -math.inf,
            )
            total_smooth[f] += r
            if capped < 0:
                free[f] += r
            inside = log_edge_probability(z[0], z[1]) if q == 2 else 0.0
            for j in range(q):
                hazard = 0.0
                if capped >= 0:
                    if j == capped:
                        hazard = -min(z[j], 0.0)
                elif q == 2:
                    hazard = math.exp(-0.5 * z[j] * z[j] - _HALF_LOG_2PI - inside)
                elif q > 2 and z[j] < 8:
                    below = log_normal_probability(z[j])
                    hazard = math.exp(-0.5 * z[j] * z[j] - _HALF_LOG_2PI - below)
                slope[j] = 0.0
                if hazard != 0.0:
                    slope[j] = r * hazard / (bary_sd[f, j] * math.sqrt(v))
                    curvature[f, j] += r * hazard * z[j]
            for a in range(D - q + 1):
                for j in range(q):
                    normal_bary[f, a, j] += r / v * e[a] * b[j]
                    normal_push[f, a, j] += e[a] * slope[j]
            for j in range(q):
                for m in range(q):
                    push_bary[f, j, m] += slope[j] * b[m]
