"""Grids of scattering amplitudes: from the package, the cache on disk, or FEFF.

What FEFF computed once for a cluster is not computed again.
"""

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

from ...cache import cache_folder
from .clusters import make_cluster
from .feff_run import run_feff
from .scattering import ScatteringGrid

_logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("feff_grids")
# Distances at which FEFF is run, in angstrom; splines fill in between.
_RUN_STEP, _TABLE_STEP, _REACH = 0.1, 0.05, 6.6
_NEAREST, _NEAREST_FOCUSED = 1.3, 3.2


def load_grids(
    absorber,
    elements,
    pairs,
    *,
    edge,
    lattice=None,
    bond=None,
    cluster=None,
    time_limit=120.0,
):
    """Grids from the package, the cache or FEFF; see `FeffBasis.from_composition`.

    A cluster takes the place of the lattice and the bond.
    """
    key = [absorber, edge, sorted(elements), sorted(pairs), lattice, bond]
    if cluster is not None:
        key.append(cluster)
    name = f"{absorber}_{edge}_{'-'.join(sorted(elements))}"
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]
    for folder in (SHIPPED, cache_folder("feff")):
        file = folder / f"{name}_{digest}.npz"
        if file.is_file():
            return read_grids(file)
    if cluster is None:
        everyone = list(dict.fromkeys([absorber, *elements]))
        cluster = make_cluster(absorber, everyone, lattice=lattice, bond=bond)
    grids = compute_grids(cluster, edge, elements, pairs, time_limit=time_limit)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_grids(file, grids)
    except OSError as error:
        _logger.warning("grids were not kept in the cache: %s", error)
    return [_filled(grid) for grid in grids]


def compute_grids(cluster, edge, elements, pairs, *, time_limit=120.0):
    """Run FEFF for single scattering of elements and for rows of (via, end) atoms."""
    near = np.arange(_NEAREST, _REACH + 1e-9, _RUN_STEP)
    far = np.arange(_NEAREST_FOCUSED, _REACH + 1e-9, _RUN_STEP)
    wanted = [("single", [[(symbol, (r, 0, 0))] for r in near]) for symbol in elements]
    for via, end in pairs:
        row = [[(via, (r / 2, 0, 0)), (end, (r, 0, 0))] for r in far]
        wanted.append(("double", row))
        wanted.append(("triple", [[*path, path[0]] for path in row]))
    paths = run_feff(
        cluster, edge, sum((p for _, p in wanted), []), time_limit=time_limit
    )
    grids, first = [], 0
    for kind, group in wanted:
        own = paths[first : first + len(group)]
        grids.append(ScatteringGrid.from_paths(own, kind=kind, note="FEFF6L"))
        first += len(group)
    return grids


def write_grids(file, grids):
    """Write grids of one run of FEFF to a file .npz."""
    arrays = {"k": grids[0].k, "mean_free_path": grids[0].mean_free_path}
    arrays["momentum"] = grids[0].momentum
    names = []
    for i, grid in enumerate(grids):
        names.append([grid.absorber, grid.edge, grid.scatterer, grid.kind, grid.via])
        arrays[f"r{i}"] = grid.r
        arrays[f"amplitude{i}"] = grid.amplitude.astype(np.float32)
        arrays[f"phase{i}"] = grid.phase.astype(np.float32)
    np.savez_compressed(file, names=np.array(names), note=grids[0].note, **arrays)


def read_grids(file):
    """Read grids that `write_grids` wrote."""
    with np.load(file) as stored:
        return [
            _filled(
                ScatteringGrid(
                    *map(str, (absorber, edge, scatterer)),
                    stored[f"r{i}"],
                    stored["k"],
                    stored[f"amplitude{i}"].astype(float),
                    stored[f"phase{i}"].astype(float),
                    stored["mean_free_path"],
                    stored["momentum"],
                    kind=str(kind),
                    via=str(via),
                    note=str(stored["note"]),
                )
            )
            for i, (absorber, edge, scatterer, kind, via) in enumerate(stored["names"])
        ]


def _filled(grid):
    """Grid at the closer distances between which the kernel draws lines."""
    r = np.arange(grid.r[0], grid.r[-1] + 1e-9, _TABLE_STEP)
    return ScatteringGrid(
        grid.absorber,
        grid.edge,
        grid.scatterer,
        r,
        grid.k,
        CubicSpline(grid.r, grid.amplitude)(r),
        CubicSpline(grid.r, grid.phase)(r),
        grid.mean_free_path,
        grid.momentum,
        kind=grid.kind,
        via=grid.via,
        note=grid.note,
    )
