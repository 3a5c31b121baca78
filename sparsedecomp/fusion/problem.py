"""What a fusion solver is given, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.subspace import Subspace

# Smallest singular value of the guide's bands that is whitened, over the largest.
_LEAST = 0.03


@dataclass(frozen=True, eq=False)
class Problem:
    """Coarse coefficients, a guide, and the degradation between the two grids.

    Attributes
    ----------
    subspace : Subspace
        The coarse cube on a few spectra.
    guide : (H, W, m) array
        Bands of the guide.
    degradation : Degradation
        From the fine grid to the coarse one.
    mask : (h, w) bool array, optional
        True for coarse pixels where the guide is not trusted.
    """

    subspace: Subspace
    guide: NDArray
    degradation: Degradation
    mask: NDArray | None = None

    @property
    def maps(self) -> NDArray:
        """Coefficients of the coarse pixels, (h, w, p)."""
        return self.subspace.maps

    @cached_property
    def flat(self) -> NDArray:
        """Coefficients, a row for each coarse pixel."""
        return self.maps.reshape(-1, self.maps.shape[-1])

    @cached_property
    def scale(self) -> NDArray:
        """Standard deviation of each coefficient over the coarse pixels."""
        return np.maximum(self.flat.std(axis=0), 1e-300)

    @cached_property
    def noise(self) -> NDArray:
        """Variance of the noise of the coarse pixels, flat."""
        return self.subspace.variance.ravel()

    @cached_property
    def coarse_guide(self) -> NDArray:
        """The guide as the coarse grid sees it, a row for each coarse pixel."""
        m = self.guide.shape[-1]
        return self.degradation.forward(self.guide).reshape(-1, m)

    @cached_property
    def trusted(self) -> NDArray:
        """Numbers of the coarse pixels where the guide is trusted."""
        if self.mask is None:
            return np.arange(self.flat.shape[0])
        return np.flatnonzero(~self.mask.ravel())

    @cached_property
    def whitening(self) -> tuple[NDArray, NDArray]:
        """Offset and matrix that decorrelate the bands of the guide.

        Directions in which the bands hardly vary are raised less, since there they are
        mostly noise.
        """
        coarse = self.coarse_guide[self.trusted]
        mean, spread = coarse.mean(axis=0), coarse.std(axis=0) + 1e-300
        unit = (coarse - mean) / spread / np.sqrt(len(coarse))
        _, s, axes = np.linalg.svd(unit, full_matrices=False)
        turn = axes.T / np.maximum(s, _LEAST * s[0])
        return mean, turn / spread[:, None]

    def whitened(self, guide: NDArray) -> NDArray:
        """Decorrelate the bands of a guide, with unit variance on the coarse grid.

        Parameters
        ----------
        guide : (H, W, m) array
            The guide, or the same with other noise.

        Returns
        -------
        (H, W, m) array
            Decorrelated bands.
        """
        mean, turn = self.whitening
        return (guide - mean) @ turn

    def with_degradation(self, degradation: Degradation) -> Problem:
        """The same cube and guide with another degradation.

        Parameters
        ----------
        degradation : Degradation
            The other degradation.

        Returns
        -------
        Problem
            Problem with this degradation.
        """
        return replace(self, degradation=degradation)


@dataclass(frozen=True, eq=False)
class Solution:
    """Fine coefficients, and what is known of their errors.

    Attributes
    ----------
    maps : (H, W, p) array
        Coefficients on the fine grid.
    variance : (H, W, p) array, optional
        Variance of their errors; None where the solver has no model of them.
    held_out : float
        Root mean square error of coarse pixels that are left out one by one, in units
        of their noise; NaN where the solver does not predict any.
    evidence : float
        Logarithm of the probability of the coarse coefficients; NaN where there is no
        such model.
    details : dict of str to object
        Further figures of the solver.
    """

    maps: NDArray
    variance: NDArray | None = None
    held_out: float = float("nan")
    evidence: float = float("nan")
    details: dict[str, Any] = field(default_factory=dict)
