"""Components as signals with the metadata of the measurement.

HyperSpy's ``get_decomposition_factors`` drops the elements of the sample and the
parameters of the microscope, without which a spectrum cannot be quantified.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from ..progress import with_progress_bar
from ..suggestions import did_you_mean
from . import algorithms, learning_results
from .editing import component_names
from .types import BaseSignal

SCALES = ("stored", "total")


@overload
def get_component_spectra(
    self: BaseSignal, scale: str | None = ..., source: str = ..., band: None = ...
) -> BaseSignal: ...
@overload
def get_component_spectra(
    self: BaseSignal, scale: str | None = ..., source: str = ..., *, band: float
) -> tuple[BaseSignal, BaseSignal, BaseSignal]: ...
@with_progress_bar
def get_component_spectra(
    self: BaseSignal,
    scale: str | None = None,
    source: str = "decomposition",
    band: float | None = None,
) -> BaseSignal | tuple[BaseSignal, BaseSignal, BaseSignal]:
    """Return the spectra of the components, in the units of the data.

    The result has the class of this signal (not lazy), its signal axes, and its
    metadata: elements and X-ray lines, beam energy, detector, acquisition. Each
    spectrum is the contribution of a component to the sum spectrum of all pixels, in
    counts for instance, and can be quantified like a measurement:
    ``s.get_component_spectra().inav[0].get_lines_intensity()`` for EDS.

    Parameters
    ----------
    scale : {"total", "stored"}, optional
        Scale of the spectra, which a factorisation leaves open. "total" multiplies each
        with the sum of its map, so that the spectra add up to the model of the sum
        spectrum. "stored" returns the spectra of ``learning_results`` in the arbitrary
        scale of the algorithm, which thresholds of a quantification do not expect.
        Default: "total"; "stored" if a map has negative values, whose sum has no
        meaning (SVD, PCA, blind source separation).
    source : {"decomposition", "bss"}, default "decomposition"
        Results of ``decomposition`` or of ``blind_source_separation``.
    band : float, optional
        Probability, for instance 0.9, that a confidence band around each spectrum is to
        cover the truth. The data are read again and the fit is repeated for halves of
        the dose, which takes about as long as the decomposition; see
        `sparsedecomp.decomposition.confidence_bands` for what the band can tell. Only
        for results of algorithms of sparsedecomp. Default: no band.

    Returns
    -------
    hyperspy.api.signals.BaseSignal, or three of them if `band` is given
        Spectra with one navigation axis, the component, and the lower and upper
        ends of their bands. NaN in masked channels.

    Raises
    ------
    RuntimeError
        If there are no such results.
    ValueError
        If `scale` or `source` is unknown.

    See Also
    --------
    get_component_maps

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.outer([1.0, 2.0, 3.0], [4.0, 5.0]))
    >>> s.metadata.set_item("Sample.elements", ["Fe"])
    >>> s.decomposition(False, "nmf_so", 1, print_info=False, show_progressbar=False)
    >>> spectra = s.get_component_spectra()
    >>> spectra.metadata.Sample.elements, spectra.data.round(3)
    (['Fe'], array([[24., 30.]]))
    """
    factors, loadings = _results(self, scale or "total", source)
    multiplier = np.ones(factors.shape[1])
    if scale == "total" or (scale is None and np.nanmin(loadings) >= 0):
        multiplier = np.nansum(loadings, axis=0)
    spectra = _named(self, spectra_like(self, factors * multiplier), source)
    if band is None:
        return spectra
    half = _half_widths(self, band, source)[0] * multiplier
    return _with_band(spectra, spectra_like(self, half))


def spectra_like(
    signal: BaseSignal, factors: np.ndarray, index: str = "Component"
) -> BaseSignal:
    """Make a signal of spectra with the class, signal axes and metadata of another.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that was decomposed.
    factors : (n_channels, k) array
        Spectra, one in each column.
    index : str, default "Component"
        Name of the navigation axis of the result.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Spectra with one navigation axis; not lazy.
    """
    metadata = signal.metadata.deepcopy()
    for path in ("Signal.Noise_properties", "Markers", "_HyperSpy"):
        # These have one value per pixel, or describe the data and not the sample.
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    title = metadata.get_item("General.title", "")
    metadata.set_item("General.title", f"Component spectra of {title}".rstrip())
    shape = signal.axes_manager._signal_shape_in_array
    return _eager_class(signal)(
        factors.T.reshape(-1, *shape),
        axes=[
            _index_axis(index, factors.shape[1]),
            *signal.axes_manager._get_signal_axes_dicts(),
        ],
        metadata=metadata.as_dictionary(),
    )


@overload
def get_component_maps(
    self: BaseSignal, scale: str = ..., source: str = ..., band: None = ...
) -> BaseSignal: ...
@overload
def get_component_maps(
    self: BaseSignal, scale: str = ..., source: str = ..., *, band: float
) -> tuple[BaseSignal, BaseSignal, BaseSignal]: ...
@with_progress_bar
def get_component_maps(
    self: BaseSignal,
    scale: str = "stored",
    source: str = "decomposition",
    band: float | None = None,
) -> BaseSignal | tuple[BaseSignal, BaseSignal, BaseSignal]:
    """Return the maps of the components, calibrated like this signal.

    Parameters
    ----------
    scale : {"stored", "total"}, default "stored"
        Scale of the maps, which a factorisation leaves open. "stored" gives the maps
        of ``learning_results``; "total" multiplies each with the sum of its spectrum,
        which gives the contribution of the component to each pixel, summed over the
        channels, in the units of the data (counts, for instance).
    source : {"decomposition", "bss"}, default "decomposition"
        Results of ``decomposition`` or of ``blind_source_separation``.
    band : float, optional
        Probability, for instance 0.9, that a confidence band around each map is to
        cover the truth. The data are read again and the fit is repeated for halves of
        the dose, which takes about as long as the decomposition; see
        `sparsedecomp.decomposition.confidence_bands` for what the band can tell. Only
        for results of algorithms of sparsedecomp. Default: no band.

    Returns
    -------
    hyperspy.api.signals.BaseSignal, or three of them if `band` is given
        Maps with one navigation axis, the component, and the lower and upper ends of
        their bands. Their signal axes are the navigation axes of this signal. NaN in
        masked pixels.

    Raises
    ------
    RuntimeError
        If there are no such results.
    ValueError
        If `scale` or `source` is unknown.

    See Also
    --------
    get_component_spectra

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.outer([1.0, 2.0, 3.0], [4.0, 5.0]))
    >>> s.decomposition(False, "nmf_so", 1, print_info=False, show_progressbar=False)
    >>> s.get_component_maps("total").data.round(3)
    array([[ 9., 18., 27.]])
    """
    factors, loadings = _results(self, scale, source)
    multiplier = np.ones(factors.shape[1])
    if scale == "total":
        multiplier = np.nansum(factors, axis=0)
    title = "Component maps", "Component"
    maps = _named(self, maps_like(self, (loadings * multiplier).T, *title), source)
    if band is None:
        return maps
    half = _half_widths(self, band, source)[1] * multiplier
    return _with_band(maps, maps_like(self, half.T, *title))


def _named(signal, components, source):
    """The names of the components, where they have some, in the metadata."""
    if source == "decomposition" and learning_results.read(signal, "component_names"):
        names = component_names(signal)
        components.metadata.set_item("Signal.component_names", names)
    return components


def _half_widths(signal, band, source):
    if source != "decomposition":
        raise ValueError(
            f'`band` was given with source={source!r}, expected "decomposition": there '
            "are bands for results of `decomposition` only."
        )
    from .bands import half_widths

    return half_widths(signal, band)


def _with_band(signal, half):
    """A signal and the ends of its band, with titles that say so."""
    ends = signal - half, signal + half
    for end, word in zip(ends, ("Lower", "Upper"), strict=True):
        title = signal.metadata.General.title
        end.metadata.General.title = f"{word} end of {title[0].lower()}{title[1:]}"
    return signal, *ends


def get_pixel_map(self: BaseSignal, name: str) -> BaseSignal:
    """Return a map that the last decomposition computed, calibrated like this signal.

    Parameters
    ----------
    name : str
        Quantity: "outlier_distance" or "score_distance" after "sss_vca". The first is
        the distance of a pixel from the subspace of the others, relative to the
        distance that one regular pixel in a thousand exceeds; the second is the
        distance of its mixture from the mean mixture, in standard deviations. See
        `sparsedecomp.SSSVCA`.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Map whose signal axes are the navigation axes of this signal. NaN in masked
        pixels.

    Raises
    ------
    ValueError
        If the last decomposition has no map of that name; the message lists those that
        exist.

    See Also
    --------
    get_component_maps

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> rng = np.random.default_rng(0)
    >>> data = rng.poisson(300 * rng.dirichlet([1, 1], 48) @ np.eye(2, 20))
    >>> data[17, 9] = 200
    >>> s = hs.signals.Signal1D(data.reshape(6, 8, 20))
    >>> s.decomposition(False, "sss_vca", 2, print_info=False, show_progressbar=False)
    >>> distance = s.get_pixel_map("outlier_distance")
    >>> distance
    <Signal2D, title: outlier_distance of, dimensions: (|8, 6)>
    >>> int(np.argmax(distance.data))
    17
    """
    known = {each for a in algorithms.ALGORITHMS.values() for each in a.per_pixel}
    available = sorted(known & learning_results.entries(self))
    if name not in available:
        listed = ", ".join(map(repr, available)) or "none"
        raise ValueError(
            f"There is no map {name!r} of the last decomposition."
            f"{did_you_mean(name, available)} Expected one of: {listed}. "
            "Call `s.decomposition` with an algorithm that makes it, for instance "
            "'sss_vca'."
        )
    learning_results.check_axes(self)
    return maps_like(self, np.asarray(learning_results.read(self, name)), name)


def maps_like(
    signal: BaseSignal, maps: np.ndarray, title: str, index: str | None = None
) -> BaseSignal:
    """Make a signal whose signal axes are the navigation axes of another.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal that the maps belong to.
    maps : array
        One value for each pixel, or (k, n_pixels) values if `index` is given.
    title : str
        Quantity that the maps show; the title of `signal` is appended.
    index : str, optional
        Name of the navigation axis that counts the maps. Default: there is one map.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The maps, not lazy.
    """
    counted = [] if index is None else [_index_axis(index, len(maps))]
    shape = signal.axes_manager._navigation_shape_in_array
    return map_of(
        signal,
        maps.reshape(*(axis["size"] for axis in counted), *shape),
        f"{title} of {signal.metadata.General.title}",
        *counted,
    )


def map_of(
    signal: BaseSignal, maps: np.ndarray, title: str, *more_axes: dict[str, Any]
) -> BaseSignal:
    """Make a signal whose signal axes are the navigation axes of another.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal whose navigation axes are taken over.
    maps : array
        Values in array order, preceded by one axis for each of `more_axes`.
    title : str
        Title of the new signal.
    *more_axes : dict
        Axes before those of the map.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The maps, not lazy.
    """
    axes = signal.axes_manager._get_navigation_axes_dicts()
    own = [dict(axis, navigate=False) for axis in axes]
    result = signal_class(len(own))(maps, axes=[*more_axes, *own])
    result.metadata.General.title = title.rstrip()
    return result


def axis_label(axis: Any) -> str:
    """Name and units of a HyperSpy axis, as far as they are set.

    Parameters
    ----------
    axis : hyperspy axis
        Axis of a signal.

    Returns
    -------
    str
        Label such as "Energy (keV)".
    """
    name, units = (v if isinstance(v, str) else "" for v in (axis.name, axis.units))
    return f"{name} ({units})" if units else name


def signal_class(dimension: int) -> Any:
    """Return HyperSpy's general signal class for a number of signal axes.

    Parameters
    ----------
    dimension : int
        Number of signal axes.

    Returns
    -------
    type
        ``Signal1D``, ``Signal2D`` or ``BaseSignal``.
    """
    from hyperspy.api import signals

    known = {1: signals.Signal1D, 2: signals.Signal2D}
    return known.get(dimension, signals.BaseSignal)


def _results(
    signal: BaseSignal, scale: str, source: str
) -> tuple[np.ndarray, np.ndarray]:
    for name, value, known in (
        ("scale", scale, SCALES),
        ("source", source, tuple(learning_results.SOURCES)),
    ):
        if value not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, known))}, not {value!r}."
                f"{did_you_mean(value, known)}"
            )
    results = learning_results.matrices(signal, source)
    if results is None:
        method = "blind_source_separation" if source == "bss" else "decomposition"
        raise RuntimeError(f"There are no components yet: call `s.{method}` first.")
    return results


def _index_axis(name: str, size: int) -> dict[str, Any]:
    """Describe a navigation axis that counts components or clusters."""
    return {"name": name, "size": size, "navigate": True}


def _eager_class(signal: BaseSignal) -> Any:
    from hyperspy.api import signals

    if not signal._lazy:
        return type(signal)
    return next(
        cls for cls in type(signal).__mro__ if not issubclass(cls, signals.LazySignal)
    )
