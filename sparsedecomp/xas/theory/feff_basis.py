"""FEFF basis of an EXAFS fit: one atom of each element at every distance.

Grids of scattering amplitudes are read from the package or from the cache on disk, or
else computed with FEFF6L.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..grids import accept_old_names
from .channels import Channel, make_channels
from .feff_input import read_feff_input
from .feff_path import read_feff_path
from .grid_store import load_grids
from .scattering import ScatteringGrid

# Names of edges as FEFF writes them.
_EDGES = {"LI": "L1", "LII": "L2", "LIII": "L3"}


@dataclass(frozen=True)
class FeffBasis:
    """EXAFS of one atom of several elements at all distances of a grid.

    Attributes
    ----------
    channels : tuple of Channel
        Kinds of shells: scattering elements and paths.
    rstep : float, default 0.02
        Step of the grid of distances in angstrom. Smaller: more columns, slower.
    rmax : float, default 5.8
        Longest distance of the grid in angstrom.
    """

    channels: tuple[Channel, ...]
    rstep: float = 0.02
    rmax: float = 5.8

    @classmethod
    @accept_old_names
    def from_composition(
        cls,
        absorber: str,
        elements: Sequence[str],
        *,
        edge: str = "K",
        lattice: str | None = None,
        bond: float | None = None,
        focusing: bool = True,
        s02: float = 0.9,
        rstep: float = 0.02,
        rmax: float = 5.8,
        time_limit: float = 120.0,
    ) -> FeffBasis:
        """Make a basis from the elements alone.

        Parameters
        ----------
        absorber : str
            Symbol of the absorbing element.
        elements : sequence of str
            Symbols of the elements around it, including the absorber's own if it has
            neighbours of its kind.
        edge : {"K", "L1", "L2", "L3"}, default "K"
            Absorption edge.
        lattice : {"fcc", "bcc", "rocksalt", "zincblende", "fluorite"}, optional
            Lattice of the cluster for the potentials; by default fcc if all atoms are
            of one element, else rock salt.
        bond : float, optional
            Distance of nearest neighbours of that cluster in angstrom, by default the
            sum of the covalent radii.
        focusing : bool, default True
            Include collinear multiple scattering: an atom behind another half way.
        s02 : float, default 0.9
            Amplitude reduction factor. Numbers of atoms are inversely proportional to
            it: determine it from a foil.
        rstep : float, default 0.02
            Step of the grid of distances in angstrom. Smaller: more columns, slower.
        rmax : float, default 5.8
            Longest distance of the grid in angstrom.
        time_limit : float, default 120
            Seconds after which a run of FEFF is stopped.

        Returns
        -------
        FeffBasis
            Basis with a channel for each element and each focused path.

        Raises
        ------
        FeffError
            If the grids must be computed and FEFF is not found or fails.
        ValueError
            If an element, the edge or the lattice is unknown.

        Examples
        --------
        >>> from sparsedecomp.xas import FeffBasis
        >>> basis = FeffBasis.from_composition("Cu", ["Cu"])
        >>> [channel.label for channel in basis.channels]
        ['Cu', 'Cu via Cu']
        """
        elements = _known(elements)
        grids = load_grids(
            absorber,
            elements,
            _rows_of_atoms(absorber, elements),
            edge=edge,
            lattice=lattice,
            bond=bond,
            time_limit=time_limit,
        )
        return cls(make_channels(grids, elements, focusing, s02), rstep, rmax)

    @classmethod
    @accept_old_names
    def from_feff_inp(
        cls,
        file: str | Path,
        elements: Sequence[str] | None = None,
        *,
        focusing: bool = True,
        s02: float = 0.9,
        rstep: float = 0.02,
        rmax: float = 5.8,
        time_limit: float = 120.0,
    ) -> FeffBasis:
        """Make a basis with the potentials of a cluster given by an input file of FEFF.

        The file gives absorber, edge and atoms. Their positions determine the
        potentials only: shells are searched at all distances. FEFF is run once and its
        result kept in the cache.

        Parameters
        ----------
        file : str or pathlib.Path
            Path of a feff.inp with ATOMS, POTENTIALS and HOLE or EDGE.
        elements : sequence of str, optional
            Scattering elements, by default all of the cluster.
        focusing : bool, default True
            Include collinear multiple scattering: an atom behind another half way.
        s02 : float, default 0.9
            Amplitude reduction factor. Numbers of atoms are inversely proportional to
            it: determine it from a foil.
        rstep : float, default 0.02
            Step of the grid of distances in angstrom. Smaller: more columns, slower.
        rmax : float, default 5.8
            Longest distance of the grid in angstrom.
        time_limit : float, default 120
            Seconds after which FEFF is stopped.

        Returns
        -------
        FeffBasis
            Basis with a channel for each element and each focused path.

        Raises
        ------
        FeffError
            If FEFF is not found or fails.
        ValueError
            If the file lacks atoms, a potential or the absorber, naming the line, or
            an element does not occur in it.
        """
        cluster, edge = read_feff_input(file)
        absorber = cluster[0][0]
        present = list(dict.fromkeys(symbol for symbol, _ in cluster[1:]))
        elements = _known(present if elements is None else elements)
        for symbol in elements:
            if symbol not in present:
                raise ValueError(
                    f"{symbol!r} is not among the atoms of {file} "
                    f"({', '.join(present)}): name others, or add it to the cluster."
                )
        grids = load_grids(
            absorber,
            elements,
            _rows_of_atoms(absorber, elements),
            edge=edge,
            cluster=cluster,
            time_limit=time_limit,
        )
        return cls(make_channels(grids, elements, focusing, s02), rstep, rmax)

    @classmethod
    @accept_old_names
    def from_paths(
        cls,
        files: Iterable[str | Path],
        *,
        s02: float = 0.9,
        rstep: float = 0.02,
        rmax: float = 5.8,
        width: float = 0.4,
    ) -> FeffBasis:
        """Make a basis from FEFF paths computed for a structure.

        The amplitude and phase of a path are used at distances near its own, where
        they change little.

        Parameters
        ----------
        files : sequence of str or pathlib.Path
            Files feffNNNN.dat. Those of single scattering are used.
        s02 : float, default 0.9
            Amplitude reduction factor. Numbers of atoms are inversely proportional to
            it: determine it from a foil.
        rstep : float, default 0.02
            Step of the grid of distances in angstrom. Smaller: more columns, slower.
        rmax : float, default 5.8
            Longest distance of the grid in angstrom.
        width : float, default 0.4
            Distance in angstrom by which the grid extends beyond the shortest and the
            longest path. Larger: shells may be found farther away, with less accurate
            amplitudes.

        Returns
        -------
        FeffBasis
            Basis with a channel for each element.

        Raises
        ------
        ValueError
            If a file is not a path, or none is of single scattering.
        """
        paths = [path for path in map(read_feff_path, files) if path.n_legs == 2]
        if not paths:
            raise ValueError(
                "None of the files given is a path of single scattering (two legs)."
            )
        channels = []
        for symbol in dict.fromkeys(path.scatterers[0] for path in paths):
            own = [path for path in paths if path.scatterers[0] == symbol]
            grid = ScatteringGrid.from_paths(own)
            ends = [grid.r[0] - width, *grid.r, grid.r[-1] + width]
            rows = [0, *range(len(own)), -1]
            grid = replace(
                grid,
                r=np.array(ends),
                amplitude=grid.amplitude[rows],
                phase=grid.phase[rows],
            )
            channels.append(Channel(symbol, (grid,), (1.0,), ends[0], s02))
        return cls(tuple(channels), rstep, rmax)

    def only(self, *elements: str) -> FeffBasis:
        """Restrict the basis to some of its elements.

        Parameters
        ----------
        *elements : str
            Symbols of the elements to keep.

        Returns
        -------
        FeffBasis
            Basis with the channels in which no other element scatters.

        Raises
        ------
        ValueError
            If there is no such channel.
        """
        kept = tuple(
            channel
            for channel in self.channels
            if {channel.element, channel.via or channel.element} <= set(elements)
        )
        if not kept:
            raise ValueError(
                f"The basis ({', '.join(self.labels)}) has no shells of "
                f"{', '.join(elements)} alone."
            )
        return replace(self, channels=kept)

    @property
    def absorber(self) -> str:
        """Symbol of the absorbing element."""
        return self.channels[0].grids[0].absorber.strip().capitalize()

    @property
    def edge(self) -> str:
        """Name of the absorption edge, empty if the paths do not say it."""
        written = self.channels[0].grids[0].edge
        return _EDGES.get(written, written)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label of each channel, for example "Cu" and "Ni via O"."""
        return tuple(channel.label for channel in self.channels)

    @property
    def r(self) -> np.ndarray:
        """Distance of each column, in angstrom."""
        return np.concatenate([self._distances(channel) for channel in self.channels])

    @property
    def channel_index(self) -> np.ndarray:
        """Index of the channel of each column."""
        counts = [len(self._distances(channel)) for channel in self.channels]
        return np.repeat(np.arange(len(counts)), counts)

    def columns(
        self,
        k: ArrayLike,
        r: np.ndarray | None = None,
        *,
        e0: float | np.ndarray = 0.0,
        sigma2: float | np.ndarray = 0.006,
        third: float | np.ndarray = 0.0,
    ) -> np.ndarray:
        """EXAFS of one atom at each distance.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        r : (n_columns,) array, optional
            Distances in angstrom that replace those of the grid.
        e0, sigma2, third : float or (n_columns,) array
            Shift of the energy zero in eV (default 0), mean square displacement in
            square angstrom (0.006) and third cumulant in cubic angstrom (0).

        Returns
        -------
        (n_columns, n_k) array
            Spectra, not weighted by k.

        Raises
        ------
        ValueError
            If the wavenumbers exceed those that FEFF computed.
        """
        k = np.asarray(k, dtype=float)
        reached = min(channel.kmax for channel in self.channels)
        if k[-1] > reached:
            raise ValueError(
                f"The basis ends at k = {reached:.1f} 1/angstrom, the data reach "
                f"{k[-1]:.1f}: choose a smaller kmax."
            )
        r, channel_index = self.r if r is None else r, self.channel_index
        e0, sigma2, third = (np.broadcast_to(v, len(r)) for v in (e0, sigma2, third))
        out = np.empty((len(r), len(k)))
        for kind, channel in enumerate(self.channels):
            of = channel_index == kind
            out[of] = channel.columns(
                k, r[of], e0=e0[of], sigma2=sigma2[of], third=third[of]
            )[0]
        return out

    def _distances(self, channel: Channel) -> np.ndarray:
        low, high = channel.r_limits
        high = min(high, self.rmax)
        first = np.ceil(low / self.rstep - 1e-9)
        return np.arange(first, np.floor(high / self.rstep + 1e-9) + 1) * self.rstep


FeffBasis.__init__ = accept_old_names(FeffBasis.__init__)  # type: ignore[method-assign]


def _rows_of_atoms(absorber: str, elements: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of the atom half way and the atom behind it.

    Both are of one element, or the atom behind is of the absorber's element.
    """
    pairs = [(via, end) for via in elements for end in elements]
    return [(via, end) for via, end in pairs if via == end or end == absorber]


def _known(elements: Sequence[str]) -> list[str]:
    if isinstance(elements, str):
        raise ValueError(
            f"elements={elements!r}: give a list of symbols, such as ['O', 'Ni']."
        )
    if not len(elements):
        raise ValueError("elements is empty: name the elements around the absorber.")
    return list(dict.fromkeys(elements))
