"""How the axes of a signal are rows, columns and channels, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results import AxisScale
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

# Values that one block of a lazy result holds.
_AT_ONCE = 4e6


class Layout:
    """How the axes of a signal are maps and channels.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal of at most two navigation and two signal axes.
    """

    def __init__(self, signal: BaseSignal) -> None:
        axes = signal.axes_manager
        navigation, dimension = axes.navigation_dimension, axes.signal_dimension
        shape = axes._navigation_shape_in_array, axes._signal_shape_in_array
        self.signal = signal
        # A stack has its maps in the signal axes.
        self.swapped = navigation == 1 and dimension == 2
        self.channels = 0
        if navigation == 0 and dimension in (1, 2):
            self.shape = (1, *shape[1])[-2:]
        elif self.swapped:
            self.shape, self.channels = shape[1], shape[0][0]
        elif navigation in (1, 2) and dimension in (0, 1, 2):
            self.shape = (1, *shape[0])[-2:]
            self.channels = int(np.prod(shape[1])) if dimension else 0
        else:
            raise ValueError(
                f"{signal} has {navigation} navigation and {dimension} signal axes, "
                "expected at most two of each. Choose a part with `s.inav`, or unfold "
                "an axis."
            )
        maps = axes.navigation_axes if dimension == 0 or navigation else ()
        maps = axes.signal_axes if self.swapped or not maps else maps
        self.axes = tuple(AxisScale.of(axis) for axis in maps)
        if int(np.prod(self.shape)) < 3:
            raise ValueError(
                f"{signal} has {int(np.prod(self.shape))} pixels, expected at least 3."
            )

    def maps_first(self, data: Any) -> Any:
        """Data in the order of the axes of the signal, with the maps' axes first.

        Parameters
        ----------
        data : array or dask array
            Data of the shape of those of the signal.
        """
        return data.transpose(1, 2, 0) if self.swapped else data

    def over_channels(self, pixels: NDArray) -> NDArray:
        """Values of pixels in a shape that the data of the signal broadcast with.

        Parameters
        ----------
        pixels : (rows, columns) array
            One value for each pixel.
        """
        axes = self.signal.axes_manager
        if self.swapped or not self.channels:
            return pixels.reshape(pixels.shape if self.swapped else self.map_shape)
        return pixels.reshape(self.map_shape + (1,) * axes.signal_dimension)

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Shape of the maps in array order: one axis for lines and spectra."""
        return tuple(axis.size for axis in self.axes[::-1])

    def blocks(self, data: Any = None, missing: NDArray | None = None) -> Any:
        """The data as a matrix of pixels times channels.

        Parameters
        ----------
        data : array or dask array, optional
            Data to take in the place of those of the signal.
        missing : (rows, columns) bool array, optional
            Pixels that are left out.
        """
        from ..blocks import as_blocks

        data = self.signal._data_aligned_with_axes if data is None else data
        data = self.maps_first(data)
        dimension = 1 if self.swapped else self.signal.axes_manager.signal_dimension
        if missing is not None:
            missing = missing.reshape(self.map_shape)
        return as_blocks(data, dimension, missing, dtype=np.float32)


def blockwise(maps: NDArray, spectra: NDArray, function: Any) -> da.Array:
    """Values of all channels, computed for some rows of the maps at a time.

    Parameters
    ----------
    maps : (rows, columns, n) array
        What the function gets blocks of.
    spectra : (n_factors, n_channels) array
        Spectra that the function gets, too.
    function : callable
        Makes (rows, columns, n_channels) values of a block and of the spectra.

    Returns
    -------
    dask array
        Values of all pixels, (rows, columns, n_channels).
    """
    import dask.array as da

    spectra = spectra.astype(np.float32)
    rows, columns = maps.shape[:2]
    across = max(1, min(columns, int(_AT_ONCE / spectra.shape[1])))
    down = max(1, int(_AT_ONCE / (across * spectra.shape[1])))
    blocks = da.from_array(
        np.ascontiguousarray(maps, np.float32), chunks=(down, across, -1)
    )
    return blocks.map_blocks(
        function,
        spectra,
        dtype=np.float32,
        chunks=(*blocks.chunks[:2], (spectra.shape[1],)),
    )


def like(source: BaseSignal, data: Any) -> BaseSignal:
    """A signal of the class, axes and metadata of another one.

    Parameters
    ----------
    source : hyperspy.api.signals.BaseSignal
        The other signal.
    data : array or dask array
        Data in the order of its axes; the signal is lazy if they are.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Without what the metadata say of the noise, and without markers.
    """
    from .components import _eager_class

    axes = [dict(axis) for axis in source.axes_manager._get_axes_dicts()]
    axes.sort(key=lambda axis: not axis["navigate"])
    metadata = source.metadata.deepcopy()
    for path in ("Signal.Noise_properties", "Markers", "_HyperSpy"):
        if metadata.has_item(path):
            parent, _, name = path.rpartition(".")
            delattr(metadata.get_item(parent) if parent else metadata, name)
    lazy = hasattr(data, "dask")
    empty = np.broadcast_to(np.float32(0), data.shape) if lazy else data
    signal = _eager_class(source)(empty, axes=axes, metadata=metadata.as_dictionary())
    if lazy:
        signal = signal.as_lazy()
        signal.data = data
    return signal
