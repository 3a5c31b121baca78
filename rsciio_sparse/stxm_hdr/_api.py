"""Reader of .hdr and .xim, as microscopes of the Advanced Light Source write them."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from rsciio_sparse._spectra import axis_of
from rsciio_sparse._text import MalformedFile, lines_of, number_in, table_of

_logger = logging.getLogger(__name__)

FIELD = r'\b{name}\s{{0,9}}=\s{{0,9}}"([^"]{{0,200}})"'
POINTS = re.compile(r"\bPoints\s{0,9}=\s{0,9}\(([^()]*)\)")

MAX_HEADER = 2**20
"""Longest header in characters; those of thousands of energies have a tenth of it."""

MAX_BLOCKS = 100
"""Largest number of axes of one kind, which are as many as there are regions."""

DETECTORS = "abcdefghijklmnop"
"""Letters of the detectors in the names of images, as in ``name_a000.xim``."""


def file_reader(
    filename: str | os.PathLike[str], lazy: bool = False, detector: int = 0
) -> list[dict[str, Any]]:
    """Read a stack of images at several energies.

    Parameters
    ----------
    filename : str or pathlib.Path
        Name of the header; the images lie beside it.
    lazy : bool
        Whether to leave the images in their files.
    detector : int, default 0
        Number of the detector, from 0.

    Returns
    -------
    list of dict
        A single stack: counts with y and x as navigation and the energy as signal
        axis. Energies after the last image of a scan that was stopped are left out.

    Raises
    ------
    MalformedFile
        If the header describes no stack, or an image is missing or damaged.
    """
    path = str(filename)
    text = "\n".join(lines_of(path))
    if len(text) > MAX_HEADER:
        raise MalformedFile(
            path,
            None,
            f"{len(text)} characters, at most {MAX_HEADER} was expected in a header.",
        )
    kind = _field(text, "Type") or "unknown"
    stack = _block(path, text, "StackAxis")
    if stack is None or len(_points(path, stack, "StackAxis")) < 2:
        raise MalformedFile(
            path,
            None,
            f"the header describes a {kind} with fewer than two energies: a stack of "
            "images was expected.",
        )
    energy = _points(path, stack, "StackAxis")
    places = {}
    for name, letter in (("x", "P"), ("y", "Q")):
        blocks = _blocks(path, text, f"{letter}Axis")
        if len(blocks) != 1:
            raise MalformedFile(
                path,
                None,
                f"the header describes {len(blocks)} regions of images, one was "
                "expected.",
            )
        unit = _field(blocks[0], "Unit") or "um"
        places[name] = (_points(path, blocks[0], f"{letter}Axis"), unit)
    shape = len(places["y"][0]), len(places["x"][0])
    images = _images(path, len(energy), detector)
    energy = energy[: len(images)]
    steps = np.diff(energy)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise MalformedFile(
            path, None, "the energies of the stack neither increase nor decrease."
        )
    if steps[0] < 0:
        energy, images = energy[::-1], images[::-1]
    metadata = {
        "General": {
            "title": _field(text, "Label") or Path(path).stem,
            "original_filename": Path(path).name,
        },
        "Signal": {"signal_type": "XAS", "quantity": "Intensity"},
    }
    return [
        {
            "data": _cube(images, shape, lazy),
            "axes": [
                _pixels(name, *places[name]) for name in ("y", "x")
            ] + [axis_of(energy, "Energy", "eV")],
            "metadata": metadata,
            "original_metadata": {"header": text, "energy": energy},
        }
    ]  # fmt: skip


def _field(text: str, name: str) -> str | None:
    found = re.search(FIELD.format(name=name), text)
    return found[1].strip() if found else None


def _block(path: str, text: str, name: str) -> str | None:
    blocks = _blocks(path, text, name)
    return blocks[0] if blocks else None


def _blocks(path: str, text: str, name: str) -> list[str]:
    """Contents of all braces after ``name =``."""
    blocks: list[str] = []
    for found in re.finditer(rf"\b{name}\s{{0,9}}=\s{{0,9}}\{{", text):
        if len(blocks) == MAX_BLOCKS:
            break
        depth, end = 1, found.end()
        while depth:
            brace = re.compile("[{}]").search(text, end)
            if brace is None:
                raise MalformedFile(
                    path, None, f"the braces of {name} are not closed: was it cut?"
                )
            depth += 1 if brace[0] == "{" else -1
            end = brace.end()
        blocks.append(text[found.end() : end])
    return blocks


def _points(path: str, block: str, name: str) -> np.ndarray:
    """Places of an axis; the first number in its list tells how many there are."""
    found = POINTS.search(block)
    words = found[1].replace(",", " ").split() if found else []
    numbers = [number_in(word) for word in words]
    if not numbers or not all(n is not None and np.isfinite(n) for n in numbers):
        raise MalformedFile(path, None, f"{name} has no list of numbers 'Points'.")
    if numbers[0] != len(numbers) - 1:
        raise MalformedFile(
            path,
            None,
            f"{name} should have {numbers[0]:g} points, but lists {len(numbers) - 1}.",
        )
    return np.array(numbers[1:], dtype=float)


def _images(path: str, n_energies: int, detector: int) -> list[str]:
    """Names of the images, of which the last ones may be missing."""
    if not 0 <= detector < len(DETECTORS):
        raise ValueError(f"detector={detector}: give a number from 0 to 15.")
    stem = str(Path(path).with_suffix(""))
    names = [
        f"{stem}_{DETECTORS[detector]}{number:03d}.xim" for number in range(n_energies)
    ]
    present = [os.path.isfile(name) for name in names]
    n_present = present.index(False) if False in present else len(names)
    if n_present < 2 or any(present[n_present:]):
        missing = Path(names[n_present]).name
        raise MalformedFile(path, None, f"the image {missing} is not beside it.")
    if n_present < n_energies:
        _logger.warning(
            "%s: the images of the last %d of %d energies are missing; they were left "
            "out.",
            path,
            n_energies - n_present,
            n_energies,
        )
    return names[:n_present]


def _cube(images: list[str], shape: tuple[int, int], lazy: bool) -> Any:
    if not lazy:
        return np.stack([_image(name, shape) for name in images], axis=-1)
    import dask
    import dask.array as da

    read = dask.delayed(_image, pure=True)
    parts = [da.from_delayed(read(name, shape), shape, float) for name in images]
    return da.stack(parts, axis=-1).rechunk({0: "auto", 1: "auto", 2: -1})


def _image(name: str, shape: tuple[int, int]) -> np.ndarray:
    table, _ = table_of(name, lines_of(name), 0)
    if table.shape != shape:
        raise MalformedFile(
            name,
            None,
            f"the image has {table.shape[0]} rows and {table.shape[1]} columns, but "
            f"the header says {shape[0]} and {shape[1]}.",
        )
    return table


def _pixels(name: str, places: np.ndarray, unit: str) -> dict[str, Any]:
    axis: dict[str, Any] = {"name": name, "size": len(places), "navigate": True}
    if len(places) > 1:
        scale = (places[-1] - places[0]) / (len(places) - 1)
        axis |= {"offset": places[0], "scale": scale, "units": unit}
    return axis
