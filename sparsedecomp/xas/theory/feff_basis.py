"""The basis of a structure-free EXAFS fit: every atom at every distance, by FEFF.

Grids are taken from what comes with the package, from the cache on disk, or from a run
of FEFF6L, in that order.
"""

from dataclasses import dataclass, replace

import numpy as np

from ..grids import accept_old_names
from .channels import Channel
from .elements import bond_length
from .feff_input import read_feff_input
from .feff_path import read_feff_path
from .grid_store import load_grids
from .scattering import ScatteringGrid

# Shells begin at this part of the sum of covalent radii: shorter bonds are not known
# but for the hydrogen that EXAFS does not see and multiple bonds such as U=O, 0.67.
_CLOSEST = 0.75


@dataclass(frozen=True)
class FeffBasis:
    """EXAFS of one atom of several elements at all distances of a grid.

    Attributes
    ----------
    channels : tuple of Channel
        Scattering elements and paths.
    rstep : float, default 0.02
        Step of the distances in angstrom.
    rmax : float, default 5.8
        Longest distance in angstrom.
    """

    channels: tuple
    rstep: float = 0.02
    rmax: float = 5.8

    @classmethod
    @accept_old_names
    def from_composition(
        cls,
        absorber,
        elements,
        *,
        edge="K",
        lattice=None,
        bond=None,
        focusing=True,
        s02=0.9,
        rstep=0.02,
        rmax=5.8,
        time_limit=120.0,
    ):
        """Basis of which only the elements are known.

        Parameters
        ----------
        absorber : str
            Symbol of the absorbing element.
        elements : sequence of str
            Symbols of the elements around it, the absorber's among them where it has
            neighbours of its own kind.
        edge : {"K", "L1", "L2", "L3"}, default "K"
        lattice, bond
            Structure of the cluster for the potentials, see
            `sparsedecomp.xas.theory.clusters.make_cluster`.
        focusing : bool, default True
            With collinear multiple scattering: for each element also an atom behind
            another half way.
        s02 : float, default 0.9
            Amplitude reduction factor. Numbers of atoms are only as good as it is:
            take it from a foil.
        rstep, rmax : float
            As in the class.
        time_limit : float, default 120
            Seconds for a run of FEFF.

        Returns
        -------
        FeffBasis

        Raises
        ------
        FeffError
            If the grids must be computed and FEFF is not there or fails.
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
        return cls(_channels(grids, elements, focusing, s02), rstep, rmax)

    @classmethod
    @accept_old_names
    def from_feff_inp(
        cls,
        file,
        elements=None,
        *,
        focusing=True,
        s02=0.9,
        rstep=0.02,
        rmax=5.8,
        time_limit=120.0,
    ):
        """Basis from the potentials of a cluster that an input file of FEFF describes.

        The file gives absorber, edge and atoms; which atoms lie where decides the
        potentials only, shells are looked for at all distances. FEFF is run once and
        its result kept in the cache.

        Parameters
        ----------
        file : str or pathlib.Path
            feff.inp with ATOMS, POTENTIALS and HOLE or EDGE.
        elements : sequence of str, optional
            Scattering elements, by default all of the cluster.
        focusing, s02, rstep, rmax, time_limit
            As in `from_composition`.

        Returns
        -------
        FeffBasis

        Raises
        ------
        FeffError
            If FEFF is not there or fails.
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
        return cls(_channels(grids, elements, focusing, s02), rstep, rmax)

    @classmethod
    @accept_old_names
    def from_paths(cls, files, *, s02=0.9, rstep=0.02, rmax=5.8, width=0.4):
        """Basis of FEFF paths computed from a structure.

        A path's amplitude and phase serve at distances near its own; that is wrong by
        a tenth of the signal at distances an angstrom away.

        Parameters
        ----------
        files : sequence of str or pathlib.Path
            Files feffNNNN.dat. Those of single scattering are used.
        s02, rstep, rmax : float
            As in `from_composition`.
        width : float, default 0.4
            How far from a path's distance it may serve, in angstrom.

        Returns
        -------
        FeffBasis

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
            grid = ScatteringGrid(
                grid.absorber,
                grid.edge,
                symbol,
                np.array(ends),
                grid.k,
                grid.amplitude[[0, *range(len(own)), -1]],
                grid.phase[[0, *range(len(own)), -1]],
                grid.mean_free_path,
                grid.momentum,
            )
            channels.append(Channel(symbol, (grid,), (1.0,), ends[0], s02))
        return cls(tuple(channels), rstep, rmax)

    def only(self, *elements):
        """The same basis with some of its elements.

        Parameters
        ----------
        *elements : str
            Symbols.

        Returns
        -------
        FeffBasis

        Raises
        ------
        ValueError
            If the basis holds none of them.
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
    def labels(self):
        """Name of each channel."""
        return tuple(channel.label for channel in self.channels)

    @property
    def r(self):
        """Distance of each column, in angstrom."""
        return np.concatenate([self._distances(channel) for channel in self.channels])

    @property
    def channel_index(self):
        """Channel of each column."""
        counts = [len(self._distances(channel)) for channel in self.channels]
        return np.repeat(np.arange(len(counts)), counts)

    def columns(self, k, r=None, *, e0=0.0, sigma2=0.006, third=0.0):
        """EXAFS of one atom at each distance.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        r : (n_columns,) array, optional
            Distances in angstrom instead of those of the grid.
        e0, sigma2, third : float or (n_columns,) array
            Shift of the energy zero in eV, mean square displacement in square
            angstrom and third cumulant in cubic angstrom.

        Returns
        -------
        (n_columns, n_k) array

        Raises
        ------
        ValueError
            If FEFF was not computed as far as the data reach.
        """
        k = np.asarray(k, dtype=float)
        reached = min(channel.kmax for channel in self.channels)
        if k[-1] > reached:
            raise ValueError(
                f"The basis ends at k = {reached:.1f} 1/angstrom, the data reach "
                f"{k[-1]:.1f}: choose a k_range that ends before."
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

    def _distances(self, channel):
        low, high = channel.r_limits
        high = min(high, self.rmax)
        first = np.ceil(low / self.rstep - 1e-9)
        return np.arange(first, np.floor(high / self.rstep + 1e-9) + 1) * self.rstep


FeffBasis.__init__ = accept_old_names(FeffBasis.__init__)  # type: ignore[method-assign]


def make_channels(grids, s02):
    """Channels of single scattering, then those of an atom behind another."""
    single = {grid.scatterer: grid for grid in grids if grid.kind == "single"}
    for grid in single.values():
        nearest = _CLOSEST * bond_length(grid.absorber, grid.scatterer)
        yield Channel(grid.scatterer, (grid,), (1.0,), nearest, s02)
    double = {(g.via, g.scatterer): g for g in grids if g.kind == "double"}
    triple = {(g.via, g.scatterer): g for g in grids if g.kind == "triple"}
    for (via, end), grid in double.items():
        # The double path runs both ways round.
        parts = (single[end], grid, triple[via, end])
        nearest = 2 * _CLOSEST * bond_length(grid.absorber, via)
        yield Channel(end, parts, (1.0, 2.0, 1.0), nearest, s02)


def _rows_of_atoms(absorber, elements):
    """Pairs of the atom half way and the atom behind it.

    Rows are of one kind, or of another kind between two of the absorber's.
    """
    pairs = [(via, end) for via in elements for end in elements]
    return [(via, end) for via, end in pairs if via == end or end == absorber]


def _channels(grids, elements, focusing, s02):
    """Channels by element, in whatever order a file was written."""
    grids = sorted(
        (grid for grid in grids if focusing or grid.kind == "single"),
        key=lambda grid: (
            elements.index(grid.via or grid.scatterer),
            elements.index(grid.scatterer),
        ),
    )
    return tuple(make_channels(grids, s02))


def _known(elements):
    if isinstance(elements, str):
        raise ValueError(
            f"elements={elements!r}: give a list of symbols, such as ['O', 'Ni']."
        )
    if not len(elements):
        raise ValueError("elements is empty: name the elements around the absorber.")
    return list(dict.fromkeys(elements))
