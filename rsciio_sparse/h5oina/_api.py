"""Reader of .h5oina files, after the public specification of the format (7.0, 8.0)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from rsciio_sparse._hdf5 import check_heaps
from rsciio_sparse._text import MalformedFile

if TYPE_CHECKING:
    import dask.array as da

# Bytes of a chunk of lazy data.
_CHUNK_BYTES = 2**26
# Largest ratio of the size of data to their bytes in the file; deflate reaches 1032.
_MAX_RATIO = 1100
# Errors that h5py raises for damaged files.
_DAMAGE = (
    OSError, KeyError, ValueError, TypeError, RuntimeError, IndexError, AttributeError,
    OverflowError, MemoryError,
)  # fmt: skip
# Bytes of an entry of a header.
_LARGEST_ENTRY = 2**20
_DEGREES = 180 / math.pi
# Electron tubes of scanning microscopes have at most so many kilovolts.
_SEM = 30.0


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    select_type: str | None = None,
) -> list[dict[str, Any]]:
    """Read the EDS spectra and electron images of a file.

    Spectra are in files of version 7.0 (AZtec 6.2) and later; earlier ones hold maps
    of the lines alone.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the file.
    lazy : bool, default False
        Whether to leave spectra in the file.
    select_type : {"spectrum_image", "image"}, optional
        What to read. Default: both.

    Returns
    -------
    list of dict
        A signal for each detector and acquisition, and for each electron image.

    Raises
    ------
    MalformedFile
        If this is no such file, or it holds neither spectra nor images.
    """
    path = str(filename)
    if select_type not in (None, "spectrum_image", "image"):
        raise ValueError(
            f"select_type={select_type!r}, expected 'spectrum_image', 'image' or None."
        )
    check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            if "Format Version" not in file:
                raise MalformedFile(path, None, "it has no Format Version.")
            found: list[dict[str, Any]] = []
            for slice_name in _slices(file):
                for name, group in file[slice_name].items():
                    if re.fullmatch(r"EDS\d*", name) and select_type != "image":
                        found += _spectra(path, group, lazy)
                    elif name == "Electron Image" and select_type != "spectrum_image":
                        found += _images(path, group)
    except MalformedFile:
        raise
    except _DAMAGE as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise MalformedFile(path, None, f"the file is damaged: {error}.") from error
    if not found:
        raise MalformedFile(
            path, None,
            "it holds no spectra (dataset 'EDS/Data/Spectrum') and no image. AZtec 6.2 "
            "and later export spectra if that is chosen.",
        )  # fmt: skip
    return found


def _slices(file: h5py.File) -> list[str]:
    """Names of the acquisitions."""
    index: Any = [b"1"]
    if "Index" in file:
        _check_small(file["Index"])
        index = np.ravel(file["Index"][()])
    return [name for name in map(_text, index) if name in file]


def _spectra(path: str, group: h5py.Group, lazy: bool) -> Iterator[dict[str, Any]]:
    if "Spectrum" not in group["Data"]:
        return
    header, data = _header(group["Header"]), group["Data"]["Spectrum"]
    width, height = int(header["X Cells"]), int(header["Y Cells"])
    n = data.shape[-1]
    if data.ndim != 2 or data.shape[0] != width * height or data.dtype.kind not in "iu":
        raise ValueError(
            f"{data.name} has the shape {data.shape} and the type {data.dtype} for "
            f"{width} x {height} pixels"
        )
    _check_size(data)
    navigation = (height, width) if height > 1 else (width,)
    axes = [
        _axis(name, size, header[f"{name.upper()} Step"], 0.0, "µm", True)
        for name, size in zip("yx"[-len(navigation) :], navigation, strict=True)
    ]
    scale, offset = header["Channel Width"] / 1000, header["Start Channel"] / 1000
    axes.append(_axis("Energy", n, scale, offset, "keV", False))
    shape = (*navigation, n)
    yield {
        "data": _lazy(path, data, shape) if lazy else data[()].reshape(shape),
        "axes": axes,
        "metadata": _metadata(path, header, group["Data"]),
        "original_metadata": {"Header": header},
    }


def _images(path: str, group: h5py.Group) -> Iterator[dict[str, Any]]:
    header = _header(group["Header"])
    width, height = int(header["X Cells"]), int(header["Y Cells"])
    for kind in ("SE", "BSE", "FSE"):
        for name, image in group["Data"].get(kind, {}).items():
            if image.size != width * height:
                raise ValueError(f"{image.name} has the shape {image.shape}")
            _check_size(image)
            general = {"title": name, "original_filename": os.path.basename(path)}
            yield {
                "data": image[()].reshape(height, width),
                "axes": [
                    _axis("y", height, header["Y Step"], 0.0, "µm", False),
                    _axis("x", width, header["X Step"], 0.0, "µm", False),
                ],
                "metadata": {
                    "General": general,
                    "Signal": {"signal_type": ""},
                    "Acquisition_instrument": _instrument(header),
                },
                "original_metadata": {"Header": header},
            }


def _check_small(data: h5py.Dataset) -> None:
    """Refuse an entry of a header that is none."""
    if data.nbytes > _LARGEST_ENTRY:
        raise ValueError(f"{data.name} has {data.nbytes} bytes")


def _check_size(data: h5py.Dataset) -> None:
    if data.nbytes > _MAX_RATIO * max(data.id.get_storage_size(), 64):
        raise ValueError(
            f"{data.name} would take {data.nbytes} bytes, of "
            f"{data.id.get_storage_size()} in the file"
        )


def _lazy(path: str, data: h5py.Dataset, shape: tuple[int, ...]) -> da.Array:
    """Dask array of whole lines, which opens the file when a chunk is computed."""
    import dask.array as da
    from dask.base import tokenize

    line = math.prod(shape[1:-1])
    pixels = max(1, _CHUNK_BYTES // (shape[-1] * data.dtype.itemsize))
    lines = max(1, pixels // line)
    bounds = [*range(0, shape[0], lines), shape[0]]
    name = f"h5oina-{tokenize(os.path.abspath(path), data.name, os.stat(path))}"
    rest = (0,) * (len(shape) - 1)
    graph = {
        (name, number, *rest): (
            _part, path, data.name, first * line, last * line,
            (last - first, *shape[1:]),
        )
        for number, (first, last) in enumerate(
            zip(bounds[:-1], bounds[1:], strict=True)
        )
    }  # fmt: skip
    chunks = (tuple(np.diff(bounds).tolist()), *((size,) for size in shape[1:]))
    meta = np.empty((0,) * len(shape), data.dtype)
    return da.Array(graph, name, chunks, dtype=data.dtype, meta=meta)


def _part(
    path: str, name: str, first: int, last: int, shape: tuple[int, ...]
) -> np.ndarray:
    try:
        with h5py.File(path, "r") as file:
            return file[name][first:last].reshape(shape)
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        raise MalformedFile(path, None, f"{name} is damaged: {error}.") from error


def _axis(
    name: str, size: int, scale: float, offset: float, units: str, navigate: bool
) -> dict[str, Any]:
    return {
        "name": name, "size": size, "scale": float(scale) or 1.0,
        "offset": float(offset), "units": units, "navigate": navigate,
    }  # fmt: skip


def _header(group: h5py.Group) -> dict[str, Any]:
    """Entries of a header; single values are numbers and texts, not arrays."""
    found: dict[str, Any] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            found[name] = _header(item)
            continue
        _check_small(item)
        value = np.ravel(item[()])
        values = [_text(v) if isinstance(v, bytes | str) else v.item() for v in value]
        found[name] = values[0] if len(values) == 1 else values
    return found


def _metadata(path: str, header: dict[str, Any], data: h5py.Group) -> dict[str, Any]:
    instrument = _instrument(header)
    (mode,) = instrument
    detector: dict[str, Any] = {}
    for key, name, factor in (
        ("azimuth_angle", "Detector Azimuth", _DEGREES),
        ("elevation_angle", "Detector Elevation", _DEGREES),
    ):
        if name in header:
            detector[key] = header[name] * factor
    if "Processor Type" in header:
        detector["detector_type"] = header["Processor Type"]
    for key, name in (("live_time", "Live Time"), ("real_time", "Real Time")):
        if name in data:
            if data[name].size != data["Spectrum"].shape[0]:
                raise ValueError(f"{data[name].name} has the size {data[name].size}")
            _check_size(data[name])
            detector[key] = float(np.nansum(data[name][()], dtype=float))
    instrument[mode]["Detector"] = {"EDS": detector}
    general = {"original_filename": os.path.basename(path), "title": "EDS"}
    if header.get("Analysis Label"):
        general["title"] = header["Analysis Label"]
    date, _, time = str(header.get("Acquisition Date", "")).partition("T")
    if time:
        general |= {"date": date, "time": time}
    metadata: dict[str, Any] = {
        "General": general,
        "Signal": {"signal_type": f"EDS_{mode}", "quantity": "X-rays (Counts)"},
        "Acquisition_instrument": instrument,
    }
    sample: dict[str, Any] = {}
    if header.get("Specimen Label"):
        sample["name"] = header["Specimen Label"]
    if elements := _elements(data):
        sample["elements"] = elements
    if sample:
        metadata["Sample"] = sample
    return metadata


def _instrument(header: dict[str, Any]) -> dict[str, Any]:
    voltage = header.get("Beam Voltage")
    mode = "TEM" if voltage is not None and voltage > _SEM else "SEM"
    found: dict[str, Any] = {}
    for key, name in (
        ("beam_energy", "Beam Voltage"),
        ("magnification", "Magnification"),
        ("working_distance", "Working Distance"),
    ):
        if name in header:
            found[key] = header[name]
    position = header.get("Stage Position", {})
    stage = {key.lower(): position[key] for key in "XYZ" if key in position}
    for key, name in (("tilt_alpha", "Tilt"), ("rotation", "Rotation")):
        if name in position:
            stage[key] = position[name] * _DEGREES
    if stage:
        found["Stage"] = stage
    return {mode: found}


def _elements(data: h5py.Group) -> list[str]:
    """Symbols of the elements of which the file holds maps."""
    from rsciio.utils._elements import atomic_number2name

    numbers = set()
    for kind in ("Window Integral", "Peak Area", "Composition"):
        for item in data.get(kind, {}).values():
            if "Atomic Number" in item.attrs:
                numbers.add(int(np.ravel(item.attrs["Atomic Number"])[0]))
    return sorted(atomic_number2name[n] for n in numbers if n in atomic_number2name)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
