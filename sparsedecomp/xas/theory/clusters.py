"""Clusters of atoms from which FEFF computes its potentials.

The structure need not be that of the sample: muffin-tin potentials depend on the
packing density and on the elements of the neighbours, little on exact positions.
`ShellPrior.distance_error` and `ShellPrior.amplitude_error` allow for the difference.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ...suggestions import check_choice
from .elements import bond_length

_FCC = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
_CORNERS = tuple(itertools.product((0.25, 0.75), repeat=3))
# Atoms of the cubic cell: sublattice of the absorber, sublattice of the other atoms,
# and the bond length in units of the cell.
_LATTICES = {
    "fcc": (_FCC, (), 1 / np.sqrt(2)),
    "bcc": (((0, 0, 0), (0.5, 0.5, 0.5)), (), np.sqrt(3) / 2),
    "rocksalt": (_FCC, ((0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.5), (0.5, 0.5, 0.5)), 0.5),
    "zincblende": (
        _FCC,
        (
            (0.25, 0.25, 0.25),
            (0.25, 0.75, 0.75),
            (0.75, 0.25, 0.75),
            (0.75, 0.75, 0.25),
        ),
        np.sqrt(3) / 4,
    ),
    "fluorite": (_FCC, _CORNERS, np.sqrt(3) / 4),
}
LATTICES = tuple(_LATTICES)


def make_cluster(
    absorber: str,
    elements: Sequence[str],
    *,
    lattice: str | None = None,
    bond: float | None = None,
    radius: float = 6.5,
) -> list[tuple[str, tuple[float, ...]]]:
    """Build a cluster of atoms around the absorber.

    Parameters
    ----------
    absorber : str
        Symbol of the absorbing atom.
    elements : sequence of str
        Symbols of the scattering atoms. Those that differ from the absorber alternate
        on the second sublattice.
    lattice : {"fcc", "bcc", "rocksalt", "zincblende", "fluorite"}, optional
        Crystal lattice, by default fcc if all atoms are of one element, else rock salt.
    bond : float, optional
        Distance of nearest neighbours in angstrom, by default the sum of the covalent
        radii. A larger one spreads the atoms and flattens the potentials.
    radius : float, default 6.5
        Radius of the cluster in angstrom. A larger one makes FEFF slower.

    Returns
    -------
    list of (str, tuple of float)
        Symbol and position of each atom, nearest first, the absorber at the origin.

    Raises
    ------
    ValueError
        If the lattice is unknown or does not go with the elements.

    Examples
    --------
    >>> from sparsedecomp.xas.theory.clusters import make_cluster
    >>> [symbol for symbol, _ in make_cluster("Ni", ["Ni", "O"])[:8]]
    ['Ni', 'O', 'O', 'O', 'O', 'O', 'O', 'Ni']
    """
    others = [symbol for symbol in dict.fromkeys(elements) if symbol != absorber]
    lattice = lattice or ("rocksalt" if others else "fcc")
    check_choice("lattice", lattice, _LATTICES)
    own, second, ratio = _LATTICES[lattice]
    if bool(others) != bool(second):
        raise ValueError(
            f"lattice={lattice!r} has {1 + bool(second)} sublattices and does not go "
            f"with the atoms {', '.join([absorber, *others])}: choose another."
        )
    if bond is None:
        bonds = [bond_length(absorber, other) for other in others or [absorber]]
        bond = float(np.mean(bonds))
    cell = bond / ratio
    reach = int(np.ceil(radius / cell)) + 1
    atoms = []
    for shift in itertools.product(range(-reach, reach + 1), repeat=3):
        for sites, symbols in ((own, [absorber]), (second, others)):
            for i, site in enumerate(sites):
                place = cell * (np.array(site) + shift)
                if np.linalg.norm(place) <= radius:
                    symbol = symbols[(i + sum(shift)) % len(symbols)]
                    atoms.append((symbol, tuple(place.tolist())))
    return sorted(atoms, key=lambda atom: round(float(np.linalg.norm(atom[1])), 6))
