"""How many atoms fit into a shell: atoms do not come closer than their size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..theory.channels import Channel
from ..theory.elements import bond_length

# Atoms of one element on a sphere of radius R, at distances d or more from each other,
# are at most 4 pi R^2 over the area sqrt(3)/2 d^2 of each in a closest packing.
_PACKING = 8 * np.pi / np.sqrt(3)
# Shortest distance between two like neighbours of an atom, as a fraction of twice the
# covalent radius, and in angstrom: oxygen and fluorine of one polyhedron repel.
_CLOSE, _REPELLING = 0.9, {"N": 1.9, "O": 2.0, "F": 2.0}
# Atoms of the absorber's element see each other at the distance at which they see it.
_ALIKE = 0.95
# Width of the soft limit as a fraction of it.
_SOFT = 0.15


class WeightLimits:
    """Largest weight N / R^2 of each shell, and the penalty above it.

    Parameters
    ----------
    channels : sequence of Channel
        Kinds of shells.
    """

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._element = np.array([channel.element for channel in channels])
        self._absorber = channels[0].grids[0].absorber.strip().capitalize()
        self._distance = np.array(
            [
                max(
                    _CLOSE * bond_length(channel.element, channel.element),
                    _REPELLING.get(channel.element, 0.0),
                )
                for channel in channels
            ]
        )

    def of(self, r: np.ndarray, channel_index: np.ndarray) -> np.ndarray:
        """Largest weight of each shell.

        Parameters
        ----------
        r, channel_index : (K,) arrays
            Distance in angstrom and channel of each shell.

        Returns
        -------
        (K,) array
            Weights in 1/angstrom^2.
        """
        distance = self._distance[channel_index]
        alike = self._element[channel_index] == self._absorber
        if alike.any():
            distance = np.where(
                alike, np.maximum(distance, _ALIKE * r[alike].min()), distance
            )
        return _PACKING / distance**2

    def largest(self, channel: int, nearest: float) -> float:
        """Largest weight of a shell of one channel.

        Parameters
        ----------
        channel : int
            Index of the channel.
        nearest : float
            Distance in angstrom of the nearest atom of the absorber's element, 0 if
            there is none.

        Returns
        -------
        float
            Weight in 1/angstrom^2.
        """
        distance = self._distance[channel]
        if self._element[channel] == self._absorber:
            distance = max(distance, _ALIKE * nearest)
        return float(_PACKING / distance**2)

    def penalty(
        self, u: np.ndarray, largest: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Negative log prior of weights above the largest, gradient and curvature.

        Parameters
        ----------
        u, largest : (K,) arrays
            Weights of the shells, and the largest ones.

        Returns
        -------
        value : float
            Penalty, 0 where no weight exceeds its limit.
        gradient, curvature : (K,) arrays
            First and second derivatives by the weights.
        """
        width = _SOFT * largest
        excess = np.maximum(u - largest, 0) / width
        return 0.5 * float(excess @ excess), excess / width, (excess > 0) / width**2
