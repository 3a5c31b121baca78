"""Columns of a basis on its grid of distances: what a support is chosen from."""

import numpy as np

from .off_grid import columns_with_midpoint, meet_shells
from .results import Shells
from .spike_and_slab import SpikeAndSlab


def grid_problem(basis, coordinates, prior, hyper, r_end, model=None, fit=None):
    """The search for a support among the columns of a basis.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
    coordinates : Coordinates
    prior : ShellPrior
    hyper : dict
        Arguments of the basis's columns.
    r_end : float
        Columns beyond are left out, in angstrom.
    model, fit : ShellModel and ShellFit, optional
        The search on the mean spectrum, whose shells the grid shall meet.

    Returns
    -------
    problem : SpikeAndSlab
    atoms : (p, n_inside) array
        EXAFS of one atom of each column.
    used : (n_columns,) bool array
        The columns of the basis that are in the problem.
    """
    r = basis.r
    used = r < r_end
    if model is None:
        atoms = basis.columns(coordinates.k, **hyper)
    else:
        r = meet_shells(model, fit, basis)
        atoms = basis.columns(coordinates.k, r, **hyper)
        used = used & columns_with_midpoint(model, fit, basis)
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


def grid_shells(basis, problem, hyper, used, r_end):
    """Shells at the columns of a problem.

    Parameters
    ----------
    basis : FeffBasis, FourierBasis or ArrayBasis
    problem : SpikeAndSlab
    hyper : dict
    used : (n_columns,) bool array
        As of `grid_problem`.
    r_end : float
        Shells beyond are leakage, in angstrom.

    Returns
    -------
    Shells
        By channel, then by distance.
    """
    unknown = np.full(len(problem.r), np.nan)

    def of_column(name):
        values = np.asarray(hyper.get(name, np.nan), dtype=float)
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
