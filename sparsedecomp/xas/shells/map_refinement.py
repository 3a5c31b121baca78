"""Maximum a posteriori refinement of shells, and the evidence of the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import GLOBALS, PER_SHELL, ShellModel


@dataclass(frozen=True)
class ShellFit:
    """Shells at a maximum of the posterior probability.

    Attributes
    ----------
    p : (3 + 4 K,) array
        Parameters as in `ShellModel`.
    channel_index : (K,) int array
        Channel of each shell.
    log_evidence : float
        Log evidence of these shells, with all parameters integrated in Laplace's
        approximation; minus infinity where a shell is not a maximum of its own (no
        atoms, or at the end of the range).
    variance : float
        Noise variance of the coordinates.
    covariance : (3 + 4 K, 3 + 4 K) array
        Covariance of the parameters.
    prediction : (n,) array
        Coordinates of the model spectrum.
    """

    p: np.ndarray
    channel_index: np.ndarray
    log_evidence: float
    variance: float
    covariance: np.ndarray
    prediction: np.ndarray


def refine(
    model: ShellModel,
    y: np.ndarray,
    p: np.ndarray,
    channel_index: np.ndarray,
    *,
    max_iter: int = 40,
    tol: float = 1e-3,
) -> ShellFit:
    """Maximise the posterior over shells and noise by Levenberg-Marquardt steps.

    After each step the noise variance is set to the maximum of the evidence (MacKay,
    Neural Computation 4 (1992) 415): residual sum of squares over the degrees of
    freedom that the parameters do not use, together with the prior of the model error.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    y : (n,) array
        Coordinates of the spectrum.
    p : (3 + 4 K,) array
        Initial parameters.
    channel_index : (K,) int array
        Channel of each shell.
    max_iter : int, default 40
        Largest number of steps.
    tol : float, default 1e-3
        Steps stop when they raise the log posterior by less. Smaller: more steps.

    Returns
    -------
    ShellFit
        Shells at the maximum.
    """
    prior = model.prior
    mean, spread = model.prior_of(len(channel_index))
    precision = spread**-2.0
    weight = prior.model_error_weight
    guess = prior.model_error**2 * np.mean(y**2)
    n = len(y)

    def penalty(p: np.ndarray) -> float:
        return 0.5 * np.sum(precision * (p - mean) ** 2)

    p = model.confine(p, channel_index)
    f, J = model.predict(p, channel_index)
    square = np.sum((y - f) ** 2)
    variance = (square + weight * guess) / (n + weight)
    damping = 1e-3
    for _ in range(max_iter):
        H = J.T @ J / variance
        A = H + np.diag(precision)
        step_to = J.T @ (y - f) / variance - precision * (p - mean)
        before = 0.5 * square / variance + penalty(p)
        for _ in range(8):
            step = np.linalg.solve(A + np.diag(damping * np.diag(A) + 1e-9), step_to)
            trial = model.confine(p + step, channel_index)
            f_trial, J_trial = model.predict(trial, channel_index)
            square_trial = np.sum((y - f_trial) ** 2)
            gain = before - 0.5 * square_trial / variance - penalty(trial)
            if gain > 0:
                break
            damping *= 5
        else:
            break
        damping = max(damping / 5, 1e-8)
        p, f, J, square = trial, f_trial, J_trial, square_trial
        H = J.T @ J / variance
        used = np.trace(np.linalg.solve(H + np.diag(precision + 1e-9), H))
        variance = (square + weight * guess) / max(n - used + weight, weight)
        if gain < tol:
            break
    return _finish(model, y, p, channel_index, f, J, square, variance, guess)


def _finish(
    model: ShellModel,
    y: np.ndarray,
    p: np.ndarray,
    channel_index: np.ndarray,
    f: np.ndarray,
    J: np.ndarray,
    square: float,
    variance: float,
    guess: float,
) -> ShellFit:
    prior = model.prior
    mean, spread = model.prior_of(len(channel_index))
    r, u = model.split(p)[1][:2]
    low, high = model.r_limits[channel_index].T
    precision = spread**-2.0
    # The posterior variance of a distance is at most that of its uniform prior.
    precision[GLOBALS : GLOBALS + len(channel_index)] = (
        12 / np.maximum(high - low, 1e-9) ** 2
    )
    A = J.T @ J / variance + np.diag(precision)
    sign, log_det = np.linalg.slogdet(A)
    covariance = np.linalg.inv(A)
    finite = np.isfinite(spread)
    deviation = (p - mean)[finite] / spread[finite]
    weight = prior.model_error_weight
    log_evidence = (
        -0.5 * square / variance
        - 0.5 * (len(y) + weight) * np.log(variance)
        - 0.5 * weight * guess / variance
        - 0.5 * np.sum(deviation**2)
        - np.sum(np.log(spread[finite]))
        - 0.5 * log_det
        # Prior of each shell: density of its distance, and positive number of atoms.
        + len(channel_index) * np.log(model.intensity * np.sqrt(2 * np.pi) * 2.0)
    )
    error = np.sqrt(np.diag(covariance))[GLOBALS:].reshape(PER_SHELL, -1)[1]
    inside = (r > low + 1e-6) & (r < high - 1e-6) & (u > error)
    rows = all(
        model.midpoint_occupied(r, channel_index, channel, r[i : i + 1])[0]
        for i, channel in enumerate(channel_index)
    )
    if sign <= 0 or not np.all(inside) or not rows or _collide(model, r, channel_index):
        log_evidence = -np.inf
    return ShellFit(
        p, channel_index, float(log_evidence), float(variance), covariance, f
    )


def _collide(model: ShellModel, r: np.ndarray, channel_index: np.ndarray) -> bool:
    """Whether two shells of one channel are closer than the resolution in R."""
    gaps = [
        np.diff(np.sort(r[channel_index == channel]))
        for channel in np.unique(channel_index)
    ]
    return any(np.any(gap < model.resolution) for gap in gaps)
