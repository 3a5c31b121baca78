"""What the fits that a search visited say together: which shells are determined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .map_refinement import ShellFit
from .model import ShellModel

# Fits whose log evidence is lower by more than this do not count.
_NEGLIGIBLE = 8.0
# Fits whose log evidences agree to this and that have the same shells are one.
_SAME = 0.2


def distinct(fits: Sequence[ShellFit], best: float) -> list[ShellFit]:
    """Fits that differ, and that are not far less probable than the best one.

    Parameters
    ----------
    fits : sequence of ShellFit
        Fits of one spectrum.
    best : float
        Log evidence of the best one.

    Returns
    -------
    list of ShellFit
        Those that count.
    """
    kept: dict[tuple, ShellFit] = {}
    for fit in fits:
        if best - fit.log_evidence < _NEGLIGIBLE:
            labels = tuple(sorted(fit.channel_index.tolist()))
            kept.setdefault((labels, round(fit.log_evidence / _SAME)), fit)
    return list(kept.values())


def probabilities(
    model: ShellModel, fit: ShellFit, alternatives: Sequence[ShellFit]
) -> np.ndarray:
    """Probability of each shell of a fit among its alternatives.

    A fit has the shell if it has one of its element within the resolution
    pi / (2 dk). The search visits few fits: a probability near one says that it found
    no other explanation, a small one that there is another.

    Parameters
    ----------
    model : ShellModel
        Model of the spectrum.
    fit : ShellFit
        Shells.
    alternatives : sequence of ShellFit
        Other fits; those with infinite evidence are ignored.

    Returns
    -------
    (K,) array
        Probabilities; NaN without alternatives.
    """
    r, elements = model.shells(fit.p)[0], _elements(model, fit)
    if not alternatives:
        return np.full(len(r), np.nan)
    others = distinct([fit, *alternatives], fit.log_evidence)
    best = max(other.log_evidence for other in others)
    weights = np.exp([other.log_evidence - best for other in others])
    has = np.zeros((len(others), len(r)))
    for row, other in zip(has, others, strict=True):
        at, of = model.shells(other.p)[0], _elements(model, other)
        near = np.abs(np.subtract.outer(r, at)) < model.resolution
        row[:] = np.any(near & (elements[:, None] == of), axis=1)
    return weights @ has / weights.sum()


def _elements(model: ShellModel, fit: ShellFit) -> np.ndarray:
    """Element of each shell."""
    return np.array([model.channels[i].element for i in fit.channel_index])
