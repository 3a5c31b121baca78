"""Common parts of the readers of spectra: order of energies, absorption, metadata."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsciio_sparse._text import MalformedFile

Families = dict[str, dict[str, str]]
"""Fields of XDI by family, as ``{"Element": {"symbol": "Cu", "edge": "K"}}``."""

_logger = logging.getLogger(__name__)

UNITS_OF_ENERGY = {"ev": 1.0, "kev": 1000.0, "": 1.0}
"""Energy in eV of one of each unit, in small letters."""

HC = 12398.419843320026
"""Planck's constant times the speed of light, in eV angstrom."""

ABSORPTION = ("mutrans", "mu", "xmu", "normtrans", "norm", "mufluor", "normfluor")
"""Columns that hold mu(E), the best first."""

INCOMING = ("i0", "imonitor", "monitor")
TRANSMITTED = ("itrans", "it", "i1")
FLUORESCENCE = ("ifluor", "if")
REFERENCE = ("irefer", "iref", "i2")

JITTER = 3.0
"""Largest step back, in median steps, that is taken for jitter of the monochromator.

A larger value sorts scans that were joined, a smaller one refuses jittery scans.
"""

JITTERING_SHARE = 0.05
"""Largest share of the steps of a scan that may go back; more are no jitter."""


def spectrum(
    path: str,
    energy: np.ndarray,
    mu: np.ndarray,
    line_numbers: Sequence[int | None] | None,
    title: str | None,
    metadata: Mapping[str, Any],
    original: Mapping[str, Any],
    *,
    name: str = "Energy",
    units: str = "eV",
    signal_type: str = "XAS",
    quantity: str = "Absorption",
) -> dict[str, Any]:
    """Describe one spectrum as RosettaSciIO does.

    Parameters
    ----------
    path : str
        Name of the file.
    energy : numpy.ndarray of shape (n,)
        Energies in eV, or wavenumbers in 1/angstrom.
    mu : numpy.ndarray of shape (n,)
        Absorption mu(E), or chi(k).
    line_numbers : list of int or None
        Line of each point in the file, for messages.
    title : str or None
        Title; by default the name of the file.
    metadata, original : dict
        HyperSpy's metadata, and everything else that the file holds.
    name, units : str
        Name and units of the signal axis.
    signal_type : str
        HyperSpy's signal type.
    quantity : str
        Name of the measured quantity.

    Returns
    -------
    dict
        Data, axes, metadata and original metadata.

    Raises
    ------
    MalformedFile
        If an energy is not finite, or a scan goes back by more than jitter.
    """
    energy, mu = ordered(path, energy, mu, line_numbers, units)
    general = {
        "title": title or Path(path).stem,
        "original_filename": Path(path).name,
        **metadata.get("General", {}),
    }
    signal = {"signal_type": signal_type, "quantity": quantity}
    return {
        "data": mu,
        "axes": [axis_of(energy, name, units)],
        "metadata": {**metadata, "General": general, "Signal": signal},
        "original_metadata": original,
    }


def chi_spectrum(
    path: str,
    k: np.ndarray,
    chi: np.ndarray,
    line_numbers: Sequence[int | None] | None,
    title: str | None,
    metadata: Mapping[str, Any],
    original: Mapping[str, Any],
) -> dict[str, Any]:
    """Describe one spectrum chi(k); see `spectrum`."""
    return spectrum(
        path, k, chi, line_numbers, title, metadata, original,
        name="k", units="1/Angstrom", signal_type="EXAFS", quantity="chi",
    )  # fmt: skip


def axis_of(values: np.ndarray, name: str, units: str) -> dict[str, Any]:
    """Describe a signal axis, as a uniform one if its points are equidistant.

    Parameters
    ----------
    values : numpy.ndarray of shape (n,)
        Points of the axis.
    name, units : str
        Name and units of the axis.

    Returns
    -------
    dict
        Description of the axis for HyperSpy.
    """
    step = (values[-1] - values[0]) / (len(values) - 1)
    # Files hold rounded numbers. Energies keep them unless they are equidistant within
    # 1e-6 of a step; chi(k) is always on a uniform grid, written with few digits.
    tolerance = 1e-6 if units == "eV" else 2e-3
    even = np.abs(np.diff(values) - step).max() < tolerance * abs(step)
    common = {"name": name, "units": units, "navigate": False}
    if even:
        place = {"offset": values[0], "scale": step, "size": len(values)}
        return {"_type": "UniformDataAxis", **common, **place}
    return {"_type": "DataAxis", **common, "axis": values}


def ordered(
    path: str,
    energy: np.ndarray,
    mu: np.ndarray,
    line_numbers: Sequence[int | None] | None,
    units: str = "eV",
) -> tuple[np.ndarray, np.ndarray]:
    """Order a spectrum by increasing energy.

    A scan from high to low energies is reversed, points of equal energy are averaged,
    and the jitter of a monochromator is sorted. Averages and sorting are logged.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    energy, mu : numpy.ndarray of shape (n,)
        Energies and absorption as recorded.
    line_numbers : list of int or None
        Line of each point in the file, for messages.
    units : str
        Units of the energy, for messages.

    Returns
    -------
    energy, mu : numpy.ndarray
        Increasing energies, and the absorption at them.

    Raises
    ------
    MalformedFile
        If an energy is not finite, or a scan goes back by more than jitter.
    """
    numbers = line_numbers or [None] * len(energy)
    finite = np.isfinite(energy)
    if not finite.all():
        bad = int(np.argmin(finite))
        raise MalformedFile(path, numbers[bad], f"the energy is {energy[bad]}.")
    if energy[-1] < energy[0]:
        energy, mu, numbers = energy[::-1], mu[::-1], numbers[::-1]
    steps = np.diff(energy)
    if (steps < 0).any():
        back = int(np.argmax(steps < 0))
        reason = (
            f"{energy[back + 1]:.10g} {units} follows {energy[back]:.10g}: the scan "
            "does not increase."
        )
        typical = np.median(np.abs(steps))
        if steps.min() < -JITTER * typical or np.mean(steps < 0) > JITTERING_SHARE:
            raise MalformedFile(
                path,
                numbers[back + 1],
                f"{reason} Sort its rows, or split scans that were joined.",
            )
        _logger.warning("%s, line %s: %s Sorted.", path, numbers[back + 1], reason)
        order = np.argsort(energy, kind="stable")
        energy, mu = energy[order], mu[order]
    different, first, counts = np.unique(energy, return_index=True, return_counts=True)
    if len(different) < len(energy):
        _logger.warning(
            "%s: %d points repeat the energy of the one before; they were averaged.",
            path,
            len(energy) - len(different),
        )
        mu = np.add.reduceat(mu, first) / counts
        energy = different
    if len(energy) < 2:
        raise MalformedFile(path, None, "all points have the same energy.")
    return energy, mu


def absorption_of(
    path: str, columns: Mapping[str, np.ndarray], column: str | None = None
) -> tuple[np.ndarray, str]:
    """Absorption from named columns, as recorded or computed from counts.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    columns : dict of str to numpy.ndarray
        Columns of the file; names in lower case.
    column : str, optional
        Column of the file to take, or "transmission", "fluorescence" or "reference"
        to compute it from counts. Default: the first that the columns allow.

    Returns
    -------
    mu : numpy.ndarray
        Absorption; NaN where nothing was counted.
    name : str
        Column, or kind of counts, that it is from.

    Raises
    ------
    MalformedFile
        If the columns do not allow any absorption, or not the one asked for.
    """

    def first(names: Iterable[str]) -> np.ndarray:
        # Without such a column the name "" raises a KeyError.
        return columns[next((name for name in names if name in columns), "")]

    computed: dict[str, Callable[[], np.ndarray]] = {
        "transmission": lambda: log_ratio(first(INCOMING), first(TRANSMITTED)),
        "fluorescence": lambda: ratio(first(FLUORESCENCE), first(INCOMING)),
        "reference": lambda: log_ratio(first(TRANSMITTED), first(REFERENCE)),
    }
    for name in [column.lower()] if column else [*ABSORPTION, *computed]:
        if name in columns:
            return columns[name], name
        if name in computed:
            try:
                return computed[name](), name
            except KeyError:
                continue
    raise MalformedFile(
        path,
        None,
        f"no {column or 'absorption'} among the columns {', '.join(columns)}. Expected "
        f"mutrans or mufluor, or counts to make it from: i0 with itrans or ifluor. "
        "Choose with column=.",
    )


def log_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Logarithm of a ratio of counts, NaN where one of them is not positive.

    Parameters
    ----------
    before, after : numpy.ndarray
        Counts before and after the sample.

    Returns
    -------
    numpy.ndarray
        Absorption ln(before / after).
    """
    good = (before > 0) & (after > 0)
    return np.log(np.where(good, before, np.nan) / np.where(good, after, np.nan))


def ratio(counts: np.ndarray, incoming: np.ndarray) -> np.ndarray:
    """Counts over the incoming intensity, NaN where that is not positive.

    Parameters
    ----------
    counts, incoming : numpy.ndarray
        Counts of the detector and of the incoming beam.

    Returns
    -------
    numpy.ndarray
        Absorption counts / incoming.
    """
    return counts / np.where(incoming > 0, incoming, np.nan)


def metadata_of(families: Families) -> dict[str, Any]:
    """HyperSpy's metadata from the fields of XDI.

    Parameters
    ----------
    families : dict of dict of str
        Fields by family, as ``{"Element": {"symbol": "Cu", "edge": "K"}}``.

    Returns
    -------
    dict
        Metadata with ``Sample`` for the sample and ``Acquisition_instrument.XAS`` for
        the rest.
    """
    instrument = {
        family: {key: number_of(value, value) for key, value in fields.items()}
        for family, fields in families.items()
        if family in ("Element", "Mono", "Beamline", "Facility", "Detector", "Scan")
    }
    sample: dict[str, Any] = dict(families.get("Sample", {}))
    symbol = families.get("Element", {}).get("symbol")
    if symbol:
        sample["elements"] = [symbol]
    metadata: dict[str, Any] = {}
    if instrument:
        metadata["Acquisition_instrument"] = {"XAS": instrument}
    if sample:
        metadata["Sample"] = sample
    date, _, time = families.get("Scan", {}).get("start_time", "").partition("T")
    if time:
        metadata["General"] = {"date": date, "time": time}
    return metadata


def number_of(value: Any, otherwise: Any = None) -> Any:
    """Number that a text or another value stands for.

    Parameters
    ----------
    value : object
        Value to convert.
    otherwise : object, default None
        What is returned for a value that is no number.

    Returns
    -------
    float or object
        The number, or ``otherwise``.
    """
    try:
        return float(value)
    except (TypeError, ValueError):
        return otherwise
