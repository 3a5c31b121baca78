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
    """

    model: ShellModel
    coordinates: np.ndarray
    fit: ShellFit


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
    fit = search_shells(
        model,
        y,
        max_shells=min(estimator.max_shells, most),
        needed=bool(np.mean(y**2) > STANDS_OUT**2 * coordinates.white),
    )
    n_shells = len(fit.channel_index)
    _logger.info("mean spectrum: %d shells, E0 %.2f", n_shells, fit.p[0])
    return MeanSearch(model, y, fit)


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
    fit = estimator.mean_fit_
    shells = estimator.shells_.r if fit is None else fit.channel_index
    return [] if len(shells) else [NO_SHELL]
