"""Events of JEOL's .pts files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsciio_sparse._counts import Counts
from rsciio_sparse._kernels.streams import jeol_events, jeol_frame_end
from rsciio_sparse._text import MalformedFile
from rsciio_sparse._vendors.source import (
    Source,
    check_rebin,
    chosen_frames,
    tiles_of_frames,
)
from rsciio_sparse.scube._layout import Layout

_MAGIC = 304
# Numbers of the positions and of the channels have 12 bits.
_RANGE = 4096


class JeolStream:
    """Frames of a stream in memory.

    Parameters
    ----------
    words : (n,) uint16 array
        The stream.
    shape : (int, int, int)
        Number of lines, of pixels in a line, and of channels.
    rebin : int
        Number of channels that are put together.
    most : int
        Largest number of frames; an incomplete last one is left out.
    """

    def __init__(
        self, words: NDArray, shape: tuple[int, int, int], rebin: int, most: int
    ) -> None:
        self.words, self.shape, self.rebin = words, shape, rebin
        self.steps = (_RANGE // shape[1], _RANGE // shape[0])
        self.starts = [0]
        while len(self.starts) <= most:
            end, complete = jeol_frame_end(words, self.starts[-1], *self.steps)
            if end == self.starts[-1] or not complete:
                break
            self.starts.append(end)

    @property
    def n_frames(self) -> int:
        """Number of complete frames."""
        return len(self.starts) - 1

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
        words = self.words[self.starts[frame] : self.starts[frame + 1]]
        jeol_events(words, self.steps, self.shape, self.rebin, counts, cursor, out)


def sources(
    path: str | os.PathLike[str],
    *,
    frames: bool = False,
    rebin_energy: int = 1,
    drop_frames: Sequence[int] = (),
) -> list[Source]:
    """Counts of a JEOL .pts file.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    frames : bool, default False
        Whether frames (sweeps) are kept as the first axis, or added up.
    rebin_energy : int, default 1
        Number of channels that are put together.
    drop_frames : sequence of int
        Frames to leave out, from 0.

    Returns
    -------
    list of Source
        One signal.

    Raises
    ------
    MalformedFile
        If the file is damaged.
    """
    from rsciio.jeol import file_reader

    check_rebin(_RANGE, rebin_energy)
    start, height, width, sweeps = _header(path)
    with tempfile.TemporaryDirectory() as folder:
        # The header alone, with which RosettaSciIO makes axes and metadata.
        head = Path(folder) / Path(path).name
        with open(path, "rb") as whole:
            head.write_bytes(whole.read(start))
            words = np.fromfile(whole, "<u2")
        try:
            (signal,) = file_reader(
                str(head), sum_frames=not frames, rebin_energy=rebin_energy
            )
        except Exception as error:
            raise _damaged(path, error) from error
    n_channels = _RANGE // rebin_energy
    shape: tuple[int, ...] = (height, width, n_channels)
    stream = JeolStream(words, (height, width, n_channels), rebin_energy, sweeps + 1)
    if not stream.n_frames:
        raise MalformedFile(str(path), None, "the stream holds no complete frame.")
    chosen = chosen_frames(stream.n_frames, drop_frames)
    signal["original_metadata"]["jeol_pts_frame_start_index"] = _start_index(
        stream, sweeps
    )
    times = None
    if frames:
        axis = signal["axes"][0]
        axis["size"] = len(chosen)
        starts = axis["offset"] + axis["scale"] * np.array(chosen, float)
        times = {"event_time_zero": starts, "units": axis["units"]}
        shape = (len(chosen), *shape)
    for axis, size in zip(signal["axes"], shape, strict=True):
        axis["size"] = size
    del signal["data"]
    read = partial(_read, stream, chosen, n_channels, frames)
    return [Source(signal, shape, np.dtype(np.uint8), read, times)]


def _read(
    stream: JeolStream, chosen: list[int], n_channels: int, frames: bool,
    layout: Layout, numbers: Sequence[int],
) -> Iterator[tuple[int, Counts]]:  # fmt: skip
    return tiles_of_frames(stream, chosen, n_channels, layout, numbers, frames)


def _start_index(stream: JeolStream, sweeps: int) -> NDArray:
    """Place of each frame, as RosettaSciIO's dense reading records it."""
    index = np.full(sweeps + 1, -1, np.int32)
    known = stream.starts[: sweeps + 1]
    index[: len(known)] = known
    return index


def _header(path: str | os.PathLike[str]) -> tuple[int, int, int, int]:
    """Place of the stream, numbers of lines, of pixels in a line and of sweeps."""
    from rsciio.jeol._api import _parsejeol

    size = os.path.getsize(path)
    try:
        with open(path, "rb") as file:
            (magic,) = np.fromfile(file, "<I", 1)
            if magic != _MAGIC:
                raise MalformedFile(str(path), None, "this is no JEOL .pts file.")
            file.seek(12)
            _, _, head, _, start, _ = (int(n) for n in np.fromfile(file, "<I", 6))
            if not 12 < head < start <= size:
                raise ValueError(f"header at {head}, stream at {start} of {size} bytes")
            file.seek(head + 12)
            content: dict[str, Any] = _parsejeol(file)
        measured = content["PTTD Data"]["AnalyzableMap MeasData"]
        width, height = map(int, measured["Meas Cond"]["Pixels"].split("x"))
        sweeps = int(measured["Doc"]["Sweep"])
        if not (0 < width <= _RANGE and 0 < height <= _RANGE and sweeps >= 0):
            raise ValueError(f"{width} x {height} pixels, {sweeps} sweeps")
        # A frame has two words at least.
        return start, height, width, min(sweeps, (size - start) // 4)
    except MalformedFile:
        raise
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: str | os.PathLike[str], error: Exception) -> MalformedFile:
    reason = f"its header is damaged ({type(error).__name__}: {error})."
    return MalformedFile(str(path), None, reason)
