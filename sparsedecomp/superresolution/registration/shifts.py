"""Shifts of frames that maximise the evidence, around the nominal ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.superresolution.gaussian_process.evidence import (
    LEAST_NOISE,
    Process,
    evidence,
    fit_process,
    inverse_of,
    limits_of,
)
from sparsedecomp.superresolution.gaussian_process.windows import Windows, cut_windows
from sparsedecomp.superresolution.registration.correlation import correlate

# Bounds of the shifts around the nominal ones, in standard deviations of the prior.
# Larger bounds let a shift go to a wrong maximum of the evidence.
_REACH = 6
# Least noise over signal in one fit after the other. With little noise the evidence has
# many maxima; with more it is smooth, and its maximum is the start of the next fit.
_LEAST_NOISE = (1e-1, 1e-2, 1e-3, LEAST_NOISE)
# Samples of a window in all frames together: the time of a factorisation grows with the
# third power.
_WINDOW_SAMPLES = 400
# Most windows times factors. More make the shifts surer and take longer.
_MOST_COLUMNS = 3000
# Step of the shifts, in pixels, for the curvature by differences of the slope.
_STEP = 1e-3


@dataclass(frozen=True)
class Registration:
    """Shifts of frames by `register`; lengths are in pixels of the frames.

    Attributes
    ----------
    shifts : (n_frames, 2) array
        Shifts to be used: the estimate if it was accepted, else the nominal shifts.
    nominal : (n_frames, 2) array
        Shifts that were given, or found by correlation.
    estimate : (n_frames, 2) array
        Shifts that maximise the evidence.
    deviation : (n_frames, 2) array
        Standard deviation of the estimate, less the shift that is common to all.
    accepted : bool
        Whether the estimate is used.
    reason : str
        Why it is used or not.
    log_evidence : (float, float)
        Log evidence of the nominal shifts and of the estimate.
    held_out : (float, float)
        Root mean square error of frames predicted from the others, with the nominal
        shifts and with the estimate.
    misfit : (n_frames,) array
        Error of each frame predicted from the others, at the shifts to be used, over
        that of the median frame: far above 1 where a frame shows something else than
        the others.
    process : Process
        Covariance of the frames at the shifts to be used.
    """

    shifts: NDArray
    nominal: NDArray
    estimate: NDArray
    deviation: NDArray
    accepted: bool
    reason: str
    log_evidence: tuple[float, float]
    held_out: tuple[float, float]
    misfit: NDArray
    process: Process

    @property
    def drift(self) -> NDArray:
        """Difference of the estimate and the nominal shifts, (n_frames, 2)."""
        return self.estimate - self.nominal


@one_blas_thread()
def register(
    Y: NDArray,
    nominal: ArrayLike | None = None,
    *,
    prior: float | None = None,
    mask: NDArray | None = None,
    max_iter: int = 100,
) -> Registration:
    """Find the shifts of frames from the frames, with the nominal ones as a prior.

    Coarse frames are aliased, which makes correlation inexact. Here shifts, noise and
    correlation lengths maximise the evidence of a Gaussian process on the samples of
    all frames together [1]_. Small windows tile the field; they have one arrangement of
    samples, so that one Cholesky factorisation serves all windows and factors.

    A shift common to all frames cannot be seen in them and stays as in the prior.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Factors with noise of one variance; a few of the strongest are enough.
    nominal : (n_frames, 2) array, optional
        Nominal shifts of rows and columns in pixels; default: by phase correlation.
    prior : float, optional
        Standard deviation of the nominal shifts in pixels; default: 0.2, or 0.5 where
        they come from correlation. Larger values trust the frames more.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    max_iter : int, default 100
        Upper bound on the iterations of each fit.

    Returns
    -------
    Registration
        The estimate is accepted when the evidence and the prediction of frames from
        the other frames both improve.

    Raises
    ------
    ValueError
        For fewer than two frames or a prior that is not positive.

    References
    ----------
    .. [1] M. E. Tipping and C. M. Bishop, Bayesian image super-resolution, NIPS 2002.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution import register
    >>> y, x = np.mgrid[:20, :20]
    >>> true = np.array([[0, 0], [0.3, 0.6], [0.7, 0.2], [0.5, 0.5]])
    >>> Y = np.stack([np.sin((y + a) / 2) * np.cos((x + b) / 3) for a, b in true])
    >>> found = register(Y[..., None], true.round())
    >>> drift = found.estimate - true
    >>> bool(np.abs(drift - drift.mean(axis=0)).max() < 0.01)
    True
    """
    if len(Y) < 2:
        raise ValueError(
            f"{len(Y)} frame was given, expected at least two to register."
        )
    if prior is not None and not prior > 0:
        raise ValueError(f"prior={prior!r} was given, expected a positive number.")
    coarse = nominal is None
    nominal = correlate(Y) if coarse else np.asarray(nominal, float)
    sigma = prior or (0.5 if coarse else 0.2)
    windows = _windows(Y, nominal, mask)
    fits = [fit_process(windows.points, windows.samples, nu) for nu in (3, 5)]
    process, before = min(fits, key=lambda fit: fit[1])
    fitted, estimate = fits[0][0], nominal
    for least in _LEAST_NOISE:
        fitted, estimate = _fit(
            windows, nominal, sigma, fitted, estimate, least, max_iter
        )
    # The smoother covariance is often the better one, once the shifts are right.
    smoother = _fit(
        windows,
        nominal,
        sigma,
        replace(fitted, twice_nu=5),
        estimate,
        LEAST_NOISE,
        max_iter,
    )
    fitted, estimate = max(
        (fitted, estimate), smoother, key=lambda fit: -_value(windows, *fit)
    )
    points = windows.moved(estimate)
    after = _value(windows, fitted, estimate)
    errors = [
        held_out_frames(p, at, windows.samples, len(Y))
        for p, at in ((process, windows.points), (fitted, points))
    ]
    held_out = (_root_mean_square(errors[0]), _root_mean_square(errors[1]))
    # Penalty of the shifts as parameters by the Bayesian information criterion.
    penalty = (len(Y) - 1) * np.log(windows.samples.size)
    gains = before - after > penalty
    accepted = gains and held_out[1] < held_out[0]
    if accepted:
        reason = "evidence and held-out frames improve"
    elif gains:
        reason = "held-out frames are not predicted better"
    else:
        reason = "the evidence does not improve"
    return Registration(
        shifts=estimate if accepted else nominal,
        nominal=nominal,
        estimate=estimate,
        deviation=_deviation(windows, estimate, sigma, fitted),
        accepted=bool(accepted),
        reason=reason,
        log_evidence=(-before, -after),
        held_out=held_out,
        misfit=errors[int(accepted)] / np.median(errors[int(accepted)]),
        process=fitted if accepted else process,
    )


def _root_mean_square(errors: NDArray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _windows(Y: NDArray, shifts: NDArray, mask: NDArray | None) -> Windows:
    windows = cut_windows(Y, shifts, mask, n_samples=_WINDOW_SAMPLES)
    excess = windows.samples.shape[1] / _MOST_COLUMNS
    if excess > 1:
        step = int(np.ceil(windows.size * np.sqrt(excess)))
        windows = cut_windows(Y, shifts, mask, windows.size, step)
    return windows


def _value(windows: Windows, process: Process, shifts: NDArray) -> float:
    """Negative log evidence of windows at some shifts."""
    value, _, _ = evidence(process, windows.moved(shifts), windows.samples, slope=False)
    return float(value)


def _fit(
    windows: Windows,
    nominal: NDArray,
    sigma: float,
    process: Process,
    shifts: NDArray,
    least: float,
    max_iter: int,
) -> tuple[Process, NDArray]:
    """Process and shifts that maximise evidence times prior, from given ones on."""
    scale = windows.samples.size

    def objective(p: NDArray) -> tuple[float, NDArray]:
        shifts = p[4:].reshape(nominal.shape)
        value, by_points, by_logarithms = evidence(
            process.with_logarithms(p[:4]), windows.moved(shifts), windows.samples
        )
        away = (shifts - nominal) / sigma
        by_shifts = windows.by_frame(by_points) + away / sigma
        value += 0.5 * np.square(away).sum()
        return value / scale, np.append(by_logarithms, by_shifts) / scale

    around = [(d - _REACH * sigma, d + _REACH * sigma) for d in nominal.ravel()]
    fit = minimize(
        objective,
        np.append(process.logarithms(), shifts),
        jac=True,
        method="L-BFGS-B",
        bounds=limits_of(process, least) + around,
        options={"maxiter": max_iter, "ftol": 1e-9},
    )
    return process.with_logarithms(fit.x[:4]), fit.x[4:].reshape(nominal.shape)


def held_out_frames(
    process: Process, points: NDArray, Z: NDArray, n_frames: int
) -> NDArray:
    """Root mean square error of every frame as predicted from the others.

    The difference of a block ``k`` of samples and its prediction from all others is
    ``(C^-1)_kk^-1 (C^-1 Z)_k``, so that nothing has to be fitted again.

    Parameters
    ----------
    process : Process
        Covariance.
    points : (n, 2) array
        Positions of the samples, frame after frame.
    Z : (n, m) array
        Samples, a column for each window and factor.
    n_frames : int
        Number of frames.

    Returns
    -------
    (n_frames,) array
    """
    factor, _ = lapack.dpotrf(process.samples(points), lower=True)
    a, _ = lapack.dpotrs(factor, Z, lower=True)
    inverse = inverse_of(factor)
    n, errors = len(Z) // n_frames, np.empty(n_frames)
    for k in range(n_frames):
        own = slice(k * n, (k + 1) * n)
        away = np.linalg.solve(inverse[own, own], a[own])
        errors[k] = np.sqrt(np.mean(away**2))
    return errors


def _deviation(
    windows: Windows, shifts: NDArray, sigma: float, process: Process
) -> NDArray:
    """Standard deviations by the curvature of evidence and prior at the estimate."""

    def slope(p: NDArray) -> NDArray:
        shifts_ = p.reshape(shifts.shape)
        _, by_points, _ = evidence(process, windows.moved(shifts_), windows.samples)
        return windows.by_frame(by_points).ravel()

    middle = shifts.ravel()
    curvature = np.array(
        [
            (slope(middle + _STEP * e) - slope(middle - _STEP * e)) / (2 * _STEP)
            for e in np.eye(middle.size)
        ]
    )
    curvature = 0.5 * (curvature + curvature.T)
    values, vectors = np.linalg.eigh(curvature)
    # Where the evidence is not convex, the prior alone bounds the shifts.
    covariance = (vectors / np.maximum(values, 1 / sigma**2)) @ vectors.T
    # The shift that all frames share is projected out along each axis.
    own = np.kron(np.eye(len(shifts)) - 1 / len(shifts), np.eye(2))
    return np.sqrt(np.diag(own @ covariance @ own)).reshape(shifts.shape)
