"""Conversion of known spectra and maps, given as signals, to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .types import BaseSignal

# Parameters of estimators that are spectra, and those that are maps.
SPECTRA = ("known_spectra", "init")
MAPS = ("known_maps",)


def plain_arrays(signal: BaseSignal, parameters: dict[str, Any]) -> dict[str, Any]:
    """Replace signals among the parameters of an estimator by arrays.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to be decomposed.
    parameters : dict
        Keyword arguments of the estimator. Spectra may be a signal with the signal axes
        of `signal` and any navigation axes; maps a signal whose signal axes are the
        navigation axes of `signal`, like the result of ``get_component_maps``. Other
        values are returned unchanged.

    Returns
    -------
    dict
        Spectra as (q, n_channels) arrays and maps as (n_pixels, q) arrays, with all
        channels and pixels; the estimator selects those that are not masked.

    Raises
    ------
    ValueError
        If the axes are not those of `signal`.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.ones((3, 4, 5)))
    >>> spectrum = hs.signals.Signal1D(np.arange(5.0))
    >>> plain_arrays(s, {"known_spectra": spectrum})["known_spectra"].shape
    (1, 5)
    """
    axes = signal.axes_manager
    arrays = dict(parameters)
    for name in (*SPECTRA, *MAPS):
        value = arrays.get(name)
        if not hasattr(value, "axes_manager"):
            continue
        expected = axes.signal_axes if name in SPECTRA else axes.navigation_axes
        _require_same_axes(name, value.axes_manager.signal_axes, expected)
        size = int(np.prod([axis.size for axis in expected]))
        rows = np.asarray(value._data_aligned_with_axes).reshape(-1, size)
        arrays[name] = rows if name in SPECTRA else rows.T
    return arrays


def _require_same_axes(
    name: str, given: Sequence[Any], expected: Sequence[Any]
) -> None:
    advice = (
        "Bring it to these axes first, for instance with `interpolate_on_axis`, `isig` "
        "or `transpose`."
    )
    shapes = [tuple(axis.size for axis in axes) for axes in (given, expected)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"`{name}` has the signal shape {shapes[0]}, expected {shapes[1]} as the "
            f"data have. {advice}"
        )
    for one, other in zip(given, expected, strict=True):
        step = abs(other.axis[-1] - other.axis[0]) / max(other.size - 1, 1)
        if np.abs(one.axis - other.axis).max() > 0.5 * step:
            raise ValueError(
                f"The axis '{one.name}' of `{name}` runs from {one.axis[0]:g} to "
                f"{one.axis[-1]:g}, that of the data from {other.axis[0]:g} to "
                f"{other.axis[-1]:g}. {advice}"
            )
