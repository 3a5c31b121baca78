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
    Logarithm of the density of the affine hull at zero distance, for variance one;
    minus infinity for a face that is left out.
``log_cap`` (n_faces,) float64
    Logarithm of the volume of the whitened face times the peak of a Gaussian density
    in its ``q - 1`` dimensions, for variance one.
``grid_start``, ``grid_stop`` (n_faces,) int
    Rows of ``grid`` that hold the lattice of a small face; equal for the other faces.
``grid`` (n_points, D) float64
    Whitened lattice points.
``grid_share`` (n_points, K) float64
    Barycentric coordinates of the lattice points.
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
# Knots of the table of logarithms of probabilities; above the last one they are zero.
_LOWEST, _HIGHEST, _SPACING = -24.0, 8.0, 1 / 32


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


def _tabulated():
    """The logarithm at the knots, and its change by one knot along the tangent."""
    knots = np.arange(_LOWEST, _HIGHEST + 1.5 * _SPACING, _SPACING)
    # Not compiled when the module is imported, which would take a second.
    exact = getattr(log_normal_probability, "py_func", log_normal_probability)
    logarithm = np.array([exact(z) for z in knots])
    slope = np.exp(-0.5 * knots**2 - _HALF_LOG_2PI - logarithm)
    return np.column_stack([logarithm, slope * _SPACING])


_TABLE = _tabulated()


@numba.njit(cache=True, nogil=True)
def tabulated_log_probability(z):
    """Logarithm of the standard normal distribution function, from a table.

    Parameters
    ----------
    z : float
        Below 8.

    Returns
    -------
    float
        Logarithm with an absolute error below 1e-8, by cubic interpolation.
    """
    if z < _LOWEST:
        return log_normal_probability(z)
    place = (z - _LOWEST) / _SPACING
    i = int(place)
    t = place - i
    u = 1.0 - t
    left = u * u * ((1.0 + 2.0 * t) * _TABLE[i, 0] + t * _TABLE[i, 1])
    return left + t * t * ((1.0 + 2.0 * u) * _TABLE[i + 1, 0] - u * _TABLE[i + 1, 1])


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
def _smooth_face(f, i, x, v, faces, b, z, p, e, least):
    """Log density of one pixel on a face; fills row ``i`` of four arrays.

    The rows are the coordinates ``b``, their distances ``z`` from the facets, the
    logarithms ``p`` of the probabilities and the perpendicular coordinates ``e``.
    Returns the log density, or minus infinity once it is certainly below ``least``,
    and the index of the facet that limits the cap, -1 without cap.
    """
    size, bary_map, bary_sd, normal_map, log_constant, log_cap = faces[:6]
    D = x.shape[0]
    q = size[f]
    if log_constant[f] == -math.inf:
        return -math.inf, -1
    log_density = log_constant[f] - 0.5 * (D - q + 1) * math.log(v)
    farthest = 2 * v * (log_density - least)
    if farthest < 0:
        return -math.inf, -1
    square = 0.0
    for a in range(D - q + 1):
        total = normal_map[f, a, D]
        for m in range(D):
            total += normal_map[f, a, m] * x[m]
        e[i, a] = total
        square += total * total
        if square > farthest:
            return -math.inf, -1
    log_density -= 0.5 * square / v
    if q == 1:
        b[i, 0] = 1.0
        z[i, 0] = math.inf
        return log_density, -1
    sd = math.sqrt(v)
    worst = 0
    for j in range(q):
        total = bary_map[f, j, D]
        for m in range(D):
            total += bary_map[f, j, m] * x[m]
        b[i, j] = total
        z[i, j] = total / (bary_sd[f, j] * sd)
        if z[i, j] < z[i, worst]:
            worst = j
    if z[i, worst] < 0 and log_density - 0.5 * z[i, worst] ** 2 < least:
        return -math.inf, -1
    if q == 2:
        p[i, 0] = log_edge_probability(z[i, 0], z[i, 1])
        return log_density + p[i, 0], -1
    inside = 0.0
    for j in range(q):
        if z[i, j] < _HIGHEST:
            p[i, j] = tabulated_log_probability(z[i, j])
            inside += p[i, j]
    limit = log_cap[f] - 0.5 * (q - 1) * math.log(v) - 0.5 * min(z[i, worst], 0.0) ** 2
    if inside > limit:
        return log_density + limit, worst
    return log_density + inside, -1


@numba.njit(cache=True, nogil=True)
def _lattice_face(f, i, x, v, faces, u, p, least):
    """Log density of one pixel on a small face.

    Fills row ``i`` of ``u`` and the shares ``p`` of the face's lattice points.
    """
    grid_start, grid_stop, grid, _, whiten, centre, radius = faces[6:]
    first, last = grid_start[f], grid_stop[f]
    D = x.shape[0]
    away = 0.0
    square = 0.0
    for a in range(D):
        total = 0.0
        for m in range(D):
            total += whiten[f, a, m] * x[m]
        u[i, a] = total
        away += (total - centre[f, a]) ** 2
        square += total * total
    gap = max(math.sqrt(away) - radius[f], 0.0)
    constant = -D * (_HALF_LOG_2PI + 0.5 * math.log(v))
    if constant - 0.5 * gap * gap / v < least:
        return -math.inf
    top = -math.inf
    for g in range(first, last):
        total = square
        for a in range(D):
            total += grid[g, a] * (grid[g, a] - 2 * u[i, a])
        p[g] = -0.5 * total / v
        top = max(top, p[g])
    total = 0.0
    for g in range(first, last):
        p[g] = math.exp(p[g] - top) if p[g] > top - _NEGLIGIBLE else 0.0
        total += p[g]
    for g in range(first, last):
        p[g] /= total
    return constant + top + math.log(total / (last - first))


@numba.njit(cache=True, nogil=True)
def face_log_densities(L, X, variance, log_whiten, faces):
    """Log density of every pixel on every face, shares not included.

    Parameters
    ----------
    L : (n_pixels, n_faces) float64 array
        Overwritten with the log densities; minus infinity where the face contributes
        less than 1e-10 to the mixture, with any shares.
    X : (n_pixels, D) array
        Coordinates of the pixels.
    variance : (n_pixels,) array
        Factor of the error covariance of each pixel.
    log_whiten : (n_faces,) array
        Logarithm of the determinant of the whitening of each face.
    faces : tuple of arrays
        Description of the faces in the order of the docstring of the module.
    """
    n, D = X.shape
    size, _, bary_sd, _, _, _, grid_start, grid_stop, grid = faces[:9]
    K = bary_sd.shape[1]
    b, z, q = np.empty((1, K)), np.empty((1, K)), np.empty((1, K))
    e = np.empty((1, D + 1))
    p = np.empty(max(grid.shape[0], 1))
    x = np.empty(D)
    for i in range(n):
        for m in range(D):
            x[m] = X[i, m]
        v = float(variance[i])
        best = -math.inf
        for f in range(size.shape[0]):
            least = best - _NEGLIGIBLE - log_whiten[f]
            if grid_stop[f] > grid_start[f]:
                value = _lattice_face(f, 0, x, v, faces, e, p, least)
            else:
                value, _ = _smooth_face(f, 0, x, v, faces, b, z, q, e, least)
            L[i, f] = value + log_whiten[f]
            best = max(best, L[i, f])


@numba.njit(cache=True, nogil=True)
def face_slopes(
    log_likelihood,
    likeliest,
    normal_bary,
    push_bary,
    normal_push,
    curvature,
    free,
    point_share,
    lattice_share,
    X,
    variance,
    weight,
    log_share,
    log_whiten,
    faces,
):
    """Likelihood of pixels, and sums that give its gradient by the vertices.

    The sums are over the pixels, weighted by the responsibility of the face for each
    of them times the weight of the pixel.

    Parameters
    ----------
    log_likelihood : (n_pixels,) float64 array
        Overwritten with the logarithm of the density of each pixel on all faces.
    likeliest : (n_pixels,) int64 array
        A face that is likely for each pixel, which saves time; overwritten with the
        most likely one.
    normal_bary : (n_faces, D, K) float64 array
        Sum of perpendicular coordinates times barycentric ones, over the variance.
    push_bary : (n_faces, K, K) float64 array
        Sum of the derivative by each barycentric coordinate times the coordinates.
    normal_push : (n_faces, D, K) float64 array
        Sum of perpendicular coordinates times those derivatives.
    curvature : (n_faces, K) float64 array
        Sum of ``z`` times the derivative with respect to ``z``.
    free : (n_faces,) float64 array
        Sum over pixels to which no cap applies.
    point_share : (n_faces, D, K) float64 array
        Sum of whitened pixels times mean barycentric coordinates, over the variance;
        small faces only.
    lattice_share : (n_points,) float64 array
        Sum of the weights of each lattice point, over the variance; small faces only.
    weight : (n_pixels,) array
        Number of pixels that each stands for.
    log_share : (n_faces,) array
        Logarithm of the share of pixels on each face.
    X, variance, log_whiten, faces : arrays
        As in `face_log_densities`.
    """
    n, D = X.shape
    size, _, bary_sd, _, _, _, grid_start, grid_stop, grid, grid_share = faces[:10]
    n_faces, K = bary_sd.shape
    b, z, e = np.empty((n_faces, K)), np.empty((n_faces, K)), np.empty((n_faces, D + 1))
    log_inside = np.empty((n_faces, K))
    face, capped = np.empty(n_faces, np.int64), np.empty(n_faces, np.int64)
    log_density = np.empty(n_faces)
    p = np.empty(max(grid.shape[0], 1))
    mean, slope, x = np.empty(K), np.empty(K), np.empty(D)
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
        sd = math.sqrt(v)
        best = -math.inf
        count = 0
        leading = likeliest[i]
        for number in range(-1, n_faces):
            f = leading if number < 0 else number
            if number == leading:
                continue
            shift = log_whiten[f] + log_share[f]
            least = best - _NEGLIGIBLE - shift
            if grid_stop[f] > grid_start[f]:
                value = _lattice_face(f, count, x, v, faces, e, p, least)
            else:
                value, capped[count] = _smooth_face(
                    f, count, x, v, faces, b, z, log_inside, e, least
                )
            if value == -math.inf:
                continue
            face[count] = f
            log_density[count] = value + shift
            if value + shift > best:
                best = value + shift
                likeliest[i] = f
            count += 1
        total = 0.0
        for c in range(count):
            log_density[c] = math.exp(log_density[c] - best)
            total += log_density[c]
        log_likelihood[i] = best + math.log(total)
        for c in range(count):
            r = weight[i] * log_density[c] / total
            if r < 1e-10:
                continue
            f = face[c]
            q = size[f]
            first, last = grid_start[f], grid_stop[f]
            if last > first:
                mean[:] = 0.0
                for g in range(first, last):
                    if p[g] > 0:
                        lattice_share[g] += r / v * p[g]
                        for j in range(q):
                            mean[j] += p[g] * grid_share[g, j]
                for a in range(D):
                    for j in range(q):
                        point_share[f, a, j] += r / v * e[c, a] * mean[j]
                continue
            if capped[c] < 0:
                free[f] += r
            over = r / v
            for j in range(q):
                hazard = 0.0
                if capped[c] >= 0:
                    if j == capped[c]:
                        hazard = -min(z[c, j], 0.0)
                elif q > 1 and (q == 2 or z[c, j] < _HIGHEST):
                    below = log_inside[c, 0 if q == 2 else j]
                    hazard = math.exp(-0.5 * z[c, j] ** 2 - _HALF_LOG_2PI - below)
                slope[j] = 0.0
                if hazard != 0.0:
                    slope[j] = r * hazard / (bary_sd[f, j] * sd)
                    curvature[f, j] += r * hazard * z[c, j]
            for a in range(D - q + 1):
                for j in range(q):
                    normal_bary[f, a, j] += over * e[c, a] * b[c, j]
                    normal_push[f, a, j] += e[c, a] * slope[j]
            for j in range(q):
                for m in range(q):
                    push_bary[f, j, m] += slope[j] * b[c, m]
