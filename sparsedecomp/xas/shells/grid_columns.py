"""Columns of a basis on its grid of distances, from which a support is chosen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..theory.debye import Debye
from ..theory.feff_basis import FeffBasis
from ..theory.linear_bases import ArrayBasis, FourierBasis
from .coordinates import Coordinates
from .map_refinement import ShellFit
from .model import ShellModel, ShellPrior
from .off_grid import columns_with_midpoint, meet_shells
from .results import Shells
from .spike_and_slab import SpikeAndSlab

LEAKAGE = 0.4
"""Shells farther than this beyond the window of R, in angstrom, are not reported: they
only model what leaks into the window. The phase shift moves peaks by 0.3 to 0.5."""

BEYOND = 0.6
"""How far beyond the window of R the grid of distances extends, in angstrom."""


class ShellGrid(NamedTuple):
    """Columns of a basis as a search for a support.

    Attributes
    ----------
    problem : SpikeAndSlab
        Search for a support.
    atoms : (p, n_inside) array
        EXAFS of one atom of each column.
    shells : Shells
        Shell of each column, by channel, then by distance.
    used : (n_columns,) bool array
        Whether each column of the basis is in the problem.
    """

    problem: SpikeAndSlab
    atoms: np.ndarray
    shells: Shells
    used: np.ndarray


def shell_grid(
    basis: FeffBasis | FourierBasis | ArrayBasis,
    coordinates: Coordinates,
    prior: ShellPrior,
    parameters: dict[str, Any],
    model: ShellModel | None = None,
    fit: ShellFit | None = None,
) -> ShellGrid:
    """Set up the search for a support among the columns of a basis.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
        EXAFS of one atom.
    coordinates : Coordinates
        Window of k and R.
    prior : ShellPrior
        Prior of the numbers of shells and of atoms.
    parameters : dict
        Further arguments of ``basis.columns``: ``e0``, ``sigma2``, ``third``.
    model, fit : ShellModel and ShellFit, optional
        Search on the mean spectrum; columns are moved onto its shells.

    Returns
    -------
    ShellGrid
        Columns up to 0.6 angstrom beyond the window of R.
    """
    r, (_, rmax) = basis.r, coordinates.r_range
    used = r < rmax + BEYOND
    if model is not None and isinstance(basis, FeffBasis):
        r = meet_shells(model, fit, basis)
        atoms = basis.columns(coordinates.k, r, **parameters)
        used = used & columns_with_midpoint(model, fit, basis)
    else:
        atoms = basis.columns(coordinates.k, **parameters)
    r, atoms, channel_index = r[used], atoms[used], basis.channel_index[used]
    elements = {label.split(" via ")[0] for label in basis.labels}
    low, high = coordinates.k_range
    problem = SpikeAndSlab.from_columns(
        atoms @ coordinates.matrix.T,
        r,
        channel_index,
        density=prior.density,
        intensity=np.full(len(basis.labels), prior.shells_per_angstrom / len(elements)),
        resolution=np.pi / (2 * (high - low)),
    )
    sigma2, third, e0 = (
        np.broadcast_to(np.asarray(parameters.get(name, np.nan), float), len(used))
        for name in ("sigma2", "third", "e0")
    )
    unknown = np.full(len(r), np.nan)
    shells = Shells(
        labels=np.array(basis.labels)[channel_index],
        r=r,
        r_std=np.full(len(r), np.median(np.diff(r)) / 2),
        sigma2=sigma2[used],
        sigma2_std=unknown,
        third=third[used],
        e0=e0[used],
        e0_std=unknown,
        is_leakage=r > rmax + LEAKAGE,
        probability=unknown,
    )
    return ShellGrid(problem, atoms, shells, used)


def given_parameters(
    basis: FourierBasis | ArrayBasis, e0: float | None, sigma2: float | Debye | None
) -> dict[str, Any]:
    """Parameters of the columns of a basis that are given, not fitted.

    Parameters
    ----------
    basis : FourierBasis or ArrayBasis
        EXAFS of one atom.
    e0 : float or None
        Shift of the energy zero in eV.
    sigma2 : float, Debye or None
        Mean square displacement in square angstrom, or a function of the distance.

    Returns
    -------
    dict of str to object
        Arguments of ``basis.columns``; without those that are None.
    """
    given = {"e0": e0, "sigma2": sigma2(basis.r) if callable(sigma2) else sigma2}
    return {name: value for name, value in given.items() if value is not None}
