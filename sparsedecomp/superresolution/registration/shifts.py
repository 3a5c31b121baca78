"""Where frames really lie: shifts of greatest evidence, around the nominal ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize

from sparsedecomp.superresolution.gaussian_process.evidence import (
    LEAST_NOISE,
    Process,
    evidence,
    fit_process,
    limits_of,
)
from sparsedecomp.superresolution.gaussian_process.windows import cut_windows
from sparsedecomp.superresolution.registration.correlation import correlate
from sparsedecomp.superresolution.threads import on_one_blas_thread

# Shifts may leave the nominal ones by so many standard deviations of the prior.
_REACH = 6
# Noise over signal, at least, of one fit after the other: with little noise the
# evidence has many maxima, with more it is smooth and its maximum is where to start.
_LEAST_NOISE = (1e-1, 1e-2, 1e-3, LEAST_NOISE)
_WINDOW_SAMPLES = 400
# Windows times factors: with more, evidence takes long and says the same.
_MOST_COLUMNS = 3000


@dataclass(frozen=True)
class Registration:
    """What `register` found; lengths are in pixels of the frames.

    Attributes
    ----------
    shifts : (n_frames, 2) array
        To be used: the estimate if it was accepted, else the nominal shifts.
    nominal, estimate : (n_frames, 2) arrays
    deviation : (n_frames, 2) array
        Standard deviation of the estimate, less the shift that is common to all.
    accepted : bool
    reason : str
    log_evidence : (float, float)
        With the nominal shifts and with the estimate.
    held_out : (float, float)
        Root mean square error at frames predicted from the others, with both.
    misfit : (n_frames,) array
        The same of every frame, at the shifts to be used, over the median frame's: far
        above 1 where a frame shows something else than the others.
    process : Process
        Covariance of the frames at the shifts to be used.
    """

    shifts: np.ndarray
    nominal: np.ndarray
    estimate: np.ndarray
    deviation: np.ndarray
    accepted: bool
    reason: str
    log_evidence: tuple
    held_out: tuple
    misfit: np.ndarray
    process: Process

    @property
    def drift(self):
        """What the estimate adds to the nominal shifts, (n_frames, 2)."""
        return self.estimate - self.nominal


@on_one_blas_thread
def register(Y, nominal=None, *, prior=None, mask=None, max_iter=100):
    """Find the shifts of frames from the frames, with the nominal ones as a prior.

    Coarse frames are aliased, which defeats correlation. Here shifts, noise and
    correlation lengths maximise the evidence of a Gaussian process on the samples of
    all frames together [1]_: small windows tile the field and share their
    arrangement, so one Cholesky factorisation serves all of them and all factors.

    A shift common to all frames cannot be seen in them: it stays as the prior has it.

    Parameters
    ----------
    Y : (n_frames, rows, columns, n_factors) array
        Factors with noise of one variance; a few of the strongest are enough.
    nominal : (n_frames, 2) array, optional
        Rows and columns in pixels; default: by phase correlation.
    prior : float, optional
        Standard deviation of the nominal shifts in pixels; default: 0.2, or 0.5 where
        they come from correlation.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.
    max_iter : int, default 100

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
    found, estimate = fits[0][0], nominal
    for least in _LEAST_NOISE:
        found, estimate = _fit(
            windows, nominal, sigma, found, estimate, least, max_iter
        )
    # The smoother covariance is often the better one, once the shifts are right.
    smoother = _fit(
        windows,
        nominal,
        sigma,
        replace(found, twice_nu=5),
        estimate,
        LEAST_NOISE,
        max_iter,
    )
    found, estimate = max(
        (found, estimate), smoother, key=lambda fit: -_value(windows, *fit)
    )
    points = windows.moved(estimate)
    after = _value(windows, found, estimate)
    errors = [
        held_out_frames(p, at, windows.samples, len(Y))
        for p, at in ((process, windows.points), (found, points))
    ]
    held_out = tuple(float(np.sqrt(np.mean(e**2))) for e in errors)
    # As many parameters are worth by the criterion of Schwarz.
    worth = (len(Y) - 1) * np.log(windows.samples.size)
    gains = before - after > worth
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
        deviation=_deviation(windows, estimate, sigma, found),
        accepted=bool(accepted),
        reason=reason,
        log_evidence=(-before, -after),
        held_out=held_out,
        misfit=errors[int(accepted)] / np.median(errors[int(accepted)]),
        process=found if accepted else process,
    )


def _windows(Y, shifts, mask):
    windows = cut_windows(Y, shifts, mask, n_samples=_WINDOW_SAMPLES)
    excess = windows.samples.shape[1] / _MOST_COLUMNS
    if excess > 1:
        step = int(np.ceil(windows.size * np.sqrt(excess)))
        windows = cut_windows(Y, shifts, mask, windows.size, step)
    return windows


def _value(windows, process, shifts):
    """Negative log evidence of windows at some shifts."""
    value, _, _ = evidence(process, windows.moved(shifts), windows.samples, slope=False)
    return float(value)


def _fit(windows, nominal, sigma, process, shifts, least, max_iter):
    """Shifts and process that maximise evidence times prior, from given ones on."""
    scale = windows.samples.size

    def objective(p):
        shifts = p[4:].reshape(nominal.shape)
        value, by_points, by_logarithms = evidence(
            process.with_logarithms(p[:4]), windows.moved(shifts), windows.samples
        )
        away = (shifts - nominal) / sigma
        by_shifts = windows.by_frame(by_points) + away / sigma
        value += 0.5 * np.square(away).sum()
        return value / scale, np.append(by_logarithms, by_shifts) / scale

    room = [(d - _REACH * sigma, d + _REACH * sigma) for d in nominal.ravel()]
    found = minimize(
        objective,
        np.append(process.logarithms(), shifts),
        jac=True,
        method="L-BFGS-B",
        bounds=limits_of(process, least) + room,
        options={"maxiter": max_iter, "ftol": 1e-9},
    )
    return process.with_logarithms(found.x[:4]), found.x[4:].reshape(nominal.shape)


def held_out_frames(process, points, Z, n_frames):
    """Root mean square error of every frame as predicted from the others.

    What a block ``k`` of samples differs from its prediction by is
    ``(C^-1)_kk^-1 (C^-1 Z)_k``: no frame has to be left out in fact.

    Parameters
    ----------
    process : Process
    points : (n, 2) array
        Samples of frame after frame.
    Z : (n, m) array
    n_frames : int

    Returns
    -------
    (n_frames,) array
    """
    factor, _ = lapack.dpotrf(process.samples(points), lower=True)
    a, _ = lapack.dpotrs(factor, Z, lower=True)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    n, errors = len(Z) // n_frames, np.empty(n_frames)
    for k in range(n_frames):
        own = slice(k * n, (k + 1) * n)
        away = np.linalg.solve(inverse[own, own], a[own])
        errors[k] = np.sqrt(np.mean(away**2))
    return errors


def _deviation(windows, shifts, sigma, process, step=1e-3):
    """Standard deviations by the curvature of evidence and prior at the estimate."""

    def slope(p):
        shifts_ = p.reshape(shifts.shape)
        _, by_points, _ = evidence(process, windows.moved(shifts_), windows.samples)
        return windows.by_frame(by_points).ravel()

    middle = shifts.ravel()
    curvature = np.array(
        [
            (slope(middle + step * e) - slope(middle - step * e)) / (2 * step)
            for e in np.eye(middle.size)
        ]
    )
    curvature = 0.5 * (curvature + curvature.T)
    values, vectors = np.linalg.eigh(curvature)
    # Where the evidence is not convex it says nothing: the prior is left.
    covariance = (vectors / np.maximum(values, 1 / sigma**2)) @ vectors.T
    # Of every axis, the shift that all frames share is left out.
    own = np.kron(np.eye(len(shifts)) - 1 / len(shifts), np.eye(2))
    return np.sqrt(np.diag(own @ covariance @ own)).reshape(shifts.shape)
