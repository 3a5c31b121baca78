"""Columns of a basis on its grid of distances, from which a support is chosen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..theory.feff_basis import FeffBasis
from ..theory.linear_bases import ArrayBasis, FourierBasis
from .coordinates import Coordinates
from .map_refinement import ShellFit
from .model import ShellModel, ShellPrior
from .off_grid import columns_with_midpoint, meet_shells
from .results import Shells
from .spike_and_slab import SpikeAndSlab


def grid_problem(
    basis: FeffBasis | FourierBasis | ArrayBasis,
    coordinates: Coordinates,
    prior: ShellPrior,
    parameters: dict[str, Any],
    r_end: float,
    model: ShellModel | None = None,
    fit: ShellFit | None = None,
) -> tuple[SpikeAndSlab, np.ndarray, np.ndarray]:
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
    r_end : float
        Distance in angstrom from which columns are left out.
    model, fit : ShellModel and ShellFit, optional
        Search on the mean spectrum; columns are moved onto its shells.

    Returns
    -------
    problem : SpikeAndSlab
        Search for a support.
    atoms : (p, n_inside) array
        EXAFS of one atom of each column.
    used : (n_columns,) bool array
        Whether each column of the basis is in the problem.
    """
    r = basis.r
    used = r < r_end
    if model is not None and isinstance(basis, FeffBasis):
        r = meet_shells(model, fit, basis)
        atoms = basis.columns(coordinates.k, r, **parameters)
        used = used & columns_with_midpoint(model, fit, basis)
    else:
        atoms = basis.columns(coordinates.k, **parameters)
    elements = {label.split(" via ")[0] for label in basis.labels}
    low, high = coordinates.k_range
    problem = SpikeAndSlab.from_columns(
        atoms[used] @ coordinates.matrix.T,
        r[used],
        basis.channel_index[used],
        density=prior.density,
        intensity=np.full(len(basis.labels), prior.shells_per_angstrom / len(elements)),
        resolution=np.pi / (2 * (high - low)),
    )
    return problem, atoms[used], used


def grid_shells(
    basis: FeffBasis | FourierBasis | ArrayBasis,
    problem: SpikeAndSlab,
    parameters: dict[str, Any],
    used: np.ndarray,
    r_end: float,
) -> Shells:
    """Describe the columns of a problem as shells.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
        EXAFS of one atom.
    problem : SpikeAndSlab
        Result of `grid_problem`.
    parameters : dict
        Arguments given to `grid_problem`.
    used : (n_columns,) bool array
        Result of `grid_problem`.
    r_end : float
        Distance in angstrom from which shells are leakage.

    Returns
    -------
    Shells
        Shells by channel, then by distance.
    """
    unknown = np.full(len(problem.r), np.nan)

    def of_column(name):
        values = np.asarray(parameters.get(name, np.nan), dtype=float)
        return np.broadcast_to(values, len(used))[used]

    return Shells(
        np.array(basis.labels)[problem.channel_index],
        problem.r,
        np.full(len(problem.r), np.median(np.diff(problem.r)) / 2),
        of_column("sigma2"),
        unknown,
        of_column("third"),
        of_column("e0"),
        unknown,
        problem.r > r_end,
    )
