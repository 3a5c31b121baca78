"""Where the pixels of a coarse map lie on the grid of a sharp image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

# Steps and positions may differ by this part of a pixel: rounding in files.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Grids:
    """A coarse grid on a fine one; rows come first.

    Attributes
    ----------
    fine : (int, int)
        Shape of the sharp image.
    coarse : (int, int)
        Shape of the coarse map.
    step : (float, float)
        Step of the coarse map in pixels of the sharp image.
    origin : (float, float)
        Centre of the first pixel of the coarse map, in pixels of the sharp image.
    """

    fine: tuple[int, int]
    coarse: tuple[int, int]
    step: tuple[float, float]
    origin: tuple[float, float]

    @classmethod
    def of_same_field(cls, fine: tuple[int, int], coarse: tuple[int, int]) -> Grids:
        """Grids of two maps whose outer edges coincide.

        Parameters
        ----------
        fine, coarse : (int, int)
            Shapes of the sharp image and of the coarse map.

        Returns
        -------
        Grids
            A coarse pixel is centred on the fine pixels that it covers.
        """
        (H, h), (W, w) = zip(fine, coarse, strict=True)
        step = (H / h, W / w)
        origin = ((step[0] - 1) / 2, (step[1] - 1) / 2)
        return cls((H, W), (h, w), step, origin)

    @property
    def n_coarse(self) -> int:
        """Number of coarse pixels."""
        return self.coarse[0] * self.coarse[1]

    @property
    def scale(self) -> float:
        """Geometric mean of the two steps."""
        return float(np.sqrt(self.step[0] * self.step[1]))

    def positions(self, axis: int) -> NDArray:
        """Centres of the coarse pixels along one axis.

        Parameters
        ----------
        axis : {0, 1}
            Rows or columns.

        Returns
        -------
        (n,) array
            Positions in pixels of the sharp image.
        """
        return self.origin[axis] + self.step[axis] * np.arange(self.coarse[axis])

    def places(self) -> NDArray:
        """Centres of all coarse pixels.

        Returns
        -------
        (n_coarse, 2) array
            Rows and columns in pixels of the sharp image.
        """
        rows, columns = np.meshgrid(self.positions(0), self.positions(1), indexing="ij")
        return np.column_stack([rows.ravel(), columns.ravel()])

    def moved(self, shift: tuple[float, float]) -> Grids:
        """The same grids with the coarse one at another place.

        Parameters
        ----------
        shift : (float, float)
            Added to the origin, in pixels of the sharp image.

        Returns
        -------
        Grids
            Grids with another origin.
        """
        return replace(
            self, origin=(self.origin[0] + shift[0], self.origin[1] + shift[1])
        )


def check_grids(grids: Grids) -> None:
    """Refuse a guide that is no finer than the cube, or that does not cover it.

    Parameters
    ----------
    grids : Grids
        The two grids.

    Raises
    ------
    ValueError
        Says what was given, and what to do.
    """
    if min(grids.step) < 1 - TOLERANCE or max(grids.step) < 1 + TOLERANCE:
        raise ValueError(
            f"A pixel of the cube is {grids.step[0]:.3g} x {grids.step[1]:.3g} pixels "
            "of the guide, expected more than one: the guide is not finer than the "
            "cube. Give a sharper image, or check the scales of the axes."
        )
    for n, count, step, first in zip(
        grids.fine, grids.coarse, grids.step, grids.origin, strict=True
    ):
        last = first + step * (count - 1)
        if first < -step / 2 - 0.5 or last > n - 0.5 + step / 2:
            raise ValueError(
                f"Pixels of the cube lie between {first:.4g} and {last:.4g} on an axis "
                f"of the guide that has {n} pixels: the cube reaches beyond the guide. "
                "Crop it to their common field."
            )
