"""Spectra measured at the places of a scan list, put on their map."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .types import BaseSignal


def on_map(
    signal: BaseSignal,
    positions: ArrayLike,
    navigation_shape: tuple[int, int] | None = None,
) -> tuple[BaseSignal, NDArray]:
    """Put the spectra of a scan list on a map.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with one navigation axis.
    positions : (n, 2) array of int
        Pixel of each spectrum along x and y, from 0 on.
    navigation_shape : (int, int), optional
        Pixels of the map along x and y; default: up to the last positions.

    Returns
    -------
    signal : hyperspy.api.signals.BaseSignal
        Signal with the navigation axes x and y. What it holds in missing pixels means
        nothing.
    missing : (rows, columns) bool array
        True where there is no spectrum.

    Raises
    ------
    ValueError
        For other shapes, positions that are no whole numbers, are outside the map or
        repeated.
    """
    axes = signal.axes_manager
    if axes.navigation_dimension != 1 or axes.signal_dimension != 1:
        raise ValueError(
            f"{signal} was given with positions, expected one navigation axis, along "
            "the scan list, and one signal axis."
        )
    places = np.asarray(positions)
    n = axes.navigation_size
    if places.shape != (n, 2):
        raise ValueError(
            f"positions of the shape {places.shape} were given, expected ({n}, 2): x "
            f"and y of each of the {n} spectra."
        )
    if not np.array_equal(places, np.rint(places)) or places.min() < 0:
        raise ValueError(
            "positions are not pixels, expected whole numbers from 0 on: round what "
            "the scan generator gives to the grid of the map."
        )
    x, y = places.astype(int).T
    n_x, n_y = navigation_shape or (int(x.max()) + 1, int(y.max()) + 1)
    if x.max() >= n_x or y.max() >= n_y:
        raise ValueError(
            f"The position ({x.max()}, {y.max()}) is outside the map of {n_x} x {n_y} "
            "pixels: give a larger navigation_shape."
        )
    if len(np.unique(y * n_x + x)) < n:
        raise ValueError(
            "Some positions are given twice, expected one spectrum for each pixel: add "
            "those of the same pixel up before."
        )
    source = np.zeros((n_y, n_x), int)
    missing = np.ones((n_y, n_x), bool)
    source[y, x], missing[y, x] = np.arange(n), False
    data = signal._data_aligned_with_axes[source.ravel()].reshape(n_y, n_x, -1)
    spectral = dict(axes.signal_axes[0].get_axis_dictionary())
    along = [
        {"name": name, "size": size, "units": "px", "navigate": True}
        for name, size in (("y", n_y), ("x", n_x))
    ]
    eager = signal if not signal._lazy else signal.inav[:1].deepcopy()
    from .components import _eager_class

    whole = _eager_class(eager)(
        np.broadcast_to(np.float32(0), data.shape) if signal._lazy else data,
        axes=[*along, spectral],
        metadata=signal.metadata.deepcopy().as_dictionary(),
    )
    if signal._lazy:
        whole = whole.as_lazy()
        whole.data = data
    return whole, missing
