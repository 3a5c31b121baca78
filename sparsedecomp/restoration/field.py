"""A map of which some pixels are not measured: blurred, filled, scaled, cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

BLUR = 1.5
"""Standard deviation in pixels of the blur that shows the subspace.

Of the values 1, 1.5, 2 and 3, this one came closest to the subspace of the truth on the
simulated cubes.
"""
# Pixels times factors of the field on which methods are compared, and its least side. A
# larger one makes the choice surer and takes longer.
_FIELD, _LEAST_FIELD = 25600, 64
# The expected counts of a pixel, relative to the mean, are at least this.
_LEAST_COUNTS = 0.1
# Weight of the measured neighbours, of all of them, from which a blur is trusted.
_ENOUGH = 0.05
# Gaps are filled with blurs of one pixel and twice, four times as much, and so on.
_FINEST = 0.7


@dataclass(frozen=True, eq=False)
class Field:
    """The pixels of a map, and which of them are measured.

    Attributes
    ----------
    measured : (rows, columns) bool array
        True where there are data.
    """

    measured: NDArray

    def placed(self, rows: NDArray) -> NDArray:
        """A map of the values of measured pixels, zero elsewhere.

        Parameters
        ----------
        rows : (n_measured, ...) array
            Values of the measured pixels, row by row.

        Returns
        -------
        (rows, columns, ...) array
        """
        if self.measured.all():
            return rows.reshape(*self.measured.shape, *rows.shape[1:])
        placed = np.zeros((*self.measured.shape, *rows.shape[1:]), rows.dtype)
        placed[self.measured] = rows
        return placed

    def taken(self, maps: NDArray) -> NDArray:
        """The measured pixels of a map, the inverse of `placed`.

        Parameters
        ----------
        maps : (rows, columns, ...) array
            Maps.

        Returns
        -------
        (n_measured, ...) array
        """
        return maps[self.measured]

    def blurred(self, maps: NDArray, sigma: float) -> NDArray:
        """Weighted means of the measured neighbours.

        Parameters
        ----------
        maps : (rows, columns, ...) array
            Maps.
        sigma : float
            Standard deviation in pixels of the Gaussian weights where all is measured;
            with gaps it is wider, so that as many pixels are averaged.

        Returns
        -------
        (rows, columns, ...) array
        """
        if self.measured.all():
            return _blurred(maps, sigma)
        return self.filled(maps, sigma / np.sqrt(self.measured.mean()))

    def filled(self, maps: NDArray, sigma: float = 0.0) -> NDArray:
        """Maps whose gaps are means of the measured neighbours, of as few as possible.

        Parameters
        ----------
        maps : (rows, columns, ...) array
            Maps; what is not measured is not used.
        sigma : float, default 0
            Standard deviation in pixels of the blur of measured pixels.

        Returns
        -------
        (rows, columns, ...) array
        """
        measured = self.measured
        if measured.all() and not sigma:
            return maps
        more = (1,) * (maps.ndim - 2)
        weights = measured.astype(maps.dtype).reshape(*measured.shape, *more)
        known = maps * weights
        result, ready = known, measured & (sigma == 0)
        width, widest = sigma or _FINEST, max(measured.shape)
        while not ready.all():
            enough = _ENOUGH if width < widest else 0.0
            share = _blurred(weights, width)
            found = _blurred(known, width) / np.maximum(share, 1e-9)
            new = ~ready & (share.reshape(measured.shape) > enough)
            result = np.where(new.reshape(weights.shape), found, result)
            ready, width = ready | new, 2 * width
        return result

    def smooth_scale(self, counts: NDArray, blur: float = BLUR) -> NDArray:
        """Standard deviation of counts, from their mean over neighbours.

        Parameters
        ----------
        counts : (rows, columns) array
            Counts or expected counts.
        blur : float, default 1.5
            Standard deviation in pixels of the weights of the neighbours.

        Returns
        -------
        (rows, columns) array
            At least that of a tenth of the mean count.
        """
        smooth = self.blurred(np.asarray(counts, float), blur)
        least = _LEAST_COUNTS * np.mean(counts, where=self.measured)
        return np.sqrt(np.maximum(smooth, least))


def smooth_scale(counts: NDArray, blur: float = BLUR) -> NDArray:
    """Standard deviation of counts that are measured everywhere.

    Parameters
    ----------
    counts : (rows, columns) array
        Counts or expected counts.
    blur : float, default 1.5
        Standard deviation in pixels of the weights of the neighbours.

    Returns
    -------
    (rows, columns) array
        At least that of a tenth of the mean count.
    """
    return Field(np.ones(np.shape(counts), bool)).smooth_scale(counts, blur)


def busiest_part(maps: NDArray) -> tuple[slice, slice]:
    """The part of the field, not too large, in which the maps vary most.

    Parameters
    ----------
    maps : (rows, columns, n_factors) array
        Maps.

    Returns
    -------
    (slice, slice)
        Rows and columns.
    """
    side = max(_LEAST_FIELD, int(np.sqrt(_FIELD / maps.shape[2])))
    places = []
    for axis in (0, 1):
        n = maps.shape[axis]
        if n <= side:
            places.append(slice(None))
            continue
        smooth = gaussian_filter(maps, (2, 2, 0)).var(axis=(1 - axis, 2))
        energy = np.append(0, np.cumsum(smooth))
        first = int(np.argmax(energy[side:] - energy[:-side]))
        places.append(slice(first, first + side))
    return places[0], places[1]


def _blurred(maps: NDArray, sigma: float) -> NDArray:
    along = [sigma if size > 1 else 0 for size in maps.shape[:2]]
    return gaussian_filter(maps, (*along, *[0] * (maps.ndim - 2)), mode="reflect")
