"""Scattering amplitudes and phases as functions of distance and wavenumber."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .feff_path import FeffPath


@dataclass(frozen=True)
class ScatteringGrid:
    """Amplitudes and phases of one kind of scattering path on a grid of distances.

    Attributes
    ----------
    absorber, edge : str
        Symbol and edge of the absorbing atom.
    scatterer : str
        Symbol of the scattering atom.
    r : (n_r,) array
        Half path lengths, increasing, in angstrom.
    k : (n_f,) array
        Wavenumbers at which the amplitudes were computed, in 1/angstrom.
    amplitude : (n_r, n_f) array
        Effective scattering amplitude with the reduction factor, in angstrom.
    phase : (n_r, n_f) array
        Sum of all phase shifts except 2 k r, in radian, continuous in k and r.
    mean_free_path, momentum : (n_f,) array
        Mean free path in angstrom, and real part of the complex momentum in
        1/angstrom. Neither depends on the distance.
    kind : str, default "single"
        Single scattering; a collinear path over an atom half way, which focuses the
        wave: "double" passes that atom once, "triple" twice; or a path of the same
        length over the absorber: "through" from the atom half way over the absorber to
        the opposite atom, "opposite" directly to it, "return" over the absorber to the
        same atom.
    via : str, default ""
        Symbol of the atom half way.
    note : str, default ""
        Program and potentials from which the grid was computed.
    """

    absorber: str
    edge: str
    scatterer: str
    r: np.ndarray
    k: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    mean_free_path: np.ndarray
    momentum: np.ndarray
    kind: str = "single"
    via: str = ""
    note: str = ""

    @classmethod
    def from_paths(
        cls, paths: Sequence[FeffPath], kind: str = "single", note: str = ""
    ) -> ScatteringGrid:
        """Build a grid from paths that differ in their distance only.

        Parameters
        ----------
        paths : sequence of FeffPath
            Paths with the same atoms and wavenumbers.
        kind, note : str
            Attributes of the grid; "single" and "" by default.

        Returns
        -------
        ScatteringGrid
            Grid by increasing distance.

        Raises
        ------
        ValueError
            If the paths are of different atoms or wavenumbers.
        """
        paths = sorted(paths, key=lambda path: path.distance)
        first = paths[0]
        for path in paths:
            if (path.absorber, path.scatterers) != (first.absorber, first.scatterers):
                raise ValueError(
                    f"A grid holds one kind of path, and {first.absorber}-"
                    f"{'-'.join(first.scatterers)} and {path.absorber}-"
                    f"{'-'.join(path.scatterers)} were given: make one grid of each."
                )
            if not np.array_equal(path.k, first.k):
                raise ValueError(
                    f"The path at {path.distance} angstrom has other wavenumbers than "
                    f"that at {first.distance}: all must come from one run of FEFF."
                )
        phase = np.array([path.phase for path in paths])
        # FEFF gives the phase up to a multiple of 2 pi: make it continuous in r.
        middle = phase.shape[1] // 2
        jump = np.unwrap(phase[:, middle]) - phase[:, middle]
        return cls(
            absorber=first.absorber,
            edge=first.edge,
            scatterer=first.scatterers[1 if kind in ("double", "triple") else 0],
            r=np.array([path.distance for path in paths]),
            k=first.k,
            amplitude=np.array([path.amplitude for path in paths]),
            phase=phase + jump[:, None],
            mean_free_path=first.mean_free_path,
            momentum=first.momentum,
            kind=kind,
            via="" if kind == "single" else first.scatterers[0],
            note=note,
        )
