"""Missing data of a signal, and the fits that fill them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .inpainting_results import Inpainting
from .map_layout import Layout
from .types import BaseSignal


class MissingData(NamedTuple):
    """What is missing in a signal.

    Attributes
    ----------
    pixels : (rows, columns) bool array or None
        Pixels without any data; None where they are to be found as NaN.
    data : array or dask array
        Data of the signal, NaN in single entries that are missing.
    """

    pixels: NDArray | None
    data: Any


def missing_data(signal: BaseSignal, layout: Layout, mask: Any) -> MissingData:
    """What is missing, from a mask or from the NaN of a signal.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The signal.
    layout : Layout
        Its maps and channels.
    mask : array, signal or None
        True where data are missing, of the shape of the maps or of the data; None for
        where they are NaN.

    Returns
    -------
    MissingData

    Raises
    ------
    ValueError
        For a mask of another shape, one with other values than 0 and 1, and for whole
        numbers without a mask.
    """
    data = signal._data_aligned_with_axes
    if mask is None:
        if data.dtype.kind != "f":
            raise ValueError(
                f"The data have the dtype {data.dtype}, which has no NaN, and no mask "
                "was given: give `mask`, True where data are missing."
            )
        if layout.channels:
            return MissingData(None, data)
        return MissingData(np.asarray(np.isnan(data)).reshape(layout.shape), data)
    if hasattr(mask, "axes_manager"):
        mask = mask._data_aligned_with_axes
    values = mask if hasattr(mask, "dask") else np.asarray(mask)
    if values.dtype != bool:
        if not bool(((values == 0) | (values == 1)).all()):
            raise ValueError(
                f"The mask holds {values.dtype} values other than 0 and 1: give "
                "booleans, True where data are missing."
            )
        values = values.astype(bool)
    if values.shape == layout.map_shape:
        return MissingData(np.asarray(values).reshape(layout.shape), data)
    if layout.channels and values.shape == data.shape:
        kind = data.dtype if data.dtype.kind == "f" else np.float32
        if hasattr(data, "dask") or hasattr(values, "dask"):
            import dask.array as da

            return MissingData(None, da.where(values, np.nan, data.astype(kind)))
        return MissingData(None, np.where(values, np.nan, data).astype(kind))
    raise ValueError(
        f"The mask has the shape {values.shape}, expected that of the maps, "
        f"{layout.map_shape}, or of the data, {data.shape}, in the order of the axes "
        "of `s.data`."
    )


def inpaint_spectra(
    signal: BaseSignal,
    layout: Layout,
    gaps: MissingData,
    method: str,
    *,
    n_components: int | None,
    **options: Any,
) -> Inpainting:
    """Fill a spectrum image, a line scan or a stack.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The signal.
    layout : Layout
        Its maps and channels.
    gaps : MissingData
        What is missing.
    method : str
        Name in `INPAINTERS`.
    n_components : int or None
        Number of components.
    **options : object
        Noise, seed and parameters of the method.

    Returns
    -------
    Inpainting
    """
    from ..restoration.completion import complete, find_gaps, with_noise
    from ..restoration.inpainting import inpaint_cube
    from ..restoration.methods import INPAINTERS

    given = {k: v for k, v in options.items() if k not in ("noise", "random_state")}
    INPAINTERS.complete(method, given)
    completion = None
    n_entries = 0
    if gaps.pixels is not None:
        missing = gaps.pixels
        _refuse_empty(missing)
        blocks = layout.blocks(gaps.data, missing)
    else:
        entries = find_gaps(layout.blocks(gaps.data))
        missing = entries.empty.reshape(layout.shape)
        _refuse_empty(missing)
        blocks = layout.blocks(gaps.data, missing)
        n_entries = len(entries.rows)
        if n_entries:
            entries = entries.without_empty()
            completion = complete(blocks, entries, n_components)
            filled = with_noise(blocks, completion.at(entries))
            blocks = blocks.corrected(filled)
    maps = None
    if completion is None or missing.any() or method not in ("auto", "low_rank"):
        maps = inpaint_cube(
            blocks, ~missing, method, n_components=n_components, **options
        )
    return Inpainting(
        maps, completion, missing, n_entries, layout.swapped, layout.axes, signal
    )


def inpaint_single(
    signal: BaseSignal,
    layout: Layout,
    gaps: MissingData,
    method: str,
    **options: Any,
) -> Inpainting:
    """Fill a single image or spectrum.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        The signal.
    layout : Layout
        Its maps and channels.
    gaps : MissingData
        What is missing.
    method : str
        Name in `INPAINTERS`.
    **options : object
        Noise, seed and parameters of the method.

    Returns
    -------
    Inpainting
    """
    from ..restoration.inpainting import inpaint_map

    image = np.asarray(gaps.data).reshape(layout.shape)
    missing = gaps.pixels
    assert missing is not None
    maps = inpaint_map(image, ~missing, method, **options)
    return Inpainting(maps, None, missing, 0, layout.swapped, layout.axes, signal)


def _refuse_empty(missing: NDArray) -> None:
    if missing.all():
        raise ValueError(
            "All pixels are missing, expected some measured ones: the mask is True "
            "where data are missing."
        )
