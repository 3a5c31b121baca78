"""What the readers of absorption spectra share: order of energies, mu from columns."""

import logging
from pathlib import Path

import numpy as np

from rsciio_sparse._text import MalformedFile

_logger = logging.getLogger(__name__)

HC = 12398.419843320026
"""Planck's constant times the speed of light, in eV angstrom."""

ABSORPTION = ("mutrans", "mu", "xmu", "normtrans", "norm", "mufluor", "normfluor")
"""Columns that hold mu(E), the best first."""

INCOMING = ("i0", "imonitor", "monitor")
TRANSMITTED = ("itrans", "it", "i1")
FLUORESCENCE = ("ifluor", "if")
REFERENCE = ("irefer", "iref", "i2")

JITTER = 3.0
"""Steps back of at most so many median steps are jitter of the monochromator."""

SHARE = 0.05
"""Of the points of a scan that may step back."""


def spectrum(path, energy, mu, numbers, title, metadata, original, **kind):
    """Describe one spectrum as RosettaSciIO does.

    Parameters
    ----------
    path : str
    energy, mu : numpy.ndarray of shape (n,)
        Energies in eV, or wavenumbers.
    numbers : list of int or None
        Line of each point.
    title : str
    metadata, original : dict
    **kind
        ``name``, ``units``, ``signal_type`` and ``quantity`` where they are not those
        of mu(E).

    Returns
    -------
    dict

    Raises
    ------
    MalformedFile
        If the energies are not finite, or go back.
    """
    kind = {
        "name": "Energy",
        "units": "eV",
        "signal_type": "XAS",
        "quantity": "Absorption",
        **kind,
    }
    energy, mu = ordered(path, energy, mu, numbers, kind["units"])
    metadata = {**metadata}
    metadata["General"] = {
        "title": title or Path(path).stem,
        "original_filename": Path(path).name,
        **metadata.get("General", {}),
    }
    metadata["Signal"] = {
        "signal_type": kind["signal_type"],
        "quantity": kind["quantity"],
    }
    return {
        "data": mu,
        "axes": [axis_of(energy, kind["name"], kind["units"])],
        "metadata": metadata,
        "original_metadata": original,
    }


def axis_of(values, name, units):
    """Describe a signal axis: uniform if its points are, else as they are.

    Parameters
    ----------
    values : numpy.ndarray of shape (n,)
    name, units : str

    Returns
    -------
    dict
    """
    step = (values[-1] - values[0]) / (len(values) - 1)
    # Rounding to the digits that a file holds is no unevenness. Energies are kept as
    # they are, chi(k) was put on an even grid.
    tolerance = 1e-6 if units == "eV" else 2e-3
    even = np.abs(np.diff(values) - step).max() < tolerance * abs(step)
    common = {"name": name, "units": units, "navigate": False}
    if even:
        place = {"offset": values[0], "scale": step, "size": len(values)}
        return {"_type": "UniformDataAxis", **common, **place}
    return {"_type": "DataAxis", **common, "axis": values}


def ordered(path, energy, mu, numbers, units="eV"):
    """Energies that increase, and mu with them.

    A scan that runs down is turned round, points of equal energy are averaged, and
    the jitter of a monochromator is sorted; the last two are logged.

    Parameters
    ----------
    path : str
    energy, mu : numpy.ndarray of shape (n,)
    numbers : list of int or None
        Line of each point.
    units : str
        For messages.

    Returns
    -------
    energy, mu : numpy.ndarray

    Raises
    ------
    MalformedFile
        If an energy is not finite, or a scan goes back by more than jitter.
    """
    numbers = numbers or [None] * len(energy)
    finite = np.isfinite(energy)
    if not finite.all():
        place = int(np.argmin(finite))
        raise MalformedFile(path, numbers[place], f"the energy is {energy[place]}.")
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
        if steps.min() < -JITTER * typical or np.mean(steps < 0) > SHARE:
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


def absorption_of(path, columns, column=None):
    """Absorption from named columns: as recorded, or from counts.

    Parameters
    ----------
    path : str
    columns : dict of str to numpy.ndarray
        Names in lower case.
    column : str, optional
        Which: a column of the file, "transmission", "fluorescence" or "reference". By
        default the first of these that can be had.

    Returns
    -------
    mu : numpy.ndarray
        NaN where nothing was counted.
    name : str

    Raises
    ------
    MalformedFile
        If no absorption can be made of the columns, or not the one asked for.
    """
    incoming = _first(columns, INCOMING)
    transmitted = _first(columns, TRANSMITTED)
    made = {
        "transmission": lambda: log_ratio(columns[incoming], columns[transmitted]),
        "fluorescence": lambda: ratio(
            columns[_first(columns, FLUORESCENCE)], columns[incoming]
        ),
        "reference": lambda: log_ratio(
            columns[transmitted], columns[_first(columns, REFERENCE)]
        ),
    }
    wanted = [column.lower()] if column else [*ABSORPTION, *made]
    for name in wanted:
        if name in columns:
            return columns[name], name
        if name in made:
            try:
                return made[name](), name
            except KeyError:
                continue
    raise MalformedFile(
        path,
        None,
        f"no {column or 'absorption'} among the columns {', '.join(columns)}. Expected "
        f"mutrans or mufluor, or counts to make it from: i0 with itrans or ifluor. "
        "Choose with column=.",
    )


def log_ratio(before, after):
    """Logarithm of a ratio of counts, NaN where one of them is not positive.

    Parameters
    ----------
    before, after : numpy.ndarray

    Returns
    -------
    numpy.ndarray
        ln(before / after).
    """
    good = (before > 0) & (after > 0)
    return np.log(np.where(good, before, np.nan) / np.where(good, after, np.nan))


def ratio(counts, incoming):
    """Counts over the incoming intensity, NaN where that is not positive.

    Parameters
    ----------
    counts, incoming : numpy.ndarray

    Returns
    -------
    numpy.ndarray
    """
    return counts / np.where(incoming > 0, incoming, np.nan)


def metadata_of(families):
    """HyperSpy's metadata from the fields of XDI.

    Parameters
    ----------
    families : dict of dict of str
        As ``{"Element": {"symbol": "Cu", "edge": "K"}}``.

    Returns
    -------
    dict
        ``Sample`` for the sample, ``Acquisition_instrument.XAS`` for the rest.
    """
    instrument = {
        family: {key: _number(value) for key, value in fields.items()}
        for family, fields in families.items()
        if family in ("Element", "Mono", "Beamline", "Facility", "Detector", "Scan")
    }
    sample = {key: value for key, value in families.get("Sample", {}).items()}
    symbol = families.get("Element", {}).get("symbol")
    if symbol:
        sample["elements"] = [symbol]
    metadata = {}
    if instrument:
        metadata["Acquisition_instrument"] = {"XAS": instrument}
    if sample:
        metadata["Sample"] = sample
    date, _, time = families.get("Scan", {}).get("start_time", "").partition("T")
    if time:
        metadata["General"] = {"date": date, "time": time}
    return metadata


def _first(columns, names):
    return next((name for name in names if name in columns), None)


def _number(value):
    try:
        return float(value)
    except ValueError:
        return value
