"""Common parts of the readers of spectra: order of energies, absorption, metadata."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rsciio_sparse._edges import edges_near
from rsciio_sparse._ordering import ordered

Families = dict[str, dict[str, str]]
"""Fields of XDI by family, as ``{"Element": {"symbol": "Cu", "edge": "K"}}``."""

_logger = logging.getLogger(__name__)

UNITS_OF_ENERGY = {"ev": 1.0, "kev": 1000.0, "": 1.0}
"""Energy in eV of one of each unit, in small letters."""

HC = 12398.419843320026
"""Planck's constant times the speed of light, in eV angstrom."""

NEAR = 30.0
"""Distance in eV within which edges are named to the user."""


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


def question_about_element(
    path: str, energy: np.ndarray, mu: np.ndarray, families: Families
) -> None:
    """Log what the file does not say about the edge, and what it may be.

    Parameters
    ----------
    path : str
        Name of the file.
    energy, mu : numpy.ndarray of shape (n,)
        Energies in eV, and absorption.
    families : dict of dict of str
        Fields of XDI by family.
    """
    element = families.get("Element", {})
    missing = [key for key in ("symbol", "edge") if not element.get(key)]
    if not missing:
        return
    order = np.argsort(energy, kind="stable")
    with np.errstate(all="ignore"):
        rise = np.gradient(mu[order], energy[order])
    guess = ""
    if np.isfinite(rise).any():
        e0 = energy[order][int(np.nanargmax(np.where(np.isfinite(rise), rise, np.nan)))]
        near = [f"{symbol} {edge}" for symbol, edge in edges_near(e0, NEAR)[:3]]
        if near:
            guess = f" The steepest rise, at {e0:.6g} eV, is near {', '.join(near)}."
    _logger.warning(
        "%s does not say Element.%s: set_edge of the signal adds it.%s",
        path,
        " and Element.".join(missing),
        guess,
    )


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
    except (TypeError, ValueError, OverflowError):
        return otherwise
