r"""Energy shifts between spectra of the same edge, and their removal.

A spectrum is compared with a reference r by least squares,

.. math::

    \mu(E) \approx a\, r(E - s) + b + c (E - E_0),

near the edge. The shift s is first searched on a grid, then refined by Gauss-Newton
steps, to a small fraction of the step of the scan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

from sparsedecomp.xas.grids import increasing, spectra_on

MAX_ITER = 12
"""Largest number of Gauss-Newton steps. From the grid they converge in three to five
on the spectra of the tests."""

TOL = 1e-4
"""The steps end when no shift changes by more, in eV: a hundredth of the best
reproducibility of monochromators."""


def shifts_to(
    energy: ArrayLike,
    mu: ArrayLike,
    reference: ArrayLike,
    limits: tuple[float, float],
    max_shift: float = 5.0,
) -> np.ndarray:
    """Energy shift of each spectrum relative to a reference.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Spectra, in any unit.
    reference : array_like of shape (n_E,)
        Spectrum of the same edge on the same energies.
    limits : tuple of two floats
        Range of energies in eV that is compared: the edge, from before its rise to
        past the first oscillation.
    max_shift : float, default 5
        Largest shift in eV that is searched.

    Returns
    -------
    numpy.ndarray of shape (...)
        Shifts in eV, positive where the spectrum lies at higher energies than the
        reference; NaN for spectra that hold NaN or match best beyond `max_shift`.

    Raises
    ------
    ValueError
        If the energies do not increase, the reference is not on them or not finite,
        or fewer than six energies lie between the limits.

    Notes
    -----
    Chemistry moves the edge too, and an alignment removes these chemical shifts. Where
    they matter, align on a reference foil that was measured simultaneously.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import shifts_to
    >>> energy = np.arange(8960.0, 9000.0, 0.5)
    >>> edge = lambda e0: np.arctan((energy - e0) / 2)
    >>> found = shifts_to(energy, 3 * edge(8979.13), edge(8979), (8965, 8995))
    >>> float(found.round(2))
    0.13
    """
    from scipy.interpolate import CubicSpline

    energy = increasing(energy, at_least=6)
    mu = spectra_on(mu, energy).astype(float, copy=False)
    reference = spectra_on(reference, energy, "reference").astype(float)
    if reference.ndim != 1 or not np.isfinite(reference).all():
        raise ValueError("reference must be one spectrum of finite numbers.")
    low, high = sorted(limits)
    used = (energy >= low) & (energy <= high)
    if used.sum() < 6:
        raise ValueError(
            f"Only {used.sum()} energies lie between {low:g} and {high:g} eV, too few "
            "to compare: widen the limits."
        )
    spline = CubicSpline(energy, reference)
    near, spectra = energy[used], mu[..., used].reshape(-1, used.sum())
    x = (near - near.mean()) / np.ptp(near)
    shift = _on_a_grid(spline, near, x, spectra, max_shift)
    valid = np.isfinite(mu).all(axis=-1).ravel()
    shift[valid], height = _refined(spline, near, x, spectra[valid], shift[valid])
    valid[valid] = height > 0
    shift[~valid | (np.abs(shift) > max_shift)] = np.nan
    return shift.reshape(mu.shape[:-1])


def shifted(energy: ArrayLike, mu: ArrayLike, shift: ArrayLike) -> np.ndarray:
    """Shift spectra down in energy and interpolate them on the same energies.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing.
    mu : array_like of shape (..., n_E)
        Spectra, in any unit.
    shift : array_like of shape (...) or float
        Shift in eV by which each spectrum is moved down; NaN gives a spectrum of NaN.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        Spectra mu(E + shift) by cubic splines; the ends repeat the last points.

    Raises
    ------
    ValueError
        If mu is not on the energies.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import shifted
    >>> energy = np.arange(0.0, 6.0)
    >>> shifted(energy, energy**2, 0.5)[1:4].round(2).tolist()
    [2.25, 6.25, 12.25]
    """
    from scipy.interpolate import CubicSpline

    energy = increasing(energy, at_least=4)
    mu = spectra_on(mu, energy)
    spectra = mu.reshape(-1, len(energy))
    shift = np.broadcast_to(np.asarray(shift, dtype=float), mu.shape[:-1]).ravel()
    valid = np.isfinite(spectra).all(axis=1) & np.isfinite(shift)
    moved = np.full(spectra.shape, np.nan, dtype=mu.dtype)
    if valid.any():
        pieces = CubicSpline(energy, spectra[valid].T).c
        at = np.clip(energy + shift[valid, None], energy[0], energy[-1])
        piece = np.clip(np.searchsorted(energy, at, "right") - 1, 0, len(energy) - 2)
        x, pixel = at - energy[piece], np.arange(valid.sum())[:, None]
        value = pieces[0, piece, pixel]
        for power in pieces[1:]:
            value = value * x + power[piece, pixel]
        moved[valid] = value
    return moved.reshape(mu.shape)


def _on_a_grid(
    spline: CubicSpline,
    near: np.ndarray,
    x: np.ndarray,
    spectra: np.ndarray,
    max_shift: float,
) -> np.ndarray:
    """Shift of the smallest residual on a grid of half the median energy step."""
    step = max(0.5 * np.median(np.diff(near)), max_shift / 100)
    shifts = np.arange(-max_shift, max_shift + step / 2, step)
    explained = np.empty((len(shifts), len(spectra)))
    for i, shift in enumerate(shifts):
        r = spline(near - shift)
        q = np.linalg.qr(np.stack([np.ones_like(x), x, r], axis=1))[0]
        # Part of the reference that is orthogonal to a line; its amplitude must be
        # positive.
        own = q[:, 2] * np.sign(q[:, 2] @ r)
        explained[i] = np.clip(spectra @ own, 0, None)
    return shifts[np.nan_to_num(explained, nan=-np.inf).argmax(axis=0)]


def _refined(
    spline: CubicSpline,
    near: np.ndarray,
    x: np.ndarray,
    spectra: np.ndarray,
    shift: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Shift after Gauss-Newton steps, and amplitude a of the reference."""
    slope = spline.derivative()
    for _ in range(MAX_ITER):
        at = near - shift[:, None]
        r, dr = spline(at), slope(at)
        ones = np.ones_like(at)
        design = np.stack([r, -dr, ones, np.broadcast_to(x, at.shape)], axis=2)
        normal = np.einsum("pij,pik->pjk", design, design)
        # Regularise: the system of a pixel without an edge is singular.
        normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(4)
        right = np.einsum("pij,pi->pj", design, spectra)[..., None]
        a, a_step = np.linalg.solve(normal, right)[:, :2, 0].T
        step = np.divide(a_step, a, out=np.zeros_like(a), where=np.abs(a) > 0)
        # Limit the step to 1 eV: the linearisation holds near the start only.
        step = np.clip(step, -1, 1)
        shift = shift + step
        if np.abs(step).max(initial=0) < TOL:
            break
    return shift, a
