"""What a vendor's file offers: axes and metadata, and counts tile by tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rsciio_sparse._counts import Counts, counts_of_events
from rsciio_sparse.scube._layout import Layout, choose_tiles

# Events of frames are counted and placed in arrays of these types.
_COUNT, _CHANNEL = np.int64, np.uint16


class FrameStream(Protocol):
    """Stream of events that is read frame by frame."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""

    def read(self, frame: int, counts: NDArray, cursor: NDArray, out: NDArray) -> None:
        """Count the events of a frame, or put them in their places.

        Parameters
        ----------
        frame : int
            Number of the frame.
        counts : (n_pixels,) int array
            Number of events of every pixel, increased if `cursor` is empty.
        cursor : (n_pixels,) int array
            Next free place of every pixel, advanced; empty in order to count.
        out : (n_events,) array
            Channels by pixels; filled in place.
        """


@dataclass
class Source:
    """Counts of one signal of a file.

    Parameters
    ----------
    signal : dict
        Signal as RosettaSciIO's readers describe it, without data.
    shape : tuple of int
        Shape of the cube, navigation axes first.
    dtype : dtype
        Type of the dense cube of RosettaSciIO.
    read : callable
        ``read(layout, numbers)`` yields ``(number, counts)`` of tiles, given in rising
        order.
    frames : dict, optional
        Times at which the frames start, if the first axis is that of frames.
    """

    signal: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Layout, Sequence[int]], Iterator[tuple[int, Counts]]]
    frames: dict[str, Any] | None = field(default=None)

    @property
    def navigation_dimension(self) -> int:
        """Number of navigation axes."""
        return len(self.shape) - 1

    def layout(self, tile_shape: Sequence[int] | None = None) -> Layout:
        """Shape of the cube and of its tiles.

        Parameters
        ----------
        tile_shape : sequence of int, optional
            Pixels of a tile along each navigation axis. Default: as `choose_tiles`
            says.

        Returns
        -------
        Layout
            Layout for a file.
        """
        n = self.navigation_dimension
        tile = tuple(tile_shape or choose_tiles(self.shape, n, self.dtype))
        # A stream is read line by line: tiles hold whole lines.
        whole = (*tile[:-1], self.shape[n - 1])
        return Layout(self.shape, n, whole, np.dtype(self.dtype))


def tiles_of_frames(
    stream: FrameStream,
    frames: Sequence[int],
    n_channels: int,
    layout: Layout,
    numbers: Sequence[int],
    keep_frames: bool,
) -> Iterator[tuple[int, Counts]]:
    """Tiles of a stream of frames, summed or one after the other.

    The events of a frame, or of all frames if they are summed, are in memory: two bytes
    an event and eight a pixel.

    Parameters
    ----------
    stream : FrameStream
        The stream.
    frames : sequence of int
        Frames to read.
    n_channels : int
        Number of channels.
    layout : Layout
        Shape of the cube and of its tiles.
    numbers : sequence of int
        Tiles to read, in rising order.
    keep_frames : bool
        Whether the first axis is that of frames.

    Yields
    ------
    number : int
        Number of a tile.
    counts : Counts
        Its counts.
    """
    n_pixels = math.prod(layout.navigation_shape[-2:])
    groups = [[frame] for frame in frames] if keep_frames else [list(frames)]
    current, pointers, grouped = -1, np.empty(0, _COUNT), np.empty(0, _CHANNEL)
    for number in numbers:
        window = layout.window(number)
        parts = []
        for group in range(*window[0].indices(len(groups))) if keep_frames else [0]:
            if group != current:
                pointers, grouped = _events(stream, groups[group], n_pixels)
                current = group
            flat = np.arange(n_pixels).reshape(layout.navigation_shape[-2:])
            chosen = flat[window[-2:]]
            first, last = int(chosen[0, 0]), int(chosen[-1, -1]) + 1
            places = pointers[first : last + 1]
            events = grouped[places[0] : places[-1]].copy()
            parts.append(counts_of_events(places - places[0], events, n_channels))
        yield number, together(parts)


def together(parts: Sequence[Counts]) -> Counts:
    """Counts of pixels that follow one another.

    Parameters
    ----------
    parts : sequence of Counts
        At least one.

    Returns
    -------
    Counts
        All of them.
    """
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.values) for part in parts)])
    indptr = [
        part.indptr[:-1] + start for part, start in zip(parts, starts[:-1], strict=True)
    ]
    return Counts(
        np.concatenate([*indptr, starts[-1:]]),
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.values for part in parts]),
        parts[0].n_channels,
    )


def _events(
    stream: FrameStream, frames: Sequence[int], n_pixels: int
) -> tuple[NDArray, NDArray]:
    """Events of some frames together, grouped by pixels."""
    nothing = np.empty(0, _COUNT)
    counts = np.zeros(n_pixels, _COUNT)
    for frame in frames:
        stream.read(frame, counts, nothing, np.empty(0, _CHANNEL))
    pointers = np.concatenate([[0], np.cumsum(counts)])
    grouped, cursor = np.empty(int(pointers[-1]), _CHANNEL), pointers[:-1].copy()
    for frame in frames:
        stream.read(frame, counts, cursor, grouped)
    return pointers, grouped


def chosen_frames(n_frames: int, dropped: Sequence[int]) -> list[int]:
    """Numbers of the frames that are not dropped.

    Parameters
    ----------
    n_frames : int
        Number of frames of the file.
    dropped : sequence of int
        Frames to leave out, from 0; negative numbers count from the end.

    Returns
    -------
    list of int
        Frames to read.

    Raises
    ------
    ValueError
        If a frame does not exist or none is left.
    """
    wrong = [frame for frame in dropped if not -n_frames <= frame < n_frames]
    if wrong:
        raise ValueError(
            f"There is no frame {wrong[0]} to drop: the file has {n_frames}, from 0."
        )
    left = sorted(set(range(n_frames)) - {frame % n_frames for frame in dropped})
    if not left:
        raise ValueError(f"All {n_frames} frames are dropped, expected one at least.")
    return left


def check_rebin(n_channels: int, rebin: int) -> None:
    """Refuse a factor that does not divide the number of channels.

    Parameters
    ----------
    n_channels, rebin : int
        Number of channels, and of those that are put together.

    Raises
    ------
    ValueError
        If the factor is no divisor.
    """
    if rebin < 1 or n_channels % rebin:
        raise ValueError(
            f"rebin_energy={rebin}, expected a divisor of the {n_channels} channels."
        )
