"""Pixels of an image or a volume, their neighbours, and the mean field of these."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from sparsedecomp.kernels.potts import mean_field_sweep, neighbour_field

_SWEEPS = 50


class Image:
    """Where the pixels are, and who are their neighbours.

    Parameters
    ----------
    shape : tuple of int
        One to three axes.
    rows : (n_pixels,) int array
        Flat place of each pixel.
    kept : (n_pixels,) bool array
        Pixels that take part.
    """

    def __init__(self, shape, rows, kept):
        self.kept = kept
        self._places = rows[kept]
        self.shape = (1,) * (3 - len(shape)) + shape
        self.connected = np.prod(shape) > 1
        index = np.full(self.shape, -1)
        index.ravel()[self._places] = np.arange(len(self._places))
        self._index = index
        steps = np.indices([3 if size > 1 else 1 for size in self.shape])
        steps = steps.reshape(3, -1).T - [size > 1 for size in self.shape]
        self._offsets = steps[np.any(steps != 0, axis=1)]
        weights = 1 / np.linalg.norm(self._offsets, axis=1)
        self._weights = weights / max(weights.sum(), 1e-300)

    @classmethod
    def without_neighbours(cls, kept):
        """An image whose pixels are strangers."""
        image = cls((len(kept),), np.arange(len(kept)), kept)
        image.connected = False
        image._offsets, image._weights = image._offsets[:0], image._weights[:0]
        return image

    def field(self, Q):
        """Weighted mean of the probabilities (n, k) of the neighbours."""
        field = np.empty_like(Q)
        neighbour_field(Q, self._index, self._offsets, self._weights, field)
        return field

    def settle(self, Q, L, coupling):
        """Sweep the mean field until it stands still; changes ``Q``."""
        for _ in range(_SWEEPS):
            change = mean_field_sweep(
                Q, L, self._index, self._offsets, self._weights, coupling
            )
            if change <= 1e-4 * len(Q):
                break

    def smoothed(self, counts, sigma):
        """Counts (n, m) under a Gaussian of ``sigma`` pixels."""
        if not (self.connected and sigma):
            return counts
        smooth = np.empty_like(counts)
        sigmas = [sigma if size > 1 else 0 for size in self.shape]
        for channel in range(counts.shape[1]):
            cube = np.zeros(self.shape)
            cube.ravel()[self._places] = counts[:, channel]
            cube = gaussian_filter(cube, sigmas, mode="reflect")
            smooth[:, channel] = cube.ravel()[self._places]
        return smooth
