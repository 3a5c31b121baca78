"""`check_data` and `estimate_energy_drift`: a look at a signal before a fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .driver import blocks_of
from .masks import in_array_order

if TYPE_CHECKING:
    from hyperspy.api.signals import BaseSignal

    from ..blocks import BlockMatrix
    from ..noise import DataCheck

    Mask = np.ndarray | BaseSignal | None


def check_data(
    self: BaseSignal,
    *,
    navigation_mask: Mask = None,
    signal_mask: Mask = None,
    energy_drift: bool = True,
) -> DataCheck:
    """Look for everything in the data that would mislead a decomposition.

    Cosmic rays, dead and hot pixels and channels, vacuum, saturation, negative values
    and a drift of the energy axis: each finding says what it means and what to do. The
    data are only read, lazy data in their own chunks.

    Parameters
    ----------
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.
    energy_drift : bool, default True
        Whether to look for a drift, which takes longer than all the rest.

    Returns
    -------
    sparsedecomp.noise.DataCheck
        Readable when printed; `sparsedecomp.plotting.plot_data_check` draws it.

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        For masks that do not fit, and for values that are not finite.

    See Also
    --------
    estimate_energy_drift

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
    from ..decomposition.energy_drift.estimate import drift_finding

    blocks = _plain_blocks(self, navigation_mask, signal_mask)
    before = blocks.passes
    summary = blocks.describe()
    found = noise.check_data(blocks, _unit(summary), summary)
    if energy_drift and not blocks.sparse:
        clean = found.spikes.removed_from(blocks)
        drift = drift_finding(blocks, _drift_of(clean, summary))
        if drift is not None:
            found = replace(found, findings=(*found.findings, drift))
    return replace(found, passes=blocks.passes - before)


def estimate_energy_drift(
    self: BaseSignal, *, navigation_mask: Mask = None, signal_mask: Mask = None
) -> BaseSignal:
    """Estimate how far the energy axis has drifted in each pixel, from the data alone.

    The shifts are fitted together with the components, and a drift is reported only
    where a smooth map of shifts is far more probable than none. Its mean is zero: the
    absolute position of the energy axis cannot be known from the data. The data are
    only read, in one or two passes.

    Parameters
    ----------
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out: NumPy or dask arrays in the order
        of ``axes_manager.navigation_shape`` (x before y), or a signal.

    Returns
    -------
    hyperspy.api.signals.BaseSignal
        By how much each spectrum lies too high, in the units of the signal axis;
        ``s.shift1D(-drift.data)`` takes it out. Zeros where there is no drift, NaN
        where masked. Its
        ``metadata.Signal.energy_drift`` holds ``found``, ``n_components`` of the
        aligned data, ``n_components_unaligned``, ``gain`` (nats) and ``rigid``, which
        is false where parts of the spectrum move differently: a chemical shift.

    Raises
    ------
    TypeError
        For data that are not real numbers.
    ValueError
        For signals without one signal axis, for masks that do not fit, and for values
        that are not finite.

    See Also
    --------
    check_data

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
    from ..noise.data_check import pixel_map
    from .components import map_of

    if self.axes_manager.signal_dimension != 1:
        raise ValueError(
            f"{self} has {self.axes_manager.signal_dimension} signal axes, expected "
            "one energy axis. Choose it, e.g. with `s.transpose(signal_axes=1)`."
        )
    blocks = _plain_blocks(self, navigation_mask, signal_mask)
    drift = _drift_of(blocks, blocks.describe())
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


def _plain_blocks(signal, navigation_mask, signal_mask):
    return blocks_of(
        signal,
        navigation_mask=in_array_order(signal, navigation_mask, "navigation"),
        signal_mask=in_array_order(signal, signal_mask, "signal"),
    )


def _unit(summary):
    """Size of one count, 0 for data that are not counts."""
    from ..noise.whitening import is_counts

    return (summary.quantum or 1.0) if is_counts(summary) else 0.0


def _drift_of(blocks: BlockMatrix, summary):
    from ..decomposition import estimate_energy_drift

    return estimate_energy_drift(blocks, _unit(summary))
