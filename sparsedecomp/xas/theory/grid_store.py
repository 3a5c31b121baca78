"""Grids of scattering amplitudes: from the package, the cache on disk, or FEFF.

Results of FEFF are kept in the cache, so that each cluster is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ...cache import cached, file_name
from .clusters import make_cluster
from .feff_run import Atoms, run_feff
from .scattering import ScatteringGrid

SHIPPED = Path(__file__).with_name("feff_grids")
# Steps of the distances in angstrom: those at which FEFF is run, and those of the
# table, which cubic splines fill and between which the kernel interpolates linearly.
# Smaller steps interpolate more accurately; FEFF's time is proportional to the first.
_RUN_STEP, _TABLE_STEP = 0.1, 0.05
# First distance of single scattering and of focused paths, and last distance of both.
_NEAREST, _NEAREST_FOCUSED, _REACH = 1.3, 3.2, 6.6
# Part of the key of a cached result; another number where the paths are others.
_PATHS = "paths over the absorber"


def load_grids(
    absorber: str,
    elements: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    edge: str,
    lattice: str | None = None,
    bond: float | None = None,
    cluster: Sequence[tuple[str, Sequence[float]]] | None = None,
    time_limit: float = 120.0,
) -> list[ScatteringGrid]:
    """Read grids from the package or the cache, or compute them with FEFF.

    The parameters are those of `FeffBasis.from_composition`; pairs are the atoms
    (half way, behind) of the focused paths, and a cluster replaces lattice and bond.
    """
    key = [absorber, edge, sorted(elements), sorted(pairs), lattice, bond]
    if pairs:
        key.append(_PATHS)
    if cluster is not None:
        key.append(cluster)
    name = f"{absorber}_{edge}_{'-'.join(sorted(elements))}"
    shipped = SHIPPED / file_name(name, key)
    if shipped.is_file():
        return read_grids(shipped)

    def compute() -> dict[str, NDArray]:
        atoms = cluster
        if atoms is None:
            everyone = list(dict.fromkeys([absorber, *elements]))
            atoms = make_cluster(absorber, everyone, lattice=lattice, bond=bond)
        grids = compute_grids(atoms, edge, elements, pairs, time_limit=time_limit)
        return arrays_of_grids(grids)

    return cached("feff", name, key, compute, grids_from_arrays)


def compute_grids(
    cluster: Sequence[tuple[str, Sequence[float]]],
    edge: str,
    elements: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    time_limit: float = 120.0,
) -> list[ScatteringGrid]:
    """Run FEFF for single scattering by elements and for collinear pairs of atoms.

    Pairs of atoms also have the paths of the same length over the absorber.
    """
    near = np.arange(_NEAREST, _REACH + 1e-9, _RUN_STEP).tolist()
    far = np.arange(_NEAREST_FOCUSED, _REACH + 1e-9, _RUN_STEP).tolist()
    wanted: list[tuple[str, Sequence[Atoms]]] = [
        ("single", [[(symbol, (r, 0, 0))] for r in near]) for symbol in elements
    ]
    for via, end in pairs:
        row = [[(via, (r / 2, 0, 0)), (end, (r, 0, 0))] for r in far]
        wanted.append(("double", row))
        wanted.append(("triple", [[*path, path[0]] for path in row]))
    absorber = cluster[0][0], (0.0, 0.0, 0.0)
    for via in dict.fromkeys(via for via, _ in pairs):
        pairs_of_atoms = [[(via, (x * r / 2, 0.0, 0.0)) for x in (1, -1)] for r in far]
        wanted.append(("through", [[a, absorber, b] for a, b in pairs_of_atoms]))
        wanted.append(("opposite", pairs_of_atoms))
        wanted.append(("return", [[a, absorber, a] for a, _ in pairs_of_atoms]))
    paths = run_feff(
        cluster,
        edge,
        [path for _, row in wanted for path in row],
        time_limit=time_limit,
    )
    grids, first = [], 0
    for kind, group in wanted:
        own = paths[first : first + len(group)]
        grids.append(ScatteringGrid.from_paths(own, kind=kind, note="FEFF6L"))
        first += len(group)
    return grids


def arrays_of_grids(grids: Sequence[ScatteringGrid]) -> dict[str, NDArray]:
    """Arrays that describe the grids of one run of FEFF, by name."""
    first = grids[0]
    names = [[g.absorber, g.edge, g.scatterer, g.kind, g.via] for g in grids]
    arrays = {
        "names": np.array(names),
        "k": first.k,
        "mean_free_path": first.mean_free_path,
        "momentum": first.momentum,
        "note": np.array(first.note),
    }
    for i, grid in enumerate(grids):
        arrays[f"r{i}"] = grid.r
        arrays[f"amplitude{i}"] = grid.amplitude.astype(np.float32)
        arrays[f"phase{i}"] = grid.phase.astype(np.float32)
    return arrays


def read_grids(file: Path) -> list[ScatteringGrid]:
    """Read the grids in an npz file of the arrays of `arrays_of_grids`."""
    with np.load(file) as stored:
        return grids_from_arrays(dict(stored))


def grids_from_arrays(arrays: Mapping[str, NDArray]) -> list[ScatteringGrid]:
    """Grids that the arrays of `arrays_of_grids` describe, at closer distances.

    Raises ValueError if an array has an unexpected shape, KeyError if one is missing.
    """
    k = arrays["k"]
    shapes = {"k": k.shape, "mean_free_path": k.shape, "momentum": k.shape}
    for i in range(len(arrays["names"])):
        shapes |= dict.fromkeys(
            (f"amplitude{i}", f"phase{i}"), (arrays[f"r{i}"].size, k.size)
        )
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}")
    return [
        _filled(
            ScatteringGrid(
                str(absorber),
                str(edge),
                str(scatterer),
                arrays[f"r{i}"],
                k,
                arrays[f"amplitude{i}"].astype(float),
                arrays[f"phase{i}"].astype(float),
                arrays["mean_free_path"],
                arrays["momentum"],
                kind=str(kind),
                via=str(via),
                note=str(arrays["note"]),
            )
        )
        for i, (absorber, edge, scatterer, kind, via) in enumerate(arrays["names"])
    ]


def _filled(grid: ScatteringGrid) -> ScatteringGrid:
    """Grid at the closer distances between which the kernel interpolates linearly."""
    r = np.arange(grid.r[0], grid.r[-1] + 1e-9, _TABLE_STEP)
    return replace(
        grid,
        r=r,
        amplitude=CubicSpline(grid.r, grid.amplitude)(r),
        phase=CubicSpline(grid.r, grid.phase)(r),
    )
