"""`estimate_resolution`: the resolution of a map or an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .types import BaseSignal, UniformDataAxis

if TYPE_CHECKING:
    import dask.array as da

    from sparsedecomp.superresolution import Factors, Resolution

# Values of a cube that are split into two halves at once: more take more memory.
_AT_ONCE = 1_000_000
# Parameters that say which maps are measured; all others go to the function.
_FOR_MAPS = ("other", "across", "gain", "random_state")


def estimate_resolution(
    self: BaseSignal,
    method: str = "edge",
    other: BaseSignal | None = None,
    *,
    across: str | int | None = None,
    bar: bool = False,
    gain: float | None = None,
    random_state: int = 0,
    **options: Any,
) -> Resolution:
    """Measure the resolution of a map of spectra or of an image.

    A map of spectra is measured on the factor that varies most above the noise. The
    data are not changed.

    Parameters
    ----------
    method : {"edge", "profiles", "frc", "decorrelation"}
        "edge" is the width of the sharpest edges and "profiles" that of one straight
        edge along ``across``: the edges must be sharp in the specimen. "frc" is the
        frequency up to which two independent measurements agree (Fourier ring
        correlation); it needs two of them, or counts. "decorrelation" needs one map and
        has no error bar.
    other : hyperspy.api.signals.BaseSignal, optional
        Second measurement of the same field with independent noise, for "frc": for
        instance a map of the other half of the frames. Default: the counts of this one
        are split into two halves; their gain and offset are found from the noise.
    across : str, int or None
        Axis along which every line of the map crosses one straight edge; crop the map
        to the edge. "edge" with it means "profiles". Default: edges are looked for.
    bar : bool, default False
        Whether the lines of "profiles" cross both edges of a bar, bright or dark.
    gain : float, optional
        Size of one count in the units of the data, of counts without an offset, for
        "frc" without ``other``. Default: found from the noise.
    random_state : int, default 0
        Seed of the split of counts into halves.
    **options : object
        ``shape`` and ``level`` of `sparsedecomp.superresolution.edge_width`;
        ``threshold``, ``taper`` and ``level`` of ``ring_resolution``.

    Returns
    -------
    sparsedecomp.superresolution.Resolution
        Value, interval and curve in the units of the axes, and a picture by
        ``.plot()``. Where the sampling limits the value it is a bound, "at most"; where
        the data do not determine it, it is NaN, with the reason.

    Raises
    ------
    ValueError
        For an unknown method, a parameter that the method does not take, a signal that
        is neither a map nor an image, maps of different shape, and data to be split
        whose noise is not that of counts.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> from scipy.ndimage import gaussian_filter
    >>> import sparsedecomp
    >>> image = np.zeros((50, 60))
    >>> image[15:35, 15:45] = 1
    >>> s = hs.signals.Signal2D(gaussian_filter(image, 2.0))
    >>> found = s.estimate_resolution(shape="gaussian")
    >>> abs(found.value - 2.355 * 2.0) < 0.1
    True
    """
    from ..superresolution.resolution.measures import MEASURES

    if method == "edge" and across is not None:
        method = "profiles"
    explicit = {"other": other, "across": across}
    explicit |= {"bar": bar or None, "random_state": random_state or None}
    explicit["gain"] = gain
    given = {name: value for name, value in explicit.items() if value is not None}
    options = MEASURES.complete(method, given | options)
    measure = MEASURES[method]
    axes = _map_axes(self)
    steps = tuple(abs(float(axis.scale)) for axis in axes)
    options = {k: v for k, v in options.items() if k not in _FOR_MAPS}
    if measure.needs == "lines":
        axis = _crossed_axis(self, across, axes)
        image = _strongest(_cubes(self))[0]
        found = measure.load()(image.T if axis == 0 else image, steps[axis], **options)
    else:
        if measure.needs == "map":
            maps = _strongest(_cubes(self))
        else:
            maps = (
                _halves(self, random_state, gain)
                if other is None
                else _pair(self, other)
            )
        found = measure.load()(*maps, steps, **options)
    return found.in_units(axes[1].units)


def _crossed_axis(
    signal: BaseSignal, across: str | int | None, axes: list[UniformDataAxis]
) -> int:
    """Number of the axis, rows or columns, along which lines cross an edge."""
    names = f"'{axes[1].name}' or '{axes[0].name}'"
    if across is None:
        raise ValueError(f"method='profiles' needs across, the axis {names}.")
    chosen = signal.axes_manager[across]
    if chosen not in axes:
        raise ValueError(
            f"across={across!r} is the axis '{chosen.name}', expected one of the "
            f"map: {names}."
        )
    return axes.index(chosen)


def _map_axes(signal: BaseSignal) -> list[UniformDataAxis]:
    """Axes of rows and columns."""
    axes = signal.axes_manager
    if axes.navigation_dimension == 2 and axes.signal_dimension <= 1:
        return list(axes.navigation_axes[::-1])
    if axes.navigation_dimension == 0 and axes.signal_dimension == 2:
        return list(axes.signal_axes[::-1])
    raise ValueError(
        f"{signal} has {axes.navigation_dimension} navigation and "
        f"{axes.signal_dimension} signal axes, expected a map (two, and one or none) "
        "or an image. Choose one with `s.inav` or `s.sum`."
    )


def _cubes(*signals: BaseSignal) -> NDArray | da.Array:
    """Maps of one field, (n_maps, rows, columns, n_channels)."""
    data = [signal._data_aligned_with_axes for signal in signals]
    shape = (*data[0].shape[:2], -1)
    if any(hasattr(d, "dask") for d in data):
        import dask.array as da

        return da.stack([d.reshape(shape) for d in data])
    return np.stack([d.reshape(shape) for d in data])


def _factors(cubes: NDArray | da.Array) -> tuple[Factors, int]:
    """Factors of the maps, and the number of the one that varies most."""
    from ..superresolution import factors_of

    found = factors_of(cubes)
    return found, int(np.argmax(found.maps.var(axis=(0, 1, 2))))


def _strongest(cubes: NDArray | da.Array) -> NDArray:
    """The factor that varies most, in each of the maps."""
    found, best = _factors(cubes)
    return found.maps[..., best].astype(float)


def _pair(signal: BaseSignal, other: BaseSignal) -> NDArray:
    """The strongest factor of two signals of one shape."""
    shapes = signal.axes_manager.shape, other.axes_manager.shape
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The maps have the shapes {shapes[0]} and {shapes[1]}, expected equal "
            "ones. Crop them to their common field."
        )
    return _strongest(_cubes(signal, other))


def _halves(signal: BaseSignal, random_state: int, gain: float | None) -> NDArray:
    """The strongest factor of each half of the counts."""
    from ..superresolution import thin

    cubes = _cubes(signal)
    unit, offset = (gain, 0.0) if gain is not None else _unit_and_offset(signal)
    if not (np.isfinite(unit) and unit > 0):
        raise ValueError(f"gain={gain!r}, expected the size of one count, above 0.")
    found, best = _factors(cubes)
    weights = np.linalg.pinv(found.spectra)[:, best]
    data = cubes[0]
    maps = np.empty((2, *data.shape[:2]))
    n_rows = max(1, _AT_ONCE // (data.shape[1] * data.shape[2]))
    for i in range(0, len(data), n_rows):
        rows = slice(i, i + n_rows)
        counts = (np.asarray(data[rows], dtype=float) - offset) / unit
        whole = np.round(counts)
        if gain is None:
            # Noise of a dark offset may fall below it.
            whole = np.maximum(whole, 0)
        elif not np.allclose(counts, whole, atol=1e-3):
            whole = counts
        halves = thin(whole, random_state + i)
        maps[:, rows] = [half @ weights for half in halves]
    return maps


def _unit_and_offset(signal: BaseSignal) -> tuple[float, float]:
    """Size of one count and value without counts, from the noise of the data."""
    from ..blocks import as_blocks
    from ..noise import counts_of_image, find_noise

    data = _cubes(signal)[0]
    n_channels = data.shape[-1]
    counts = None
    if n_channels > 1:
        model = find_noise(as_blocks(data))
        if model.counts:
            return model.gain, 0.0
        counts = model.offset_counts
    if counts is None:
        counts = counts_of_image(np.asarray(data.sum(axis=-1)))
        if counts is not None:
            counts = counts._replace(intercept=counts.intercept / n_channels)
    if counts is None or not np.isfinite(counts.gain) or counts.intercept > counts.gain:
        about = "" if counts is None else f" ({counts})"
        raise ValueError(
            f"The noise of {signal} is not that of counts{about}: its variance is not "
            "proportional to the mean, or neighbouring pixels share it, so that one "
            "measurement cannot be dealt out to two halves. Give a second one as "
            "other=, for instance a map of the other half of the frames, or the size "
            "of one count as gain= where these are counts without an offset."
        )
    return counts.gain, -counts.intercept / counts.gain
