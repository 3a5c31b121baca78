r"""Energy shifts between spectra of the same edge, and their removal.

A spectrum is compared with a reference r by least squares,

.. math::

    \mu(E) \approx a\, r(E - s) + b + c (E - E_0),

near the edge. The shift s is first sought on a grid, then refined by Gauss-Newton
steps, so that it is found to a small part of the step of the scan.
"""

import numpy as np

from sparsedecomp.xas.grids import increasing, spectra_on

STEPS = 12
"""Of Gauss-Newton at most; they end when no shift changes by more than TOLERANCE."""

TOLERANCE = 1e-4
"""In eV."""


def shifts_to(energy, mu, reference, limits, max_shift=5.0):
    """Energy shift of each spectrum against a reference.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV, increasing.
    mu : array_like of shape (..., n_E)
    reference : array_like of shape (n_E,)
        Spectrum of the same edge on the same energies.
    limits : tuple of two floats
        Compare between these energies in eV: the edge, from before its rise to past
        the first oscillation.
    max_shift : float
        Largest shift that is looked for, in eV.

    Returns
    -------
    numpy.ndarray of shape (...)
        In eV, positive where the spectrum lies at higher energies than the reference;
        NaN for spectra that hold NaN or match best beyond `max_shift`.

    Raises
    ------
    ValueError
        If the energies do not increase, the reference is not on them or not finite,
        or fewer than six energies lie between the limits.

    Notes
    -----
    Where the chemistry changes from pixel to pixel the edge moves with it, and an
    alignment takes that away: align on a reference foil measured along, or on the
    mean of a region of one phase.

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
    near, rows = energy[used], mu[..., used].reshape(-1, used.sum())
    x = (near - near.mean()) / np.ptp(near)
    shift = _on_a_grid(spline, near, x, rows, max_shift)
    good = np.isfinite(mu).all(axis=-1).ravel()
    shift[good], height = _refined(spline, near, x, rows[good], shift[good])
    good[good] = height > 0
    shift[~good | (np.abs(shift) > max_shift)] = np.nan
    return shift.reshape(mu.shape[:-1])


def shifted(energy, mu, shift):
    """Spectra moved down in energy by their shift, on the same energies.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        In eV, increasing.
    mu : array_like of shape (..., n_E)
    shift : array_like of shape (...) or float
        What to take away, in eV; NaN gives a spectrum of NaN.

    Returns
    -------
    numpy.ndarray of shape (..., n_E)
        mu(E + shift) by cubic splines; the ends of the scan repeat its last points.

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
    rows = mu.reshape(-1, len(energy))
    shift = np.broadcast_to(np.asarray(shift, dtype=float), mu.shape[:-1]).ravel()
    good = np.isfinite(rows).all(axis=1) & np.isfinite(shift)
    moved = np.full(rows.shape, np.nan, dtype=mu.dtype)
    if good.any():
        pieces = CubicSpline(energy, rows[good].T).c
        at = np.clip(energy + shift[good, None], energy[0], energy[-1])
        piece = np.clip(np.searchsorted(energy, at, "right") - 1, 0, len(energy) - 2)
        x, pixel = at - energy[piece], np.arange(good.sum())[:, None]
        value = pieces[0, piece, pixel]
        for power in pieces[1:]:
            value = value * x + power[piece, pixel]
        moved[good] = value
    return moved.reshape(mu.shape)


def _on_a_grid(spline, near, x, rows, max_shift):
    """Shift of the smallest residual, among shifts half a typical step apart."""
    step = max(0.5 * np.median(np.diff(near)), max_shift / 100)
    shifts = np.arange(-max_shift, max_shift + step / 2, step)
    explained = np.empty((len(shifts), len(rows)))
    for number, shift in enumerate(shifts):
        r = spline(near - shift)
        q = np.linalg.qr(np.stack([np.ones_like(x), x, r], axis=1))[0]
        # What the reference adds to a line, where it adds with a positive sign.
        own = q[:, 2] * np.sign(q[:, 2] @ r)
        explained[number] = np.clip(rows @ own, 0, None)
    return shifts[np.nan_to_num(explained, nan=-np.inf).argmax(axis=0)]


def _refined(spline, near, x, rows, shift):
    """Gauss-Newton steps of the shift; also the height a of each edge."""
    slope = spline.derivative()
    for _ in range(STEPS):
        at = near - shift[:, None]
        r, dr = spline(at), slope(at)
        ones = np.ones_like(at)
        design = np.stack([r, -dr, ones, np.broadcast_to(x, at.shape)], axis=2)
        normal = np.einsum("pij,pik->pjk", design, design)
        # A pixel without an edge has a singular system: it stays where it is.
        normal += 1e-12 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(4)
        wanted = np.einsum("pij,pi->pj", design, rows)[..., None]
        a, a_step = np.linalg.solve(normal, wanted)[:, :2, 0].T
        step = np.divide(a_step, a, out=np.zeros_like(a), where=np.abs(a) > 0)
        # No further than to the next shift of the grid at once.
        step = np.clip(step, -1, 1)
        shift = shift + step
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    return shift, a
