"""Simulated data with more than maps and spectra: a tilt series, two detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .edx import edx_spectrum
from .eels import Edge, core_loss_spectrum
from .ground_truth import Truth, attach_truth
from .maps import pixel_centres
from .signals import simulated_signal, spectrum_image, uniform_axis
from .simulate import noisy_cube
from .specimens import (
    BEAM_ENERGY,
    EDX_WINDOW,
    EELS_WINDOW,
    channel_centres,
    scaled_truth,
)

# Atoms per nm^3 of what scatters together: sites of a crystal, and what is around it.
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

_OXYGEN = Edge(
    "O",
    "K",
    onset=532.0,
    cross_section=2.0,
    decay=3.5,
    white_lines=((537.0, 1.2, 3.0), (543.0, 1.0, 5.0)),
    line_share=0.3,
)
_IRON = Edge(
    "Fe",
    "L",
    onset=708.0,
    cross_section=4.0,
    decay=1.6,
    white_lines=((708.5, 1.2, 2.0), (721.5, 0.6, 3.0)),
    line_share=0.4,
)
_CERIUM = Edge(
    "Ce",
    "M",
    onset=883.0,
    cross_section=6.0,
    decay=2.0,
    white_lines=((884.0, 0.9, 2.2), (902.0, 1.0, 2.4)),
    line_share=0.5,
)
# Phases of `edx_eels_scan`: what either detector sees of them.
PHASES = {
    "SiO2": ({"Si": 22.0, "O": 44.0}, ((44.0, _OXYGEN),), (4.0, 3.00)),
    "Fe2O3": ({"Fe": 40.0, "O": 60.0}, ((60.0, _OXYGEN), (40.0, _IRON)), (5.0, 3.02)),
    "CeO2": ({"Ce": 25.0, "O": 50.0}, ((50.0, _OXYGEN), (25.0, _CERIUM)), (5.5, 3.05)),
    "CeFeO3": (
        {"Ce": 17.0, "Fe": 17.0, "O": 51.0},
        ((51.0, _OXYGEN), (17.0, _IRON), (17.0, _CERIUM)),
        (5.3, 3.03),
    ),
}


@dataclass(frozen=True, eq=False)
class SeriesTruth:
    """What a series is made of: ``profiles x maps x spectra``, summed over phases.

    Attributes
    ----------
    profiles : (n_steps, k) array
        With a mean of one.
    maps : (ny, nx, k) array
    spectra : (k, n_channels) array
        Expected counts of a pixel of abundance 1 at a step of profile 1.
    names : tuple of str
    angle, energy : arrays
        Of the steps in mrad, of the channels in keV.
    """

    profiles: np.ndarray
    maps: np.ndarray
    spectra: np.ndarray
    names: tuple
    angle: np.ndarray
    energy: np.ndarray

    @property
    def factors(self):
        """Factors of the modes: steps, pixels, channels."""
        k = len(self.names)
        return [self.profiles, self.maps.reshape(-1, k), self.spectra.T]

    def as_truth(self):
        """The same as maps of every step, and spectra."""
        maps = self.profiles[:, None, None] * self.maps
        return Truth(self.spectra, maps, self.names, self.energy)


def smooth_maps(shape, k, rng, contrast=2.5, n_waves=5):
    """Shares of ``k`` phases that vary smoothly and overlap everywhere.

    Parameters
    ----------
    shape : tuple (ny, nx)
    k : int
    rng : numpy.random.Generator
        Draws the waves, whose coordinates are fractions of the field of view.
    contrast : float, default 2.5
        Of the logarithms; the larger, the purer the purest pixels.
    n_waves : int, default 5
        Largest number of periods over the field.

    Returns
    -------
    (ny, nx, k) array
        Summing to one in every pixel.
    """
    v, u = pixel_centres(shape)
    fields = np.empty((*shape, k))
    for r in range(k):
        waves = rng.uniform(-n_waves, n_waves, (24, 2))
        phase = rng.uniform(0, 2 * np.pi, 24)
        total = sum(
            np.cos(2 * np.pi * (a * u + b * v) + p)
            for (a, b), p in zip(waves, phase, strict=True)
        )
        fields[..., r] = total / np.sqrt(12)
    shares = np.exp(contrast * fields)
    return shares / shares.sum(axis=-1, keepdims=True)


def tilt_series_truth(shape=(64, 64), n_steps=12, n_channels=512, counts=20.0, seed=0):
    """Truth of the series that `tilt_series` draws.

    Parameters
    ----------
    shape : tuple (ny, nx), default (64, 64)
    n_steps : int, default 12
    n_channels : int, default 512
    counts : float, default 20
        Mean of a spectrum: one pixel at one step.
    seed : int, default 0

    Returns
    -------
    SeriesTruth

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
    shape=(64, 64),
    n_steps=12,
    n_channels=512,
    counts=20.0,
    seed=0,
    lazy=False,
    chunks=None,
    dtype="float32",
):
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
        Tilts between -10 and 10 mrad.
    n_channels : int, default 512
    counts : float, default 20
        Mean of a spectrum: one pixel at one step.
    seed : int, default 0
        Of the maps and of the noise.
    lazy : bool, default False
        Return a lazy signal whose blocks are drawn when they are computed; the same
        counts as in memory.
    chunks : tuple (steps, rows), optional
        Of a lazy signal; columns and channels are in one chunk. Default: blocks of
        about 32 MiB.
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
    if lazy:
        data = _lazy_series(known, seed, np.dtype(dtype), chunks)
    else:
        rows = np.arange(shape[0])
        data = draw_lines(known.profiles, rows, np.arange(n_steps), known, seed, dtype)
    step = known.angle[1] - known.angle[0] if n_steps > 1 else 1.0
    axes = [
        {
            "name": "tilt",
            "size": n_steps,
            "units": "mrad",
            "offset": known.angle[0],
            "scale": step,
        }
    ]
    axes += [
        {"name": name, "size": size, "scale": 100.0 / size, "units": "nm"}
        for name, size in zip("yx", shape, strict=True)
    ]
    axes.append(uniform_axis("Energy", "keV", known.energy))
    metadata = {
        "General": {"title": "Simulated tilt series, EDX"},
        "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
        "Sample": {"elements": ["C", "Ce", "Cu", "Fe", "O", "Si"]},
        "Signal": {"quantity": "X-rays (Counts)"},
    }
    signal = spectrum_image(data, axes, "EDS_TEM", metadata)
    attach_truth(signal, known.as_truth())
    return signal


def _lazy_series(known, seed, dtype, chunks):
    import dask.array as da

    n_steps, shape = len(known.profiles), known.maps.shape[:2]
    size = (n_steps, *shape, len(known.energy))
    wanted = (*(chunks or ("auto", "auto")), -1, -1)
    ct, cy, _, _ = da.core.normalize_chunks(wanted, size, limit="32MiB", dtype=dtype)
    steps = da.from_array(np.arange(n_steps)[:, None, None, None], chunks=(ct, 1, 1, 1))
    rows = da.from_array(np.arange(shape[0])[None, :, None, None], chunks=(1, cy, 1, 1))
    return da.map_blocks(
        _draw_block,
        steps,
        rows,
        known=known,
        seed=seed,
        count_type=dtype,
        dtype=dtype,
        chunks=(ct, cy, (shape[1],), (len(known.energy),)),
        meta=np.empty((0, 0, 0, 0), dtype),
    )


def _draw_block(steps, rows, known, seed, count_type):
    return draw_lines(
        known.profiles, rows.ravel(), steps.ravel(), known, seed, count_type
    )


def draw_lines(profiles, rows, steps, known, seed, dtype):
    """Draw the counts of some rows of pixels at some steps.

    Every row of every step has a generator of its own, so that it has the same counts
    in whatever block it is drawn. Counts are drawn one by one: the time goes with
    their number and not with the number of channels.

    Parameters
    ----------
    profiles : (n_steps, k) array
    rows, steps : int arrays
    known : SeriesTruth
    seed : int
    dtype : dtype

    Returns
    -------
    (len(steps), len(rows), nx, n_channels) array
    """
    nx, n_channels = known.maps.shape[1], len(known.energy)
    block = np.zeros((len(steps), len(rows), nx, n_channels), dtype)
    totals = known.spectra.sum(axis=1)
    cumulated = np.cumsum(known.spectra, axis=1) / totals[:, None]
    for i, step in enumerate(steps):
        for j, row in enumerate(rows):
            rng = np.random.default_rng([seed, int(step), int(row)])
            expected = known.maps[row] * (profiles[step] * totals)
            numbers = rng.poisson(expected)
            places = []
            for r in range(len(totals)):
                pixel = np.repeat(np.arange(nx), numbers[:, r])
                channel = np.searchsorted(cumulated[r], rng.random(len(pixel)))
                places.append(pixel * n_channels + np.minimum(channel, n_channels - 1))
            line = np.bincount(np.concatenate(places), minlength=nx * n_channels)
            block[i, j] = line.reshape(nx, n_channels)
    return block


def edx_eels_scan(
    shape=(48, 48), n_channels=512, edx_counts=200.0, eels_counts=2000.0, seed=0
):
    """
    EDX and core-loss EELS of one scan, with the same maps and known truth.

    SiO2, Fe2O3, CeO2 and CeFeO3 that overlap everywhere, without pure pixels, and
    Poisson noise. Iron and cerium lines are strong in EDX, silicon is seen by EDX
    alone, the background is most of the EELS signal.

    Parameters
    ----------
    shape : tuple (ny, nx), default (48, 48)
    n_channels : int, default 512
        Of either detector.
    edx_counts, eels_counts : float, default 200, 2000
        Mean of a pixel.
    seed : int, default 0
        Of the maps and of the noise.

    Returns
    -------
    edx : EDSTEMSpectrum
    eels : EELSSpectrum
        Signal1D where exspy is not installed; `truth` gives the spectra and maps of
        each.

    Examples
    --------
    >>> from sparsedecomp import datasets
    >>> edx, eels = datasets.edx_eels_scan((8, 8), n_channels=128)
    >>> edx.data.shape == eels.data.shape == (8, 8, 128)
    True
    """
    rng = np.random.default_rng(seed)
    maps = smooth_maps(shape, len(PHASES), rng, contrast=0.7)
    names = tuple(PHASES)
    energy = channel_centres(EDX_WINDOW, n_channels)
    spectra = [edx_spectrum(energy, phase[0]) for phase in PHASES.values()]
    edx = scaled_truth(spectra, maps, names, energy, edx_counts)
    loss = channel_centres(EELS_WINDOW, n_channels)
    spectra = [
        core_loss_spectrum(loss, edges, background, plasmon=(24.0, 12.0), thickness=0.4)
        for _, edges, background in PHASES.values()
    ]
    eels = scaled_truth(spectra, maps, names, loss, eels_counts)
    made = []
    for known, kind, axis, number in (
        (edx, "EDS_TEM", ("Energy", "keV"), 2 * seed),
        (eels, "EELS", ("Energy loss", "eV"), 2 * seed + 1),
    ):
        made.append(
            simulated_signal(
                noisy_cube(known, seed=number),
                known,
                signal_type=kind,
                energy=axis,
                field_of_view=100.0,
                metadata={
                    "General": {"title": f"Simulated scan, {kind}"},
                    "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
                    "Sample": {"elements": ["Ce", "Fe", "O", "Si"]},
                },
            )
        )
    return tuple(made)
