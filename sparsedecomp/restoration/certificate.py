"""Certificate of a restoration: where it changed intensities by more than noise.

Denoising moves intensity from small structures to their surroundings, and what it did
there cannot be seen in the restored data. Sums over regions of the measured data have
a known counting error and no bias: the restored sums must agree with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix, as_blocks
from sparsedecomp.restoration.denoising import DenoisedMaps, denoise_cube

# Deviation, in counting errors, from which a region is flagged.
_LIMIT = 3.0
# Part of the variance of a measured sum that the restored one is taken to leave at
# least: with less the deviation of what it follows closely would be chance.
_LEAST_FREE = 0.05
# Expected counts of a region are at least so many of its mean: an empty one still has
# the error of a count.
_LEAST = 1.0


@dataclass(frozen=True, eq=False)
class Deviations:
    """Restored against measured intensities of regions, in units of their error.

    Attributes
    ----------
    names : list of str
        Windows of channels, and components as "component 0" and so on.
    regions : (n_rows, n_columns, n) array
        Measured less restored sum of each region of `size` x `size` pixels, divided by
        the error that counting gives this difference.
    projected : (n_rows, n_columns, n) array
        The same within the subspace of the components, which has less noise.
    size : int
        Rows and columns of a region.
    """

    names: list[str]
    regions: NDArray
    projected: NDArray
    size: int

    @property
    def flagged(self) -> NDArray:
        """Regions of which any deviation exceeds three, (n_rows, n_columns)."""
        both = np.abs(np.concatenate([self.regions, self.projected], axis=2))
        return (both > _LIMIT).any(axis=2)

    @property
    def mean(self) -> NDArray:
        """Mean deviation of the regions that are not flagged, for each name."""
        return self._kept.mean(axis=0)

    @property
    def spread(self) -> NDArray:
        """Standard deviation of the regions that are not flagged, for each name."""
        return self._kept.std(axis=0)

    @property
    def _kept(self) -> NDArray:
        kept = self.regions[~self.flagged]
        return kept if len(kept) else np.full((1, len(self.names)), np.nan)


def certify(
    blocks: BlockMatrix,
    found: DenoisedMaps,
    windows: Mapping[str, Any] | None = None,
    size: int = 5,
) -> Deviations:
    """Compare restored with measured intensities, region by region; one pass.

    Parameters
    ----------
    blocks : BlockMatrix
        The data that were restored.
    found : DenoisedMaps
        The restoration.
    windows : dict of str to (n_channels,) array, optional
        Weights of the channels of each intensity, for instance one in a line and zero
        elsewhere; default: eight bands of equal intensity.
    size : int, default 5
        Rows and columns of a region. Larger regions show weaker bias of wider
        structures.

    Returns
    -------
    Deviations
        Deviations of all regions; mean and spread of those that are not flagged.

    Raises
    ------
    ValueError
        For a region larger than the map, and windows of another length.

    Notes
    -----
    A deviation of a phase that no component has is seen in `regions` only, one within
    the components in `projected`, too. The restored sum follows the counting noise of
    the measured one in part; the error of their difference is smaller by that part,
    which restorations of drawn noise tell.
    """
    rows, columns = found.row_scale.shape
    size_y, size_x = min(size, rows), min(size, columns)
    if size < 1 or (rows > 1 and size > rows) or (columns > 1 and size > columns):
        raise ValueError(
            f"size={size} was given for a map of {rows} x {columns} pixels, expected a "
            "region within it."
        )
    weights = _weights(found, windows)
    names = list(weights)
    Q = np.stack([weights[name] for name in names], axis=1)
    basis, scale = found.basis
    # What the subspace makes of a window: sums of counts with other weights.
    projected = (basis.T @ (basis * scale) @ Q) / scale[:, None]
    together = np.hstack([Q, projected])
    (sums,), _ = blocks.run(_weighted, shared=(together,))
    spectra = found.spectra
    model = (
        found.scaled_maps.reshape(-1, len(spectra)) @ (spectra @ together)
    ).reshape(rows, columns, -1)
    if found.counts:
        expected = np.maximum(found.scaled_maps @ (spectra @ np.square(together)), 0)
        least = _LEAST * np.square(together).max(axis=0) / (size_y * size_x)
        variance = np.maximum(found.gain * expected, found.gain * least)
    else:
        inner = np.square(scale) @ np.square(together)
        variance = np.square(found.row_scale)[..., None] * inner
    difference = sums.reshape(rows, columns, -1) - model
    area = size_y, size_x
    n = len(names)
    variance *= _free(found, together, variance, area)
    tiles = _tiles(difference, area) / np.sqrt(_tiles(variance, area))
    return Deviations(names, tiles[..., :n], tiles[..., n:], size)


def _free(
    found: DenoisedMaps, weights: NDArray, variance: NDArray, area: tuple[int, int]
) -> NDArray:
    """Variance of measured less restored sums, over that of measured ones.

    The restored sum follows the noise of the measured one in part, so that they differ
    by less than the counting error. Drawn noise tells by how much.
    """
    onto = found.spectra @ weights
    total = _tiles(variance, area)
    scale = found.row_scale[..., None]
    change = np.zeros(weights.shape[1])
    for noise, error in found.draws:
        for part, sign in ((noise, -1), (noise - error, 1)):
            squares = np.square(_tiles((part * scale) @ onto, area))
            change += sign * (squares / total).mean(axis=(0, 1))
    return np.clip(1 + change / len(found.draws), _LEAST_FREE, 1)


def _weights(
    found: DenoisedMaps, windows: Mapping[str, Any] | None
) -> dict[str, NDArray]:
    """Weights of the channels of all windows and components."""
    n_channels = found.spectra.shape[1]
    if windows is None:
        mean = np.abs(found.scaled_maps.mean(axis=(0, 1)) @ found.spectra)
        share = np.cumsum(mean) / max(mean.sum(), np.finfo(float).tiny)
        number = np.minimum((share * 8).astype(int), 7)
        windows = {
            f"channels {np.flatnonzero(number == k)[0]} to "
            f"{np.flatnonzero(number == k)[-1]}": (number == k).astype(float)
            for k in np.unique(number)
        }
    for name, weight in windows.items():
        if np.shape(weight) != (n_channels,):
            raise ValueError(
                f"The window {name!r} has the shape {np.shape(weight)}, expected "
                f"({n_channels},): a weight for each channel."
            )
    basis, scale = found.basis
    components = {f"component {k}": row / scale for k, row in enumerate(basis)}
    return {**{k: np.asarray(v, float) for k, v in windows.items()}, **components}


def _weighted(X, weights):
    X = X.toarray() if scipy.sparse.issparse(X) else X
    return (X.astype(np.float64) @ weights,), ()


def _tiles(values: NDArray, area: tuple[int, int]) -> NDArray:
    """Sums over regions that do not overlap; what is left at the edges is not used."""
    rows, columns = (n // size for n, size in zip(values.shape, area, strict=False))
    kept = values[: rows * area[0], : columns * area[1]]
    return kept.reshape(rows, area[0], columns, area[1], -1).sum(axis=(1, 3))


def inclusion_recovery(
    data: NDArray,
    spectrum: NDArray,
    methods: Sequence[str],
    *,
    size: int = 3,
    n_places: int = 9,
    random_state: int = 0,
) -> dict[str, tuple[float, float]]:
    """What small inclusions of a phase of its own become under each method.

    Counts of inclusions are drawn and added to the data at places far from each other,
    and the data are restored with and without them.

    Parameters
    ----------
    data : (rows, columns, n_channels) array
        Counts.
    spectrum : (n_channels,) array
        Expected counts that an inclusion adds to each of its pixels.
    methods : sequence of str
        Names in `sparsedecomp.restoration.METHODS`.
    size : int, default 3
        Rows and columns of an inclusion.
    n_places : int, default 9
        Number of inclusions, cut to what the map holds.
    random_state : int, default 0
        Seed of the places and counts.

    Returns
    -------
    dict of str to (float, float)
        Part of the intensity of an inclusion that is still in its pixels, and its
        standard deviation over the places, for each method.

    Raises
    ------
    ValueError
        For a map without room for an inclusion, and an empty spectrum.
    """
    rows, columns, _ = data.shape
    if min(rows, columns) < 3 * size or not np.sum(spectrum) > 0:
        raise ValueError(
            f"A map of {rows} x {columns} pixels and {np.sum(spectrum):g} counts were "
            f"given, expected at least {3 * size} x {3 * size} and some."
        )
    rng = np.random.default_rng(random_state)
    corners = [
        (y, x)
        for y in range(size, rows - 2 * size + 1, 3 * size)
        for x in range(size, columns - 2 * size + 1, 3 * size)
    ]
    chosen = rng.permutation(len(corners))[:n_places]
    added = np.zeros(data.shape, np.int32)
    places = []
    for y, x in (corners[i] for i in chosen):
        place = slice(y, y + size), slice(x, x + size)
        added[place] = rng.poisson(spectrum, (size, size, len(spectrum)))
        places.append(place)
    # The matched filter of the spectrum weighs its channels.
    weight = spectrum / np.linalg.norm(spectrum)
    parts: dict[str, tuple[float, float]] = {}
    for name in methods:
        without, with_added = (
            denoise_cube(as_blocks(each), (rows, columns), name).values() @ weight
            for each in (data, data + added)
        )
        ratio = [
            (with_added - without)[place].sum() / (added[place] @ weight).sum()
            for place in places
        ]
        parts[name] = float(np.mean(ratio)), float(np.std(ratio))
    return parts
