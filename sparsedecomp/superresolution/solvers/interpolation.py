"""The baseline: a surface through all registered samples, without a model of noise."""

import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, NearestNDInterpolator


def interpolate(geometry, Y, mask=None):
    """Interpolate all samples of all frames by cubics on Delaunay's triangles.

    Very good without noise, and the measure of what a solver adds where there is some:
    it goes through every sample.

    Parameters
    ----------
    geometry : Geometry
    Y : (n_frames, rows, columns, n_factors) array
    mask : (n_frames, rows, columns) bool array, optional
        True for samples to leave out.

    Returns
    -------
    (H, W, n_factors) array
    """
    rows, columns = (geometry.positions(axis) for axis in (0, 1))
    kept = np.ones(Y.shape[:3], bool) if mask is None else ~mask
    points = np.stack(
        [
            np.broadcast_to(rows[:, :, None], kept.shape)[kept],
            np.broadcast_to(columns[:, None, :], kept.shape)[kept],
        ],
        axis=1,
    )
    # Samples at one place are one point, with their mean.
    _, first, place = np.unique(
        points.round(6), axis=0, return_index=True, return_inverse=True
    )
    place = place.ravel()
    values = np.zeros((len(first), Y.shape[-1]))
    np.add.at(values, place, Y[kept])
    values /= np.bincount(place)[:, None]
    points = points[first]
    grid = np.stack(np.indices(geometry.shape), axis=-1).reshape(-1, 2).astype(float)
    found = CloughTocher2DInterpolator(points, values)(grid)
    beyond = np.isnan(found[:, 0])
    if beyond.any():
        found[beyond] = NearestNDInterpolator(points, values)(grid[beyond])
    return found.reshape(*geometry.shape, -1).astype(Y.dtype)
