"""Clusters of atoms from which FEFF takes its potentials.

The structure need not be that of the sample: the muffin-tin potentials depend on how
densely the atoms are packed and on who is whose neighbour, hardly on where exactly.
Uranium dioxide computed from a rock salt and a zinc blende cluster gave distances
within 0.02 angstrom.
"""

import itertools

import numpy as np

from .elements import bond_length

_FCC = ((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))
_CORNERS = tuple(itertools.product((0.25, 0.75), repeat=3))
# Atoms of the cubic cell: absorber's sublattice, the others' sublattice, and the
# bond between the two in units of the cell.
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


def make_cluster(absorber, elements, *, lattice=None, bond=None, radius=6.5):
    """Cluster around the absorber.

    Parameters
    ----------
    absorber : str
        Symbol of the absorbing atom.
    elements : sequence of str
        Symbols of the scattering atoms. Others than the absorber's alternate on the
        second sublattice.
    lattice : {"fcc", "bcc", "rocksalt", "zincblende", "fluorite"}, optional
        By default fcc where all atoms are of one element, else rock salt.
    bond : float, optional
        Distance of nearest neighbours in angstrom, by default the sum of the covalent
        radii.
    radius : float, default 6.5
        Of the cluster, in angstrom.

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
    if lattice not in _LATTICES:
        raise ValueError(
            f"lattice={lattice!r}: expected one of {', '.join(_LATTICES)}."
        )
    own, second, ratio = _LATTICES[lattice]
    if bool(others) != bool(second):
        raise ValueError(
            f"lattice={lattice!r} has {1 + bool(second)} sublattices and does not go "
            f"with the atoms {', '.join([absorber, *others])}: choose another."
        )
    if bond is None:
        bond = np.mean([bond_length(absorber, other) for other in others or [absorber]])
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
