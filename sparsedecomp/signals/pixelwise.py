"""Application of functions to all spectra of a signal, eager or lazy.

A function takes spectra of shape (..., n_channels), and for each extra quantity per
pixel an array of shape (...), and returns spectra or one number per spectrum. Lazy data
are processed block by block and stay lazy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import dask.array as da
import numpy as np
from hyperspy.signals import BaseSignal, Signal1D
from numpy.typing import ArrayLike, DTypeLike

from sparsedecomp.blocks.sources import without_empty_mask

Array: TypeAlias = np.ndarray | da.Array

DATA_METADATA = ("Signal.Noise_properties", "Markers", "_HyperSpy")
"""Metadata that describe the data of a signal and not the sample."""


def spectra_of(
    signal: Signal1D,
    function: Callable[..., np.ndarray],
    n_out: int,
    *extras: ArrayLike,
    dtype: DTypeLike | None = None,
) -> Array:
    """Apply a function to all spectra.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Signal of the spectra.
    function : callable
        ``function(spectra, *extras)`` returns spectra.
    n_out : int
        Number of channels of the result.
    *extras : array_like of navigation shape, in array order
        Quantities of each pixel.
    dtype : dtype, optional
        Type of the result; by default that of floating data, else float64.

    Returns
    -------
    numpy.ndarray or dask.array.Array of shape (*navigation, n_out)
        Results in array order.
    """
    data = signal._data_aligned_with_axes
    dtype = np.dtype(dtype or floating(data.dtype))
    if not signal._lazy:
        data = without_empty_mask(data)
        return np.asarray(function(data, *extras), dtype=dtype)
    data = data.rechunk({-1: -1})
    blocks = [_in_chunks_of(extra, data) for extra in extras]

    def of_block(spectra: np.ndarray, *values: np.ndarray) -> np.ndarray:
        return np.asarray(
            function(spectra, *(value[..., 0] for value in values)), dtype=dtype
        )

    return data.map_blocks(
        of_block,
        *blocks,
        dtype=dtype,
        chunks=(*data.chunks[:-1], (n_out,)),
        meta=np.empty((0,) * data.ndim, dtype=dtype),
    )


def numbers_of(
    signal: Signal1D, function: Callable[..., np.ndarray], *extras: ArrayLike
) -> BaseSignal | float:
    """Apply a function that returns one number per spectrum.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Signal of the spectra.
    function : callable
        ``function(spectra, *extras)`` returns one number per spectrum.
    *extras : array_like of navigation shape, in array order
        Quantities of each pixel.

    Returns
    -------
    hyperspy.api.signals.BaseSignal or float
        Map of float64 with the navigation axes of the signal; a float for a single
        spectrum.
    """
    numbers = spectra_of(
        signal,
        lambda spectra, *values: np.asarray(function(spectra, *values))[..., None],
        1,
        *extras,
        dtype=float,
    )[..., 0]
    if signal.axes_manager.navigation_dimension == 0:
        return float(numbers)
    return signal._get_navigation_signal(data=numbers)


def signal_on(
    signal: Signal1D,
    data: Array,
    axis: dict[str, Any],
    signal_type: str,
    quantity: str,
    processing: dict[str, Any],
) -> Signal1D:
    """Make a signal with another signal axis and the metadata of the sample.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Gives the navigation axes and the metadata.
    data : numpy.ndarray or dask.array.Array of shape (*navigation, n)
        Data of the new signal.
    axis : dict
        The new signal axis, described as HyperSpy does.
    signal_type, quantity : str
        HyperSpy's signal type, and the quantity with which plots are labelled.
    processing : dict
        Entries added to ``metadata.XAS``; None is skipped.

    Returns
    -------
    hyperspy.api.signals.Signal1D
        Signal of the class that HyperSpy has for the type; lazy if `signal` is.
    """
    from hyperspy.api import signals

    lazy = "Lazy" if signal._lazy else ""
    plain = "ComplexSignal1D" if data.dtype.kind == "c" else "Signal1D"
    new = getattr(signals, lazy + plain)(
        data,
        axes=[*signal.axes_manager._get_navigation_axes_dicts(), axis],
        metadata=_metadata_of(signal),
        original_metadata=signal.original_metadata.as_dictionary(),
    )
    new.metadata.set_item("Signal.quantity", quantity)
    for name, value in processing.items():
        if value is not None:
            new.metadata.set_item(f"XAS.{name}", value)
    new.set_signal_type(signal_type)
    return new


def mean_spectrum(signal: Signal1D) -> np.ndarray:
    """Mean spectrum of all pixels without NaN, (n_channels,); reads the data once."""
    data = signal._data_aligned_with_axes
    pixels = tuple(range(data.ndim - 1))
    with warnings.catch_warnings():
        # A channel that is NaN in every pixel gives NaN without NumPy's warning.
        warnings.simplefilter("ignore", RuntimeWarning)
        if signal._lazy:
            return np.asarray(da.nanmean(data.astype(float), axis=pixels).compute())
        data = without_empty_mask(data).astype(float)
        return np.nanmean(data, axis=pixels) if pixels else data


def map_of(value: Any, signal: Signal1D, name: str) -> Array:
    """Broadcast a number, array or signal to one value per pixel, in array order.

    Parameters
    ----------
    value : float, array_like or hyperspy.api.signals.BaseSignal
        One number for all pixels, or one for each.
    signal : hyperspy.api.signals.Signal1D
        Signal of the pixels.
    name : str
        Name of the quantity, used in the error message.

    Returns
    -------
    numpy.ndarray or dask.array.Array of navigation shape
        Value of each pixel.

    Raises
    ------
    ValueError
        If the shape is not that of the navigation axes.
    """
    shape = signal.axes_manager._navigation_shape_in_array
    values = value.data if hasattr(value, "axes_manager") else value
    if not hasattr(values, "shape"):
        values = np.asarray(values, dtype=float)
    if values.size == 1:
        return np.full(shape, float(np.reshape(np.asarray(values), ())))
    if values.shape != shape:
        raise ValueError(
            f"{name} has shape {values.shape}, but the pixels have shape {shape}: give "
            "one number, or one for each pixel."
        )
    return values


def axis_values(signal: Signal1D, name: str, units: tuple[str, ...]) -> np.ndarray:
    """Return the values of the signal axis after checking its units.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Signal with the axis.
    name : str
        Name of the quantity, used in the error message.
    units : tuple of str
        Accepted spellings of the units; no units are accepted too.

    Returns
    -------
    numpy.ndarray
        Values in the first of the units.

    Raises
    ------
    ValueError
        If the axis has other units.
    """
    axis = signal.axes_manager.signal_axes[0]
    given = getattr(axis, "units", None)
    known = isinstance(given, str) and given not in ("", "<undefined>")
    spelled = str(given).replace("Å", "Angstrom").replace("⁻¹", "^-1")
    if known and spelled.lower() not in (unit.lower() for unit in units):
        raise ValueError(
            f"The {name} axis is in {given!r}, expected {units[0]!r}: convert its "
            "values, and set axes_manager[-1].units."
        )
    return np.asarray(axis.axis, dtype=float)


def warn_of_missing(data: Array, what: str) -> None:
    """Warn how many pixels are NaN, if the data are in memory."""
    if isinstance(data, np.ndarray) and data.size:
        missing = ~np.isfinite(data).all(axis=-1)
        if missing.any():
            warnings.warn(
                f"{missing.sum()} of {missing.size} pixels have no {what} and are NaN: "
                "they hold NaN, or no edge.",
                stacklevel=3,
            )


def floating(dtype: np.dtype) -> np.dtype:
    """Floating type in which data of a type are processed."""
    return dtype if dtype.kind == "f" else np.dtype(float)


def _in_chunks_of(extra: ArrayLike, data: da.Array) -> da.Array:
    """Quantity of each pixel with a last axis of one, chunked like the data."""

    values = da.asarray(extra)[..., None]
    return values.rechunk((*data.chunks[:-1], (1,)))


def _metadata_of(signal: Signal1D) -> dict[str, Any]:
    metadata = signal.metadata.deepcopy()
    for path in DATA_METADATA:
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    return metadata.as_dictionary()
