"""What the columns of a scan are: energy, absorption, counts of which detector."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

import numpy as np

from rsciio_sparse._expressions import evaluate
from rsciio_sparse._labels import (
    Columns,
    emission_line,
    fluorescence_labels,
    labels_of_role,
    number_of_element,
    plain,
)
from rsciio_sparse._text import MalformedFile

_logger = logging.getLogger(__name__)

ABSORPTION = re.compile(
    r"mutrans|mu|xmu|mu_?t|mu_trans|mu\(e\)|mu_?01|normtrans|norm|mufluor|mu_?f|"
    r"normfluor|abs(?:orption|orbance)?|<?xanes>?"
)
"""Labels of recorded absorption. Of several, the first of `PREFERRED` is taken."""

LOGARITHMS = ("mu01", "mu_01")
"""Labels of ln(I0 / I1), which beamlines record for fluorescence scans, too."""

PREFERRED = ("mutrans", "mu", "xmu", "normtrans", "norm", "mufluor", "normfluor")

DEAD_TIME = re.compile(r"dt_?(?:c_?)?factor\D*(\d+)|dead_?time_?factor\D*(\d+)", re.I)

CLEARER = 3.0
"""Fluorescence is taken if its edge stands this much clearer above its noise than that
in transmission. A smaller value takes it for concentrated samples, too, whose
fluorescence is attenuated by themselves."""

CLEAR = 6.0
"""Standard deviations of the noise above which a rise is an edge."""

WINDOW = 8
"""Points before and after an energy whose means are compared."""


def absorption_of(
    path: str,
    columns: Columns,
    column: str | None = None,
    dead_time: bool = False,
    energy: np.ndarray | None = None,
) -> tuple[np.ndarray, str]:
    """Absorption from named columns, as recorded or computed from counts.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    columns : dict of str to numpy.ndarray
        Columns of the file, in their order.
    column : str, optional
        Label of a column, an expression of labels such as "sum(Fe_Ka_mca*) / I0" (see
        `rsciio_sparse._expressions.evaluate`), or "transmission", "fluorescence" or
        "reference" to compute it from counts. By default mu as recorded; else the
        transmission, or the fluorescence where its edge is much clearer.
    dead_time : bool
        Whether the counts of each element of a fluorescence detector are multiplied
        by its column of dead-time factors.
    energy : numpy.ndarray, optional
        Energies, if they are not in increasing order.

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
    computed: dict[str, Callable[[], np.ndarray | None]] = {
        "transmission": lambda: _log_ratio_of(columns, "i0", "itrans"),
        "fluorescence": lambda: fluorescence_of(path, columns, dead_time),
        "reference": lambda: _log_ratio_of(columns, "itrans", "irefer"),
    }
    if column is not None:
        chosen = _chosen(path, columns, column, computed)
        if chosen is None:
            raise MalformedFile(path, None, _question(columns, column))
        return chosen
    recorded = _recorded(columns)
    if recorded is not None and plain(recorded) not in LOGARITHMS:
        return columns[recorded], recorded
    kinds = {name: made() for name, made in computed.items()}
    if recorded is not None:
        kinds["transmission"] = columns[recorded]
    available = {name: mu for name, mu in kinds.items() if mu is not None}
    name = _clearest(path, available, emission_line(columns) is not None, energy)
    if name is None:
        raise MalformedFile(path, None, _question(columns, None))
    label = recorded if name == "transmission" and recorded else name
    return available[name], label


def fluorescence_of(
    path: str, columns: Columns, dead_time: bool = False
) -> np.ndarray | None:
    """Sum of the counts of a fluorescence detector over the incoming intensity.

    Parameters
    ----------
    path : str
        Name of the file, for messages.
    columns : dict of str to numpy.ndarray
        Columns of the file.
    dead_time : bool
        Whether each element is multiplied by its column of dead-time factors.

    Returns
    -------
    numpy.ndarray or None
        Absorption; None if the columns do not allow it.

    Raises
    ------
    MalformedFile
        If dead times should be corrected, and an element has no column of factors.
    """
    labels = fluorescence_labels(columns)
    incoming = _first(columns, "i0")
    if not labels or incoming is None:
        return None
    factors = {}
    if dead_time:
        found = {label: DEAD_TIME.search(label) for label in columns}
        factors = {m[1] or m[2]: columns[label] for label, m in found.items() if m}
        missing = [label for label in labels if number_of_element(label) not in factors]
        if missing:
            raise MalformedFile(
                path,
                None,
                f"no column of dead-time factors for {', '.join(missing)}: leave out "
                "dead_time, or give the absorption as an expression of columns.",
            )
    counts = sum(
        columns[label] * factors.get(number_of_element(label), 1.0) for label in labels
    )
    return ratio(np.asarray(counts), incoming)


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


def clarity(mu: np.ndarray) -> float:
    """Height of the steepest rise of a spectrum over its noise.

    Parameters
    ----------
    mu : numpy.ndarray of shape (n,)
        Absorption at increasing energies.

    Returns
    -------
    float
        Rise between the means of `WINDOW` points before and after an energy, in
        standard deviations of the noise; zero for few points.
    """
    mu = mu[np.isfinite(mu)]
    if len(mu) < 4 * WINDOW:
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(mu)])
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    rise = np.max(means[WINDOW:] - means[:-WINDOW])
    # Second differences of white noise have six times its variance.
    noise = 1.4826 * np.median(np.abs(np.diff(mu, 2))) / np.sqrt(6.0)
    rounding = np.finfo(float).eps * np.abs(mu).max()
    return float(rise / max(noise, rounding, np.finfo(float).tiny))


def _chosen(
    path: str,
    columns: Columns,
    column: str,
    computed: Mapping[str, Callable[[], np.ndarray | None]],
) -> tuple[np.ndarray, str] | None:
    for name in (column, column.lower()):
        if name in columns:
            return columns[name], name
        if name in computed:
            mu = computed[name]()
            return None if mu is None else (mu, name)
    if re.fullmatch(r"\w+", column) and column.lower() not in map(str.lower, columns):
        return None
    try:
        return evaluate(column, columns), column
    except ValueError as error:
        raise MalformedFile(path, None, f"column={column!r}: {error}.") from None


def _recorded(columns: Columns) -> str | None:
    """Label of the absorption that the file holds."""
    found = [label for label in columns if ABSORPTION.fullmatch(plain(label))]
    for name in PREFERRED:
        for label in found:
            if plain(label) == name:
                return label
    return found[0] if found else None


def _clearest(
    path: str,
    available: Mapping[str, np.ndarray],
    has_line: bool,
    energy: np.ndarray | None,
) -> str | None:
    """Kind of absorption to take: transmission unless fluorescence is much clearer."""
    if "fluorescence" not in available or "transmission" not in available:
        return next(iter(available), None)
    order = slice(None) if energy is None else np.argsort(energy, kind="stable")
    transmitted, emitted = (
        clarity(available[name][order]) for name in ("transmission", "fluorescence")
    )
    name, other, reason = "transmission", "fluorescence", ""
    if emitted > CLEAR and emitted > CLEARER * transmitted:
        reason = ", whose edge is much clearer"
    elif has_line and 0 < transmitted < CLEAR:
        reason = ", since there is no edge in transmission"
    if reason:
        name, other = other, name
    elif max(transmitted, emitted) < CLEAR:
        reason = ", but neither shows an edge"
    _logger.warning(
        "%s holds transmission and fluorescence: %s was taken%s. Choose with "
        "column='%s'.",
        path,
        name,
        reason,
        other,
    )
    return name


def _log_ratio_of(columns: Columns, before: str, after: str) -> np.ndarray | None:
    first, second = _first(columns, before), _first(columns, after)
    return None if first is None or second is None else log_ratio(first, second)


def _question(columns: Columns, column: str | None) -> str:
    """The question that only the user can answer: which columns hold the counts?"""
    labels = list(columns)
    shown = ", ".join(labels[:40]) + (", ..." if len(labels) > 40 else "")
    return (
        f"no {column or 'absorption'} among the columns {shown}. Expected mutrans or "
        "mufluor, or counts to make it from: i0 with itrans or ifluor. Choose with "
        "column=, by a label or by an expression such as column='ln($2 / $3)' or "
        "column='$4 / $2', where $2 is the second column."
    )


def _first(columns: Columns, role: str) -> np.ndarray | None:
    labels = labels_of_role(columns, role)
    return columns[labels[0]] if labels else None
