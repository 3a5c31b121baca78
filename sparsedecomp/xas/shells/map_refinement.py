"""Maximum a posteriori refinement of shells, and the evidence of the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .model import GLOBALS, ShellModel


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
    noise_covariance : (n, n) array
        Covariance of the coordinates: noise and errors of the theory.
    """

    p: np.ndarray
    channel_index: np.ndarray
    log_evidence: float
    variance: float
    covariance: np.ndarray
    prediction: np.ndarray
    noise_covariance: np.ndarray


def refine(
    model: ShellModel,
    y: np.ndarray,
    p: np.ndarray,
    channel_index: np.ndarray,
    *,
    max_iter: int = 40,
    tol: float = 1e-3,
) -> ShellFit:
    r"""Maximise the posterior over shells and noise by Levenberg-Marquardt steps.

    The covariance of the coordinates is C = v I + T, with the noise variance v and the
    errors T of the theory, which is kept during a step. After each step v is a fixed
    point of the evidence (MacKay, Neural Computation 4 (1992) 415, with T = 0): with
    residual r, Jacobian J, inverse covariance A of the parameters, and the prior of the
    model error of weight w and level g,

    .. math:: v \leftarrow \frac{v^2 r' C^{-2} r + w g}
       {v (\operatorname{tr} C^{-1} - \operatorname{tr} A^{-1} J' C^{-2} J) + w}

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
    n_shells, n = len(channel_index), len(y)
    prior = model.prior
    mean, spread = model.prior_of(n_shells)
    precision = spread**-2.0
    weight = prior.model_error_weight
    guess = prior.model_error**2 * np.mean(y**2) + model.coordinates.white
    weights = slice(GLOBALS + n_shells, GLOBALS + 2 * n_shells)
    ridge = 1e-9 * np.eye(len(precision))

    p = model.confine(p, channel_index)
    spectra = model.spectra(p, channel_index)
    f, J = model.predict(p, channel_index, spectra)
    T = model.theory_covariance(p, channel_index, spectra)
    variance = (np.sum((y - f) ** 2) + weight * guess) / (n + weight)
    damping = 1e-3
    for _ in range(max_iter):
        inverse = np.linalg.inv(variance * np.eye(n) + T)
        largest = model.limits.of(p[GLOBALS : GLOBALS + n_shells], channel_index)

        def cost(
            p: np.ndarray,
            f: np.ndarray,
            inverse: np.ndarray = inverse,
            largest: np.ndarray = largest,
        ) -> float:
            rest = y - f
            above = model.limits.penalty(p[weights], largest)[0]
            return float(
                0.5 * rest @ inverse @ rest
                + 0.5 * np.sum(precision * (p - mean) ** 2)
                + above
            )

        _, slope, curvature = model.limits.penalty(p[weights], largest)
        A = J.T @ inverse @ J + np.diag(precision)
        step_to = J.T @ (inverse @ (y - f)) - precision * (p - mean)
        step_to[weights] -= slope
        A[weights, weights] += np.diag(curvature)
        before, damped = cost(p, f), np.diag(np.diag(A))
        for _ in range(8):
            step = np.linalg.solve(A + damping * damped + ridge, step_to)
            trial = model.confine(p + step, channel_index)
            spectra = model.spectra(trial, channel_index)
            f_trial, J_trial = model.predict(trial, channel_index, spectra)
            gain = before - cost(trial, f_trial)
            if gain > 0:
                break
            damping *= 5
        else:
            break
        damping = max(damping / 5, 1e-8)
        p, f, J = trial, f_trial, J_trial
        T = model.theory_covariance(p, channel_index, spectra)
        for _ in range(2):
            inverse = np.linalg.inv(variance * np.eye(n) + T)
            CJ, Cr = inverse @ J, inverse @ (y - f)
            used = np.trace(
                np.linalg.solve(J.T @ CJ + np.diag(precision) + ridge, CJ.T @ CJ)
            )
            free = max(variance * (np.trace(inverse) - used) + weight, weight)
            variance = (variance**2 * (Cr @ Cr) + weight * guess) / free
        if gain < tol:
            break
    return _finish(model, y, p, channel_index, f, J, T, variance, guess)


def _finish(
    model: ShellModel,
    y: np.ndarray,
    p: np.ndarray,
    channel_index: np.ndarray,
    f: np.ndarray,
    J: np.ndarray,
    T: np.ndarray,
    variance: float,
    guess: float,
) -> ShellFit:
    prior = model.prior
    n_shells = len(channel_index)
    mean, spread = model.prior_of(n_shells)
    r, u = model.split(p)[1][:2]
    low, high = model.r_limits[channel_index].T
    precision = spread**-2.0
    # The posterior variance of a distance is at most that of its uniform prior.
    precision[GLOBALS : GLOBALS + n_shells] = 12 / np.maximum(high - low, 1e-9) ** 2
    noise = variance * np.eye(len(y)) + T
    inverse = np.linalg.inv(noise)
    above, _, curvature = model.limits.penalty(u, model.limits.of(r, channel_index))
    A = J.T @ inverse @ J + np.diag(precision)
    of_atoms = slice(GLOBALS + n_shells, GLOBALS + 2 * n_shells)
    A[of_atoms, of_atoms] += np.diag(curvature)
    sign, log_det = np.linalg.slogdet(A)
    covariance = np.linalg.inv(A)
    finite = np.isfinite(spread)
    deviation = (p - mean)[finite] / spread[finite]
    weight = prior.model_error_weight
    log_evidence = (
        -0.5 * (y - f) @ inverse @ (y - f)
        - 0.5 * np.linalg.slogdet(noise)[1]
        - 0.5 * weight * (np.log(variance) + guess / variance)
        - 0.5 * np.sum(deviation**2)
        - np.sum(np.log(spread[finite]))
        - 0.5 * log_det
        - above
        - model.bond_penalty(r, channel_index)
        # Prior of each shell: density of its distance, and positive number of atoms.
        + n_shells * np.log(model.intensity * np.sqrt(2 * np.pi) * 2.0)
    )
    error = np.sqrt(np.diag(covariance))[of_atoms]
    inside = (r > low + 1e-6) & (r < high - 1e-6) & (u > error)
    rows = all(
        model.midpoint_occupied(r, channel_index, channel, r[i : i + 1])[0]
        for i, channel in enumerate(channel_index)
    )
    if sign <= 0 or not np.all(inside) or not rows or _collide(model, r, channel_index):
        log_evidence = -np.inf
    return ShellFit(
        p, channel_index, float(log_evidence), float(variance), covariance, f, noise
    )


def _collide(model: ShellModel, r: np.ndarray, channel_index: np.ndarray) -> bool:
    """Whether two shells of one channel are closer than the resolution in R."""
    gaps = [
        np.diff(np.sort(r[channel_index == channel]))
        for channel in np.unique(channel_index)
    ]
    return any(np.any(gap < model.resolution) for gap in gaps)
