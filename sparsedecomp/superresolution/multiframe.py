"""From shifted frames to one fine map: registration, choice of a method, solution."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from sparsedecomp.superresolution.gaussian_process.evidence import fit_process
from sparsedecomp.superresolution.gaussian_process.kriging import posterior
from sparsedecomp.superresolution.gaussian_process.oriented import oriented_posterior
from sparsedecomp.superresolution.gaussian_process.windows import cut_windows
from sparsedecomp.superresolution.observation.geometry import Geometry
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.registration.shifts import Registration, register
from sparsedecomp.superresolution.solvers.compound_field import compound_mrf
from sparsedecomp.superresolution.solvers.interpolation import interpolate
from sparsedecomp.superresolution.solvers.selection import METHODS, PROCESSES, Trial
from sparsedecomp.superresolution.solvers.sparse_coding import sparse_map
from sparsedecomp.superresolution.solvers.variational import tikhonov, total_variation
from sparsedecomp.superresolution.threads import in_threads, on_one_blas_thread

_logger = logging.getLogger(__name__)

# Factors that shifts are found from.
_STRONGEST = 4
# Windows that the covariance of a factor is fitted to.
_WINDOWS = 600
# A smaller part of another method is not worth its solution.
_LEAST_SHARE = 0.05
# Values of a map that are solved at once.
_AT_ONCE = 40_000_000


@dataclass(frozen=True)
class FineMap:
    """What `resolve` found.

    Attributes
    ----------
    maps, deviation : (H, W, n_factors) arrays
        The fine map, and its standard deviation: by "oriented_process" where that
        made the map, else by "gaussian_process".
    geometry : Geometry
        With the shifts that were used.
    registration : Registration or None
    method : str
        Which was used.
    weight : float or None
        Of the regularisation; the order of the differences of "bayes_cmrf".
    share : float or None
        Part of total variation in a mixture.
    scores : dict of str to float
        Root mean square error at samples that were held out, in units of their noise.
    fallback : str
        What was not done as asked, and why; else empty.
    seconds : float
    history : array
        Of the iterations, where there are any.
    noise : (n_factors,) array
        Standard deviation of the samples, by the evidence.
    processes : tuple of Process
        Covariance of each factor, for samples with a noise of one.
    clipped : float
        Root mean square of the negative values that were put to zero, in units of the
        noise; 0 where they were to stay.
    """

    maps: np.ndarray
    deviation: np.ndarray
    geometry: Geometry
    registration: Registration | None
    method: str
    weight: float | None
    share: float | None
    scores: dict
    fallback: str
    seconds: float
    history: np.ndarray = field(default_factory=lambda: np.zeros(0))
    noise: np.ndarray = field(default_factory=lambda: np.zeros(0))
    processes: tuple = ()
    clipped: float = 0.0


@on_one_blas_thread
def resolve(
    Y,
    shifts=None,
    scale=2.0,
    *,
    psf=0.0,
    mask=None,
    held_out=None,
    method="auto",
    weight=None,
    registration=True,
    prior=None,
    origin=None,
    shape=None,
    dictionary=None,
    nonnegative=False,
    max_iter=300,
    callback=None,
):
    """Make one fine map of the factors of shifted, coarse frames.

    Shifts are refined by `register`. The covariance of every factor is fitted by its
    evidence. Then one sample in sixteen is held out, and whatever predicts it best is
    solved for: the posterior of one Gaussian process, that of many whose strength and
    direction differ by place (`oriented_posterior`), vector total variation with the
    best weight, or a mixture of it with the first. Nothing is chosen by a truth.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Frames on a few factors, see `factors_of`.
    shifts : (n_frames, 2) array, optional
        Nominal shifts of rows and columns in pixels of the frames; default: found by
        correlation and refined.
    scale : float, default 2
        Step of the frames over that of the fine map; need not be whole.
    psf : float, default 0
        Standard deviation of the Gaussian spot in pixels of the fine map, to be taken
        off. 0 gives the map as the spot sees it. Deconvolution is left to total
        variation and Tikhonov.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    held_out : (n_frames, rows, columns) bool array, optional
        True for samples that only shifts and covariances are fitted to, to be
        predicted.
    method : str, default "auto"
        "gaussian_process", "oriented_process", "vtv", "tikhonov", "sparse",
        "bayes_cmrf" (a compound Markov random field, see `compound_mrf`),
        "interpolation" or "auto".
    weight : float, optional
        Of the regularisation of "vtv" and "tikhonov", or the penalty of "sparse", in
        units of the noise; of "bayes_cmrf" the order of its differences, 1 or 2.
        Default: by the samples held out.
    registration : bool, default True
        Refine the shifts; otherwise the nominal ones are used as they are.
    prior : float, optional
        Standard deviation of the nominal shifts, see `register`.
    origin, shape : pairs, optional
        Of the fine grid: where it begins in pixels of the frames, and its size;
        default: the field of all frames.
    dictionary : (n_atoms, size**2) array, optional
        Of "sparse"; default: see `sparse_map`.
    nonnegative : bool, default False
        Put negative values of the map to zero. Of a truth that is not negative no pixel
        is farther then; what was taken off is told by ``clipped``.
    max_iter : int, default 300
        Of the iterative solvers.
    callback : callable, optional
        Called in every iteration of these with its number and the change; True stops.

    Returns
    -------
    FineMap

    Raises
    ------
    ValueError
        For one frame, an unknown method, bad shifts, a scale below 1, a point spread
        wider than the field, and samples that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import resolve
    >>> y, x = np.mgrid[:16, :16]
    >>> shifts = [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]
    >>> Y = np.stack([np.sin(y + a) * np.cos(x + b) for a, b in shifts])[..., None]
    >>> fine = resolve(Y, shifts, 2.0, registration=False)
    >>> truth = np.sin(np.arange(32)[:, None] / 2) * np.cos(np.arange(32) / 2)
    >>> bool(np.abs(fine.maps[..., 0] - truth).max() < 0.05)
    True
    """
    began = time.perf_counter()
    Y = np.ascontiguousarray(Y)
    check_frames(Y, method, mask)
    found = None
    if registration or shifts is None:
        found = register(Y[..., :_STRONGEST], shifts, prior=prior, mask=mask)
        nominal, shifts = found.nominal, found.shifts
    else:
        nominal = shifts = np.asarray(shifts, float)
    geometry = Geometry.around(nominal, Y.shape[1:3], scale).moved(shifts)
    if origin is not None:
        geometry = replace(geometry, origin=tuple(origin), shape=tuple(shape))
    A = FrameOperator(geometry, psf=psf, mask=mask)
    processes, noise = _processes(A, Y, found)
    if held_out is not None:
        A = A.without(held_out)
    Y = Y / noise
    Y[A.mask] = 0
    chosen = _choose(A, Y, processes, method, weight, dictionary)
    method, weight, share, pull, scores, fallback = chosen
    process = oriented_posterior if method == "oriented_process" else posterior
    mean, deviation = process(geometry, Y, processes, A.mask)
    history = np.zeros(0)
    if method == "interpolation":
        mean = interpolate(geometry, Y, A.mask)
    elif method not in PROCESSES:
        solver = {
            "tikhonov": tikhonov,
            "bayes_cmrf": compound_mrf,
            "sparse": partial(sparse_map, pull=pull, dictionary=dictionary),
        }.get(method, total_variation)
        x, history = _solve(solver, A, Y, weight, mean, max_iter, callback)
        mean = x if share is None else (1 - share) * mean + share * x
    clipped = 0.0
    if nonnegative:
        clipped = float(np.sqrt(np.square(np.minimum(mean, 0), dtype=float).mean()))
        mean = np.maximum(mean, 0)
    seconds = time.perf_counter() - began
    _logger.info("%s on %s: %.1f s", method, geometry.shape, seconds)
    return FineMap(
        maps=mean * noise,
        deviation=deviation * noise,
        geometry=geometry,
        registration=found,
        method=method,
        weight=weight,
        share=share,
        scores=scores,
        fallback=fallback,
        seconds=seconds,
        history=history,
        noise=noise,
        processes=tuple(processes),
        clipped=clipped,
    )


def check_frames(Y, method, mask=None):
    """Refuse frames that no map can be made of.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
    method : str
    mask : (n_frames, rows, columns) bool array, optional

    Raises
    ------
    ValueError
    """
    if method not in METHODS:
        known = ", ".join(map(repr, METHODS))
        raise ValueError(f"method={method!r} is unknown, expected one of {known}.")
    if len(Y) < 2:
        raise ValueError(
            f"{len(Y)} frame was given, expected at least two that are shifted against "
            "each other: one frame holds nothing between its samples."
        )
    finite = np.isfinite(Y).all(axis=-1)
    if mask is not None:
        finite |= mask
    if not finite.all():
        k, i, j = np.argwhere(~finite)[0]
        raise ValueError(
            f"Frame {k} is NaN or infinite at row {i}, column {j}: mask such samples "
            "or mend them."
        )


def _processes(A, Y, found):
    """Covariance of every factor for noise of one, and the noise that it had."""
    shifts, shape = A.geometry.shifts, A.geometry.frame_shape
    size = max(4, int(np.sqrt(400 / len(Y))))
    step = max(size, int(np.sqrt(shape[0] * shape[1] / _WINDOWS)))
    roughness = found.process.twice_nu if found else None

    def one(c):
        windows = cut_windows(Y[..., c : c + 1], shifts, A.mask, size, step)
        tried = (roughness,) if roughness else (3, 5)
        fits = [fit_process(windows.points, windows.samples, nu) for nu in tried]
        return min(fits, key=lambda fit: fit[1])[0]

    fitted = in_threads(one, range(Y.shape[-1]))
    noise = np.array([np.sqrt(p.noise) for p in fitted], Y.dtype)
    even = [
        replace(p, variance=p.variance / p.noise, level=p.level / p.noise, noise=1.0)
        for p in fitted
    ]
    return even, noise


def _choose(A, Y, processes, method, weight, dictionary):
    """Method, weight, share of the mixture, pull of codes, scores and any fallback."""
    trial = Trial(A, Y, processes)
    trial.interpolation()
    trial.gaussian_process()
    share, pull, fallback = None, None, ""
    if method in ("auto", "vtv") and weight is None:
        weight = trial.weight("vtv")
    elif method == "tikhonov" and weight is None:
        weight = trial.weight("tikhonov")
    elif method == "bayes_cmrf":
        weight = trial.compound_field(weight)
    elif method == "oriented_process":
        trial.oriented_process()
    elif method == "sparse":
        weight, pull = trial.sparse(dictionary, weight)
    if method == "auto":
        share = trial.share("gaussian_process", "vtv") if A.psf == 0 else 1.0
        method = "vtv" if share > 1 - _LEAST_SHARE else "mixture"
        if share < _LEAST_SHARE:
            method = "gaussian_process"
        share = share if method == "mixture" else None
        if A.psf == 0:
            trial.oriented_process()
            if trial.scores["oriented_process"] < trial.scores[method]:
                method, share = "oriented_process", None
        if trial.scores["interpolation"] < trial.scores[method]:
            method, share = "interpolation", None
            fallback = (
                "Interpolation predicts the samples held out better than every model: "
                "it was used instead."
            )
    if method in (*PROCESSES, "interpolation"):
        weight = None
    return method, weight, share, pull, trial.scores, fallback


def _solve(solver, A, Y, weight, start, max_iter, callback):
    """The solution, in overlapping pieces where the whole takes too much memory."""
    n_factors = Y.shape[-1]
    if np.prod(A.geometry.shape) * n_factors <= _AT_ONCE:
        found = solver(A, Y, weight, start=start, max_iter=max_iter, callback=callback)
        return found.x, found.history
    x, history = np.empty_like(start), []
    size = int(np.sqrt(_AT_ONCE / n_factors)) // 2
    for tile in A.tiles(size):
        window = tuple(
            slice(o.start - i.start, o.start - i.start + n)
            for o, i, n in zip(
                tile.outer, tile.inner, tile.operator.geometry.shape, strict=True
            )
        )
        found = solver(
            tile.operator,
            tile.samples(Y),
            weight,
            start=start[window],
            max_iter=max_iter,
            callback=callback,
        )
        x[tile.outer] = found.x[tile.inner]
        history.append(found.history)
    return x, np.concatenate(history)
