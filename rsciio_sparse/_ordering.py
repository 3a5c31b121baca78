"""Order of the energies of a scan: direction, repetitions, and jitter."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from rsciio_sparse._text import MalformedFile

_logger = logging.getLogger(__name__)

JITTER = 3.0
"""Largest step back, in median steps, that is taken for jitter of the monochromator.

A larger value sorts scans that were joined, a smaller one refuses jittery scans.
"""

JITTERING_SHARE = 0.05
"""Largest share of the steps of a scan that may go back; more are no jitter."""

QUICK_POINTS = 100
"""Fewest points of a quick scan, whose energies jitter more."""

QUICK_BACK = 0.005
"""Largest way back of a quick scan as a share of its range; joined scans go further."""

QUICK_BACK_EV = 3.0
"""The same in eV: encoders jitter by tenths of an eV."""

SMOOTH = 11
"""Points over which the way of a quick scan is averaged to measure its jitter."""


def ordered(
    path: str,
    energy: np.ndarray,
    mu: np.ndarray,
    line_numbers: Sequence[int | None] | None,
    units: str = "eV",
) -> tuple[np.ndarray, np.ndarray]:
    """Order a spectrum by increasing energy.

    A scan from high to low energies is reversed, points of equal energy are averaged,
    and the jitter of a monochromator is sorted. Quick scans, whose encoder jitters by
    more than a step, are averaged in bins as wide as the jitter. All that is logged.

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
            if _is_quick_scan(energy):
                return _rebinned(path, energy, mu)
            raise MalformedFile(
                path,
                numbers[back + 1],
                f"{reason} Sort its rows, or split scans that were joined.",
            )
        line = f", line {numbers[back + 1]}" if numbers[back + 1] else ""
        _logger.warning("%s%s: %s Sorted.", path, line, reason)
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


def _is_quick_scan(energy: np.ndarray) -> bool:
    """Whether energies rise but for jitter that is small against their range."""
    if len(energy) < QUICK_POINTS:
        return False
    back = np.max(np.maximum.accumulate(energy) - energy)
    return bool(back <= min(QUICK_BACK * np.ptp(energy), QUICK_BACK_EV))


def _rebinned(
    path: str, energy: np.ndarray, mu: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average a quick scan in bins as wide as a step, or as its jitter."""
    # The mean over neighbours is free of jitter; its ends are left out.
    way = np.convolve(energy, np.full(SMOOTH, 1 / SMOOTH), mode="valid")
    half = SMOOTH // 2
    # A point is part of its mean, which makes the distance from it smaller.
    own = np.sqrt(1 - 1 / SMOOTH)
    jitter = 1.4826 * np.median(np.abs(energy[half:-half] - way)) / own
    width = max(np.ptp(energy) / (len(energy) - 1), 2 * jitter)
    places = ((energy - energy.min()) / width).astype(int)
    used, members = np.unique(places, return_inverse=True)
    good = np.isfinite(mu)
    count = np.bincount(members, minlength=len(used))
    counted = np.bincount(members, weights=good, minlength=len(used))
    total = np.bincount(members, weights=np.where(good, mu, 0), minlength=len(used))
    mean = np.bincount(members, weights=energy, minlength=len(used)) / count
    _logger.warning(
        "%s: the energies jitter by %.2g eV; %d points were averaged in %d bins of "
        "%.2g eV.",
        path,
        jitter,
        len(energy),
        len(used),
        width,
    )
    return mean, total / np.where(counted > 0, counted, np.nan)
