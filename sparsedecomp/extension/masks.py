"""Conversion of all masks that HyperSpy accepts to boolean arrays in array order.

HyperSpy's masks are True where data are *excluded*. A NumPy or dask mask has the shape
that ``axes_manager`` shows (x before y), while the data of a signal are in array order
(y before x).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..blocks.sources import without_empty_mask
from .types import BaseSignal, Mask

SPACES = ("navigation", "signal")


def in_array_order(
    signal: BaseSignal, mask: Mask | None, space: str
) -> np.ndarray | None:
    """Return the mask of one space as a boolean array in array order.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that the mask belongs to.
    mask : None, numpy.ndarray, dask.array.Array or hyperspy.api.signals.BaseSignal
        True (or 1) where the data are excluded.
    space : {"navigation", "signal"}
        Axes that the mask covers.

    Returns
    -------
    numpy.ndarray of bool or None
        Mask in array order; None if none was given.

    Raises
    ------
    ValueError
        If the shape is not that of the axes, or values are neither True nor False.
    """
    if mask is None:
        return None
    shape = getattr(signal.axes_manager, f"{space}_shape")
    values = _transposed_data(mask, space)
    if values.shape != shape[::-1]:
        raise ValueError(
            f"The {space} mask has the shape {values.shape[::-1]}, but the {space} "
            f"shape of {signal} is {shape}: give one value per position, in the order "
            f"of `axes_manager.{space}_shape`."
        )
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"The {space} mask holds {values.dtype} values other than 0 and 1: give "
            "booleans, True where the data are to be excluded, for instance "
            "`mask > threshold`."
        )
    return values.astype(bool)


def _transposed_data(mask: Any, space: str) -> np.ndarray:
    if not hasattr(mask, "axes_manager"):
        return without_empty_mask(mask).T
    other = SPACES[1 - SPACES.index(space)]
    dimension = getattr(mask.axes_manager, f"{other}_dimension")
    if dimension:
        raise ValueError(
            f"The {space} mask is a signal with {dimension} {other} axes: it must have "
            f"{space} axes only. Transpose it, for instance with `mask.T`."
        )
    return without_empty_mask(mask._data_aligned_with_axes)
