"""Grids of a cube and its guide from their axes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .types import BaseSignal, UniformDataAxis

if TYPE_CHECKING:
    from sparsedecomp.fusion import Grids

FIELDS = ("axes", "same")
# Rounding of positions in files, in pixels of the guide.
_TOLERANCE = 1e-3
# A guide that reaches farther than so many coarse pixels beyond the cube is cropped.
_OVERHANG = 1.0


class CommonField(NamedTuple):
    """The part of cube and guide that show one field, and their grids.

    Attributes
    ----------
    grids : Grids
        Grids of the cropped arrays.
    coarse : (slice, slice)
        Rows and columns of the cube.
    fine : (slice, slice)
        Rows and columns of the guide.
    """

    grids: Grids
    coarse: tuple[slice, slice]
    fine: tuple[slice, slice]


def map_axes(signal: BaseSignal, name: str) -> tuple[UniformDataAxis, UniformDataAxis]:
    """Axes of the rows and columns of a map of spectra or of an image.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        A map (two navigation axes) or an image (two signal axes).
    name : str
        What it is, for messages.

    Returns
    -------
    rows, columns : hyperspy axis
        Uniform axes.

    Raises
    ------
    ValueError
        For other dimensions, and axes that are not uniform.
    """
    axes = signal.axes_manager
    if axes.signal_dimension == 2 and axes.navigation_dimension <= 1:
        found = axes.signal_axes[::-1]
    elif axes.navigation_dimension == 2 and axes.signal_dimension <= 1:
        found = axes.navigation_axes[::-1]
    else:
        raise ValueError(
            f"The {name}, {signal}, has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected a map of spectra (two and "
            "one), an image (none and two) or a stack of images (one and two)."
        )
    for axis in found:
        if not axis.is_uniform:
            raise ValueError(
                f"Axis '{axis.name}' of the {name} is not uniform: resample it with "
                "s.interpolate_on_axis."
            )
    return found


def guide_bands(guide: BaseSignal) -> NDArray:
    """Data of a guide with its bands last.

    Parameters
    ----------
    guide : hyperspy.api.signals.BaseSignal
        Image, stack of images, or map with a few channels.

    Returns
    -------
    (rows, columns, bands) array
        Data in memory.
    """
    axes = guide.axes_manager
    data = np.asarray(guide._data_aligned_with_axes)
    if axes.signal_dimension == 2:
        return data[..., None] if data.ndim == 2 else np.moveaxis(data, 0, -1)
    return data[..., None] if data.ndim == 2 else data


def common_field(cube: BaseSignal, guide: BaseSignal, field: str) -> CommonField:
    """Where the pixels of a cube lie on a guide, by the axes of both.

    Parameters
    ----------
    cube : hyperspy.api.signals.BaseSignal
        Coarse map of spectra.
    guide : hyperspy.api.signals.BaseSignal
        Sharp image.
    field : {"axes", "same"}
        "axes" for positions by scale and offset; "same" where the axes are not
        calibrated and both show one field, edge to edge.

    Returns
    -------
    CommonField
        Grids and what is cropped.

    Raises
    ------
    ValueError
        For units that differ, a guide that is not finer, and fields that do not
        overlap.
    """
    from ..fusion import Grids

    coarse_axes, fine_axes = map_axes(cube, "cube"), map_axes(guide, "guide")
    shapes = [tuple(axis.size for axis in axes) for axes in (fine_axes, coarse_axes)]
    everything = [tuple(slice(0, n) for n in shape) for shape in shapes]
    plain = not any(map(_is_calibrated, (*coarse_axes, *fine_axes)))
    if field == "axes" and plain and all(f > c for f, c in zip(*shapes, strict=True)):
        warnings.warn(
            "Neither cube nor guide has calibrated axes: both are taken to show the "
            "same field, edge to edge. Set scales and offsets, or give field='same' "
            "to say so.",
            stacklevel=4,
        )
        field = "same"
    if field == "same":
        grids = Grids.of_same_field(*shapes)
        return CommonField(grids, everything[1], everything[0])  # type: ignore
    parts = [_along(c, f) for c, f in zip(coarse_axes, fine_axes, strict=True)]
    fine = tuple(part[1] for part in parts)
    coarse = tuple(part[0] for part in parts)
    grids = Grids(
        tuple(s.stop - s.start for s in fine),
        tuple(s.stop - s.start for s in coarse),
        tuple(part[2] for part in parts),
        tuple(part[3] for part in parts),
    )
    return CommonField(grids, coarse, fine)  # type: ignore[arg-type]


def _is_calibrated(axis: UniformDataAxis) -> bool:
    return axis.scale != 1 or axis.offset != 0 or bool(_units(axis))


def _units(axis: UniformDataAxis) -> str:
    return axis.units if isinstance(axis.units, str) else ""


def _along(
    coarse: UniformDataAxis, fine: UniformDataAxis
) -> tuple[slice, slice, float, float]:
    """Common pixels of both axes, the step and the origin of the coarse ones."""
    units = _units(coarse), _units(fine)
    if all(units) and units[0] != units[1]:
        raise ValueError(
            f"Axis '{coarse.name}' of the cube is in {units[0]} and '{fine.name}' of "
            f"the guide in {units[1]}, expected one unit. Convert one of them, for "
            f"instance with guide.axes_manager['{fine.name}'].convert_to_units("
            f"'{units[0]}')."
        )
    step = coarse.scale / fine.scale
    if step < 1 - _TOLERANCE:
        raise ValueError(
            f"The guide's step along '{fine.name}' is {fine.scale:.4g} {units[1]}, "
            f"that of the cube {coarse.scale:.4g} {units[0]}, expected a finer one: "
            + (
                "the axes run in opposite directions; flip one of them."
                if step < 0
                else "by its axes it is no sharper image of this field but one of a "
                "larger field, whatever the numbers of pixels are. Check the scales, "
                "or give field='same' if they are wrong and both show one field."
            )
        )
    origin = (coarse.offset - fine.offset) / fine.scale
    places = origin + step * np.arange(coarse.size)
    inside = np.flatnonzero(
        (places > -0.5 - _TOLERANCE) & (places < fine.size - 0.5 + _TOLERANCE)
    )
    if len(inside) < 2:
        raise ValueError(
            f"The cube covers {coarse.axis[0]:.4g} to {coarse.axis[-1]:.4g} along "
            f"'{coarse.name}', the guide {fine.axis[0]:.4g} to {fine.axis[-1]:.4g} "
            f"{units[1]}: the fields do not overlap. Check the offsets of the axes."
        )
    kept = slice(int(inside[0]), int(inside[-1]) + 1)
    if len(inside) < coarse.size:
        warnings.warn(
            f"The guide covers {len(inside)} of the {coarse.size} pixels of the cube "
            f"along '{coarse.name}': only these are fused.",
            stacklevel=5,
        )
    low, high = places[kept.start] - step / 2, places[kept.stop - 1] + step / 2
    first, last = 0, fine.size
    if low > _OVERHANG * step:
        first = int(np.ceil(low - _TOLERANCE))
    if fine.size - 1 - high > _OVERHANG * step:
        last = int(np.floor(high + _TOLERANCE)) + 1
    start = places[kept.start] - first
    return kept, slice(first, last), float(step), float(start)
