"""The fine map by the method that was chosen, whole or in pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.methods import METHODS
from sparsedecomp.superresolution.observation.operators import FrameOperator
from sparsedecomp.superresolution.registration.linear_maps import displaced
from sparsedecomp.superresolution.selection import Choice

# Sides of the blocks in which the shifts of rotated frames count as constant, and of
# the samples around them, in pixels of the frames. Smaller blocks take longer.
BLOCK, _HALO = 8, 6
# Values of a map that are solved at once: a solver holds several arrays of this size,
# in float32 160 MB each.
_AT_ONCE = 40_000_000


def map_by(
    A: FrameOperator,
    Y: NDArray,
    processes: list[Process],
    choice: Choice,
    callback: Callable[[int, float], object] | None,
) -> tuple[NDArray, NDArray, NDArray]:
    """Map, standard deviation and history of the method that was chosen.

    Parameters
    ----------
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames in units of their noise.
    processes : list of Process
        Covariance of each factor.
    choice : Choice
        The method and its parameters.
    callback : callable or None
        Called in every iteration of a solver.

    Returns
    -------
    maps, deviation : (H, W, n_factors) arrays
        The map and its standard deviation.
    history : (n_iter,) array
        Change of the map in each iteration.
    """
    method = METHODS["vtv" if choice.method == "mixture" else choice.method]
    process = method if method.kind == "posterior" else METHODS["gaussian_process"]
    maps, deviation = process.load()(A.geometry, Y, processes, A.mask)
    if method.kind == "posterior":
        return maps, deviation, np.zeros(0)
    if method.kind == "direct":
        return method.load()(A.geometry, Y, A.mask), deviation, np.zeros(0)
    options = {k: v for k, v in choice.parameters.items() if k != "psf"}
    x, history = solve(method.load(), A, Y, start=maps, callback=callback, **options)
    if choice.share is not None:
        x = (1 - choice.share) * maps + choice.share * x
    return x, deviation, history


def map_in_blocks(
    A: FrameOperator,
    Y: NDArray,
    processes: list[Process],
    linear: NDArray,
    choice: Choice,
    callback: Callable[[int, float], object] | None,
) -> tuple[NDArray, NDArray, NDArray]:
    """Map of rotated frames: blocks, in each of which the shifts count as constant.

    Parameters
    ----------
    A, Y, processes, choice, callback
        As in `map_by`.
    linear : (n_frames, 2) array
        Rotations and magnifications of the frames, see `displaced`.

    Returns
    -------
    maps, deviation, history
        As in `map_by`.
    """
    geometry = A.geometry
    maps, deviation = (
        np.zeros((*geometry.shape, Y.shape[-1]), Y.dtype) for _ in range(2)
    )
    histories = []
    middle = (np.array(geometry.frame_shape) - 1) / 2
    sides = (int(round(n * geometry.scale)) for n in (BLOCK, _HALO))
    for tile in A.tiles(*sides):
        centre = np.array([(each.start + each.stop - 1) / 2 for each in tile.outer])
        # The sample of each frame that lies there, from the middle of the frame.
        places = geometry.origin + centre / geometry.scale - geometry.shifts - middle
        own = np.arange(len(places))
        local = tile.operator.moved(
            tile.operator.geometry.shifts + displaced(linear, places)[own, own]
        )
        x, spread, history = map_by(local, tile.samples(Y), processes, choice, callback)
        maps[tile.outer], deviation[tile.outer] = x[tile.inner], spread[tile.inner]
        histories.append(history)
    return maps, deviation, np.concatenate(histories)


def solve(
    solver: Callable[..., Any],
    A: FrameOperator,
    Y: NDArray,
    *,
    start: NDArray,
    **options: Any,
) -> tuple[NDArray, NDArray]:
    """Run a solver, in overlapping pieces where the map takes too much memory.

    Parameters
    ----------
    solver : callable
        As in `Method`.
    A : FrameOperator
        Operator of the frames.
    Y : (n_frames, rows, columns, n_factors) array
        Frames in units of their noise.
    start : (H, W, n_factors) array
        First map.
    **options : object
        Further arguments of the solver.

    Returns
    -------
    maps : (H, W, n_factors) array
        The fine map.
    history : (n_iter,) array
        Iterations of all pieces, one piece after the other.
    """
    n_factors = Y.shape[-1]
    if np.prod(A.geometry.shape) * n_factors <= _AT_ONCE:
        found = solver(A, Y, start=start, **options)
        return found.x, np.asarray(found.history)
    x, history = start.copy(), []
    size = int(np.sqrt(_AT_ONCE / n_factors)) // 2
    for tile in A.tiles(size):
        window = tuple(
            slice(o.start - i.start, o.start - i.start + n)
            for o, i, n in zip(
                tile.outer, tile.inner, tile.operator.geometry.shape, strict=True
            )
        )
        found = solver(tile.operator, tile.samples(Y), start=start[window], **options)
        x[tile.outer] = found.x[tile.inner]
        history.append(found.history)
        if getattr(found, "interrupted", False):
            break
    return x, np.concatenate(history)
