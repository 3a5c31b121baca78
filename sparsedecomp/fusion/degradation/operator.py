"""From a sharp map to the coarse one that a point-spread function sees of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sparsedecomp.fusion.degradation.grids import Grids
from sparsedecomp.fusion.degradation.point_spread import PointSpread

BORDERS = ("reflect", "wrap")
# Positions of coarse pixels between fine ones are rounded to this part of a pixel.
_PHASES = 16
# Half width of the weights, in steps of the coarse grid (beyond 2.9 standard deviations
# of a Gaussian that is one step wide lie .4 % of it), and in widths of the function.
_REACH, _REACH_OF_WIDTH = 1.25, 1.2


def reach_of(grids: Grids, psf: PointSpread | None = None) -> int:
    """Half width in pixels of the weights for a point-spread function.

    Parameters
    ----------
    grids : Grids
        The two grids.
    psf : PointSpread, optional
        The function; default: one that is about a step wide.

    Returns
    -------
    int
        At least two pixels.
    """
    reach = _REACH * max(grids.step)
    if psf is not None:
        slow = 2.0 if psf.family == "airy" else 1.0
        reach = max(reach, slow * _REACH_OF_WIDTH * max(psf.width))
        reach += max(map(abs, psf.centre))
        if psf.family == "free":
            reach = max(reach, psf.weights.shape[0] // 2)
    return max(2, int(np.ceil(reach)))


class Degradation:
    """What a coarse map sees of a sharp one: ``y = B x``, for every channel alike.

    Parameters
    ----------
    grids : Grids
        The two grids.
    psf : PointSpread
        Weights of the fine pixels around the centre of a coarse one.
    border : {"reflect", "wrap"}
        What lies beyond the edge: the mirrored map, or for simulations the opposite
        edge.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.fusion import Degradation, Grids, PointSpread
    >>> grids = Grids.of_same_field((4, 6), (2, 3))
    >>> box = PointSpread("box", (2, 2))
    >>> Degradation(grids, box).forward(np.arange(24.0).reshape(4, 6, 1))[..., 0]
    array([[ 3.5,  5.5,  7.5],
           [15.5, 17.5, 19.5]])
    """

    def __init__(self, grids: Grids, psf: PointSpread, border: str = "reflect") -> None:
        if border not in BORDERS:
            raise ValueError(f"border={border!r}, expected one of {BORDERS}.")
        self.grids, self.psf, self.border = grids, psf, border
        self.radius = reach_of(grids, psf)

    @cached_property
    def phases(self) -> list[NDArray]:
        """Distance of the coarse pixels from the nearest fine ones, both axes."""
        parts = []
        for axis in (0, 1):
            at = self.grids.positions(axis)
            part = at - np.floor(at + 0.5)
            parts.append(np.round(part * _PHASES) / _PHASES)
        return parts

    @cached_property
    def matrix(self) -> csr_array:
        """The weights as a sparse matrix, (coarse pixels, fine pixels)."""
        return _matrix(self, self.border)

    def kernels(self) -> dict[tuple[float, float], NDArray]:
        """Weights for each different phase of the coarse pixels.

        Returns
        -------
        dict of (float, float) to array
            Weights of `radius` pixels in each direction.
        """
        rows, columns = (np.unique(phase) for phase in self.phases)
        return {
            (y, x): self.psf.kernel(self.radius, (y, x)) for y in rows for x in columns
        }

    def forward(self, X: NDArray) -> NDArray:
        """Degrade maps.

        Parameters
        ----------
        X : (H, W, p) array
            Sharp maps.

        Returns
        -------
        (h, w, p) array
            Coarse maps.
        """
        flat = X.reshape(-1, X.shape[-1])
        return (self.matrix @ flat).reshape(*self.grids.coarse, -1)

    def adjoint(self, Y: NDArray) -> NDArray:
        """Apply the transposed weights: ``sum(forward(X) * Y) = sum(X * adjoint(Y))``.

        Parameters
        ----------
        Y : (h, w, p) array
            Coarse maps.

        Returns
        -------
        (H, W, p) array
            Sharp maps.
        """
        flat = Y.reshape(-1, Y.shape[-1])
        return (self.matrix.T @ flat).reshape(*self.grids.fine, -1)

    def neighbourhoods(
        self, guide: NDArray, radius: int, members: NDArray | None = None
    ) -> NDArray:
        """Pixels of an image around coarse ones.

        Parameters
        ----------
        guide : (H, W, m) array
            Bands of the image.
        radius : int
            Pixels in each direction.
        members : (n,) int array, optional
            Numbers of the coarse pixels; default: all.

        Returns
        -------
        (m, n, (2 radius + 1)**2) array
            ``neighbourhoods @ kernel.ravel()`` is the degraded image there.
        """
        if members is None:
            members = np.arange(self.grids.n_coarse)
        rows, columns = _windows(self, radius, self.border)
        down, right = np.divmod(members, self.grids.coarse[1])
        pixels = guide[rows[down][:, :, None], columns[right][:, None, :]]
        return np.moveaxis(pixels, -1, 0).reshape(guide.shape[-1], len(members), -1)

    def with_psf(self, psf: PointSpread) -> Degradation:
        """The same grids with another point-spread function.

        Parameters
        ----------
        psf : PointSpread
            The other function.

        Returns
        -------
        Degradation
            Operator with this function.
        """
        return Degradation(self.grids, psf, self.border)

    def open_border(self, margin: int) -> Degradation:
        """The same on a fine grid with a margin around it, so that nothing is folded.

        Parameters
        ----------
        margin : int
            Fine pixels that are added on each side.

        Returns
        -------
        Degradation
            Its fine pixel ``(margin, margin)`` is the first one of the guide.
        """
        H, W = self.grids.fine
        larger = (H + 2 * margin, W + 2 * margin)
        grids = replace(self.grids.moved((margin, margin)), fine=larger)
        return Degradation(grids, self.psf, self.border)


def _windows(d: Degradation, radius: int, border: str) -> tuple[NDArray, NDArray]:
    """Fine rows and columns around each coarse pixel, folded back at the edges."""
    found = []
    for axis in (0, 1):
        n = d.grids.fine[axis]
        nearest = np.floor(d.grids.positions(axis) + 0.5).astype(int)
        reach = radius + max(0, -nearest.min(), nearest.max() - n + 1)
        folded = np.pad(np.arange(n), reach, mode=border)  # type: ignore[call-overload]
        at = nearest[:, None] + np.arange(-radius, radius + 1)
        found.append(folded[at + reach])
    return found[0], found[1]


def _matrix(d: Degradation, border: str) -> csr_array:
    rows, columns = _windows(d, d.radius, border)
    kernels = d.kernels()
    width = d.grids.fine[1]
    h, w = d.grids.coarse
    size = (2 * d.radius + 1) ** 2
    at = rows[:, None, :, None] * width + columns[None, :, None, :]
    weights = np.empty((h, w, size))
    for (y, x), kernel in kernels.items():
        weights[np.ix_(d.phases[0] == y, d.phases[1] == x)] = kernel.ravel()
    starts = np.arange(h * w + 1) * size
    shape = (h * w, d.grids.fine[0] * width)
    matrix = csr_array((weights.ravel(), at.ravel(), starts), shape=shape)
    matrix.sum_duplicates()
    return matrix
