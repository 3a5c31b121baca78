"""`check_data` and `estimate_energy_drift`, checks of a signal before a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..blocks import BlockMatrix
from ..progress import with_progress_bar
from ..results import AxisScale
from .driver import blocks_of
from .masks import in_array_order
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..noise import DataCheck


@with_progress_bar
def check_data(
    self: BaseSignal,
    *,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    energy_drift: bool = True,
) -> DataCheck:
    """Search the data for defects that would mislead a decomposition.

    It looks for cosmic rays, dead and hot pixels and channels, vacuum, saturation,
    negative values and a drift of the energy axis. Each finding says what it means and
    what to do. The data are read only, lazy data in their own chunks.

    Parameters
    ----------
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    energy_drift : bool, default True
        Whether to search for a drift, which takes longer than the other checks.

    Returns
    -------
    sparsedecomp.noise.DataCheck
        Findings, empty if there are none. Printing it gives a list;
        `sparsedecomp.plotting.plot_data_check` draws it.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If a mask does not fit, or a value is not finite.

    See Also
    --------
    estimate_energy_drift

    Notes
    -----
    Defects are compared with the neighbouring pixels and channels: a spike must stand
    out from all of them, and a defect that extends over many pixels or changes smoothly
    is not found. No finding does not prove that the data are free of defects.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> counts = np.random.default_rng(0).poisson(20.0, (8, 8, 50))
    >>> counts[3, 4, 20] = 5000
    >>> s = hs.signals.Signal1D(counts)
    >>> [finding.kind for finding in s.check_data().findings]
    ['spikes']
    """
    from .. import noise
    from ..decomposition import estimate_energy_drift
    from ..decomposition.energy_drift.estimate import drift_finding

    blocks = _plain_blocks(self, navigation_mask, signal_mask)
    before = blocks.passes
    unit = noise.count_gain(blocks)
    check = noise.check_data(blocks, unit)
    if energy_drift and not blocks.sparse:
        clean = check.spikes.removed_from(blocks)
        drift = drift_finding(blocks, estimate_energy_drift(clean, unit))
        if drift is not None:
            check = replace(check, findings=(*check.findings, drift))
    axes = self.axes_manager
    pixels = tuple(AxisScale.of(axis) for axis in axes.navigation_axes)
    channels = None
    if axes.signal_dimension == 1:
        channels = AxisScale.of(axes.signal_axes[0], blocks.columns)
    passes = blocks.passes - before
    return replace(check, passes=passes, pixel_axes=pixels, channel_axis=channels)


@with_progress_bar
def estimate_energy_drift(
    self: BaseSignal,
    *,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
) -> BaseSignal:
    """Estimate the drift of the energy axis in each pixel from the data alone.

    The shifts are fitted together with the components, and a drift is reported only if
    a smooth map of shifts is far more probable than none. Its mean is zero, since the
    data do not determine the absolute position of the energy axis. The data are read
    only, in one or two passes.

    Parameters
    ----------
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        Shift of each spectrum towards higher values, in the units of the signal axis;
        ``s.shift1D(-drift.data)`` removes it. Zero if there is no drift, NaN where
        masked. ``metadata.Signal.energy_drift`` of the map holds ``found``,
        ``n_components`` of the aligned data, ``n_components_unaligned``, ``gain``
        (nats) and ``rigid``, which is False if parts of the spectrum move differently:
        a chemical shift.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If there is not exactly one signal axis, a mask does not fit, or a value is not
        finite.

    See Also
    --------
    check_data

    Notes
    -----
    The method needs spectral features that are narrow enough to move visibly and
    components that are present in many pixels. A chemical shift that follows the
    composition is indistinguishable from a further component.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> channel = np.arange(100.0)
    >>> drift = np.linspace(-1, 1, 400)[:, None]
    >>> peaks = 500 * np.exp(-0.5 * ((channel - drift - 50) / 4) ** 2) + 20
    >>> counts = np.random.default_rng(0).poisson(peaks).reshape(20, 20, 100)
    >>> found = hs.signals.Signal1D(counts).estimate_energy_drift()
    >>> bool(np.abs(found.data.ravel() - drift[:, 0]).max() < 0.2)
    True
    """
    from ..decomposition import estimate_energy_drift
    from ..noise import count_gain
    from ..noise.data_check import pixel_map
    from .components import map_of

    if self.axes_manager.signal_dimension != 1:
        raise ValueError(
            f"{self} has {self.axes_manager.signal_dimension} signal axes, expected "
            "one energy axis. Choose it, e.g. with `s.transpose(signal_axes=1)`."
        )
    blocks = _plain_blocks(self, navigation_mask, signal_mask)
    drift = estimate_energy_drift(blocks, count_gain(blocks))
    axis = self.axes_manager.signal_axes[0]
    shifts = pixel_map(blocks, drift.shift * axis.scale)
    title = f"Energy drift of {self.metadata.General.title}"
    result = map_of(self, shifts, title)
    result.metadata.Signal.quantity = f"Energy drift ({axis.units})"
    result.metadata.Signal.add_dictionary(
        {
            "energy_drift": {
                "found": drift.found,
                "n_components": drift.n_components,
                "n_components_unaligned": drift.n_components_unaligned,
                "gain": drift.gain,
                "rigid": drift.rigid,
            }
        }
    )
    return result


def _plain_blocks(
    signal: BaseSignal, navigation_mask: Mask | None, signal_mask: Mask | None
) -> BlockMatrix:
    return blocks_of(
        signal,
        navigation_mask=in_array_order(signal, navigation_mask, "navigation"),
        signal_mask=in_array_order(signal, signal_mask, "signal"),
    )
