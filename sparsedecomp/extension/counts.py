"""Sum spectrum and maps of X-ray lines, from counts that stay sparse."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from ..progress import with_progress_bar
from .components import map_of
from .types import BaseSignal

if TYPE_CHECKING:
    from ..blocks import BlockMatrix


@with_progress_bar
def get_sum_spectrum(self) -> BaseSignal:
    """Add up the spectra of all pixels, in one read of the data.

    Counts of a lazily loaded .scube file, also of a part that ``inav`` and ``isig`` cut
    out, are added up without their zeros.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Spectrum with the metadata of the signal, not lazy.

    Raises
    ------
    ValueError
        If there is no navigation or no signal axis.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.ones((4, 3, 20)))
    >>> s.get_sum_spectrum().data[:3].tolist()
    [12.0, 12.0, 12.0]
    """
    blocks = _blocks(self)
    _, (total,) = blocks.run(_column_sums)
    spectrum = self._get_signal_signal(dtype=float)
    spectrum.data = total.reshape(spectrum.data.shape)
    spectrum.metadata.General.title = f"Sum of {self.metadata.General.title}".strip()
    return spectrum


@with_progress_bar
def get_line_maps(
    self, windows: list[str] | dict[str, tuple[float, float]] | None = None
) -> list[BaseSignal]:
    """Count the events in windows of the energy, all in one read of the data.

    Counts of a lazily loaded .scube file are read without their zeros.

    Parameters
    ----------
    windows : list of str or dict, optional
        X-ray lines such as ``["Fe_Ka", "O_Ka"]`` of an EDS signal, whose windows exspy
        chooses: twice the width of the line. Or windows by name in units of the energy
        axis, ``{name: (low, high)}``, with the channels of ``isig[low:high]``.
        Default: the lines of ``metadata.Sample``.

    Returns
    -------
    list of hyperspy.api.signals.BaseSignal
        A map for each window, titled by its name, not lazy. Backgrounds are not
        subtracted.

    Raises
    ------
    ValueError
        If a window holds no channel, or the signal is no EDS signal and lines were
        named.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.ones((4, 3, 20)))
    >>> (peak,) = s.get_line_maps({"peak": (5, 8)})
    >>> peak.data[0].tolist()
    [3.0, 3.0, 3.0]
    """
    from .segmentation import line_windows

    blocks = _blocks(self)
    if windows is None:
        windows = _lines_of_sample(self)
    if not isinstance(windows, dict):
        windows = line_windows(self, list(windows))
    axis = self.axes_manager.signal_axes[0]
    inside = np.zeros((axis.size, len(windows)), bool)
    for column, (name, (low, high)) in enumerate(windows.items()):
        # The channels of `isig[low:high]`, which exspy integrates.
        with contextlib.suppress(IndexError):
            chosen = axis._get_array_slices(slice(float(low), float(high)))
            inside[chosen, column] = True
        if not inside[:, column].any():
            raise ValueError(
                f"The window '{name}' from {low:g} to {high:g} holds no channel of the "
                f"axis, which runs from {axis.axis[0]:g} to {axis.axis[-1]:g}."
            )
    (maps,), _ = blocks.run(_window_sums, shared=(inside.astype(blocks.dtype),))
    shape = self.axes_manager._navigation_shape_in_array
    return [
        map_of(self, counts.reshape(shape), name)
        for name, counts in zip(windows, maps.T, strict=True)
    ]


def _lines_of_sample(signal: BaseSignal) -> list[str]:
    """X-ray lines of the metadata, or those that exspy chooses for the elements."""
    sample = signal.metadata.get_item("Sample")
    lines = [] if sample is None else sample.get_item("xray_lines", [])
    if not lines and hasattr(signal, "_get_lines_from_elements"):
        elements = [] if sample is None else sample.get_item("elements", [])
        lines = signal._get_lines_from_elements(elements)
    if not lines:
        raise ValueError(
            f"The metadata of {signal} name no X-ray lines: give windows=['Fe_Ka'], or "
            "set them with `s.set_lines([...])`."
        )
    return list(lines)


def _blocks(signal: BaseSignal) -> BlockMatrix:
    """The data without their zeros, if they come from a .scube file."""
    from .driver import blocks_of

    axes = signal.axes_manager
    if not (axes.navigation_dimension and axes.signal_dimension):
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected at least one of each."
        )
    return blocks_of(signal, True)


def _column_sums(X: Any) -> tuple[tuple, tuple[NDArray]]:
    if scipy.sparse.issparse(X):
        return (), (np.bincount(X.indices, X.data, X.shape[1]),)
    return (), (X.sum(axis=0, dtype=float),)


def _window_sums(X: Any, inside: NDArray) -> tuple[tuple[NDArray], tuple]:
    return (X @ inside,), ()
