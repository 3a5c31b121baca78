"""Functions of rows of spectra, applied to the pixels of eager and lazy signals.

A function gets spectra of shape (..., n_channels), and for each extra quantity of a
pixel an array of shape (...), and returns spectra or one number for each. Lazy data
are met a block at a time and stay lazy.
"""

import warnings

import numpy as np

NOT_OF_THE_SAMPLE = ("Signal.Noise_properties", "Markers", "_HyperSpy")
"""Metadata that describe the data of a signal, not what was measured."""


def spectra_of(signal, function, n_out, *extras, dtype=None):
    """Apply a function to all spectra.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
    function : callable (spectra, *extras) -> spectra
    n_out : int
        Channels of the result.
    *extras : array_like of navigation shape, in array order
    dtype : dtype, optional
        Of the result; that of floating data by default.

    Returns
    -------
    numpy.ndarray or dask.array.Array of shape (*navigation, n_out)
    """
    data = signal._data_aligned_with_axes
    dtype = np.dtype(dtype or floating(data.dtype))
    if not signal._lazy:
        return np.asarray(function(data, *extras), dtype=dtype)
    data = data.rechunk({-1: -1})
    extras = [_beside(extra, data) for extra in extras]

    def of_block(spectra, *values):
        return np.asarray(
            function(spectra, *(value[..., 0] for value in values)), dtype=dtype
        )

    return data.map_blocks(
        of_block,
        *extras,
        dtype=dtype,
        chunks=(*data.chunks[:-1], (n_out,)),
        meta=np.empty((0,) * data.ndim, dtype=dtype),
    )


def numbers_of(signal, function, *extras):
    """Apply a function that gives one float64 for each pixel.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
    function : callable (spectra, *extras) -> numbers
    *extras : array_like of navigation shape, in array order

    Returns
    -------
    hyperspy.api.signals.BaseSignal or float
        A map with the navigation axes of the signal; a float for a single spectrum.
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


def signal_on(signal, data, axis, signal_type, quantity, processing):
    """Signal of spectra on another axis, with what is known of the sample.

    Parameters
    ----------
    signal : hyperspy.api.signals.Signal1D
        Gives the navigation axes and the metadata.
    data : numpy.ndarray or dask.array.Array of shape (*navigation, n)
    axis : dict
        Describes the new signal axis, as HyperSpy does.
    signal_type, quantity : str
    processing : dict
        Added to ``metadata.XAS``.

    Returns
    -------
    hyperspy.api.signals.Signal1D
        Of the class that HyperSpy has for the type; lazy if the signal is.
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


def mean_spectrum(signal):
    """Mean of the finite values of all pixels, (n_channels,): one pass."""
    data = signal._data_aligned_with_axes
    pixels = tuple(range(data.ndim - 1))
    with warnings.catch_warnings():
        # A channel in which every pixel is NaN has no mean.
        warnings.simplefilter("ignore", RuntimeWarning)
        if signal._lazy:
            import dask.array as da

            return np.asarray(da.nanmean(data.astype(float), axis=pixels).compute())
        return np.nanmean(data.astype(float), axis=pixels) if pixels else data * 1.0


def map_of(value, signal, name):
    """A quantity of every pixel, given as number, array or signal, in array order.

    Parameters
    ----------
    value : float, array_like or hyperspy.api.signals.BaseSignal
    signal : hyperspy.api.signals.Signal1D
    name : str
        For the message.

    Returns
    -------
    numpy.ndarray or dask.array.Array of navigation shape

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


def axis_values(signal, name, units):
    """Positions of the signal axis, which must be in the right units.

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


def warn_of_missing(data, what):
    """Say how many pixels are NaN in data that are in memory."""
    if isinstance(data, np.ndarray) and data.size:
        missing = ~np.isfinite(data).all(axis=-1)
        if missing.any():
            warnings.warn(
                f"{missing.sum()} of {missing.size} pixels have no {what} and are NaN: "
                "they hold NaN, or no edge.",
                stacklevel=3,
            )


def floating(dtype):
    """The floating type that a computation with data of this type returns."""
    return dtype if dtype.kind == "f" else np.dtype(float)


def _beside(extra, data):
    """Extra quantity of each pixel with a last axis, in the chunks of the data."""
    import dask.array as da

    extra = da.asarray(extra)[..., None]
    return extra.rechunk((*data.chunks[:-1], (1,)))


def _metadata_of(signal):
    metadata = signal.metadata.deepcopy()
    for path in NOT_OF_THE_SAMPLE:
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    return metadata.as_dictionary()
