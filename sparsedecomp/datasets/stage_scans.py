"""Simulated coarse maps of one specimen, shifted against each other, with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .maps import soft_step
from .signals import image_axes, spectrum_image, uniform_axis

if TYPE_CHECKING:
    from hyperspy.api.signals import BaseSignal, Signal1D

# Starts (x, z) in micrometres of a published scan: nine maps at a step of 0.5, of which
# the last three repeat the first.
SEED_STARTS = np.array(
    [
        (55.0, 45.0),
        (55.0, 44.8),
        (55.0, 44.6),
        (55.2, 44.6),
        (55.2, 44.8),
        (55.2, 45.0),
        (55.0, 45.0),
        (55.0, 44.8),
        (55.0, 44.6),
    ]
)
# Step of the published scan, and standard deviation of its spot, in micrometres.
STEP = 0.5
SPOT = 0.1


@dataclass(frozen=True)
class Specimen:
    """Gold bars and grains on carbon: intensities at any point, spectra at any energy.

    Attributes
    ----------
    spectra : (3, n_channels) array
        Expected counts of a pixel that is carbon, oxide or gold alone.
    energy : (n_channels,) array
        Binding energy in eV.
    bars : (n, 5) array
        Centre x and y, half width, half height in micrometres, and height.
    grains : (m, 4) array
        Centre x and y, radius in micrometres, and height.
    """

    spectra: NDArray
    energy: NDArray
    bars: NDArray
    grains: NDArray

    def maps(self, x: ArrayLike, y: ArrayLike, spot: float = SPOT) -> NDArray:
        """Fractions of the three phases in the spot.

        Parameters
        ----------
        x, y : array
            Positions of the spot in micrometres; the two are broadcast.
        spot : float, default 0.1
            Standard deviation of the Gaussian spot in micrometres, above zero.

        Returns
        -------
        (..., 3) array
            Fractions of carbon, oxide and gold.
        """
        x, y = np.broadcast_arrays(x, y)
        gold = np.zeros(x.shape)
        for cx, cy, hx, hy, height in self.bars:
            across = soft_step(x - cx + hx, spot) - soft_step(x - cx - hx, spot)
            along = soft_step(y - cy + hy, spot) - soft_step(y - cy - hy, spot)
            gold += height * across * along
        oxide = np.zeros(x.shape)
        for cx, cy, radius, height in self.grains:
            # A disc much larger than the spot is blurred like an edge.
            oxide += height * soft_step(radius - np.hypot(x - cx, y - cy), spot)
        gold = np.minimum(gold, 1.0)
        oxide = np.minimum(oxide, 1.0) * (1 - gold)
        return np.stack([1 - gold - oxide, oxide, gold], axis=-1)


def gold_on_carbon(
    field: float = 18.0, n_channels: int = 120, counts: float = 300.0, seed: int = 0
) -> Specimen:
    """A specimen for `shifted_frames`: gold bars and oxidised grains on carbon.

    Parameters
    ----------
    field : float, default 18
        Edge of the square field in micrometres, which begins at (54, 44).
    n_channels : int, default 120
        Number of channels in the C 1s region, 280 to 295 eV.
    counts : float, default 300
        Mean counts of a channel.
    seed : int, default 0
        Seed of the positions of bars and grains.

    Returns
    -------
    Specimen
    """
    rng = np.random.default_rng(seed)
    energy = np.linspace(280.0, 295.0, n_channels)

    def peak(centre: float, width: float) -> NDArray:
        return np.exp(-0.5 * ((energy - centre) / width) ** 2)

    spectra = np.stack(
        [
            0.25 + 2.2 * peak(284.8, 0.55) + 0.2 * peak(286.3, 0.9),
            0.25 + 0.9 * peak(284.9, 0.6) + 1.1 * peak(288.6, 0.7),
            0.55 + 0.35 * peak(284.4, 0.6) + 0.01 * (energy - 280),
        ]
    )
    spectra *= counts / spectra.mean()
    x0, y0 = 54.0, 44.0
    bars = []
    for i in range(6):
        # A test chart: bars that grow narrower, along both directions.
        width = 0.9 * 0.72**i
        at = 0.12 + 0.15 * i
        bars.append((x0 + at * field, y0 + 0.3 * field, width / 2, 0.2 * field, 1.0))
        bars.append(
            (x0 + 0.35 * field, y0 + (0.55 + 0.07 * i) * field, 4.0, width / 2, 0.8)
        )
    n_grains = int(0.3 * field**2)
    grains = np.column_stack(
        [
            x0 + field * rng.random(n_grains),
            y0 + field * rng.random(n_grains),
            rng.uniform(0.25, 0.8, n_grains),
            rng.uniform(0.3, 1.0, n_grains),
        ]
    )
    return Specimen(spectra, energy, np.array(bars), grains)


def draw_frames(
    specimen: Specimen,
    starts: ArrayLike,
    shape: tuple[int, int],
    *,
    step: float = STEP,
    spot: float = SPOT,
    jitter: float = 0.0,
    seed: int = 0,
) -> tuple[NDArray, NDArray]:
    """Poisson counts of frames of a specimen, as an array.

    Parameters
    ----------
    specimen : Specimen
        What is measured.
    starts : (n_frames, 2) array
        Nominal x and y of the first pixel in micrometres.
    shape : (int, int)
        Rows and columns of every frame.
    step, spot : float
        Step of the frames and standard deviation of the spot in micrometres.
    jitter : float, default 0
        Standard deviation of the error of the starts in micrometres. Its mean over the
        frames is subtracted, since frames alone cannot tell it.
    seed : int, default 0
        Seed of the error and of the noise.

    Returns
    -------
    counts : (n_frames, rows, columns, n_channels) float32 array
        The frames.
    true_starts : (n_frames, 2) array
        Where they begin in fact.
    """
    rng = np.random.default_rng(seed)
    nominal = np.asarray(starts, float)
    moved = rng.normal(0, 1, nominal.shape) * jitter
    true_starts = nominal + moved - moved.mean(axis=0)
    frames = []
    for x, y in true_starts:
        maps = specimen.maps(
            x + step * np.arange(shape[1]),
            (y + step * np.arange(shape[0]))[:, None],
            spot,
        )
        frames.append(rng.poisson(maps @ specimen.spectra))
    return np.array(frames, np.float32), true_starts


def shifted_frames(
    shape: tuple[int, int] = (30, 30),
    n_frames: int = 9,
    counts: float = 300.0,
    n_channels: int = 120,
    jitter: float = 0.0,
    starts: ArrayLike | None = None,
    seed: int = 0,
) -> list[Signal1D]:
    """
    Photo-electron maps of one field, shifted against each other, with known truth.

    Gold bars and oxidised grains on carbon in the C 1s region, as a focused spot of
    0.1 um sees them at a step of 0.5 um. The starts are those of a published scan: of
    nine frames six are distinct. `fine_truth` gives the map at any finer step.

    Parameters
    ----------
    shape : (int, int), default (30, 30)
        Rows and columns of every frame.
    n_frames : int, default 9
        Number of frames: the first ones of the nine.
    counts : float, default 300
        Mean counts of a channel.
    n_channels : int, default 120
        Number of channels.
    jitter : float, default 0
        Standard deviation of the error of the stage in micrometres; the axes hold the
        nominal starts.
    starts : (n_frames, 2) array, optional
        Other nominal starts, x and y in micrometres.
    seed : int, default 0
        Seed of specimen, noise and jitter.

    Returns
    -------
    list of hyperspy.api.signals.Signal1D
        The frames. ``metadata.Ground_truth.start`` is where each begins in fact.

    Raises
    ------
    ValueError
        For more than nine frames without starts.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> frames = datasets.shifted_frames(shape=(8, 8), n_frames=3, n_channels=20)
    >>> len(frames), frames[1].axes_manager["y"].offset
    (3, 44.8)
    """
    if starts is None:
        if n_frames > len(SEED_STARTS):
            raise ValueError(
                f"n_frames={n_frames} was given, expected at most {len(SEED_STARTS)}, "
                "or other starts."
            )
        starts = SEED_STARTS[:n_frames]
    nominal = np.asarray(starts, float)
    specimen = gold_on_carbon(n_channels=n_channels, counts=counts, seed=seed)
    data, true_starts = draw_frames(specimen, nominal, shape, jitter=jitter, seed=seed)
    energy = uniform_axis("Binding energy", "eV", specimen.energy)
    axes = image_axes(shape, energy, STEP, "um")
    frames = []
    for frame, (x, y), start in zip(data, nominal, true_starts, strict=True):
        axes[0]["offset"], axes[1]["offset"] = float(y), float(x)
        metadata = {
            "General": {"title": "Simulated gold on carbon, C 1s"},
            "Ground_truth": {"start": start.tolist()},
        }
        frames.append(spectrum_image(frame, axes, "", metadata))
    return frames


def fine_truth(signal: BaseSignal, counts: float = 300.0, seed: int = 0) -> NDArray:
    """Map that `shifted_frames` would measure on the grid of a signal, without noise.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        A map in micrometres with the energy axis of the frames, for instance the result
        of `super_resolve`.
    counts : float, default 300
        Mean counts of a channel, as given to `shifted_frames`.
    seed : int, default 0
        Seed of the specimen, as given to `shifted_frames`.

    Returns
    -------
    (rows, columns, n_channels) array
        Expected counts.
    """
    x, y, energy = signal.axes_manager._get_axes_in_natural_order()
    specimen = gold_on_carbon(n_channels=energy.size, counts=counts, seed=seed)
    return specimen.maps(x.axis, y.axis[:, None]) @ specimen.spectra
