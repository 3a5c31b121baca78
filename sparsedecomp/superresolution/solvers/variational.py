"""Penalties on the gradient of the map: vector total variation and Tikhonov."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.kernels.total_variation import ascend, descend, variation
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.selection import Trial
from sparsedecomp.superresolution.solvers.solution import Iterations, Solution
from sparsedecomp.superresolution.threads import bands, in_threads

# First weights that are tried: of total variation in units of the noise, which is taken
# as a hundredth of the signal at least, and of Tikhonov, whose weight has no unit. The
# search starts here and goes on as long as it helps, so that they decide its time only.
_FIRST_VTV, _LEAST_NOISE = 0.5, 0.01
_FIRST_TIKHONOV = 0.1


def total_variation(
    A: FrameOperator,
    Y: NDArray,
    weight: float,
    *,
    start: NDArray | None = None,
    max_iter: int = 200,
    tol: float = 3e-4,
    callback: Callable[[int, float], object] | None = None,
) -> Solution:
    """Minimise ``1/2 ||A x - Y||^2 + weight * VTV(x)`` over all factors at once.

    ``VTV(x) = sum_px sqrt(sum_c |grad x_c|^2)``: edges are where any factor has one.
    The primal-dual method with an explicit step for the data [1]_. The noise of the
    samples must have one variance for all factors.

    Parameters
    ----------
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    weight : float
        Weight of the penalty in units of the noise of a sample. Larger values give
        larger plateaus.
    start : (H, W, n_factors) array, optional
        First map; default: the mean of the samples everywhere. A posterior mean saves
        most of the iterations.
    max_iter : int, default 200
        Upper bound on the iterations.
    tol : float, default 3e-4
        Change of the map, relative to the map less its mean, at which to stop.
    callback : callable, optional
        Called with the number of the iteration and the change; returning True stops.

    Returns
    -------
    Solution
        Fine map, and its change in every iteration.

    References
    ----------
    .. [1] L. Condat, J. Optim. Theory Appl. 158 (2013) 460, algorithm 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import *
    >>> A = FrameOperator(Geometry.around([[0, 0], [0.5, 0.5]], (8, 8), 2))
    >>> edge = (np.arange(16.0) > 7)[:, None, None] * np.ones((1, 16, 1))
    >>> solution = total_variation(A, A.forward(edge), 0.02, max_iter=1000, tol=1e-6)
    >>> bool(np.abs(solution.x - edge).max() < 0.1)
    True
    """
    run = Iterations("total variation", tol, callback)
    x = _mean_map(A, Y) if start is None else np.array(start, Y.dtype, order="C")
    bound = A.norm() ** 2
    # The method converges for 1 / tau - 8 sigma >= bound / 2; both steps share it.
    number = x.dtype.type
    dual_step, primal_step = number(bound / 16), number(1 / bound)
    dual_rows, dual_columns = np.zeros_like(x), np.zeros_like(x)
    extrapolated = x.copy()
    parts = bands(len(x))

    def ascend_band(band: slice) -> None:
        ascend(
            extrapolated,
            band.start,
            band.stop,
            dual_step,
            weight,
            dual_rows,
            dual_columns,
        )

    def descend_band(band: slice) -> float:
        return descend(
            x,
            gradient,
            dual_rows,
            dual_columns,
            band.start,
            band.stop,
            primal_step,
            extrapolated,
        )

    with run:
        for _ in range(max_iter):
            residual = A.forward(x)
            residual -= Y
            gradient = A.adjoint(residual)
            in_threads(ascend_band, parts)
            change = np.sqrt(sum(in_threads(descend_band, parts)))
            # A ninth of the pixels is enough to tell when to stop.
            size = np.sqrt(x.size) * float(x[::3, ::3].std(dtype=float))
            if run.end_at(change / max(size, np.finfo(float).tiny)):
                break
    return run.solution(x)


def objective(A: FrameOperator, Y: NDArray, weight: float, x: NDArray) -> float:
    """``1/2 ||A x - Y||^2 + weight * VTV(x)`` over the samples that exist.

    Parameters
    ----------
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    weight : float
        Weight of the penalty.
    x : (H, W, n_factors) array
        Map.

    Returns
    -------
    float
    """
    residual = (A.forward(x) - Y)[~A.mask]
    return 0.5 * float(np.square(residual, dtype=float).sum()) + weight * variation(x)


def tikhonov(
    A: FrameOperator,
    Y: NDArray,
    weight: float,
    *,
    start: NDArray | None = None,
    max_iter: int = 200,
    tol: float = 1e-4,
    callback: Callable[[int, float], object] | None = None,
) -> Solution:
    """Minimise ``||A x - Y||^2 + weight * ||grad x||^2`` by conjugate gradients.

    Parameters
    ----------
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames.
    weight : float
        Weight of the penalty, without a unit. Larger values give a smoother map.
    start : (H, W, n_factors) array, optional
        First map; default: the mean of the samples everywhere.
    max_iter : int, default 200
        Upper bound on the iterations.
    tol : float, default 1e-4
        Residual of the normal equations, relative to that of the first map, at which to
        stop.
    callback : callable, optional
        Called with the number of the iteration and the residual; returning True stops.

    Returns
    -------
    Solution
        Fine map, and the residual in every iteration.
    """
    x = _mean_map(A, Y) if start is None else np.array(start, Y.dtype, order="C")

    def normal(x: NDArray) -> NDArray:
        out = A.adjoint(A.forward(x))
        for axis in (0, 1):
            slope = np.diff(x, axis=axis)
            slope *= x.dtype.type(weight)
            here, there = [slice(None)] * 3, [slice(None)] * 3
            here[axis], there[axis] = slice(None, -1), slice(1, None)
            out[tuple(here)] -= slope
            out[tuple(there)] += slope
        return out

    run = Iterations("Tikhonov", tol, callback)
    return conjugate_gradients(normal, A.adjoint(Y), x, max_iter, run)


def conjugate_gradients(
    normal: Callable[[NDArray], NDArray],
    right: NDArray,
    x: NDArray,
    max_iter: int,
    run: Iterations,
) -> Solution:
    """Solve the normal equations ``normal(x) = right`` from a first map on.

    Parameters
    ----------
    normal : callable
        Symmetric and positive definite operator on maps.
    right : (H, W, n_factors) array
        Right-hand side.
    x : (H, W, n_factors) array
        First map, which is overwritten.
    max_iter : int
        Upper bound on the iterations.
    run : Iterations
        Its tolerance is compared with the residual over that of the first map.

    Returns
    -------
    Solution
    """
    residual = right - normal(x)
    direction, square = residual.copy(), float(np.vdot(residual, residual))
    first = max(square, np.finfo(float).tiny)
    with run:
        for _ in range(max_iter):
            if run.end_at(np.sqrt(square / first)):
                break
            image = normal(direction)
            step = x.dtype.type(square / float(np.vdot(direction, image)))
            x += step * direction
            residual -= step * image
            square, before = float(np.vdot(residual, residual)), square
            direction *= x.dtype.type(square / before)
            direction += residual
    return run.solution(x)


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


def _mean_map(A: FrameOperator, Y: NDArray) -> NDArray:
    mean = Y[~A.mask].mean(axis=0, dtype=float).astype(Y.dtype)
    return np.broadcast_to(mean, (*A.geometry.shape, Y.shape[-1])).copy()
