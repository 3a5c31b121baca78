"""Components as signals that still know what was measured.

HyperSpy's ``get_decomposition_factors`` loses the elements of the sample and the
parameters of the microscope; a spectrum without these cannot be quantified.
"""

import numpy as np

from . import algorithms

RESULTS = {
    "decomposition": ("factors", "loadings"),
    "bss": ("bss_factors", "bss_loadings"),
}
SCALES = ("stored", "total")


def get_component_spectra(self, scale="stored", source="decomposition"):
    """Return the spectra of the components with the metadata of this signal.

    The result has the class of this signal (not lazy), its signal axes, and its
    metadata: elements and X-ray lines, beam energy, detector, acquisition. So a
    component can be quantified like a measurement, e.g.
    ``s.get_component_spectra().inav[0].get_lines_intensity()`` for EDS.

    Parameters
    ----------
    scale : {"stored", "total"}, default "stored"
        A factorisation leaves open how intensity is shared between map and spectrum.
        "stored" gives the spectra of ``learning_results``; "total" multiplies each
        with the sum of its map, so that it is what the component contributes to the
        sum spectrum of all pixels, in the units of the data.
    source : {"decomposition", "bss"}, default "decomposition"
        Which results: of ``decomposition`` or of ``blind_source_separation``.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        One navigation axis, the component. NaN in masked channels.

    Raises
    ------
    RuntimeError
        When there are no such results yet.
    ValueError
        For an unknown `scale` or `source`.

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
    >>> spectra = s.get_component_spectra("total")
    >>> spectra.metadata.Sample.elements, spectra.data.round(3)
    (['Fe'], array([[24., 30.]]))
    """
    factors, loadings = _results(self, scale, source)
    if scale == "total":
        factors = factors * np.nansum(loadings, axis=0)
    return spectra_like(self, factors)


def spectra_like(signal, factors):
    """Spectra as a signal with the class, signal axes and metadata of another.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        What was decomposed.
    factors : (n_channels, k) array

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        One navigation axis, the component; not lazy.
    """
    metadata = signal.metadata.deepcopy()
    for path in ("Signal.Noise_properties", "Markers", "_HyperSpy"):
        # These hold a value for every pixel, or describe the data and not the sample.
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    title = metadata.get_item("General.title", "")
    metadata.set_item("General.title", f"Component spectra of {title}".rstrip())
    shape = signal.axes_manager._signal_shape_in_array
    return _eager_class(signal)(
        factors.T.reshape(-1, *shape),
        axes=[_component_axis(factors), *signal.axes_manager._get_signal_axes_dicts()],
        metadata=metadata.as_dictionary(),
    )


def get_component_maps(self, scale="stored", source="decomposition"):
    """Return the maps of the components, calibrated like this signal.

    Parameters
    ----------
    scale : {"stored", "total"}, default "stored"
        "stored" gives the maps of ``learning_results``; "total" multiplies each with
        the sum of its spectrum, so that it is what the component contributes to each
        pixel in all channels, in the units of the data (counts, for instance).
    source : {"decomposition", "bss"}, default "decomposition"
        Which results: of ``decomposition`` or of ``blind_source_separation``.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        One navigation axis, the component; the navigation axes of this signal are
        its signal axes. NaN in masked pixels.

    Raises
    ------
    RuntimeError
        When there are no such results yet.
    ValueError
        For an unknown `scale` or `source`.

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
    if scale == "total":
        loadings = loadings * np.nansum(factors, axis=0)
    shape = self.axes_manager._navigation_shape_in_array
    return map_of(
        self,
        loadings.T.reshape(-1, *shape),
        f"Component maps of {self.metadata.General.title}",
        _component_axis(loadings),
    )


def get_pixel_map(self, name):
    """Return what the decomposition found for every pixel, calibrated like this signal.

    Parameters
    ----------
    name : str
        Of what: "outlier_distance" or "score_distance" after "sss_vca". The first is
        how far a pixel is from what the others explain, relative to what one regular
        pixel in a thousand exceeds; the second how unusual its mixture is, in standard
        deviations. See `sparsedecomp.SSSVCA`.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        The navigation axes of this signal are its signal axes. NaN in masked pixels.

    Raises
    ------
    ValueError
        When the last decomposition left nothing of that name: says what there is.

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
    found = {each for a in algorithms.ALGORITHMS.values() for each in a.per_pixel}
    found = sorted(found & set(vars(self.learning_results)))
    if name not in found:
        there = ", ".join(map(repr, found)) or "none"
        raise ValueError(
            f"There is no map {name!r} of the last decomposition, expected one of: "
            f"{there}. Call `s.decomposition` with an algorithm that makes it, for "
            "instance 'sss_vca'."
        )
    values = np.asarray(getattr(self.learning_results, name))
    return map_of(self, values, f"{name} of {self.metadata.General.title}")


def map_of(signal, maps, title, *more_axes):
    """Maps as a signal whose signal axes are the navigation axes of another.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal whose navigation axes are taken over.
    maps : array
        In array order, with as many axes before as `more_axes`.
    title : str
        Title of the new signal.
    *more_axes : dict
        Axes before those of the map.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
    """
    from hyperspy.api import signals

    axes = signal.axes_manager
    kind = {1: signals.Signal1D, 2: signals.Signal2D}.get(
        axes.navigation_dimension, signals.BaseSignal
    )
    own = [dict(axis, navigate=False) for axis in axes._get_navigation_axes_dicts()]
    result = kind(maps, axes=[*more_axes, *own])
    result.metadata.General.title = title.rstrip()
    return result


def _results(signal, scale, source):
    for name, value, known in (("scale", scale, SCALES), ("source", source, RESULTS)):
        if value not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, known))}, not {value!r}."
            )
    found = [getattr(signal.learning_results, name) for name in RESULTS[source]]
    if any(each is None for each in found):
        method = "blind_source_separation" if source == "bss" else "decomposition"
        raise RuntimeError(f"There are no components yet: call `s.{method}` first.")
    # Loaded lazily from a file they are dask arrays.
    return [np.asarray(each) for each in found]


def _component_axis(results):
    return {"name": "Component", "size": results.shape[1], "navigate": True}


def _eager_class(signal):
    from hyperspy.api import signals

    if not signal._lazy:
        return type(signal)
    return next(
        cls for cls in type(signal).__mro__ if not issubclass(cls, signals.LazySignal)
    )
