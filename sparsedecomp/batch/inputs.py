"""Input of a batch decomposition: the cube in a file, and masks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hyperspy.signals import BaseSignal


def load_cube(
    path: str | os.PathLike[str],
    lazy: bool = False,
    chunks: tuple[int, ...] | None = None,
) -> BaseSignal:
    """Load the one cube that a file holds.

    Parameters
    ----------
    path : path-like
        File that ``hs.load`` reads. Images and single spectra beside the cube are
        ignored.
    lazy : bool, default False
        Whether to leave the data in the file.
    chunks : tuple of int, optional
        Pixels per block along each navigation axis, in array order. Default: the
        blocks of the file.

    Returns
    -------
    hyperspy.signals.BaseSignal
        A signal with at least two pixels and a signal axis.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If HyperSpy cannot read it.
    ValueError
        If it holds no cube or several, or ``chunks`` does not fit its axes.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np, tempfile, pathlib
    >>> from sparsedecomp.batch.inputs import load_cube
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "cube.hspy"
    >>> hs.signals.Signal1D(np.ones((8, 6, 40))).save(path)
    >>> load_cube(path, lazy=True, chunks=(4, 6)).data.chunks
    ((4, 4), (6,), (40,))
    """
    import hyperspy.api as hs

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        loaded = hs.load(path, lazy=lazy)
    except Exception as error:
        # Each reader fails in its own way on a file that is not what it seems.
        raise OSError(f"{path} could not be read by HyperSpy: {error}") from error
    signals = loaded if isinstance(loaded, list) else [loaded]
    cubes = [s for s in signals if _is_cube(s)]
    if len(cubes) != 1:
        found = "; ".join(_describe(s) for s in signals)
        raise ValueError(
            f"{path} holds {len(cubes)} cubes where one was expected "
            f"(pixels | channels): {found}. "
            + (
                "Save the one you mean in a file of its own"
                if cubes
                else "Set its signal axis with as_signal1D and save it again"
            )
        )
    cube = cubes[0]
    if chunks is not None:
        navigation = cube.axes_manager._navigation_shape_in_array
        if len(chunks) != len(navigation):
            raise ValueError(
                f"chunks {chunks} do not fit the navigation shape {navigation} of "
                f"{path}: give one number per axis"
            )
        cube.rechunk(nav_chunks=chunks)
    return cube


def _is_cube(signal: BaseSignal) -> bool:
    axes = signal.axes_manager
    return axes.navigation_size >= 2 and axes.signal_dimension >= 1


def _describe(signal: BaseSignal) -> str:
    """Title and dimensions, such as "oxide (9, 7 | 60)"."""
    axes = signal.axes_manager
    navigation, channels = (
        ", ".join(map(str, shape))
        for shape in (axes.navigation_shape, axes.signal_shape)
    )
    title = signal.metadata.General.get_item("title", "") or "untitled"
    return f"{title} ({navigation} | {channels})"


def read_mask(path: str | os.PathLike[str], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Read a mask and check that it fits.

    Parameters
    ----------
    path : path-like
        A ``.npy`` file in array order, or any file that HyperSpy reads.
    shape : tuple of int
        Expected shape, in array order.

    Returns
    -------
    ndarray of bool
        Mask; True leaves out.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, or the mask has another shape, values other than
        true and false, or leaves out everything.
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"the mask {path} does not exist")
    try:
        mask = _load_image(Path(path))
    except Exception as error:
        # Each reader fails in its own way on a file that is not what it seems.
        raise ValueError(
            f"the mask {path} could not be read: {error or type(error).__name__}"
        ) from error
    # Image formats have no booleans: 0 and 1 are accepted.
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"the mask {path} holds {mask.dtype} values other than 0 and 1: "
            "save it as booleans, True for what is left out"
        )
    if mask.shape != tuple(shape):
        raise ValueError(
            f"the mask {path} has shape {mask.shape}, the data need {tuple(shape)} "
            "(array order, y before x)"
        )
    if mask.all():
        raise ValueError(
            f"the mask {path} leaves out everything: true or 1 marks what is masked"
        )
    return mask.astype(bool)


def _load_image(path: Path) -> NDArray:
    if path.suffix == ".npy":
        return np.load(path)
    import hyperspy.api as hs

    loaded = hs.load(path)
    if isinstance(loaded, list):
        raise ValueError(f"it holds {len(loaded)} signals where one was expected")
    return loaded.data


def parse_ranges(text: str) -> list[tuple[float, float]] | None:
    """Read ranges of the form "lo:hi,lo:hi".

    Parameters
    ----------
    text : str
        Pairs of numbers.

    Returns
    -------
    list of (float, float) or None
        Ranges; None if the text is something else, such as a file name.

    Examples
    --------
    >>> from sparsedecomp.batch.inputs import parse_ranges
    >>> parse_ranges("-5:3.5,700:705")
    [(-5.0, 3.5), (700.0, 705.0)]
    >>> parse_ranges("mask.npy") is None
    True
    """
    try:
        pairs = (part.split(":") for part in text.split(","))
        return [(float(low), float(high)) for low, high in pairs]
    except ValueError:
        return None


def masks_for(
    signal: BaseSignal,
    mask: str | os.PathLike[str] | None = None,
    signal_mask: str | None = None,
) -> dict[str, NDArray[np.bool_] | None]:
    """Turn the masks of a command line into those that ``decomposition`` takes.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        The cube.
    mask : path-like, optional
        File of the pixels to leave out.
    signal_mask : str, optional
        Channels to leave out: a file, or ranges ``"lo:hi,lo:hi"`` in units of the
        signal axis, both ends included.

    Returns
    -------
    dict
        Arrays of booleans, or None, named ``navigation_mask`` and ``signal_mask``.

    Raises
    ------
    ValueError
        If a mask does not fit the signal or leaves nothing.
    """
    axes = signal.axes_manager
    pixels = channels = None
    if mask is not None:
        pixels = read_mask(mask, axes._navigation_shape_in_array)
        if pixels.size - pixels.sum() == 1:
            raise ValueError(f"the mask {mask} leaves one pixel, expected two or more")
    if signal_mask is not None:
        ranges = parse_ranges(signal_mask)
        if ranges is None:
            channels = read_mask(signal_mask, axes._signal_shape_in_array)
        else:
            channels = _in_ranges(axes.signal_axes, ranges, signal_mask)
    # HyperSpy expects masks that are arrays in the order of its axes: x before y.
    return {
        "navigation_mask": None if pixels is None else pixels.T,
        "signal_mask": None if channels is None else channels.T,
    }


def _in_ranges(signal_axes, ranges, text):
    if len(signal_axes) != 1:
        raise ValueError(
            f"the ranges {text} need one signal axis, the data have "
            f"{len(signal_axes)}: give a mask file instead"
        )
    energy = signal_axes[0].axis
    inside = [(lo <= energy) & (energy <= hi) for lo, hi in ranges]
    for (lo, hi), channels in zip(ranges, inside, strict=True):
        if not channels.any():
            raise ValueError(
                f"no channel lies in {lo:g}:{hi:g}; the axis runs from "
                f"{energy[0]:g} to {energy[-1]:g} {signal_axes[0].units}"
            )
    return np.any(inside, axis=0)
