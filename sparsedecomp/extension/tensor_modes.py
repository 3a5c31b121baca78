"""Which navigation axes of a signal make up which mode of a tensor."""

import inspect
import warnings

_PLANE = {"x", "y"}


def with_modes(signal, choice, parameters):
    """Give an estimator of tensors its modes as indices of array axes.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    choice : sparsedecomp.extension.algorithms.Algorithm
    parameters : dict
        Of the estimator.

    Returns
    -------
    dict
        With ``modes`` as the estimator takes it; as it was for other estimators.
    """
    if "modes" not in inspect.signature(choice.load()).parameters:
        return parameters
    modes = modes_of(signal, parameters.get("modes"))
    return {**parameters, "modes": modes}


def modes_of(signal, modes=None):
    """Find the navigation axes of every mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    modes : sequence, optional
        Names of navigation axes, axes, or their indices in the order of
        ``axes_manager.navigation_axes``; those that share a mode as a tuple. Default:
        the plane of pixels is one mode and every other axis one of its own. The
        plane is axes ``x`` and ``y``, or the first two (the fastest) if their units
        are equal.

    Returns
    -------
    tuple of tuples of int
        Indices in array order.

    Raises
    ------
    ValueError
        When an axis does not exist, is missing or named twice.

    Warns
    -----
    UserWarning
        When the plane of pixels is split: maps would be outer products.
    """
    axes = signal.axes_manager.navigation_axes
    plane = _plane_of(axes)
    if modes is None:
        rest = [(i,) for i in range(len(axes)) if i not in plane]
        found = [*([plane] if plane else []), *rest]
    else:
        found = [_indices(axes, mode) for mode in modes]
        flat = sorted(i for mode in found for i in mode)
        if flat != list(range(len(axes))):
            names = [axis.name for axis in axes]
            raise ValueError(
                f"modes={modes!r} for {signal}: expected each of its navigation axes "
                f"{names} in exactly one mode. Axes that share a mode are a tuple, for "
                "instance modes=['tilt', ('x', 'y')]."
            )
        if plane and not any(set(plane) <= set(mode) for mode in found):
            first, second = (axes[i].name for i in plane)
            warnings.warn(
                f"The axes {first!r} and {second!r} look like a plane of pixels, but "
                "are in different modes: every map is then the product of a profile "
                f"along each, which real maps are not. Put ({first!r}, {second!r}) "
                "into one mode unless you know better.",
                stacklevel=3,
            )
    if len(found) == 1:
        warnings.warn(
            "There is one mode besides the channels: this is the factorisation of a "
            "matrix, which is not unique. 'nmf_so_ard' and its like say what they add "
            "to make it so; a tensor needs one more axis, such as tilt or time.",
            stacklevel=3,
        )
    last = len(axes) - 1
    return tuple(tuple(sorted(last - i for i in mode)) for mode in found)


def series_of(signal, modes, series=None):
    """Find the mode of a series among two modes.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
    modes : tuple of tuples of int
        From `modes_of`.
    series : str, axis or int, optional
        Name of a navigation axis, the axis, or its index. Default: the mode of a
        single axis, the last if both are.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        When there are not two modes, or the series is not a single axis.
    """
    axes = signal.axes_manager.navigation_axes
    single = [number for number, mode in enumerate(modes) if len(mode) == 1]
    if series is not None:
        (index,) = _indices(axes, series)
        single = [n for n in single if modes[n] == (len(axes) - 1 - index,)]
    if len(modes) != 2 or not single:
        raise ValueError(
            f"The modes of {signal} have {tuple(len(mode) for mode in modes)} axes: a "
            "decomposition by 'parafac2' needs two modes, the pixels and a series of "
            "one axis, along which spectra change. Name it as `series`, and put all "
            "other axes into one of `modes`."
        )
    return single[-1]


def _plane_of(axes):
    """Indices of the two axes of a plane of pixels, or ()."""
    names = [str(axis.name).lower() for axis in axes]
    if _PLANE <= set(names):
        return tuple(sorted(names.index(name) for name in _PLANE))
    if len(axes) >= 2 and str(axes[0].units) == str(axes[1].units):
        return (0, 1)
    return ()


def _indices(axes, mode):
    if isinstance(mode, tuple | list):
        return tuple(i for each in mode for i in _indices(axes, each))
    for i, axis in enumerate(axes):
        if mode is axis or (isinstance(mode, str) and mode == axis.name):
            return (i,)
        if not isinstance(mode, str | bool) and mode == i:
            return (i,)
    raise ValueError(
        f"There is no navigation axis {mode!r}. There are: "
        f"{', '.join(repr(axis.name) for axis in axes)}."
    )
