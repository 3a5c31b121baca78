"""Spectra and maps from which a cube is simulated, and their storage in a signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal

METADATA_NODE = "Ground_truth"


@dataclass(frozen=True, eq=False)
class Truth:
    """Spectra and maps whose product is a cube without noise.

    Attributes
    ----------
    spectra : ndarray of shape (k, n_channels)
        Expected counts per channel of a pixel of abundance 1.
    maps : ndarray of shape (..., k)
        Abundance of each phase in each pixel, navigation axes in array order
        (y, x).
    names : tuple of str
        Names of the phases.
    energy : ndarray of shape (n_channels,)
        Channel centres in the units of the signal axis.

    Raises
    ------
    ValueError
        If the number of phases or channels differs between the attributes.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.datasets import Truth
    >>> truth = Truth(
    ...     spectra=np.array([[3.0, 0.0], [0.0, 2.0]]),
    ...     maps=np.array([[[1.0, 0.0], [0.5, 0.5]]]),
    ...     names=("A", "B"),
    ...     energy=np.array([1.0, 2.0]),
    ... )
    >>> truth.expected()
    array([[[3. , 0. ],
            [1.5, 1. ]]])
    >>> float(truth.angles()[0, 1])
    90.0
    >>> truth.pure_fraction()
    array([0.5, 0. ])
    """

    spectra: np.ndarray
    maps: np.ndarray
    names: tuple[str, ...]
    energy: np.ndarray

    def __post_init__(self) -> None:
        k, n_channels = self.spectra.shape
        if self.maps.shape[-1] != k or len(self.names) != k:
            raise ValueError(
                f"A truth of {k} spectra needs {k} maps and {k} names, got "
                f"{self.maps.shape[-1]} maps and {len(self.names)} names."
            )
        if self.energy.shape != (n_channels,):
            raise ValueError(
                f"Spectra of {n_channels} channels need {n_channels} energies, got "
                f"an array of shape {self.energy.shape}."
            )

    def expected(self) -> np.ndarray:
        """Cube without noise, ``maps @ spectra``.

        Returns
        -------
        ndarray of shape (..., n_channels)
            Expected counts.
        """
        return expected_counts(self.maps, self.spectra)

    def angles(self) -> np.ndarray:
        """Angles between the spectra.

        Returns
        -------
        ndarray of shape (k, k)
            Angles in degrees.
        """
        unit = self.spectra / np.linalg.norm(self.spectra, axis=1, keepdims=True)
        cosine = np.clip(unit @ unit.T, -1, 1)
        np.fill_diagonal(cosine, 1)
        return np.degrees(np.arccos(cosine))

    def pure_fraction(self, threshold: float = 0.98) -> np.ndarray:
        """Share of the pixels in which one phase holds more than `threshold`.

        Parameters
        ----------
        threshold : float, default 0.98
            Share of the total abundance of a pixel.

        Returns
        -------
        ndarray of shape (k,)
            Share of the pixels, for each phase.
        """
        share = self.maps / self.maps.sum(axis=-1, keepdims=True)
        return (share > threshold).reshape(-1, len(self.names)).mean(axis=0)


def expected_counts(maps: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Product maps @ spectra, with the same bits however the pixels are grouped.

    A matrix product rounds differently for blocks of different shape, and one
    different bit can change a Poisson deviate; a sum in fixed order does not.
    """
    total = maps[..., 0, None] * spectra[0]
    for k in range(1, len(spectra)):
        total += maps[..., k, None] * spectra[k]
    return total


def attach_truth(signal: BaseSignal, truth: Truth) -> None:
    """Store a truth in the metadata of a signal, as arrays that `.hspy` files keep."""
    signal.metadata.add_dictionary(
        {
            METADATA_NODE: {
                "spectra": truth.spectra,
                "maps": truth.maps,
                "names": list(truth.names),
                "energy": truth.energy,
            }
        }
    )


def truth(signal: BaseSignal) -> Truth:
    """Ground truth of a simulated signal.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        Signal from a simulator or from `load`, eager or lazy, or such a signal saved
        as ``.hspy`` and loaded again.

    Returns
    -------
    Truth
        Spectra and maps from which the signal was simulated.

    Raises
    ------
    ValueError
        If the signal has no truth, or was cropped or rebinned, so that the truth does
        not belong to its pixels and channels.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> s = datasets.edx_particles(shape=(16, 16), n_channels=128)
    >>> datasets.truth(s).maps.shape
    (16, 16, 3)
    """
    node = signal.metadata.get_item(METADATA_NODE)
    if node is None:
        raise ValueError(
            f"The signal {signal} carries no ground truth (no {METADATA_NODE} in its "
            "metadata). Signals from the simulators and from the simulated data sets "
            "of datasets.load carry one."
        )
    stored = Truth(
        spectra=np.asarray(node.spectra),
        maps=np.asarray(node.maps),
        names=tuple(node.names),
        energy=np.asarray(node.energy),
    )
    shape_of_truth = stored.maps.shape[:-1] + stored.energy.shape
    axes = signal.axes_manager
    shape = tuple(axes._navigation_shape_in_array + axes._signal_shape_in_array)
    if shape != shape_of_truth:
        raise ValueError(
            f"The signal has shape {shape}, its ground truth {shape_of_truth}: it was "
            "cropped, rebinned or transposed since. Take the truth of the signal as it "
            "was loaded and treat its maps and spectra alike."
        )
    return stored
