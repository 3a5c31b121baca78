"""Pictures of a fit for a browser: small maps and spectra as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Most pixels along an edge of a map, channels of a spectrum and points of a curve that
# are sent to the browser: about what it can show.
_MOST_PIXELS, _MOST_CHANNELS, _MOST_POINTS = 128, 512, 400


@dataclass
class History:
    """Objective over the iterations, by phase, thinned to what a curve can show.

    Attributes
    ----------
    iterations : list of int
        Iterations that were recorded.
    objectives : list of float
        Objective after each of them.
    phases : list of tuple
        Index of the first record of each phase and its name.
    """

    iterations: list[int] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)
    phases: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._every = 1

    def add(self, iteration: int, objective: float, phase: str) -> None:
        """Record an iteration; the first of a phase always.

        Parameters
        ----------
        iteration : int
            Number of iterations so far.
        objective : float
            Objective after it.
        phase : str
            Name of the phase.
        """
        new = not self.phases or self.phases[-1][1] != phase
        if new:
            self.phases.append((len(self.iterations), phase))
        if new or iteration % self._every == 0:
            self.iterations.append(iteration)
            self.objectives.append(objective)
        if len(self.iterations) > 2 * _MOST_POINTS:
            self._thin()

    def _thin(self) -> None:
        """Drop every second record, but none that begins a phase."""
        first = {index for index, _ in self.phases}
        kept = [i for i in range(len(self.iterations)) if i in first or i % 2 == 0]
        place = {old: new for new, old in enumerate(kept)}
        self.iterations = [self.iterations[i] for i in kept]
        self.objectives = [self.objectives[i] for i in kept]
        self.phases = [(place[index], name) for index, name in self.phases]
        self._every *= 2

    def curve(self) -> dict[str, Any]:
        """Return the curve, each phase on a logarithmic scale above its best value.

        The objective jumps between phases, which fit other data or other terms. The
        scale covers six decades of the way from the worst to the best value.

        Returns
        -------
        dict
            ``x`` and ``y`` as float32 bytes, ``y`` from 0 to 1 within each phase, and
            ``phases``: index of the first point, name, first and last objective.
        """
        y = np.array(self.objectives, float)
        ends = [*(index for index, _ in self.phases[1:]), len(y)][: len(self.phases)]
        phases = []
        for (index, name), end in zip(self.phases, ends, strict=True):
            part = y[index:end]
            phases.append([index, name, float(part[0]), float(part[-1])])
            finite = part[np.isfinite(part)]
            low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
            if high > low:
                above = np.maximum((part - low) / (high - low), 1e-6)
                y[index:end] = 1 + np.log10(above) / 6
            else:
                y[index:end] = 0.5
        return {
            "x": np.array(self.iterations, np.float32).tobytes(),
            "y": np.nan_to_num(y, nan=0.5).astype(np.float32).tobytes(),
            "phases": phases,
        }


def thumbnails(maps: NDArray, shape: Sequence[int]) -> dict[str, Any]:
    """Shrink the maps of components to small images of bytes.

    Parameters
    ----------
    maps : (k, n_pixels) array
        Maps, NaN where masked.
    shape : sequence of int
        Navigation shape in array order. Axes before the last two are averaged over.

    Returns
    -------
    dict
        ``data``: k x height x width bytes, 0 where masked, from 1 at the minimum (or
        zero, the lower of the two) to 255 at the maximum; ``height``, ``width``,
        ``step``: pixels along an edge of each pixel of the image, ``low``, ``high``:
        ranges of the maps.
    """
    shape = (1, *shape) if len(shape) == 1 else tuple(shape)
    cube = np.asarray(maps, np.float32).reshape(len(maps), -1, *shape[-2:])
    images = cube[:, 0] if cube.shape[1] == 1 else _mean(cube, 1)
    step = -(-max(images.shape[1:]) // _MOST_PIXELS)
    if step > 1:
        images = _shrunk(images, step)
    valid = np.isfinite(images)
    some = valid.any(axis=(1, 2))
    low = np.min(images, axis=(1, 2), where=valid, initial=np.inf)
    high = np.max(images, axis=(1, 2), where=valid, initial=-np.inf)
    low, high = np.where(some, np.minimum(low, 0), 0), np.where(some, high, 1)
    span = np.where(high > low, high - low, 1)
    levels = 1 + 254 * (images - low[:, None, None]) / span[:, None, None]
    data = np.where(valid, levels, 0).astype(np.uint8)
    return {
        "data": data.tobytes(),
        "height": data.shape[1],
        "width": data.shape[2],
        "step": step,
        "low": low.tolist(),
        "high": high.tolist(),
    }


def _shrunk(images: NDArray, step: int) -> NDArray:
    """Means over squares of pixels, the last of them not whole."""
    k, height, width = images.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.full((k, rows * step, columns * step), np.nan, images.dtype)
    padded[:, :height, :width] = images
    return _mean(padded.reshape(k, rows, step, columns, step), (2, 4))


def _mean(values: NDArray, axis: int | tuple[int, ...]) -> NDArray:
    """Mean of the finite values, NaN where there is none."""
    valid = np.isfinite(values)
    count = valid.sum(axis=axis)
    total = np.sum(values, axis=axis, where=valid)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def curves(spectra: NDArray) -> dict[str, Any]:
    """Thin spectra to as many points as a screen can show.

    Parameters
    ----------
    spectra : (k, n_channels) array
        Spectra, NaN where masked.

    Returns
    -------
    dict
        ``data``: k x points float32 bytes, each spectrum divided by its largest value;
        ``points`` and ``step``, channels per point.
    """
    spectra = np.asarray(spectra, np.float32)
    step = -(-spectra.shape[1] // _MOST_CHANNELS)
    if step > 1:
        points = -(-spectra.shape[1] // step)
        padded = np.full((len(spectra), points * step), np.nan, np.float32)
        padded[:, : spectra.shape[1]] = spectra
        spectra = _mean(padded.reshape(len(spectra), points, step), 2)
    highest = np.nanmax(np.abs(np.nan_to_num(spectra)), axis=1, keepdims=True)
    spectra = spectra / np.where(highest > 0, highest, 1)
    return {
        "data": np.ascontiguousarray(spectra, np.float32).tobytes(),
        "points": spectra.shape[1],
        "step": step,
    }
