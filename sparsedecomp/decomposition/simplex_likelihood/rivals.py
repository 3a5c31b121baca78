"""Local maxima of the likelihood that are other answers to the same data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.decomposition.simplex_likelihood.face_mixture import Fit
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import PixelCloud
from sparsedecomp.metrics import match_components

# Ends of two climbs agree within these nats and degrees; farther apart, more starts
# are tried. A rival is another answer, not the same one again, from this angle on, and
# is not excluded below this many standard deviations (Vuong's test; with three, every
# second answer of few channels that is right to a degree has a rival, see the
# benchmark "trust").
_SAME_NATS, _SAME_DEGREES = 2.0, 1.0
_RIVAL_DEGREES, _RIVAL_SIGMAS = 3.0, 2.0


class UndeterminedWarning(UserWarning):
    """Data do not decide between answers that differ."""


@dataclass(frozen=True)
class Rival:
    """Another answer that the data do not exclude.

    Attributes
    ----------
    spectra : (k, n_channels) array
        Its spectra, each matched with the component of the same number.
    angle : float
        Largest spectral angle to the answer that is reported, in degrees.
    difference : float
        By how many nats it is less likely.
    standard_deviation : float
        Standard deviation of that difference, from its spread over the pixels.
    """

    spectra: NDArray[np.floating]
    angle: float
    difference: float
    standard_deviation: float


def largest_angle(cloud: PixelCloud, one: Fit, other: Fit) -> float:
    """Largest spectral angle in degrees between the spectra of two simplices."""
    a, b = cloud.spectra(one.vertices), cloud.spectra(other.vertices)
    return float(match_components(a, b)[2].max())


def agree(cloud: PixelCloud, one: Fit, other: Fit) -> bool:
    """Whether two local maxima are the same answer."""
    near = abs(one.objective - other.objective) <= _SAME_NATS
    return near and largest_angle(cloud, one, other) <= _SAME_DEGREES


def rivals_of(cloud: PixelCloud, best: Fit, ends: list[Fit]) -> list[Rival]:
    """Ends far from the best one that its likelihood does not exclude."""
    rivals: list[Rival] = []
    S = cloud.spectra(best.vertices)
    for end in ends:
        difference = best.objective - end.objective
        each = best.log_likelihood - end.log_likelihood
        mean = (cloud.weight @ each) / cloud.weight.sum()
        spread = float(np.sqrt(np.square(cloud.weight * (each - mean)).sum()))
        other = cloud.spectra(end.vertices)
        _, order, angles = match_components(S, other)
        angle = float(angles.max())
        if angle > _RIVAL_DEGREES and difference < _RIVAL_SIGMAS * spread:
            rivals.append(Rival(other[order], angle, float(difference), spread))
    return rivals


def is_known(cloud: PixelCloud, vertices: NDArray[np.float64], ends: list[Fit]) -> bool:
    """Whether vertices are less than a degree from those of a known maximum."""
    spectra = cloud.spectra(vertices)
    return any(
        match_components(spectra, cloud.spectra(end.vertices))[2].max() < _SAME_DEGREES
        for end in ends
    )
