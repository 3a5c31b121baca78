"""Events of Velox' .emd files."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rsciio_sparse._counts import Counts
from rsciio_sparse._hdf5 import check_heaps
from rsciio_sparse._kernels.streams import velox_frame
from rsciio_sparse._text import MalformedFile
from rsciio_sparse._vendors.source import (
    Source,
    check_rebin,
    chosen_frames,
    tiles_of_frames,
)
from rsciio_sparse.scube._layout import Layout

_STREAMS = "Data/SpectrumStream"
_NEXT_PIXEL = 65535


class VeloxStreams:
    """Frames of the streams of one or several detectors.

    Parameters
    ----------
    path : str
        Name of the file.
    names : sequence of str
        Streams whose events are added up.
    n_pixels, n_channels : int
        Number of pixels of a frame, and of channels after rebinning.
    rebin : int
        Number of channels that are put together.
    n_frames : int
        Number of frames to read.
    """

    def __init__(
        self, path: str, names: Sequence[str], n_pixels: int, n_channels: int,
        rebin: int, n_frames: int,
    ) -> None:  # fmt: skip
        self.path, self.n_frames = path, n_frames
        self.n_channels, self.rebin = n_channels, rebin
        self._words = [_words(path, name) for name in names]
        self._starts = [
            _starts_of_frames(words, n_pixels, n_frames) for words in self._words
        ]

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
        for words, starts in zip(self._words, self._starts, strict=True):
            if frame < len(starts):
                end = velox_frame(
                    words, starts[frame], self.n_channels, self.rebin,
                    counts, cursor, out,
                )  # fmt: skip
                if end < 0:
                    raise MalformedFile(
                        self.path, None, f"frame {frame} has a channel beyond the last."
                    )


def sources(
    path: str | os.PathLike[str],
    *,
    frames: bool = False,
    rebin_energy: int = 1,
    drop_frames: Sequence[int] = (),
    detectors: bool = False,
) -> list[Source]:
    """Counts of a Velox .emd file.

    Parameters
    ----------
    path : str or path-like
        Name of the file.
    frames : bool, default False
        Whether frames are kept as the first axis, or added up.
    rebin_energy : int, default 1
        Number of channels that are put together.
    drop_frames : sequence of int
        Frames to leave out, from 0.
    detectors : bool, default False
        Whether each detector is a signal of its own, or all are added up.

    Returns
    -------
    list of Source
        One signal, or one for each detector.

    Raises
    ------
    MalformedFile
        If the file is damaged, or has no stream of events.
    """
    path = str(path)
    check_heaps(path)
    try:
        names, height, width, bins, n_frames = _header(path)
        signals = []
        if rebin_energy > 0 and not bins % rebin_energy:
            options = {"sum_frames": not frames, "sum_EDS_detectors": not detectors}
            signals = _signals(
                path, bins, rebin_energy=rebin_energy, last_frame=n_frames, **options
            )
    except MalformedFile:
        raise
    except Exception as error:
        raise MalformedFile(
            path, None, f"its header is damaged ({type(error).__name__}: {error})."
        ) from error
    check_rebin(bins, rebin_energy)
    chosen = chosen_frames(n_frames, drop_frames)
    n_channels = bins // rebin_energy
    shape: tuple[int, ...] = (height, width, n_channels)
    if frames:
        shape = (len(chosen), *shape)
    groups = [[name] for name in names] if detectors else [names]
    if len(signals) != len(groups):
        raise MalformedFile(path, None, "its streams and their metadata do not fit.")
    found = []
    for signal, group in zip(signals, groups, strict=True):
        times = None
        if frames:
            axis = signal["axes"][0]
            if axis["scale"] is None:
                axis["scale"], axis["units"] = 1.0, ""
            starts = axis["offset"] + axis["scale"] * np.array(chosen, float)
            times = {"event_time_zero": starts, "units": axis["units"]}
        for axis, size in zip(signal["axes"], shape, strict=True):
            axis["size"] = size
        dtype = np.dtype(signal.pop("data").dtype)
        read = partial(_read, path, group, chosen, n_channels, rebin_energy, frames)
        found.append(Source(signal, shape, dtype, read, times))
    return found


def is_velox(path: str | os.PathLike[str]) -> bool:
    """Whether an .emd file holds streams of events.

    Parameters
    ----------
    path : str or path-like
        Name of the file.

    Returns
    -------
    bool
        False for files of other programs, too.
    """
    try:
        with h5py.File(path, "r") as file:
            return len(file.get(_STREAMS, ())) > 0
    except OSError:
        return False


def _read(
    path: str, names: list[str], chosen: list[int], n_channels: int, rebin: int,
    frames: bool, layout: Layout, numbers: Sequence[int],
) -> Iterator[tuple[int, Counts]]:  # fmt: skip
    n_pixels = math.prod(layout.navigation_shape[-2:])
    # The streams are in memory only while they are read.
    stream = VeloxStreams(path, names, n_pixels, n_channels, rebin, max(chosen) + 1)
    yield from tiles_of_frames(stream, chosen, n_channels, layout, numbers, frames)


def _header(path: str) -> tuple[list[str], int, int, int, int]:
    """Streams, numbers of lines, of pixels in a line, of channels and of frames."""
    with h5py.File(path, "r") as file:
        if not len(file.get(_STREAMS, ())):
            raise MalformedFile(
                path, None, "it has no stream of events (pruned, or none was recorded)."
            )
        streams = file[_STREAMS]
        names = list(streams)
        bins = int(_json(streams[names[0]]["AcquisitionSettings"])["bincount"])
        height, width = next(iter(file["Data/Image"].values()))["Data"].shape[:2]
        try:
            images = file["Data/SpectrumImage"]
            settings = _json(next(iter(images.values()))["SpectrumImageSettings"])
            n_frames = int(settings["endFramePosition"])
        except (KeyError, StopIteration, ValueError, TypeError):
            n_frames = -1
    if not (0 < bins <= _NEXT_PIXEL and 0 < height * width < 2**31):
        raise ValueError(f"{height} x {width} pixels, {bins} channels")
    if n_frames < 1:
        markers = int((_words(path, names[0]) == _NEXT_PIXEL).sum())
        n_frames = max(1, -(-markers // (height * width)))
    return names, height, width, bins, n_frames


def _signals(path: str, bins: int, **options: Any) -> list[dict[str, Any]]:
    """Axes and metadata, made by RosettaSciIO from the file without its streams."""
    from rsciio.emd import file_reader

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(path).name
        with h5py.File(path, "r") as file, h5py.File(copy, "w") as head:
            for name in file:
                if name != "Data":
                    file.copy(name, head)
            data = head.create_group("Data")
            for name in file["Data"]:
                if name in ("Image", "SpectrumImage", "SpectrumStream"):
                    _copy_small(file["Data"][name], data.create_group(name))
            for stream in head[_STREAMS].values():
                # Some event is expected, and a dense cube of one channel is made.
                stream["Data"] = np.array([[0], [_NEXT_PIXEL]], np.uint16)
                settings = _json(stream["AcquisitionSettings"])
                settings["bincount"] = str(options["rebin_energy"])
                del stream["AcquisitionSettings"]
                stream["AcquisitionSettings"] = [json.dumps(settings)]
        signals = file_reader(str(copy), select_type="spectrum_image", **options)
    for signal in signals:
        original = signal["original_metadata"]
        original["ImportedDataParameter"].update(
            Number_of_channels=bins, Number_of_frames=options["last_frame"]
        )
        if "AcquisitionSettings" in original:
            original["AcquisitionSettings"]["bincount"] = str(bins)
    return signals


def _copy_small(group: h5py.Group, target: h5py.Group) -> None:
    """Copy what is not data: their shape is all that is needed of images."""
    stream = group.name.endswith("SpectrumStream")
    for name, part in group.items():
        made = target.create_group(name)
        for key, item in part.items():
            if key != "Data":
                part.copy(key, made)
            elif not stream:
                made.create_dataset(key, item.shape, item.dtype, chunks=True)


def _words(path: str, name: str) -> NDArray:
    with h5py.File(path, "r") as file:
        data = file[_STREAMS][name]["Data"]
        if data.dtype != np.uint16 or data.ndim != 2:
            raise MalformedFile(path, None, f"its stream {name} has no 16-bit words.")
        if data.nbytes > 1100 * max(data.id.get_storage_size(), 64):
            raise MalformedFile(path, None, f"its stream {name} is not in the file.")
        return data[:, 0]


def _starts_of_frames(words: NDArray, n_pixels: int, n_frames: int) -> NDArray:
    """Place of the first word of each frame that the stream reaches."""
    ends = np.flatnonzero(words == _NEXT_PIXEL)[n_pixels - 1 :: n_pixels] + 1
    starts = np.concatenate([[0], ends])
    return starts[starts < len(words)][:n_frames]


def _json(dataset: h5py.Dataset) -> dict[str, Any]:
    return json.loads(dataset[0])
