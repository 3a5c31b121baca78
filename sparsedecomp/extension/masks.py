"""Masks of every kind that HyperSpy takes, as boolean arrays in array order.

HyperSpy's masks are True where data are *excluded*. A NumPy or dask mask has the
shape that ``axes_manager`` shows (x before y), a signal's data are in array order
already; here both become arrays in array order (y before x).
"""

import numpy as np

SPACES = ("navigation", "signal")


def in_array_order(signal, mask, space):
    """Return the mask of one space as a boolean array in array order.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that the mask belongs to.
    mask : None, numpy.ndarray, dask.array.Array or hyperspy.api.signals.BaseSignal
        True (or 1) where the data are excluded.
    space : {"navigation", "signal"}
        Which axes the mask covers.

    Returns
    -------
    numpy.ndarray of bool or None
        None when nothing was given.

    Raises
    ------
    ValueError
        When the shape is not the one of that space, or when values are neither
        True nor False.
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


def _transposed_data(mask, space):
    if not hasattr(mask, "axes_manager"):
        return np.asarray(mask).T
    other = SPACES[1 - SPACES.index(space)]
    dimension = getattr(mask.axes_manager, f"{other}_dimension")
    if dimension:
        raise ValueError(
            f"The {space} mask is a signal with {dimension} {other} axes: it must have "
            f"{space} axes only. Transpose it, for instance with `mask.T`."
        )
    return np.asarray(mask._data_aligned_with_axes)
