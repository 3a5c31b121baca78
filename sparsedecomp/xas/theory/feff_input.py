"""Reader of the cluster of atoms in feff.inp, the input file of FEFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .elements import SYMBOLS

_EDGES = ("K", "L1", "L2", "L3")
_COMMENTS = "*#%!;"


def read_feff_input(
    file: str | Path,
) -> tuple[list[tuple[str, tuple[float, ...]]], str]:
    """Read the atoms and the edge from an input file of FEFF6 or FEFF8.

    Parameters
    ----------
    file : str or pathlib.Path
        Path of feff.inp.

    Returns
    -------
    cluster : list of (str, tuple of float)
        Symbol of each atom and its position relative to the absorber, in angstrom. The
        absorber comes first, then the others by distance.
    edge : {"K", "L1", "L2", "L3"}
        Absorption edge.

    Raises
    ------
    ValueError
        If a line cannot be read, or the absorber, its atoms or the edge are missing.
    """
    file = Path(file)
    section, edge, symbols, atoms = "", None, {}, []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        for mark in _COMMENTS:
            line = line.partition(mark)[0]
        words = line.split()
        if not words:
            continue
        card = words[0].upper()
        try:
            if card == "END":
                break
            if card[0].isalpha():
                section = card
                if card == "HOLE":
                    edge = _EDGES[int(words[1]) - 1]
                elif card == "EDGE":
                    edge = _EDGES[_EDGES.index(words[1].upper())]
            elif section.startswith("POTE"):
                symbols[int(words[0])] = SYMBOLS[int(words[1]) - 1]
            elif section.startswith("ATOM"):
                atoms.append((int(words[3]), tuple(map(float, words[:3]))))
        except (ValueError, IndexError) as error:
            raise ValueError(
                f"{file.name}, line {number}: {' '.join(words)!r} cannot be read after "
                f"{section or 'the beginning'}: expected x y z ipot for atoms, ipot Z "
                f"for potentials, an edge of {', '.join(_EDGES)}."
            ) from error
    missing = sorted({kind for kind, _ in atoms} - set(symbols))
    centre = [place for kind, place in atoms if kind == 0]
    if edge is None or missing or len(centre) != 1 or len(atoms) < 2:
        raise ValueError(
            f"{file.name} has {len(atoms)} atoms, {len(centre)} of them absorbers "
            f"(ipot 0), the edge {edge}, and no potential for {missing or 'none'}: "
            "expected one absorber and its neighbours, a HOLE or EDGE, and a potential "
            "for every ipot."
        )
    cluster = [
        (symbols[kind], tuple((np.array(place) - centre[0]).tolist()))
        for kind, place in atoms
    ]
    potentials = [kind for kind, _ in atoms]
    order = sorted(
        range(len(atoms)),
        key=lambda i: (
            potentials[i] != 0,
            round(float(np.linalg.norm(cluster[i][1])), 6),
        ),
    )
    return [cluster[i] for i in order], edge
