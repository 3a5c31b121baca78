"""Samples at the upper limit of a detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.resolution.edges import noise_of

# Width of the band of values below the largest one, as a part of all values, whose
# samples are compared with those of the largest value, and the least ratio of both.
_BAND, _RATIO = 0.02, 2.0
# Least number of samples at the limit, and of different values in all.
_LEAST, _VALUES = 20, 16
# Least noise over the range of the values: without noise, specimens have plateaus.
_NOISE = 1e-4


def saturated_samples(Y: NDArray, mask: NDArray | None = None) -> NDArray | None:
    """Find samples at one largest value that are too many for a specimen with noise.

    Parameters
    ----------
    Y : (n_frames, rows, columns) array
        Images.
    mask : bool array of the same shape, optional
        True for samples that may hold anything.

    Returns
    -------
    bool array of the same shape, or None
        True for saturated samples; None if there are none.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.superresolution.saturation import *
    >>> image = np.random.default_rng(0).normal(size=(1, 40, 40))
    >>> saturated_samples(image) is None
    True
    >>> found = saturated_samples(np.minimum(image, 1.0))
    >>> bool(np.all(found == (image > 1)))
    True
    """
    seen = np.ones(Y.shape, bool) if mask is None else ~mask
    values = Y[seen]
    low, top = float(values.min()), float(values.max())
    at_top = np.count_nonzero(values == top)
    band = np.count_nonzero(values >= top - _BAND * (top - low)) - at_top
    if at_top < _LEAST or at_top < _RATIO * band:
        return None
    if len(np.unique(values)) < _VALUES:
        return None
    noise = np.median([noise_of(frame) for frame in np.where(seen, Y, low)])
    if noise <= _NOISE * (top - low):
        return None
    return seen & (Y == top)
