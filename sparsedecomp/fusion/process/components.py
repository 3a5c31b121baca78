"""Components of the covariance of a coefficient: by place, by guide, by both."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import map_coordinates, spline_filter

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.process.descriptors import Features

# A Matern-3/2 covariance has fallen to 1e-4 at so many of its lengths.
_FAR = 6.5


@dataclass(frozen=True)
class Window:
    """A part of the field: coarse pixels with data, and fine ones to predict.

    Attributes
    ----------
    coarse : (slice, slice)
        Rows and columns of the coarse map.
    fine : (slice, slice)
        Rows and columns of the guide.
    """

    coarse: tuple[slice, slice]
    fine: tuple[slice, slice]

    def members(self, width: int) -> NDArray:
        """Numbers of the coarse pixels in a map of some width."""
        rows, columns = (np.arange(s.start, s.stop) for s in self.coarse)
        return (rows[:, None] * width + columns).ravel()


class Stationary:
    """A process of place alone: Matern-3/2, seen through the point spread.

    Parameters
    ----------
    degradation : Degradation
        From the fine grid to the coarse one.
    length : float
        Correlation length in steps of the coarse grid.
    """

    def __init__(self, degradation: Degradation, length: float) -> None:
        self.degradation, self.length = degradation, length
        self.name = f"place {length:g}"
        self.places = degradation.grids.places()

    @cached_property
    def tables(self) -> tuple[NDArray, NDArray, tuple[int, int]]:
        """Spline coefficients of both covariances by displacement, and the centre."""
        step = np.array(self.degradation.grids.step)
        r = self.degradation.radius
        span = np.ptp(self.places, axis=0)
        reach = np.ceil(np.minimum(span + 4 * r + 4, _FAR * self.length * step + 4 * r))
        shape = tuple(next_fast_len(int(2 * n + 1), real=True) for n in reach)
        lag = [np.minimum(np.arange(n), n - np.arange(n)) for n in shape]
        K = _matern(np.hypot(lag[0][:, None] / step[0], lag[1] / step[1]) / self.length)
        seen = np.zeros(shape)
        kernel = self.degradation.psf.kernel(r)
        at = np.arange(-r, r + 1)
        seen[np.ix_(at % shape[0], at % shape[1])] = kernel
        F, B = rfft2(K), rfft2(seen)
        centre = (shape[0] // 2, shape[1] // 2)
        both = [
            spline_filter(
                np.roll(irfft2(t, s=shape), centre, (0, 1)), 3, mode="nearest"
            )
            for t in (F * np.conj(B), F * np.abs(B) ** 2)
        ]
        return both[0], both[1], centre

    def _look_up(self, table: NDArray, A: NDArray, B: NDArray) -> NDArray:
        centre = self.tables[2]
        lags = [A[:, None, i] - B[None, :, i] + centre[i] for i in (0, 1)]
        return map_coordinates(table, lags, order=3, mode="nearest", prefilter=False)

    @cached_property
    def lattice(self) -> NDArray:
        """Covariance of coarse pixels by rows and columns between them."""
        grids, centre = self.degradation.grids, self.tables[2]
        lags = [
            np.arange(1 - n, n) * step + middle
            for n, step, middle in zip(grids.coarse, grids.step, centre, strict=True)
        ]
        at = np.meshgrid(*lags, indexing="ij")
        table = self.tables[1]
        return map_coordinates(table, at, order=3, mode="nearest", prefilter=False)

    def covariance(self, rows: NDArray, columns: NDArray) -> NDArray:
        """Covariance of coarse pixels, given by their numbers."""
        h, w = self.degradation.grids.coarse
        down = (rows // w)[:, None] - columns // w + h - 1
        right = (rows % w)[:, None] - columns % w + w - 1
        return self.lattice[down, right]

    def cross(self, pixels: NDArray, columns: NDArray) -> NDArray:
        """Covariance of fine pixels, by row and column, with coarse ones."""
        return self._look_up(self.tables[0], pixels, self.places[columns])

    def prior(self, pixels: NDArray) -> NDArray:
        """Variance of fine pixels."""
        return np.ones(len(pixels))

    def predict(self, window: Window, weights: NDArray) -> NDArray:
        """Sum over coarse pixels of covariance times weight, at fine pixels.

        Parameters
        ----------
        window : Window
            Coarse and fine pixels.
        weights : (n, q) array
            Weights of the coarse pixels.

        Returns
        -------
        (rows, columns, q) array
            The sums.
        """
        d = self.degradation
        step = np.array(d.grids.step)
        far = np.ceil(_FAR * self.length * step)
        reach = np.minimum(far, max(d.grids.fine)).astype(int) + 2 * d.radius
        # A field that holds all pixels of the window and nothing that is folded.
        first, last = np.zeros(2, int), np.zeros(2, int)
        for i in (0, 1):
            at = d.grids.positions(i)[window.coarse[i]]
            first[i] = min(window.fine[i].start, int(at.min())) - 2 * d.radius
            last[i] = max(window.fine[i].stop, int(at.max())) + 2 * d.radius
        field = last - first
        local = _part_of(d, window, first, field)
        q = weights.shape[1]
        coarse = (window.coarse[0].stop - window.coarse[0].start, -1, q)
        spread = local.adjoint(weights.reshape(coarse))
        shape = [next_fast_len(int(n), real=True) for n in field + reach]
        lag = [np.minimum(np.arange(n), n - np.arange(n)) for n in shape]
        K = _matern(np.hypot(lag[0][:, None] / step[0], lag[1] / step[1]) / self.length)
        F = rfft2(K)
        start = [window.fine[i].start - first[i] for i in (0, 1)]
        size = [window.fine[i].stop - window.fine[i].start for i in (0, 1)]
        found = np.empty((*size, q))
        for k in range(q):
            whole = irfft2(rfft2(spread[..., k], s=shape) * F, s=shape)
            found[..., k] = whole[
                start[0] : start[0] + size[0], start[1] : start[1] + size[1]
            ]
        return found


def _part_of(
    d: Degradation, window: Window, first: NDArray, field: NDArray
) -> Degradation:
    """Degradation of a part of the field that begins at a fine pixel."""
    grids = d.grids
    rows, columns = window.coarse
    starts = [grids.positions(i)[window.coarse[i].start] - first[i] for i in (0, 1)]
    part = replace(
        grids,
        fine=(int(field[0]), int(field[1])),
        coarse=(rows.stop - rows.start, columns.stop - columns.start),
        origin=(float(starts[0]), float(starts[1])),
    )
    return Degradation(part, d.psf, d.border)


def _matern(r: NDArray) -> NDArray:
    a = np.sqrt(3) * r
    return (1 + a) * np.exp(-a)


class Guided:
    """A process that is linear in features of the guide, the same or not everywhere.

    Parameters
    ----------
    name : str
        Name for reports.
    features : Features
        Functions of the guide.
    degradation : Degradation
        From the fine grid to the coarse one.
    length : float, optional
        Distance in steps of the coarse grid over which the weights of the features
        change (a Gaussian covariance); default: they are the same everywhere.
    """

    def __init__(
        self,
        name: str,
        features: Features,
        degradation: Degradation,
        length: float | None = None,
    ) -> None:
        self.name = name if length is None else f"{name} within {length:g}"
        self.features, self.length = features, length
        self.grids = degradation.grids
        self.places = self.grids.places()

    def on_image(self, image: NDArray) -> Guided:
        """The same process for other descriptors of the fine pixels.

        Parameters
        ----------
        image : (H, W, c) array
            Descriptors.

        Returns
        -------
        Guided
            Process whose covariance of coarse pixels is that of this one.
        """
        other = copy.copy(self)
        other.features = replace(self.features, image=image)
        return other

    def _near(self, A: NDArray, B: NDArray) -> NDArray | float:
        if self.length is None:
            return 1.0
        scale = self.length * np.array(self.grids.step)
        parts = [
            np.exp(-0.5 * np.square((A[:, None, i] - B[None, :, i]) / scale[i]))
            for i in (0, 1)
        ]
        return parts[0] * parts[1]

    def covariance(self, rows: NDArray, columns: NDArray) -> NDArray:
        """Covariance of coarse pixels, given by their numbers."""
        F = self.features
        K = F.coarse[rows] @ F.coarse[columns].T / F.size
        return K * self._near(self.places[rows], self.places[columns])

    def cross(self, pixels: NDArray, columns: NDArray) -> NDArray:
        """Covariance of fine pixels, by row and column, with coarse ones."""
        F = self.features
        own = F.at(F.image[pixels[:, 0], pixels[:, 1]])
        return (
            own
            @ F.coarse[columns].T
            / F.size
            * self._near(pixels, self.places[columns])
        )

    def prior(self, pixels: NDArray) -> NDArray:
        """Variance of fine pixels."""
        F = self.features
        own = F.at(F.image[pixels[:, 0], pixels[:, 1]])
        return np.square(own).sum(axis=1) / F.size

    def predict(self, window: Window, weights: NDArray) -> NDArray:
        """Sum over coarse pixels of covariance times weight, at fine pixels.

        Parameters
        ----------
        window : Window
            Coarse and fine pixels.
        weights : (n, q) array
            Weights of the coarse pixels.

        Returns
        -------
        (rows, columns, q) array
            The sums.
        """
        F = self.features
        members = window.members(self.grids.coarse[1])
        image = F.image[window.fine]
        rows, columns = image.shape[:2]
        own = F.at(image.reshape(rows * columns, -1))
        coarse = F.coarse[members]
        if self.length is None:
            return (own @ (coarse.T @ weights) / F.size).reshape(rows, columns, -1)
        near = []
        for i in (0, 1):
            at = self.grids.positions(i)[window.coarse[i]]
            pixels = np.arange(window.fine[i].start, window.fine[i].stop)
            scale = self.length * self.grids.step[i]
            near.append(np.exp(-0.5 * np.square((pixels[:, None] - at) / scale)))
        h, w, J = near[0].shape[1], near[1].shape[1], coarse.shape[1]
        found = np.empty((rows, columns, weights.shape[1]))
        for k in range(weights.shape[1]):
            T = (coarse * weights[:, [k]]).reshape(h, w * J)
            T = (near[0] @ T).reshape(rows, w, J)
            T = np.matmul(near[1], T).reshape(rows * columns, J)
            found[..., k] = np.einsum("ij,ij->i", own, T).reshape(rows, columns)
        return found / F.size


Component = Stationary | Guided
