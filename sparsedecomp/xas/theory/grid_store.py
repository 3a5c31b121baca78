"""Grids of scattering amplitudes: from the package, the cache on disk, or FEFF.

Results of FEFF are kept in the cache, so that each cluster is computed once.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ...cache import cache_folder
from .clusters import make_cluster
from .feff_run import run_feff
from .scattering import ScatteringGrid

_logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("feff_grids")
# Steps of the distances in angstrom: those at which FEFF is run, and those of the
# table, which cubic splines fill and between which the kernel interpolates linearly.
# Smaller steps interpolate more accurately; FEFF's time is proportional to the first.
_RUN_STEP, _TABLE_STEP = 0.1, 0.05
# First distance of single scattering and of focused paths, and last distance of both.
_NEAREST, _NEAREST_FOCUSED, _REACH = 1.3, 3.2, 6.6


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
        _logger.warning("The grids could not be written to the cache: %s", error)
    return [_filled(grid) for grid in grids]


def compute_grids(
    cluster: Sequence[tuple[str, Sequence[float]]],
    edge: str,
    elements: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    *,
    time_limit: float = 120.0,
) -> list[ScatteringGrid]:
    """Run FEFF for single scattering by elements and for collinear pairs of atoms."""
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


def write_grids(file: Path, grids: Sequence[ScatteringGrid]) -> None:
    """Write the grids of one run of FEFF to an npz file."""
    first = grids[0]
    arrays: dict[str, Any] = {
        "k": first.k,
        "mean_free_path": first.mean_free_path,
        "momentum": first.momentum,
        "note": first.note,
    }
    names = []
    for i, grid in enumerate(grids):
        names.append([grid.absorber, grid.edge, grid.scatterer, grid.kind, grid.via])
        arrays[f"r{i}"] = grid.r
        arrays[f"amplitude{i}"] = grid.amplitude.astype(np.float32)
        arrays[f"phase{i}"] = grid.phase.astype(np.float32)
    np.savez_compressed(file, names=np.array(names), **arrays)


def read_grids(file: Path) -> list[ScatteringGrid]:
    """Read grids that `write_grids` wrote."""
    with np.load(file) as stored:
        return [
            _filled(
                ScatteringGrid(
                    str(absorber),
                    str(edge),
                    str(scatterer),
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


def _filled(grid: ScatteringGrid) -> ScatteringGrid:
    """Grid at the closer distances between which the kernel interpolates linearly."""
    r = np.arange(grid.r[0], grid.r[-1] + 1e-9, _TABLE_STEP)
    return replace(
        grid,
        r=r,
        amplitude=CubicSpline(grid.r, grid.amplitude)(r),
        phase=CubicSpline(grid.r, grid.phase)(r),
    )
