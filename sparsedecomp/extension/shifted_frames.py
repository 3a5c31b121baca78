"""Frames of `super_resolve`: signals that are checked, and their data as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_is_signal
from .masks import in_array_order
from .types import BaseSignal, UniformDataAxis

if TYPE_CHECKING:
    import dask.array as da

# Steps and energies of frames may differ by this part of a step: rounding in files.
TOLERANCE = 1e-3
_CONVERSION = "s.change_dtype('float32')"


def frames_of(signals: BaseSignal | Sequence[BaseSignal]) -> list[BaseSignal]:
    """Frames as signals with two navigation axes and one signal axis or none.

    Parameters
    ----------
    signals : signal or sequence of signals
        Maps, images, or a stack of them.

    Returns
    -------
    list of hyperspy.api.signals.BaseSignal

    Raises
    ------
    ValueError
        For other dimensions.
    TypeError
        For data that are not real numbers.
    """
    from hyperspy.signal import BaseSignal

    if isinstance(signals, BaseSignal):
        signals = _unstacked(signals)
    frames = []
    for number, frame in enumerate(signals):
        check_is_signal(frame, "super_resolve")
        axes = frame.axes_manager
        if axes.navigation_dimension == 0 and axes.signal_dimension == 2:
            frame = frame.transpose(navigation_axes=2)
            axes = frame.axes_manager
        if axes.navigation_dimension != 2 or axes.signal_dimension > 1:
            raise ValueError(
                f"Frame {number}, {frame}, has {axes.navigation_dimension} navigation "
                f"and {axes.signal_dimension} signal axes, expected a map of spectra "
                "(two and one) or an image."
            )
        if frame.data.dtype.kind not in "fiu":
            raise TypeError(
                f"Frame {number} has the dtype {frame.data.dtype}, expected real "
                f"numbers. Convert it, for instance with {_CONVERSION}."
            )
        frames.append(frame)
    return frames


def _unstacked(stack: BaseSignal) -> list[BaseSignal]:
    """The frames of a stack."""
    axes = stack.axes_manager
    image = axes.signal_dimension == 2 and axes.navigation_dimension == 1
    if axes.navigation_dimension != 3 and not image:
        raise ValueError(
            f"{stack} has {axes.navigation_dimension} navigation axes, expected three: "
            "x, y and, slowest, the frames. Give single maps as a list: "
            "sparsedecomp.super_resolve([s1, s2, ...], scale=...)."
        )
    size = axes.navigation_axes[-1].size
    return [
        stack.inav[(slice(None),) * (0 if image else 2) + (i,)] for i in range(size)
    ]


def map_axes(frame: BaseSignal) -> tuple[UniformDataAxis, UniformDataAxis]:
    """Axes of rows and columns.

    Parameters
    ----------
    frame : hyperspy.api.signals.BaseSignal
        A frame.

    Returns
    -------
    tuple of two axes
    """
    return frame.axes_manager.navigation_axes[::-1]


def check_alike(frames: list[BaseSignal]) -> None:
    """Refuse frames that differ in shape, step or energies.

    Parameters
    ----------
    frames : list of hyperspy.api.signals.BaseSignal
        All frames.

    Raises
    ------
    ValueError
        Names the frame and the axis.
    """
    first = frames[0]
    for number, frame in enumerate(frames[1:], 1):
        shapes = first.axes_manager.shape, frame.axes_manager.shape
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"Frame {number} has the shape {shapes[1]} and frame 0 {shapes[0]}, "
                "expected equal ones. Crop them to their common size."
            )
        pairs = list(zip(map_axes(first), map_axes(frame), strict=True))
        for one, other in pairs:
            same = np.isclose(other.scale, one.scale, rtol=TOLERANCE)
            if not same or one.units != other.units:
                raise ValueError(
                    f"Axis '{other.name}' of frame {number} has a step of "
                    f"{other.scale:g} {other.units}, that of frame 0 {one.scale:g} "
                    f"{one.units}, expected equal ones. Calibrate the frames alike."
                )
        for one, other in zip(
            first.axes_manager.signal_axes, frame.axes_manager.signal_axes, strict=True
        ):
            width = np.abs(np.diff(one.axis)).mean() if one.size > 1 else 1.0
            if np.abs(one.axis - other.axis).max() > TOLERANCE * one.size * width:
                raise ValueError(
                    f"The signal axis of frame {number} runs from {other.axis[0]:g} to "
                    f"{other.axis[-1]:g}, that of frame 0 from {one.axis[0]:g} to "
                    f"{one.axis[-1]:g}, expected the same channels. Align and crop "
                    "them, for instance with s.interpolate_on_axis."
                )


def starts(
    frames: list[BaseSignal],
    offsets: ArrayLike | None,
    axes: tuple[UniformDataAxis, UniformDataAxis],
) -> NDArray | None:
    """Where frames begin; None if that is to be estimated.

    Parameters
    ----------
    frames : list of hyperspy.api.signals.BaseSignal
        All frames.
    offsets : (n_frames, 2) array, "estimate" or None
        Columns and rows in the units of the axes; default: those of the axes.
    axes : tuple of two axes
        Axes of rows and columns.

    Returns
    -------
    (n_frames, 2) array or None
        Rows and columns in the units of the axes.

    Raises
    ------
    ValueError
        For missing or malformed offsets.
    """
    if isinstance(offsets, str):
        if offsets != "estimate":
            raise ValueError(
                f"offsets={offsets!r}, expected 'estimate' or x and y of every frame."
            )
        return None
    if offsets is not None:
        starts = np.asarray(offsets, float)
        if starts.shape != (len(frames), 2):
            raise ValueError(
                f"The offsets have the shape {starts.shape}, expected "
                f"({len(frames)}, 2): x and y of every frame."
            )
        return starts[:, ::-1]
    starts = np.array([[axis.offset for axis in map_axes(f)] for f in frames], float)
    if np.ptp(starts, axis=0).max() == 0:
        raise ValueError(
            f"All {len(frames)} frames begin at the same place "
            f"({axes[1].offset:g}, {axes[0].offset:g}): their offsets are missing. Set "
            "those of their axes, or give offsets=[(x, y), ...], or "
            "offsets='estimate' to find them from the data."
        )
    return starts


def stacked(
    frames: list[BaseSignal], navigation_mask: Any
) -> tuple[NDArray | da.Array, NDArray | None]:
    """Data and mask of all frames, frames first.

    Parameters
    ----------
    frames : list of hyperspy.api.signals.BaseSignal
        All frames.
    navigation_mask : array or signal, a sequence of them, or None
        True for pixels to leave out, in the order of ``axes_manager``.

    Returns
    -------
    data : (n_frames, rows, columns, n_channels) array or dask array
        The data.
    mask : (n_frames, rows, columns) bool array or None
        True for pixels to leave out, in the order of the data.
    """
    from ..blocks.sources import without_empty_mask

    arrays = [frame._data_aligned_with_axes for frame in frames]
    if not frames[0].axes_manager.signal_dimension:
        arrays = [a.reshape(*a.shape[:2], 1) for a in arrays]
    if any(hasattr(a, "dask") for a in arrays):
        import dask.array as da

        data = da.stack(arrays)
    else:
        data = np.stack([without_empty_mask(a) for a in arrays])
    if navigation_mask is None:
        return data, None
    if not isinstance(navigation_mask, list | tuple):
        navigation_mask = [navigation_mask] * len(frames)
    masks = [
        in_array_order(frame, mask, "navigation")
        for frame, mask in zip(frames, navigation_mask, strict=True)
    ]
    empty = np.zeros(data.shape[1:3], bool)
    return data, np.stack([empty if mask is None else mask for mask in masks])
