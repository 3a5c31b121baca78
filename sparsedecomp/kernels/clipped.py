"""Expectation of zeros in data whose Gaussian noise was clipped at zero."""

import math

import numba
import numpy as np

_ROOT_HALF = math.sqrt(0.5)
_LOG_ROOT_TWO_PI = 0.5 * math.log(2 * math.pi)
# Beyond this number of standard deviations the tail of the normal distribution is
# computed by a continued fraction, which is less precise for smaller numbers.
_FAR = 20.0


@numba.njit(cache=True, nogil=True)
def fill_clipped(X, M, sigma):
    """Replace zeros by their expectation given the model; return the likelihood.

    An entry was measured as ``max(z, 0)`` with ``z ~ N(M, sigma^2)``. A positive entry
    is ``z`` itself. A zero says only that ``z <= 0``; with ``a = M / sigma`` and
    ``h = phi(a) / Phi(-a)`` the expectation of ``z`` is ``M - sigma h`` and that of
    ``(z - M)^2`` is ``sigma^2 (1 + a h)``.

    Parameters
    ----------
    X : (n, m) array
        Data; zeros are overwritten by their expectation.
    M : (n, m) array
        Model of the data.
    sigma : float
        Standard deviation of the noise before it was clipped.

    Returns
    -------
    loss : float
        Negative log-likelihood less ``log(sigma)`` and a constant for each positive
        entry: ``sum (x - M)^2 / (2 sigma^2)`` over positive entries and
        ``-log Phi(-a)`` over zeros.
    variance : float
        Sum of the variances of ``z`` where the data are zero.
    n_positive : int
        Number of positive entries.
    """
    n, m = X.shape
    squares = 0.0
    tail = 0.0
    variance = 0.0
    n_positive = 0
    for i in range(n):
        for e in range(m):
            model = np.float64(M[i, e])
            if X[i, e] > 0.0:
                d = np.float64(X[i, e]) - model
                squares += d * d
                n_positive += 1
                continue
            a = model / sigma
            log_density = -0.5 * a * a - _LOG_ROOT_TWO_PI
            if a < _FAR:
                log_tail = math.log(0.5 * math.erfc(a * _ROOT_HALF))
                h = math.exp(log_density - log_tail)
            else:
                # Laplace's continued fraction; five terms have an error of 4e-10 at 20.
                h = a + 1.0 / (a + 2.0 / (a + 3.0 / (a + 4.0 / a)))
                log_tail = log_density - math.log(h)
            tail -= log_tail
            variance += sigma * sigma * (1.0 + a * h - h * h)
            X[i, e] = model - sigma * h
    return squares / (2.0 * sigma * sigma) + tail, variance, n_positive
