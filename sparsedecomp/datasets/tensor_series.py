"""Simulated series of spectrum images at several tilts of the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from .edx import edx_spectrum
from .ground_truth import Truth
from .maps import smooth_maps
from .signals import image_axes, spectrum_image, uniform_axis
from .specimens import (
    BEAM_ENERGY,
    EDX_WINDOW,
    channel_centres,
    scaled_truth,
)

if TYPE_CHECKING:
    import dask.array as da
    from hyperspy.signals import Signal1D

# Atoms per nm^3 of the components: two sites of a crystal, and the phases around it.
SITES = {
    "octahedral site": {"Fe": 30.0, "Ce": 4.0, "O": 40.0},
    "tetrahedral site": {"Ce": 18.0, "Fe": 9.0, "O": 45.0},
    "precipitate": {"Cu": 30.0, "O": 15.0, "Fe": 5.0},
    "amorphous film": {"Si": 22.0, "O": 44.0, "C": 8.0},
    "contamination": {"C": 250.0, "O": 30.0, "Si": 10.0, "Cu": 4.0},
}
# Height, centre and width (mrad) of two bands of each site's rocking curve.
ROCKING = {
    "octahedral site": ((0.9, -4.0, 3.0), (-0.4, 5.0, 3.0)),
    "tetrahedral site": ((-0.5, -4.5, 3.5), (0.8, 4.0, 2.5)),
    "precipitate": ((0.7, 0.0, 2.5), (0.0, 0.0, 1.0)),
    "amorphous film": ((0.0, 0.0, 1.0), (0.0, 0.0, 1.0)),
    "contamination": ((-0.3, -8.0, 6.0), (0.5, 9.0, 5.0)),
}


@dataclass(frozen=True, eq=False)
class SeriesTruth:
    """Truth of a series, ``profiles x maps x spectra`` summed over the phases.

    Attributes
    ----------
    profiles : (n_steps, k) array
        Intensity of each phase at each step, with a mean of one.
    maps : (ny, nx, k) array
        Abundance of each phase in each pixel.
    spectra : (k, n_channels) array
        Expected counts of a pixel of abundance 1 at a step of profile 1.
    names : tuple of str
        Names of the phases.
    angle : (n_steps,) array
        Tilt at each step in mrad.
    energy : (n_channels,) array
        Channel centres in keV.
    """

    profiles: np.ndarray
    maps: np.ndarray
    spectra: np.ndarray
    names: tuple[str, ...]
    angle: np.ndarray
    energy: np.ndarray

    @property
    def factors(self) -> list[np.ndarray]:
        """Factors of the modes: steps, pixels, channels."""
        k = len(self.names)
        return [self.profiles, self.maps.reshape(-1, k), self.spectra.T]

    def as_truth(self) -> Truth:
        """Truth with a map of each phase at every step."""
        maps = self.profiles[:, None, None] * self.maps
        return Truth(self.spectra, maps, self.names, self.energy)


def tilt_series_truth(
    shape: tuple[int, int] = (64, 64),
    n_steps: int = 12,
    n_channels: int = 512,
    counts: float = 20.0,
    seed: int = 0,
) -> SeriesTruth:
    """Truth of the series that `tilt_series` draws.

    Parameters
    ----------
    shape : tuple (ny, nx), default (64, 64)
        Pixels.
    n_steps : int, default 12
        Number of tilts between -10 and 10 mrad.
    n_channels : int, default 512
        Channels of the energy window.
    counts : float, default 20
        Mean number of counts of a pixel at one step.
    seed : int, default 0
        Seed of the maps.

    Returns
    -------
    SeriesTruth
        Profiles, maps and spectra.

    Examples
    --------
    >>> from sparsedecomp.datasets import tilt_series_truth
    >>> tilt_series_truth((16, 16), n_steps=6, n_channels=128).profiles.shape
    (6, 5)
    """
    rng = np.random.default_rng(seed)
    names = tuple(SITES)
    angle = np.linspace(-10, 10, n_steps)
    profiles = np.ones((n_steps, len(names)))
    for r, bands in enumerate(ROCKING.values()):
        for height, centre, width in bands:
            profiles[:, r] += height / (1 + ((angle - centre) / width) ** 2)
    profiles /= profiles.mean(axis=0)
    energy = channel_centres(EDX_WINDOW, n_channels)
    spectra = [edx_spectrum(energy, site) for site in SITES.values()]
    maps = smooth_maps(shape, len(names), rng)
    scaled = scaled_truth(spectra, maps, names, energy, counts)
    return SeriesTruth(profiles, maps, scaled.spectra, names, angle, energy)


def tilt_series(
    shape: tuple[int, int] = (64, 64),
    n_steps: int = 12,
    n_channels: int = 512,
    counts: float = 20.0,
    seed: int = 0,
    lazy: bool = False,
    chunks: tuple[int, int] | None = None,
    dtype: DTypeLike = "float32",
) -> Signal1D:
    """
    STEM-EDX maps at a series of beam tilts (HARECXS), with known truth.

    Two sites of a crystal, a precipitate, an amorphous film and contamination, whose
    X-rays depend on the tilt each in its own way: five components, exactly trilinear
    in tilt, pixel and energy, and Poisson noise.

    Parameters
    ----------
    shape : tuple (ny, nx), default (64, 64)
        Pixels; the field of view stays the same.
    n_steps : int, default 12
        Number of tilts between -10 and 10 mrad.
    n_channels : int, default 512
        Channels; the energy window stays the same.
    counts : float, default 20
        Mean number of counts of a pixel at one step.
    seed : int, default 0
        Seed of the maps and of the noise.
    lazy : bool, default False
        Whether to return a lazy signal whose blocks are drawn when they are computed.
        It holds the same counts as the eager one, whatever its chunks.
    chunks : tuple (steps, rows), optional
        Chunks of a lazy signal along steps and rows; columns and channels are in one
        chunk. Default: blocks of about 32 MiB.
    dtype : dtype, default "float32"
        Floating or integer type of the counts.

    Returns
    -------
    EDSTEMSpectrum or LazyEDSTEMSpectrum
        Signal1D where exspy is not installed; navigation axes x, y, tilt. `truth`
        gives its spectra and its maps at every step, `tilt_series_truth` the profiles.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> s = datasets.tilt_series((8, 8), n_steps=6, n_channels=128)
    >>> s.data.shape
    (6, 8, 8, 128)
    """
    known = tilt_series_truth(shape, n_steps, n_channels, counts, seed)
    data: np.ndarray | da.Array
    if lazy:
        data = _lazy_series(known, seed, np.dtype(dtype), chunks)
    else:
        rows = np.arange(shape[0])
        data = draw_lines(np.arange(n_steps), rows, known, seed, np.dtype(dtype))
    step = known.angle[1] - known.angle[0] if n_steps > 1 else 1.0
    tilt: dict[str, Any] = {
        "name": "tilt",
        "size": n_steps,
        "units": "mrad",
        "scale": step,
    }
    tilt["offset"] = known.angle[0]
    energy = uniform_axis("Energy", "keV", known.energy)
    axes = [tilt, *image_axes(shape, energy, 100.0 / np.array(shape), "nm")]
    metadata = {
        "General": {"title": "Simulated tilt series, EDX"},
        "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
        "Sample": {"elements": ["C", "Ce", "Cu", "Fe", "O", "Si"]},
        "Signal": {"quantity": "X-rays (Counts)"},
    }
    return spectrum_image(data, axes, "EDS_TEM", metadata, truth=known.as_truth())


def _lazy_series(
    known: SeriesTruth, seed: int, dtype: np.dtype, chunks: tuple[int, int] | None
) -> da.Array:
    import dask.array as da

    n_steps, shape = len(known.profiles), known.maps.shape[:2]
    size = (n_steps, *shape, len(known.energy))
    wanted = (*(chunks or ("auto", "auto")), -1, -1)
    ct, cy, _, _ = da.core.normalize_chunks(wanted, size, limit="32MiB", dtype=dtype)
    steps = da.from_array(np.arange(n_steps)[:, None, None, None], chunks=(ct, 1, 1, 1))
    rows = da.from_array(np.arange(shape[0])[None, :, None, None], chunks=(1, cy, 1, 1))
    return da.map_blocks(
        draw_lines,
        steps,
        rows,
        known=known,
        seed=seed,
        count_type=dtype,
        dtype=dtype,
        chunks=(ct, cy, (shape[1],), (len(known.energy),)),
        meta=np.empty((0, 0, 0, 0), dtype),
    )


def draw_lines(
    steps: np.ndarray,
    rows: np.ndarray,
    known: SeriesTruth,
    seed: int,
    count_type: np.dtype,
) -> np.ndarray:
    """Draw the counts of some rows of pixels at some steps.

    Every row of every step has a generator of its own, so that it has the same counts
    in whatever block it is drawn. Counts are drawn one by one: the time is
    proportional to their number and not to the number of channels.

    Parameters
    ----------
    steps, rows : int arrays
        Steps and rows of the block, in arrays of any shape.
    known : SeriesTruth
        Truth of the series.
    seed : int
        Seed of the noise.
    count_type : dtype
        Type of the counts.

    Returns
    -------
    (steps.size, rows.size, nx, n_channels) array
        Counts.
    """
    nx, n_channels = known.maps.shape[1], len(known.energy)
    block = np.zeros((steps.size, rows.size, nx, n_channels), count_type)
    totals = known.spectra.sum(axis=1)
    cumulated = np.cumsum(known.spectra, axis=1) / totals[:, None]
    for i, step in enumerate(steps.flat):
        for j, row in enumerate(rows.flat):
            rng = np.random.default_rng([seed, int(step), int(row)])
            expected = known.maps[row] * (known.profiles[step] * totals)
            numbers = rng.poisson(expected)
            places = []
            for r in range(len(totals)):
                pixel = np.repeat(np.arange(nx), numbers[:, r])
                channel = np.searchsorted(cumulated[r], rng.random(len(pixel)))
                places.append(pixel * n_channels + np.minimum(channel, n_channels - 1))
            line = np.bincount(np.concatenate(places), minlength=nx * n_channels)
            block[i, j] = line.reshape(nx, n_channels)
    return block
