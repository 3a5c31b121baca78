"""Confidence bands of the last decomposition, in the scale of its results."""

from __future__ import annotations

import numpy as np

from . import algorithms, learning_results
from .types import BaseSignal


def half_widths(signal: BaseSignal, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Half the width of the confidence bands of spectra and maps.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with the results of an algorithm of this package.
    level : float
        Probability that a band is to cover the truth, between 0 and 1.

    Returns
    -------
    of_factors : (n_channels, k) array
        In the scale of the stored spectra; NaN in masked channels.
    of_loadings : (n_pixels, k) array
        In the scale of the stored maps; NaN in masked pixels.

    Raises
    ------
    RuntimeError
        If the last decomposition is not by an algorithm of this package, or is a
        tensor decomposition.
    ValueError
        If `level` is not between 0 and 1.
    """
    from ..decomposition import confidence_bands
    from .driver import blocks_of

    algorithm = learning_results.read(signal, "decomposition_algorithm")
    choice = algorithms.find(algorithm)
    matrices = learning_results.matrices(signal)
    if choice is None or matrices is None or choice.name in ("cpd", "tucker"):
        raise RuntimeError(
            f"The last decomposition of {signal} is {algorithm!r}, expected one by a "
            "factorisation of sparsedecomp into pixels and spectra: call "
            '`s.decomposition(algorithm="nmf_so_ard")` before asking for a band.'
        )
    blocks = blocks_of(
        signal,
        navigation_mask=learning_results.read(signal, "navigation_mask"),
        signal_mask=learning_results.read(signal, "signal_mask"),
    )
    spectra = matrices[0].astype(float)[blocks.columns].T
    if "energy_drift" in choice.per_pixel:
        blocks = _as_fitted(signal, blocks)
    bands = confidence_bands(blocks, spectra, level=level, random_state=0)
    # The bands are those of spectra of unit sum.
    scale = spectra.sum(axis=1)
    of_factors, of_loadings = (
        (high - low) / 2 for low, high in (bands.of_spectra(), bands.of_maps())
    )
    axes = signal.axes_manager
    return (
        learning_results.expanded(
            (of_factors * scale[:, None]).T, blocks.columns, axes.signal_size
        ),
        learning_results.expanded(
            of_loadings / scale, blocks.rows, axes.navigation_size
        ),
    )


def _as_fitted(signal, blocks):
    """The data without the spikes and the drift that the fit had taken out."""
    from ..decomposition.automatic.preparation import without_spikes
    from ..noise import count_gain

    blocks, _ = without_spikes(blocks, count_gain(blocks))
    drift = np.ravel(learning_results.read(signal, "energy_drift"))[blocks.rows]
    return blocks.corrected(shift=drift) if drift.any() else blocks
