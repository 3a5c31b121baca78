"""Reader of 9809 text: angles of the monochromator, and counts of every channel.

The header gives the lattice spacing of the monochromator. Its line "Mode" gives a code
for each channel: 1 for the incoming beam, 2 for the transmitted beam, 3 for
fluorescence, 4 for the reference; codes above 100 are dead-time monitors and others.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from rsciio_sparse._columns import absorption_of
from rsciio_sparse._spectra import (
    HC,
    Families,
    metadata_of,
    question_about_element,
    spectrum,
)
from rsciio_sparse._text import MalformedFile, lines_of, number_in, table_of

FIRST = re.compile(r"\s*9809\s+(?P<facility>\S+)\s+(?P<beamline>\S+)")
MONO = re.compile(
    r"\s*Mono\s*:(?P<name>[^=]{1,200})\bD=\s*(?P<spacing>[0-9.]{1,20})\s*A"
)
RING = re.compile(r"\s*Ring\s*:\s*(?P<energy>[0-9.]{1,20}\s{0,20}GeV)")
SPACINGS = (0.1, 100.0)
"""Lattice spacings in angstrom of crystals and multilayers of monochromators."""
MODES = {1: "i0", 2: "itrans", 3: "ifluor", 4: "irefer"}
ANGLE_SET, ANGLE_READ, SECONDS, COUNTS = 0, 1, 2, 3


def file_reader(
    filename: str | os.PathLike[str],
    lazy: bool = False,
    column: str | None = None,
    subtract_offsets: bool = False,
) -> list[dict[str, Any]]:
    """Read a file of version 9809.

    Parameters
    ----------
    filename : str or pathlib.Path
        These files often have no extension or another one: pass
        ``file_format="9809"`` to ``hs.load``.
    lazy : bool
        Ignored: a spectrum is read at once.
    column : {"transmission", "fluorescence", "reference"}, optional
        Kind of absorption; by default the first of these that the channels allow.
        Fluorescence is summed over all elements of the detector.
    subtract_offsets : bool
        Whether to subtract dark counts: the counts per second in the header times the
        seconds of each point. Needed if the beamline writes raw counts.

    Returns
    -------
    list of dict
        A single spectrum.

    Raises
    ------
    MalformedFile
        If the file is not of this version; the message names line and reason.
    """
    path = str(filename)
    lines = lines_of(path)
    families = _header(path, lines)
    modes, offsets, first = _channels(path, lines)
    table, numbers = table_of(path, lines, first)
    if table.shape[1] < COUNTS + len(modes):
        raise MalformedFile(
            path,
            numbers[0],
            f"{table.shape[1]} columns: two angles, the time and {len(modes)} channels "
            "were expected.",
        )
    energy = _energy(path, table, numbers, families)
    counts = table[:, COUNTS : COUNTS + len(modes)]
    if subtract_offsets:
        counts = counts - table[:, [SECONDS]] * offsets
    columns: dict[str, np.ndarray] = {}
    for mode, channel in zip(modes, counts.T, strict=True):
        if mode in MODES:
            columns[MODES[mode]] = columns.get(MODES[mode], 0) + channel
    mu, chosen = absorption_of(path, columns, column, energy=energy)
    question_about_element(path, energy, mu, families)
    original: dict[str, Any] = {
        **families,
        "header": "\n".join(lines[:first]),
        "columns": {"energy": energy, "time": table[:, SECONDS], **columns},
        "offsets": offsets,
        "column": chosen,
    }
    metadata = metadata_of(families)
    title = lines[2].strip() if len(lines) > 2 else ""
    return [spectrum(path, energy, mu, numbers, title, metadata, original)]


def _header(path: str, lines: list[str]) -> Families:
    """Facility, beamline and monochromator under the names of XDI."""
    first = FIRST.match(lines[0])
    if not first:
        raise MalformedFile(
            path,
            1,
            f"{lines[0][:40]!r} where '9809' and the beamline were expected.",
        )
    families = {
        "Facility": {"name": first["facility"]},
        "Beamline": {"name": first["beamline"]},
    }
    for line in lines[1:20]:
        if mono := MONO.match(line):
            families["Mono"] = {
                "name": mono["name"].strip(),
                "d_spacing": mono["spacing"],
            }
        if ring := RING.match(line):
            families["Facility"]["energy"] = ring["energy"]
    if "Mono" not in families:
        raise MalformedFile(
            path,
            None,
            "no line 'Mono : ... D= ... A' in the header: the angles cannot become "
            "energies without the spacing of the crystal.",
        )
    return families


def _channels(path: str, lines: list[str]) -> tuple[list[int], np.ndarray, int]:
    """Mode and offset of every channel, and the first line of numbers."""
    found = {}
    for index, line in enumerate(lines):
        words = line.split()
        if words[:1] in (["Mode"], ["Offset"]):
            # Two numbers for the angles come before those of the channels.
            numbers = [number_in(word) for word in words[3:]]
            if not all(n is not None and np.isfinite(n) for n in numbers):
                raise MalformedFile(
                    path, index + 1, f"{line.strip()[:40]!r} holds no numbers."
                )
            found[words[0]] = numbers
        if words[:1] == ["Offset"]:
            modes, offsets = found.get("Mode", []), np.array(found["Offset"])
            if not modes or len(modes) != len(offsets):
                raise MalformedFile(
                    path,
                    index + 1,
                    f"{len(offsets)} offsets for {len(modes)} modes of channels.",
                )
            return [int(mode) for mode in modes], offsets, index + 1
    raise MalformedFile(
        path, None, "no line 'Offset' ends the header: was the file cut short?"
    )


def _energy(
    path: str, table: np.ndarray, numbers: list[int], families: Families
) -> np.ndarray:
    angles = table[:, ANGLE_READ]
    if not angles.any():
        # Beamlines without an encoder write only the angle that was set.
        angles = table[:, ANGLE_SET]
    bad = ~((angles > 0) & (angles < 90))
    if bad.any():
        place = int(np.argmax(bad))
        raise MalformedFile(
            path, numbers[place], f"the angle is {angles[place]:g} degrees."
        )
    spacing = number_in(families["Mono"]["d_spacing"])
    if spacing is None or not SPACINGS[0] < spacing < SPACINGS[1]:
        raise MalformedFile(
            path,
            None,
            f"the spacing of the crystal is {families['Mono']['d_spacing']} angstrom.",
        )
    return HC / (2 * spacing * np.sin(np.deg2rad(angles)))
