"""Tabulated energies of absorption edges."""

from __future__ import annotations

from rsciio_sparse._edges import EDGES, TABLE, energies_of

__all__ = ["EDGES", "TABLE", "edge_energy"]


def edge_energy(element: str, edge: str) -> float:
    """Tabulated energy of an absorption edge.

    Parameters
    ----------
    element : str
        Symbol, such as "Cu".
    edge : str
        Name of the edge: "K", "L1" to "L3" or "M1" to "M5".

    Returns
    -------
    float
        Energy in eV, for the pure element.

    Raises
    ------
    ValueError
        If the element, or its edge, is not in the table.

    Examples
    --------
    >>> from sparsedecomp.xas import edge_energy
    >>> edge_energy("Cu", "K")
    8979.0
    """
    energies = energies_of(element)
    if not energies:
        raise ValueError(
            f"{element!r} is no element of the table: give its symbol, such as 'Cu'."
        )
    if edge not in EDGES:
        raise ValueError(f"{edge!r} is no edge. Known: {', '.join(EDGES)}.")
    if edge not in energies:
        raise ValueError(
            f"{element} has no edge {edge} in the table; it has {', '.join(energies)}."
        )
    return energies[edge]
