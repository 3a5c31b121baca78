"""Search for shells in the mean spectrum of an image, and what limits the result."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..theory.feff_basis import FeffBasis
from .coordinates import Coordinates
from .grid_columns import BEYOND
from .map_refinement import ShellFit
from .model import PER_SHELL, ShellModel
from .model_average import distinct
from .pixel_moments import PixelMoments
from .search import search_shells

if TYPE_CHECKING:
    from .sparse_fit import SparseEXAFS

_logger = logging.getLogger(__name__)

STANDS_OUT = 3.0
"""Root mean square of the mean spectrum over that of its noise, from which it holds at
least one shell."""

NO_SHELL = (
    "No shell was found: within the ranges of k and R the mean signal is not told from "
    "noise and errors of the theory. Look at chi(R), the background and the elements "
    "of the basis."
)
"""Note of a fit without shells."""

NOT_MORE_PROBABLE = (
    "The signal stands above the noise, but no set of shells is more probable than "
    "none: the shells that are listed are the most probable ones, and not determined."
)
"""Note of a fit whose shells are kept since there must be some."""

SHORT = 7.0
"""Length of a range of k, in 1/angstrom, below which pairs of shells such as the first
two of bcc metals are not resolved."""


class MeanSearch(NamedTuple):
    """Shells of a mean spectrum.

    Attributes
    ----------
    model : ShellModel
        Model of the spectrum.
    coordinates : (n,) array
        Its coordinates.
    fit : ShellFit
        Shells of the largest evidence.
    alternatives : list of ShellFit
        Other fits that the search visited.
    """

    model: ShellModel
    coordinates: np.ndarray
    fit: ShellFit
    alternatives: list[ShellFit]


def search_mean(
    estimator: SparseEXAFS,
    basis: FeffBasis,
    coordinates: Coordinates,
    moments: PixelMoments,
) -> MeanSearch:
    """Search for the shells of the mean spectrum.

    Parameters
    ----------
    estimator : SparseEXAFS
        Estimator with its prior, ranges and noise.
    basis : FeffBasis
        EXAFS of one atom.
    coordinates : Coordinates
        Window of k and R, with the noise of the mean.
    moments : PixelMoments
        Moments of the spectra.

    Returns
    -------
    MeanSearch
        Model, coordinates and shells.
    """
    model = ShellModel(
        basis.channels, coordinates, estimator.rmax + BEYOND, estimator.prior_
    )
    y = coordinates.project(moments.mean)
    # Every shell has four parameters, and the spectrum two of its own.
    most = max(int((independent_points(coordinates) - 2) / PER_SHELL), 1)
    alternatives: list[ShellFit] = []
    fit = search_shells(
        model,
        y,
        max_shells=min(estimator.max_shells, most),
        needed=bool(np.mean(y**2) > STANDS_OUT**2 * coordinates.white),
        alternatives=alternatives,
    )
    n_shells = len(fit.channel_index)
    _logger.info("mean spectrum: %d shells, E0 %.2f", n_shells, fit.p[0])
    return MeanSearch(model, y, fit, distinct(alternatives, fit.log_evidence))


def independent_points(coordinates: Coordinates) -> float:
    """Number of independent points, 2 dk dR / pi, of a window."""
    k, r = np.diff(coordinates.k_range)[0], np.diff(coordinates.r_range)[0]
    return float(2 * k * r / np.pi)


def notes_of(estimator: SparseEXAFS) -> list[str]:
    """What limits a fit.

    Parameters
    ----------
    estimator : SparseEXAFS
        Fitted estimator.

    Returns
    -------
    list of str
        Notes; empty if nothing limits the fit.
    """
    fit, model = estimator.mean_fit_, estimator.model_
    if fit is None or model is None:
        return [] if len(estimator.shells_.r) else [NO_SHELL]
    if not len(fit.channel_index):
        return [NO_SHELL]
    notes = []
    others = [f for f in estimator.alternatives_ if not len(f.channel_index)]
    if any(other.log_evidence >= fit.log_evidence for other in others):
        notes.append(NOT_MORE_PROBABLE)
    low, high = estimator.k_range_
    if high - low < SHORT:
        points = independent_points(estimator.coordinates_)
        notes.append(
            f"k = {low:g} to {high:g} 1/angstrom holds {points:.0f} independent "
            f"points: shells closer than {model.resolution:.2f} angstrom are fitted as "
            "one, and N is their sum over that range. Shells with the flag 'not "
            "determined' have other explanations."
        )
    return notes
