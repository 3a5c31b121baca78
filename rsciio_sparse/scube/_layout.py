"""Layout of a file: shape of the cube, of its tiles, and where each tile lies."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

FORMAT = "scube"
VERSION = 1
"""Version of the format; a reader refuses files of a later one."""

TILE_BYTES = 2**27
"""Bytes of a dense tile, those of a chunk that dask chooses by default."""

MAX_TILE_PIXELS, MAX_TILES = 2**24, 2**20
"""Largest number of pixels in a tile, and of tiles in a file."""


class Layout(NamedTuple):
    """Shape of a cube and of its tiles.

    Attributes
    ----------
    shape : tuple of int
        Shape of the cube, navigation axes first.
    navigation_dimension : int
        Number of navigation axes.
    tile_shape : tuple of int
        Pixels of a tile along each navigation axis; tiles at the end may be smaller.
    dtype : dtype
        Type of the dense cube.
    """

    shape: tuple[int, ...]
    navigation_dimension: int
    tile_shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def navigation_shape(self) -> tuple[int, ...]:
        """Shape of the navigation axes."""
        return self.shape[: self.navigation_dimension]

    @property
    def n_channels(self) -> int:
        """Number of channels of a spectrum."""
        return math.prod(self.shape[self.navigation_dimension :])

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of tiles along each navigation axis."""
        pairs = zip(self.navigation_shape, self.tile_shape, strict=True)
        return tuple(-(-size // tile) for size, tile in pairs)

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return math.prod(self.grid)

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """Chunks of a dask array of which each tile is one."""
        pairs = zip(self.navigation_shape, self.tile_shape, strict=True)
        first = tuple(
            tuple(min(tile, size - start) for start in range(0, size, tile))
            for size, tile in pairs
        )
        return first + tuple((n,) for n in self.shape[self.navigation_dimension :])

    def windows(self) -> Iterator[tuple[slice, ...]]:
        """Place of every tile, as slices of the navigation axes, in C order."""
        pairs = zip(self.navigation_shape, self.tile_shape, strict=True)
        return itertools.product(
            *(
                [slice(i, min(i + tile, size)) for i in range(0, size, tile)]
                for size, tile in pairs
            )
        )

    def window(self, number: int) -> tuple[slice, ...]:
        """Place of one tile, as slices of the navigation axes.

        Parameters
        ----------
        number : int
            Number of the tile, in C order.

        Returns
        -------
        tuple of slice
            A slice for each navigation axis.
        """
        place = np.unravel_index(number, self.grid) if self.grid else ()
        return tuple(
            slice(int(i) * tile, min((int(i) + 1) * tile, size))
            for i, tile, size in zip(
                place, self.tile_shape, self.navigation_shape, strict=True
            )
        )

    def size_of(self, number: int) -> tuple[int, ...]:
        """Shape of one tile along the navigation axes."""
        return tuple(part.stop - part.start for part in self.window(number))

    def check(self) -> None:
        """Refuse what no file can have.

        Raises
        ------
        ValueError
            If a size is not positive or a limit of the format is exceeded.
        """
        if self.dtype.kind not in "iuf" or self.dtype.itemsize > 8:
            raise ValueError(f"counts of the type {self.dtype}")
        if not 0 <= self.navigation_dimension < len(self.shape) <= 32:
            raise ValueError(
                f"{self.navigation_dimension} navigation axes of {len(self.shape)}"
            )
        if len(self.tile_shape) != self.navigation_dimension:
            raise ValueError(f"tiles of the shape {self.tile_shape}")
        if min((*self.shape, *self.tile_shape)) < 1:
            raise ValueError(f"the shape {self.shape}, tiles {self.tile_shape}")
        if max(self.shape) > 2**31 - 1 or self.n_channels > 2**31 - 1:
            raise ValueError(f"the shape {self.shape}")
        if math.prod(self.tile_shape) > MAX_TILE_PIXELS or self.n_tiles > MAX_TILES:
            raise ValueError(f"{self.n_tiles} tiles of the shape {self.tile_shape}")


def choose_tiles(
    shape: Sequence[int], navigation_dimension: int, dtype: Any
) -> tuple[int, ...]:
    """Shape of tiles that take about `TILE_BYTES` when they are dense.

    A tile holds whole lines of the last navigation axes as long as they fit.

    Parameters
    ----------
    shape : sequence of int
        Shape of the cube, navigation axes first.
    navigation_dimension : int
        Number of navigation axes.
    dtype : dtype
        Type of the dense cube.

    Returns
    -------
    tuple of int
        Pixels of a tile along each navigation axis.

    Examples
    --------
    >>> from rsciio_sparse.scube._layout import choose_tiles
    >>> choose_tiles((512, 512, 4096), 2, "uint8")
    (64, 512)
    """
    spectrum = math.prod(shape[navigation_dimension:]) * np.dtype(dtype).itemsize
    pixels = max(1, min(TILE_BYTES // max(1, spectrum), MAX_TILE_PIXELS))
    tile: list[int] = []
    for size in reversed(shape[:navigation_dimension]):
        tile.append(min(size, pixels))
        pixels = max(1, pixels // size)
    return tuple(reversed(tile))
