"""AUTOBK in one call: mu(E) to chi(k), with the quantities of larch's group."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.deprecation import warn_deprecated
from sparsedecomp.xas.grids import accept_old_names, increasing, spectra_on
from sparsedecomp.xas.reduction.background import background_matrices
from sparsedecomp.xas.reduction.edges import e0_of
from sparsedecomp.xas.reduction.normalisation import Normalisation

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class AutobkResult:
    """Spectra after background removal, named as in larch's group.

    Attributes
    ----------
    energy : numpy.ndarray of shape (n_E,)
        Photon energies in eV.
    e0 : float
        Threshold in eV.
    edge_step : numpy.ndarray of shape (...)
        Edge step in the unit of mu.
    bkg : numpy.ndarray of shape (..., n_E)
        Background mu0(E) in the unit of mu.
    k : numpy.ndarray of shape (n_k,)
        Even grid from 0, in 1/angstrom.
    chi : numpy.ndarray of shape (..., n_k)
        chi(k), not weighted by k.
    """

    energy: np.ndarray
    e0: float
    edge_step: np.ndarray
    bkg: np.ndarray
    k: np.ndarray
    chi: np.ndarray


def _accept_old_form(function: F) -> F:
    """``autobk(energy, e0)`` returned the matrices before it took spectra."""

    @functools.wraps(function)
    def accepting(energy: ArrayLike, *args: Any, **kwargs: Any) -> Any:
        mu = args[0] if args else kwargs.get("mu")
        if mu is not None and np.ndim(mu):
            return function(energy, *args, **kwargs)
        warn_deprecated("autobk(energy, e0)", "background_matrices(energy, e0)", 4)
        return background_matrices(energy, *args, **kwargs)

    return cast(F, accepting)


@accept_old_names
@_accept_old_form
def autobk(
    energy: ArrayLike,
    mu: ArrayLike,
    e0: float | None = None,
    *,
    edge_step: ArrayLike | None = None,
    rbkg: float = 1.0,
    kmin: float = 0.0,
    kmax: float | None = None,
    kweight: float = 2,
    clamp_lo: float = 0.0,
    clamp_hi: float = 1.0,
    nclamp: int = 3,
    kstep: float = 0.05,
    dk: float = 0.1,
    window: str = "hanning",
) -> AutobkResult:
    """Remove the background of mu(E) and return chi(k), as larch's ``autobk``.

    Parameters
    ----------
    energy : array_like of shape (n_E,)
        Photon energies in eV, increasing, with any spacing.
    mu : array_like of shape (..., n_E)
        Absorption of one spectrum or of many with the same threshold, in any unit.
    e0 : float, optional
        Threshold in eV; by default that of the mean spectrum.
    edge_step : float or array_like of shape (...), optional
        Edge step in the unit of mu; by default that of `Normalisation` with its
        default ranges.
    rbkg : float, default 1.0
        Distance in angstrom below which all Fourier components count as background.
        Larger values remove more.
    kmin, kmax : float, default 0 and the last point
        Range of k of the fit in 1/angstrom. The grid of chi always starts at 0 and
        ends at `kmax`.
    kweight : float, default 2
        Power of k that multiplies chi in the fit. The result is not weighted.
    clamp_lo, clamp_hi : float, default 0 and 1
        Weights with which the first and the last points of chi are kept near zero.
    nclamp : int, default 3
        Number of points in each clamp.
    kstep : float, default 0.05
        Step of the grid of chi in 1/angstrom.
    dk : float, default 0.1
        Width of the sills of the Fourier window in 1/angstrom.
    window : str, default "hanning"
        Kind of Fourier window, see `sparsedecomp.xas.window`.

    Returns
    -------
    AutobkResult
        Results ``k``, ``chi``, ``bkg``, ``e0`` and ``edge_step``.

    Raises
    ------
    ValueError
        If no edge is found, or as in `background_matrices`.

    See Also
    --------
    sparsedecomp.xas.background_matrices : The matrices, to be used for many blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.xas import autobk
    >>> energy = np.arange(8800.0, 9700.0, 1.0)
    >>> result = autobk(energy, np.arctan((energy - 8979) / 2) + 2)
    >>> result.e0, len(result.k), result.chi.shape
    (8979.0, 275, (275,))
    """
    energy = increasing(energy)
    mu = spectra_on(mu, energy)
    if e0 is None:
        e0 = e0_of(energy, mu.reshape(-1, len(energy)).mean(axis=0))
    background = background_matrices(
        energy,
        e0,
        rbkg=rbkg,
        kmin=kmin,
        kmax=kmax,
        kweight=kweight,
        clamp_lo=clamp_lo,
        clamp_hi=clamp_hi,
        nclamp=nclamp,
        kstep=kstep,
        dk=dk,
        window=window,
    )
    if edge_step is None:
        edge_step = Normalisation(energy, e0).edge_step(mu)
    return AutobkResult(
        energy=energy,
        e0=float(e0),
        edge_step=np.asarray(edge_step, dtype=float),
        bkg=background.bkg(mu),
        k=background.k,
        chi=background.chi(mu, edge_step),
    )
