"""The baseline: a surface through all registered samples, without a model of noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CloughTocher2DInterpolator, NearestNDInterpolator

from sparsedecomp.superresolution.observation.geometry import Geometry


def interpolate(geometry: Geometry, Y: NDArray, mask: NDArray | None = None) -> NDArray:
    """Interpolate all samples of all frames by cubics on Delaunay triangles.

    The surface goes through every sample: it is very good without noise, and the
    baseline that a solver has to beat where there is noise.

    Parameters
    ----------
    geometry : Geometry
        Places of the samples on the fine grid.
    Y : (n_frames, rows, columns, n_factors) array
        Frames; masked samples may hold anything.
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.

    Returns
    -------
    (H, W, n_factors) array
        The fine map. Beyond the hull of the samples it holds the nearest one.
    """
    rows, columns = (geometry.positions(axis) for axis in (0, 1))
    kept = np.ones(Y.shape[:3], bool) if mask is None else ~mask
    places = [
        np.broadcast_to(rows[:, :, None], kept.shape)[kept],
        np.broadcast_to(columns[:, None, :], kept.shape)[kept],
    ]
    points = np.stack(places, axis=1)
    # Samples at one place become one point with their mean.
    _, first, place = np.unique(
        points.round(6), axis=0, return_index=True, return_inverse=True
    )
    place = place.ravel()
    values = np.zeros((len(first), Y.shape[-1]))
    np.add.at(values, place, Y[kept])
    values /= np.bincount(place)[:, None]
    points = points[first]
    grid = np.indices(geometry.shape).reshape(2, -1).T.astype(float)
    x = CloughTocher2DInterpolator(points, values)(grid)
    outside = np.isnan(x[:, 0])
    if outside.any():
        x[outside] = NearestNDInterpolator(points, values)(grid[outside])
    return x.reshape(*geometry.shape, -1).astype(Y.dtype)
