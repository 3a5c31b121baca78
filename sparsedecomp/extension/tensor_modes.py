"""The modes of a tensor as groups of the navigation axes of a signal."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from .algorithms import Algorithm
from .types import BaseSignal

Modes = tuple[tuple[int, ...], ...]

_PLANE = {"x", "y"}


def with_modes(
    signal: BaseSignal, choice: Algorithm, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Give an estimator of tensors its modes as indices of array axes.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to decompose.
    choice : sparsedecomp.extension.algorithms.Algorithm
        Algorithm that was chosen.
    parameters : dict
        Parameters of the estimator.

    Returns
    -------
    dict
        Parameters with ``modes`` as the estimator takes it; unchanged for other
        estimators.
    """
    if "modes" not in inspect.signature(choice.load()).parameters:
        return parameters
    modes = modes_of(signal, parameters.get("modes"))
    return {**parameters, "modes": modes}


def modes_of(signal: BaseSignal, modes: Sequence | None = None) -> Modes:
    """Find the navigation axes of every mode.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to decompose.
    modes : sequence, optional
        Names of navigation axes, axes, or their indices in the order of
        ``axes_manager.navigation_axes``; those that share a mode as a tuple. Default:
        the plane of pixels is one mode and every other axis a mode of its own. The
        plane consists of the axes ``x`` and ``y``, or of the first two (the fastest)
        if their units are equal.

    Returns
    -------
    tuple of tuples of int
        Indices of the axes of each mode in array order.

    Raises
    ------
    ValueError
        If an axis does not exist, is missing or named twice.

    Warns
    -----
    UserWarning
        If the plane of pixels is split, as maps would be outer products, and if there
        is only one mode besides the channels.
    """
    axes = signal.axes_manager.navigation_axes
    plane = _plane_of(axes)
    if modes is None:
        rest = [(i,) for i in range(len(axes)) if i not in plane]
        grouped = [*([plane] if plane else []), *rest]
    else:
        grouped = [_indices(axes, mode) for mode in modes]
        flat = sorted(i for mode in grouped for i in mode)
        if flat != list(range(len(axes))):
            names = [axis.name for axis in axes]
            raise ValueError(
                f"modes={modes!r} for {signal}: expected each of its navigation axes "
                f"{names} in exactly one mode. Axes that share a mode are a tuple, for "
                "instance modes=['tilt', ('x', 'y')]."
            )
        if plane and not any(set(plane) <= set(mode) for mode in grouped):
            first, second = (axes[i].name for i in plane)
            warnings.warn(
                f"The axes {first!r} and {second!r} look like a plane of pixels, but "
                "are in different modes: every map is then the product of a profile "
                f"along each, which real maps are not. Put ({first!r}, {second!r}) "
                "into one mode unless you know better.",
                stacklevel=3,
            )
    if len(grouped) == 1:
        warnings.warn(
            "There is one mode besides the channels: this is the factorisation of a "
            "matrix, which is not unique. Methods for matrices such as 'nmf_so_ard' "
            "add assumptions to make it so; a tensor needs one more axis, such as "
            "tilt or time.",
            stacklevel=3,
        )
    last = len(axes) - 1
    return tuple(tuple(sorted(last - i for i in mode)) for mode in grouped)


def series_of(
    signal: BaseSignal, modes: Modes, series: str | int | Any | None = None
) -> int:
    """Find the mode of a series among two modes.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal to decompose.
    modes : tuple of tuples of int
        Modes from `modes_of`.
    series : str, axis or int, optional
        Name of a navigation axis, the axis, or its index. Default: the mode of a
        single axis, the last if both are.

    Returns
    -------
    int
        Index of the mode.

    Raises
    ------
    ValueError
        If there are not two modes, or the series is not a single axis.
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


def _plane_of(axes: Sequence) -> tuple[int, ...]:
    """Indices of the two axes of a plane of pixels, or ()."""
    names = [str(axis.name).lower() for axis in axes]
    if _PLANE <= set(names):
        return tuple(sorted(names.index(name) for name in _PLANE))
    if len(axes) >= 2 and str(axes[0].units) == str(axes[1].units):
        return (0, 1)
    return ()


def _indices(axes: Sequence, mode: Any) -> tuple[int, ...]:
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
