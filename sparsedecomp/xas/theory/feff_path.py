"""Reader of feffNNNN.dat, a scattering path computed by FEFF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

_COLUMNS = 7


@dataclass(frozen=True)
class FeffPath:
    """Scattering path.

    Attributes
    ----------
    absorber, edge : str
        Symbol of the absorbing atom as FEFF prints it, and the edge ("K", "L3").
    scatterers : tuple of str
        Symbols of the other atoms of the path, in order.
    degeneracy : float
        Number of equivalent paths in FEFF's cluster.
    distance : float
        Half the length of the path, in angstrom.
    k : (n_k,) array
        Wavenumber above the Fermi level, in 1/angstrom.
    amplitude : (n_k,) array
        Effective scattering amplitude times the reduction factor, in angstrom.
    phase : (n_k,) array
        Sum of the phase shifts of the central atom and of the scatterers, in radian.
    mean_free_path : (n_k,) array
        Mean free path of the photoelectron in angstrom.
    momentum : (n_k,) array
        Real part of the complex momentum, in 1/angstrom.
    """

    absorber: str
    edge: str
    scatterers: tuple[str, ...]
    degeneracy: float
    distance: float
    k: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    mean_free_path: np.ndarray
    momentum: np.ndarray

    @property
    def n_legs(self) -> int:
        """Number of legs of the path, 2 for single scattering."""
        return len(self.scatterers) + 1


def read_feff_path(path: str | Path) -> FeffPath:
    """Read a file feffNNNN.dat of FEFF6 or FEFF8.

    Parameters
    ----------
    path : str or pathlib.Path
        Path of the file.

    Returns
    -------
    FeffPath
        Scattering path, with the amplitude and phase that larch would use.

    Raises
    ------
    ValueError
        If the file has another format or ends early; the message names the line.

    Examples
    --------
    >>> from sparsedecomp.xas.theory.feff_path import read_feff_path
    >>> read_feff_path("feff0001.dat").distance  # doctest: +SKIP
    2.5478
    """
    lines = Path(path).read_text(encoding="latin-1").splitlines()
    # Some programs mark lines as comments with a hash when they store such a file.
    lines = [line.lstrip("#").rstrip() for line in lines]
    edge = next(
        (_edge(line) for line in lines if line.lower().split()[:1] == ["abs"]), ""
    )
    rule = next((i for i, line in enumerate(lines) if "-----" in line), None)
    if rule is None or rule + 1 >= len(lines):
        raise ValueError(
            f"{path} is not a feffNNNN.dat file: it lacks the line of dashes that "
            "ends the header. Give a path file written by FEFF6 or FEFF8."
        )
    n_legs, degeneracy, distance = _numbers(lines, rule + 1, 3, path)
    first = rule + 3
    atoms = [_symbol(lines, first + i, path) for i in range(int(n_legs))]
    start = first + int(n_legs) + 1
    table = [
        _numbers(lines, i, _COLUMNS, path)
        for i in range(start, len(lines))
        if lines[i].strip()
    ]
    if len(table) < 4:
        raise ValueError(
            f"{path} holds {len(table)} lines of scattering amplitudes from line "
            f"{start + 1} on, at least 4 are needed: the file was cut off. Run FEFF "
            "again."
        )
    k, central, magnitude, phase, reduction, mean_free_path, momentum = np.array(
        table
    ).T
    return FeffPath(
        absorber=atoms[0],
        edge=edge,
        scatterers=tuple(atoms[1:]),
        degeneracy=degeneracy,
        distance=distance,
        k=k,
        amplitude=magnitude * reduction,
        phase=np.unwrap(central + phase),
        mean_free_path=mean_free_path,
        momentum=momentum,
    )


def _edge(line: str) -> str:
    words = line.split()
    return words[words.index("shell") - 1] if "shell" in words else ""


def _numbers(
    lines: list[str], index: int, count: int, path: str | Path
) -> tuple[float, ...]:
    words = lines[index].split()[:count] if index < len(lines) else []
    try:
        if len(words) == count:
            return tuple(float(word) for word in words)
    except ValueError:
        pass
    found = lines[index] if index < len(lines) else "the end of the file"
    raise ValueError(
        f"{path}, line {index + 1}: expected {count} numbers, found {found!r}. The "
        "file is damaged or not a feffNNNN.dat file."
    )


def _symbol(lines: list[str], index: int, path: str | Path) -> str:
    # x, y, z, index of the potential, atomic number, symbol
    words = lines[index].split() if index < len(lines) else []
    if len(words) < 6:
        raise ValueError(
            f"{path}, line {index + 1}: expected an atom as x y z potential Z symbol. "
            "The file is damaged or not a feffNNNN.dat file."
        )
    return words[5]
