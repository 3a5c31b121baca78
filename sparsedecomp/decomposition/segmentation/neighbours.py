"""Neighbours of the pixels of an image or volume, and the mean field over them."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from sparsedecomp.kernels.potts import mean_field_sweep, neighbour_field

# Sweeps of the mean field at most, and the mean change of a pixel's probabilities that
# ends them; the outer iterations continue from where the sweeps end.
_MAX_SWEEPS = 50
_TOLERANCE = 1e-4


class PixelNeighbourhood:
    """Positions of the pixels that take part, and their neighbours.

    Parameters
    ----------
    shape : tuple of int
        Shape of the image, one to three axes.
    rows : (n_pixels,) int array
        Flat position of each pixel in the image.
    kept : (n_pixels,) bool array
        Whether each pixel takes part.
    """

    def __init__(
        self, shape: tuple[int, ...], rows: np.ndarray, kept: np.ndarray
    ) -> None:
        self.kept = kept
        self._places = rows[kept]
        self.shape = (1,) * (3 - len(shape)) + shape
        self.connected = bool(np.prod(shape) > 1)
        index = np.full(self.shape, -1)
        index.ravel()[self._places] = np.arange(len(self._places))
        self._index = index
        steps = np.indices([3 if size > 1 else 1 for size in self.shape])
        steps = steps.reshape(3, -1).T - [size > 1 for size in self.shape]
        self._offsets = steps[np.any(steps != 0, axis=1)]
        weights = 1 / np.linalg.norm(self._offsets, axis=1)
        self._weights = weights / max(weights.sum(), 1e-300)

    @classmethod
    def without_coupling(cls, kept: np.ndarray) -> PixelNeighbourhood:
        """Pixels without neighbours: no spatial coupling."""
        pixels = cls((len(kept),), np.arange(len(kept)), kept)
        pixels.connected = False
        pixels._offsets, pixels._weights = pixels._offsets[:0], pixels._weights[:0]
        return pixels

    def field(self, Q: np.ndarray) -> np.ndarray:
        """Weighted mean of the probabilities (n, k) of the neighbours."""
        field = np.empty_like(Q)
        neighbour_field(Q, self._index, self._offsets, self._weights, field)
        return field

    def solve_mean_field(self, Q: np.ndarray, L: np.ndarray, coupling: float) -> None:
        """Iterate the mean-field equations; overwrites the probabilities ``Q``."""
        for _ in range(_MAX_SWEEPS):
            change = mean_field_sweep(
                Q, L, self._index, self._offsets, self._weights, coupling
            )
            if change <= _TOLERANCE * len(Q):
                break

    def smoothed(self, counts: np.ndarray, sigma: float) -> np.ndarray:
        """Counts (n, m) after a Gaussian filter of ``sigma`` pixels in the image."""
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
