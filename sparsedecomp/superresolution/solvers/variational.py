"""The map of least vector total variation that agrees with the frames."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sparsedecomp.kernels.total_variation import ascend, descend, variation
from sparsedecomp.superresolution.threads import bands, in_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sparsedecomp.superresolution.selection import Trial

_logger = logging.getLogger(__name__)

# First weights that are tried: of total variation in units of the noise, which is taken
# as a hundredth of the signal at least, and of Tikhonov, whose weight has no unit. The
# search starts here and goes on as long as it helps, so that they decide its time only.
_FIRST_VTV, _LEAST_NOISE = 0.5, 0.01
_FIRST_TIKHONOV = 0.1


class Solution(NamedTuple):
    """A map and how it was found.

    Attributes
    ----------
    x : (H, W, n_factors) array
    history : (n_iter,) array
        Relative change of the map in every iteration, for Tikhonov the residual.
    converged : bool
    seconds : float
    """

    x: np.ndarray
    history: np.ndarray
    converged: bool
    seconds: float


def total_variation(A, Y, weight, *, start=None, max_iter=200, tol=3e-4, callback=None):
    """Minimise ``1/2 ||A x - Y||^2 + weight * VTV(x)`` over all factors at once.

    ``VTV(x) = sum_px sqrt(sum_c |grad x_c|^2)``: edges are where any factor has one.
    The primal-dual method with an explicit step for the data [1]_; noise of the
    samples is to have one variance for all factors.

    Parameters
    ----------
    A : FrameOperator
    Y : (n_frames, rows, columns, n_factors) array
    weight : float
        In units of the noise of a sample.
    start : (H, W, n_factors) array, optional
        Default: the mean of the samples everywhere. A posterior mean saves most of
        the iterations.
    max_iter : int, default 200
    tol : float, default 3e-4
        Relative change of the map, less its mean, at which to stop.
    callback : callable, optional
        Called with the number of the iteration and the change; True stops.

    Returns
    -------
    Solution

    References
    ----------
    .. [1] L. Condat, J. Optim. Theory Appl. 158 (2013) 460, algorithm 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import *
    >>> A = FrameOperator(Geometry.around([[0, 0], [0.5, 0.5]], (8, 8), 2))
    >>> edge = (np.arange(16.0) > 7)[:, None, None] * np.ones((1, 16, 1))
    >>> found = total_variation(A, A.forward(edge), 0.02, max_iter=1000, tol=1e-6)
    >>> bool(np.abs(found.x - edge).max() < 0.1)
    True
    """
    began = time.perf_counter()
    x = _mean_map(A, Y) if start is None else np.array(start, Y.dtype, order="C")
    bound = A.norm() ** 2
    # 1 / tau - 8 sigma >= L / 2, with equal shares.
    number = x.dtype.type
    rise, fall = number(bound / 16), number(1 / bound)
    down, right, ahead = np.zeros_like(x), np.zeros_like(x), x.copy()
    parts, history = bands(len(x)), []

    def ascend_band(band):
        ascend(ahead, band.start, band.stop, rise, weight, down, right)

    def descend_band(band):
        return descend(x, slope, down, right, band.start, band.stop, fall, ahead)

    for iteration in range(max_iter):
        residual = A.forward(x)
        residual -= Y
        slope = A.adjoint(residual)
        in_threads(ascend_band, parts)
        change = np.sqrt(sum(in_threads(descend_band, parts)))
        # Of some pixels: it only says when to stop.
        size = np.sqrt(x.size) * float(x[::3, ::3].std(dtype=float))
        history.append(change / max(size, np.finfo(float).tiny))
        if history[-1] < tol or (callback and callback(iteration, history[-1])):
            break
    return _solution(x, history, tol, began, "total variation")


def objective(A, Y, weight, x):
    """``1/2 ||A x - Y||^2 + weight * VTV(x)``, samples that do not exist left out.

    Parameters
    ----------
    A : FrameOperator
    Y : (n_frames, rows, columns, n_factors) array
    weight : float
    x : (H, W, n_factors) array
    """
    residual = (A.forward(x) - Y)[~A.mask]
    return 0.5 * float(np.square(residual, dtype=float).sum()) + weight * variation(x)


def tikhonov(A, Y, weight, *, start=None, max_iter=200, tol=1e-4, callback=None):
    """Minimise ``||A x - Y||^2 + weight * ||grad x||^2`` by conjugate gradients.

    Parameters
    ----------
    A : FrameOperator
    Y : (n_frames, rows, columns, n_factors) array
    weight : float
        Has no unit.
    start : (H, W, n_factors) array, optional
        Default: the mean of the samples everywhere.
    max_iter : int, default 200
    tol : float, default 1e-4
        Residual of the normal equations, of that of the start.
    callback : callable, optional
        Called with the number of the iteration and the residual; True stops.

    Returns
    -------
    Solution
    """
    began = time.perf_counter()
    x = _mean_map(A, Y) if start is None else np.array(start, Y.dtype, order="C")

    def normal(x):
        out = A.adjoint(A.forward(x))
        for axis in (0, 1):
            slope = np.diff(x, axis=axis)
            slope *= x.dtype.type(weight)
            here, there = [slice(None)] * 3, [slice(None)] * 3
            here[axis], there[axis] = slice(None, -1), slice(1, None)
            out[tuple(here)] -= slope
            out[tuple(there)] += slope
        return out

    return conjugate_gradients(
        normal,
        A.adjoint(Y),
        x,
        max_iter=max_iter,
        tol=tol,
        callback=callback,
        name="Tikhonov",
        began=began,
    )


def conjugate_gradients(normal, goal, x, *, max_iter, tol, callback, name, began):
    """Solve the normal equations ``normal(x) = goal``, from ``x`` on.

    Parameters
    ----------
    normal : callable
        Symmetric and positive, of a map.
    goal, x : (H, W, n_factors) arrays
        ``x`` is overwritten.
    max_iter : int
    tol : float
        Residual, of that of the start.
    callback : callable or None
        Called with the number of the iteration and the residual; True stops.
    name : str
        Of the solver, for its warning.
    began : float
        When it began, by the performance counter.

    Returns
    -------
    Solution
    """
    residual = goal - normal(x)
    along, square = residual.copy(), float(np.vdot(residual, residual))
    first, history = max(square, np.finfo(float).tiny), []
    for iteration in range(max_iter):
        history.append(np.sqrt(square / first))
        if history[-1] < tol or (callback and callback(iteration, history[-1])):
            break
        image = normal(along)
        step = x.dtype.type(square / float(np.vdot(along, image)))
        x += step * along
        residual -= step * image
        square, before = float(np.vdot(residual, residual)), square
        along *= x.dtype.type(square / before)
        along += residual
    return _solution(x, history, tol, began, name)


def select_vtv_weight(
    trial: Trial, weight: float | None
) -> tuple[dict[str, float], NDArray]:
    """Weight of total variation by the samples held out; see `Trial.select_weight`."""
    noise = np.sqrt(np.mean([p.noise for p in trial.processes]))
    signal = np.sqrt(np.mean([p.variance for p in trial.processes]))
    first = _FIRST_VTV * max(noise, _LEAST_NOISE * signal)
    return trial.select_weight(total_variation, first, weight)


def select_tikhonov_weight(
    trial: Trial, weight: float | None
) -> tuple[dict[str, float], NDArray]:
    """Weight of Tikhonov by the samples held out; see `Trial.select_weight`."""
    return trial.select_weight(tikhonov, _FIRST_TIKHONOV, weight)


def _mean_map(A, Y):
    return np.broadcast_to(
        Y[~A.mask].mean(axis=0, dtype=float).astype(Y.dtype),
        (*A.geometry.shape, Y.shape[-1]),
    ).copy()


def _solution(x, history, tol, began, name):
    converged = bool(history) and history[-1] < tol
    if not converged:
        warnings.warn(
            f"The {name} solver stopped after {len(history)} iterations at a change of "
            f"{history[-1]:.1e}, expected {tol:.1e}: give it more (max_iter).",
            stacklevel=3,
        )
    seconds = time.perf_counter() - began
    _logger.info("%s: %d iterations, %.1f s", name, len(history), seconds)
    return Solution(x, np.array(history), converged, seconds)
