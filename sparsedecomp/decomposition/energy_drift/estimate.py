"""Drift of the energy axis during a scan, from the spectra alone.

The expected spectrum of pixel ``i`` is ``(A_i S)(e - d_i)`` with a smooth map of shifts
``d``. Unmodelled, a shift of half a channel looks like one or two further components.
The mean of the shifts cannot be known: it is one with the energy axis itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.energy_drift.alignment import Alignment, rank_of
from sparsedecomp.decomposition.energy_drift.pooling import MOST_CELLS, plane, pool
from sparsedecomp.noise import Finding
from sparsedecomp.noise.signal_space import leading_directions

# Without a sign of a drift in so few cells, no more cells are looked at; a sign is this
# part of the gain that a drift has to have.
_FEW_CELLS, _SIGN = 256, 0.5
# More components than this are not looked for in aligned data.
_MOST_COMPONENTS = 12
# The two variances of the smooth map are free parameters: a map has to be more probable
# than white noise by more than this (nats). Of a drift that adds no component to the
# data nothing else tells: more is asked of it.
_LEAST_GAIN, _ALONE = 5.0, 15.0
# Channels of data that were interpolated or smoothed share their noise: then nothing
# tells components from noise. Correlation of neighbouring channels, and components
# that are taken out before it is measured.
_CORRELATED, _BEFORE = 0.1, 6
# Standard deviations by which a part of the spectrum moves differently in a chemical
# shift.
_RIGID = 3.0


@dataclass(frozen=True)
class EnergyDrift:
    """A map of shifts of the energy axis.

    Attributes
    ----------
    shift : (n_pixels,) array
        By how many channels the spectrum of each pixel lies further up than on
        average; zeros where no drift was found.
    n_components : int
        Number of components of the aligned data.
    n_components_unaligned : int
        Number of components that the drift made of them.
    gain : float
        Log-likelihood ratio of the smooth map against shifts of no order, in nats.
    deviation_of_bands : float
        How differently parts of the spectrum move, in standard deviations. Above
        three it is a chemical shift rather than a drift of the axis.
    """

    shift: np.ndarray
    n_components: int
    n_components_unaligned: int
    gain: float
    deviation_of_bands: float

    @property
    def found(self) -> bool:
        """Whether there is a drift beyond doubt."""
        return bool(np.any(self.shift))

    @property
    def rigid(self) -> bool:
        """Whether all parts of the spectrum move alike."""
        return self.deviation_of_bands < _RIGID


def drift_finding(blocks: BlockMatrix, drift: EnergyDrift) -> Finding | None:
    """What a drift means for a decomposition, as a finding of a data check.

    Parameters
    ----------
    blocks : BlockMatrix
        The data that were looked at.
    drift : EnergyDrift
        What was found in them.

    Returns
    -------
    Finding or None
        None where there is no drift.
    """
    if not drift.found:
        return None
    span = np.ptp(drift.shift)
    more = drift.n_components_unaligned - drift.n_components
    message = f"The energy axis drifts by {span:.2g} channels over the scan"
    if more > 0:
        message += f", which adds {more} component{'s' * (more > 1)}"
    if not drift.rigid:
        message += (
            f"; parts of the spectrum move differently ({drift.deviation_of_bands:.1f} "
            "standard deviations), as in a chemical shift"
        )
    advice = (
        "Align the spectra before a decomposition, with "
        "s.shift1D(-s.estimate_energy_drift().data)."
    )
    return Finding("energy_drift", message + ".", advice, blocks.rows)


def estimate_energy_drift(
    blocks: BlockMatrix,
    unit: float = 0.0,
    random_state: int = 0,
    required: bool = False,
) -> EnergyDrift:
    """Find a drift of the energy axis over a scan, and its size in every pixel.

    For every number of components up to that of the data as they are, the shifts are
    fitted together with the components by Gauss-Newton steps, and smoothed by the most
    probable roughness penalty. The smallest number is taken for which the aligned data
    have no more components than that.

    Parameters
    ----------
    blocks : BlockMatrix
        Data that are not scaled, on a line or a plane of pixels.
    unit : float, default 0
        Size of one count; 0 for data with noise that is the same everywhere. Data
        whose channels were interpolated or smoothed tell no drift from noise: none is
        reported for them, and `EnergyDrift.n_components` is 0.
    random_state : int, default 0
        Seed of the reassignment of counts to channels.
    required : bool, default False
        Fit a drift even where it is not beyond doubt. Interpolated or smoothed data
        still have none.

    Returns
    -------
    EnergyDrift
        After one pass over the data.
    """
    pooled, cell, shape = pool(blocks, MOST_CELLS)
    zero = np.zeros(blocks.shape[0])
    if not unit and _noise_correlation(pooled[pooled.sum(axis=1) > 0]) > _CORRELATED:
        return EnergyDrift(zero, 0, 0, 0.0, 0.0)
    gains = (-np.inf, -np.inf) if required else (_LEAST_GAIN, _ALONE)
    few, _, smaller = pool(blocks, _FEW_CELLS)
    if not required and smaller != shape:
        sign = _SIGN * _LEAST_GAIN
        most, found = _search(few, smaller, unit, (sign, sign), random_state)
        if found is None:
            return EnergyDrift(zero, most, most, 0.0, 0.0)
    most, found = _search(pooled, shape, unit, gains, random_state)
    if found is None:
        return EnergyDrift(zero, most, most, 0.0, 0.0)
    k, shift, gain, deviation = found
    fine = _refined(shift, shape, blocks, cell)
    return EnergyDrift(fine - fine.mean(), k, most, gain, deviation)


def _search(pooled, shape, unit, gains, seed):
    """Number of components, and the fewest that shifts leave of them, with the shifts.

    ``gains`` are the least that shifts must gain which leave fewer components, and
    which leave as many.
    """
    present = pooled.sum(axis=1) > 0
    most = rank_of(pooled[present], unit)
    tried = min(most, _MOST_COMPONENTS)
    model = Alignment(pooled, shape, unit, present, gains[0], tried)
    for k in range(1, tried + 1):
        shift, gain = model.fit(k, more=k < most and np.isfinite(gains[0]))
        if gain < gains[int(k == most)]:
            continue
        if model.rank_is_at_most(k, shift, seed):
            return most, (k, shift, gain, model.deviation_of_bands(shift, k))
    return most, None


def _noise_correlation(X):
    """Correlation of neighbouring channels in what strong components leave over."""
    k = min(_BEFORE, min(X.shape) // 2)
    V = leading_directions(X, k)[1]
    residual = X - (X @ V) @ V.T
    squares = np.square(residual).sum()
    if squares <= 1e-20 * np.square(X).sum():
        return 0.0
    return float(np.sum(residual[:, 1:] * residual[:, :-1]) / squares)


def _refined(shift, shape, blocks, cell):
    """The shift of every pixel, between the centres of the cells."""
    if len(shift) == np.prod(plane(blocks)):
        return shift[cell]
    from scipy.ndimage import map_coordinates

    ny, nx = plane(blocks)
    y, x = np.divmod(blocks.rows, nx)
    size = -(-ny // shape[0]), -(-nx // shape[1])
    places = [(y + 0.5) / size[0] - 0.5, (x + 0.5) / size[1] - 0.5]
    return map_coordinates(shift.reshape(shape), places, order=1, mode="nearest")
