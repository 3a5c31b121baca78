"""Amplitude reduction factor from the spectrum of a known structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..theory.feff_basis import FeffBasis
from .model import ShellPrior
from .sparse_fit import SparseEXAFS

POTENTIALS = 0.05
"""Relative error of numbers of atoms due to guessed potentials, which differ between a
standard and a sample: of 43 cubic crystals (tests/xas/test_intervals.py)."""


class S02Estimate(NamedTuple):
    """Amplitude reduction factor of a standard.

    Attributes
    ----------
    s02, std : float
        Factor and its standard deviation.
    basis : FeffBasis
        Basis with this factor, for samples measured in the same way.
    prior : ShellPrior
        Prior for these samples: its ``amplitude_error`` is the relative error of the
        factor together with that of the potentials.
    """

    s02: float
    std: float
    basis: FeffBasis
    prior: ShellPrior


def estimate_s02(
    chi: ArrayLike,
    k: ArrayLike,
    basis: FeffBasis,
    n: float,
    r: float,
    *,
    element: str | None = None,
    prior: ShellPrior | None = None,
    **options: Any,
) -> S02Estimate:
    """Estimate the amplitude reduction factor from a shell of a known structure.

    Numbers of atoms are inversely proportional to the factor: that of the standard is
    the one of the basis times the atoms that are found over those that there are.

    Parameters
    ----------
    chi : (n_k,) array_like
        EXAFS of the standard, such as a foil, not weighted by k.
    k : (n_k,) array_like
        Evenly spaced wavenumbers in 1/angstrom.
    basis : FeffBasis
        Basis of the standard.
    n, r : float
        Number of atoms of a well resolved shell, and its distance in angstrom.
    element : str, optional
        Element of the shell; by default that of the nearest one found.
    prior : ShellPrior, optional
        Prior of the fit, which the returned one repeats.
    **options
        Further parameters of `SparseEXAFS`. Use the same ranges for the samples.

    Returns
    -------
    S02Estimate
        Factor with its error, and basis and prior for the samples.

    Raises
    ------
    ValueError
        If n is not positive, or no shell is found within 0.15 angstrom of r.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import FeffBasis, estimate_s02
    >>> basis = FeffBasis.from_composition("Cu", ["Cu"], s02=0.9)
    >>> k = np.arange(1, 331) * 0.05
    >>> foil = 0.8 / 0.9 * 12 * basis.channels[0].columns(k, 2.55, sigma2=0.008)[0, 0]
    >>> foil = np.insert(foil, 0, 0.0)
    >>> estimate = estimate_s02(foil, np.insert(k, 0, 0.0), basis, 12, 2.55)
    >>> bool(abs(estimate.s02 - 0.8) < 2 * estimate.std)
    True
    """
    if not n > 0:
        raise ValueError(f"n={n!r}: give the number of atoms of the shell, above 0.")
    prior = prior or ShellPrior()
    known = replace(prior, amplitude_error=0.0)
    fit = SparseEXAFS(basis, prior=known, **options).fit(np.asarray(chi), k)
    found, shells = fit.predict(np.asarray(chi)), fit.shells_
    elements = np.array([str(label).split(" via ")[0] for label in shells.labels])
    away = np.abs(shells.r - r)
    if element is not None:
        away = np.where(elements == element, away, np.inf)
    if not len(away) or away.min() > 0.15:
        rows = ", ".join(
            f"{symbol} {at:.2f}" for symbol, at in zip(elements, shells.r, strict=True)
        )
        raise ValueError(
            f"No shell was found at r={r:g} angstrom (found: {rows or 'none'}): give "
            "the distance of a strong, well resolved shell of the standard."
        )
    shell = int(np.argmin(away))
    ratio = float(found.n[0, shell]) / n
    relative = float(found.n_std[0, shell] / found.n[0, shell])
    s02 = basis.channels[0].s02 * ratio
    channels = tuple(replace(channel, s02=s02) for channel in basis.channels)
    error = float(np.hypot(relative, POTENTIALS))
    return S02Estimate(
        s02,
        relative * s02,
        replace(basis, channels=channels),
        replace(prior, amplitude_error=error),
    )
