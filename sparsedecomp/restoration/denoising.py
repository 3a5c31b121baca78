"""Denoising of spectrum images, images and spectra on plain arrays."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.single_map import find_map_noise
from sparsedecomp.restoration.field import busiest_part, smooth_scale
from sparsedecomp.restoration.methods import METHODS
from sparsedecomp.restoration.priors import total_variation
from sparsedecomp.restoration.selection import SHARE, Choice, Split, choose
from sparsedecomp.restoration.subspace import (
    find_subspace,
    fission,
    split_of,
)

# Weight of the total variation of the maps that tell which factors are signal.
_WEIGHT = 1.8
# Noise smaller than this part of the data is the rounding of their numbers.
_ROUNDING = 1e-6
# Restorations of drawn noise: more of them take longer and give a smoother deviation.
_DRAWS = 4
# Standard deviation in pixels of the blur of the covariance of the error, of which few
# draws give a rough estimate.
_BLUR = 1.5


@dataclass(frozen=True, eq=False)
class DenoisedMaps:
    """Restored maps of factors: ``data ~ row_scale * (maps @ spectra)``.

    Attributes
    ----------
    maps : (rows, columns, n_factors) float32 array
        Restored maps in units of the noise.
    noisy : (rows, columns, n_factors) float32 array
        The maps before, with white noise of variance one.
    spectra : (n_factors, n_channels) array
        Spectra of the factors in the units of the data.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    choice : Choice
        Methods, parameters, and what they were compared with.
    noise : str
        The noise model in words.
    gain : float
        Size of one count in the units of the data; 0 for data that are no counts.
    column_scale : (n_channels,) array
        Noise of a channel relative to that of the others.
    n_above_noise : int
        Number of factors that rise above the noise pixel by pixel.
    passes : int
        Number of reads of the data.
    seconds : float
        Time that the restoration took.
    """

    maps: NDArray
    noisy: NDArray
    spectra: NDArray
    row_scale: NDArray
    choice: Choice
    noise: str
    gain: float
    column_scale: NDArray
    n_above_noise: int
    passes: int
    seconds: float

    @property
    def counts(self) -> bool:
        """Whether the data are counts."""
        return self.gain > 0

    @property
    def basis(self) -> tuple[NDArray, NDArray]:
        """Orthonormal spectra of whitened data, and the scales of the channels."""
        return self.spectra / self.column_scale, self.column_scale

    @property
    def scaled_maps(self) -> NDArray:
        """Maps whose product with the spectra is the restored data."""
        return self.maps * self.row_scale[..., None].astype(np.float32)

    def values(self) -> NDArray:
        """Restored data.

        Returns
        -------
        (rows, columns, n_channels) array
            All channels of all pixels, in float32.
        """
        return self.scaled_maps @ self.spectra.astype(np.float32)

    @cached_property
    def draws(self) -> list[tuple[NDArray, NDArray]]:
        """Noise that is drawn, and the error of the restoration with it.

        The restored maps are taken as the truth, noise is added, and they are restored
        again.
        """
        rng = np.random.default_rng(0)
        drawn = []
        for _ in range(_DRAWS):
            noise = rng.standard_normal(self.maps.shape).astype(np.float32)
            error = self.choice.apply(self.maps + noise) - self.maps
            drawn.append((noise, error))
        return drawn

    @cached_property
    def error_covariance(self) -> NDArray:
        """Covariance of the error of the factors, (rows, columns, n, n).

        It is that of `draws`: the error of the second restoration holds its scatter and
        its bias. It is too small where detail was lost already in the first one.
        """
        total = np.zeros((*self.maps.shape, self.maps.shape[2]), np.float32)
        for _, error in self.draws:
            total += error[..., :, None] * error[..., None, :]
        sigma = [_BLUR if size > 1 else 0 for size in self.maps.shape[:2]]
        return gaussian_filter(total / _DRAWS, (*sigma, 0, 0), mode="reflect")

    def standard_deviation(self) -> NDArray:
        """Standard deviation of the restored data.

        Returns
        -------
        (rows, columns, n_channels) array
            From `error_covariance`, in the units of the data.
        """
        return deviation_of(self.error_covariance, self.spectra, self.row_scale)


def deviation_of(covariance: NDArray, spectra: NDArray, row_scale: NDArray) -> NDArray:
    """Standard deviation of mixtures of spectra.

    Parameters
    ----------
    covariance : (rows, columns, n_factors, n_factors) array
        Covariance of the error of the maps.
    spectra : (n_factors, n_channels) array
        Spectra of the factors.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.

    Returns
    -------
    (rows, columns, n_channels) float32 array
    """
    spectra = spectra.astype(np.float32)
    variance = np.einsum(
        "yxie,ie->yxe", np.einsum("yxij,je->yxie", covariance, spectra), spectra
    )
    scale = row_scale[..., None].astype(np.float32)
    return np.sqrt(np.maximum(variance, 0)) * scale


def denoise_cube(
    blocks: BlockMatrix,
    shape: tuple[int, int],
    method: str = "auto",
    *,
    n_components: int | None = None,
    noise: str = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> DenoisedMaps:
    """Remove the noise of a map of spectra [1]_.

    The spectra of all pixels are mixtures of a few, which are found from sums over
    neighbouring pixels. Their maps, scaled to white noise, are restored together by a
    spatial prior. The noise model says what the noise is; four fifths of the counts (or
    of the information of each value, where they are no counts) are restored by every
    method, and the last fifth judges them.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels, no pixel masked.
    shape : (int, int)
        Rows and columns of the map.
    method : str, default "auto"
        Name in `METHODS`.
    n_components : int, optional
        Number of factors; default: those that improve the prediction of what was held
        out, at least those above the noise.
    noise : str, default "auto"
        Argument of `sparsedecomp.noise.find_noise`.
    random_state : int, default 0
        Seed of the split of the data.
    **parameters : object
        Parameters of the method; those left out are chosen.

    Returns
    -------
    DenoisedMaps
        Maps of the factors before and after, their spectra, and what was chosen.

    References
    ----------
    .. [1] L. Zhuang and J. M. Bioucas-Dias, IEEE J. Sel. Top. Appl. Earth Obs. Remote
       Sens. 11 (2018) 730 (subspace and spatial prior); M. R. Keenan and P. G. Kotula,
       Surf. Interface Anal. 36 (2004) 203 (whitening of counts).

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.restoration import denoise_cube
    >>> left = (np.arange(20) < 10) * np.ones((20, 1))
    >>> spectra = np.random.default_rng(1).uniform(0, 2, (2, 60))
    >>> clean = np.stack([left, 1 - left], axis=2) @ spectra
    >>> counts = np.random.default_rng(0).poisson(clean)
    >>> found = denoise_cube(as_blocks(counts), (20, 20))
    >>> bool(np.std(found.values() - clean) < 0.2 * np.std(counts - clean))
    True
    """
    began, before = time.perf_counter(), blocks.passes
    METHODS.complete(method, parameters)
    space, least = find_subspace(
        blocks,
        shape,
        noise=noise,
        n_factors=n_components,
        random_state=random_state,
    )
    silent = space.silent
    if silent:
        _say_silent()
        choice, kept = _UNCHANGED, least
    else:
        kept = least
        if n_components is None:
            smooth = total_variation(space.split.seen, _WEIGHT)
            kept = space.split.n_factors(smooth, least)
    space = space.truncated(kept)
    if not silent:
        choice = choose(_field(space.split, space.maps), method, parameters)
    return DenoisedMaps(
        choice.apply(space.maps),
        space.maps,
        space.spectra,
        space.row_scale,
        choice,
        space.noise.description,
        space.noise.gain,
        space.column_scale,
        least,
        blocks.passes - before,
        time.perf_counter() - began,
    )


def denoise_map(
    image: NDArray,
    method: str = "auto",
    *,
    noise: str | float = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> DenoisedMaps:
    """Remove the noise of a single image or spectrum.

    Parameters
    ----------
    image : (rows, columns) array
        Image; a spectrum has one row.
    method : str, default "auto"
        Name in `METHODS`.
    noise : {"auto", "poisson", "uniform"} or float, default "auto"
        Argument of `sparsedecomp.noise.single_map.find_map_noise`.
    random_state : int, default 0
        Seed of the split of the data.
    **parameters : object
        Parameters of the method; those left out are chosen.

    Returns
    -------
    DenoisedMaps
        With one factor, whose spectrum is one channel.

    Raises
    ------
    ValueError
        For NaN and infinite pixels, an unknown method and one of its parameters that it
        does not take.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import denoise_map
    >>> clean = 50.0 * (np.indices((40, 40)).sum(axis=0) > 40) + 20
    >>> counts = np.random.default_rng(0).poisson(clean)
    >>> found = denoise_map(counts)
    >>> bool(np.std(found.values()[..., 0] - clean) < 0.4 * np.std(counts - clean))
    True
    """
    began = time.perf_counter()
    METHODS.complete(method, parameters)
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"The data are NaN or infinite at ({i}, {j}): mend it before, for instance "
            "with `s.inpaint`."
        )
    found = find_map_noise(values, noise)
    scale, sigma = np.ones(values.shape), found.sigma
    if not sigma > _ROUNDING * np.sqrt(np.mean(np.square(values, dtype=float))):
        _say_silent()
        choice, sigma = _UNCHANGED, 1.0
        restored = Z = values[..., None]
    else:
        if found.counts:
            scale, sigma = smooth_scale(values), 1.0
        for _ in range(1 + found.counts):
            Z = (values / (scale * sigma)).astype(np.float32)[..., None]
            one, other = parts_of_image(values, scale, found.counts, Z, random_state)
            split = split_of([one, other], scale, np.full((1, 1), sigma))
            choice = choose(_field(split, Z), method, parameters)
            restored = choice.apply(Z)
            used = scale
            # Counts are scaled anew by what the first restoration expects.
            scale = smooth_scale(restored[..., 0] * scale, 0.0)
        scale = used
    words = (
        "counts with the noise of Poisson"
        if found.counts
        else (f"noise of one variance, standard deviation {found.sigma:.4g}")
    )
    return DenoisedMaps(
        restored,
        Z,
        np.full((1, 1), sigma),
        scale,
        choice,
        words,
        float(found.counts),
        np.full(1, sigma),
        1,
        1,
        time.perf_counter() - began,
    )


_UNCHANGED = Choice({"pca": 1.0}, {"pca": {}}, {"pca": 0.0})


def _say_silent() -> None:
    warnings.warn(
        "No noise was found in the data: they are returned as they are.", stacklevel=3
    )


def parts_of_image(
    values: NDArray, scale: NDArray, counts: bool, Z: NDArray, random_state: int
) -> list[NDArray]:
    """Two independent parts of an image, scaled to its noise.

    Parameters
    ----------
    values : (rows, columns) array
        Image.
    scale : (rows, columns) array
        Standard deviation of its noise, for counts.
    counts : bool
        Whether the image is counts, which are thinned.
    Z : (rows, columns, 1) array
        Image with white noise of variance one.
    random_state : int
        Seed of the split.

    Returns
    -------
    list of two (rows, columns, 1) arrays
    """
    if not counts:
        return fission(Z, random_state)
    rng = np.random.default_rng(random_state)
    seen = rng.binomial(np.rint(values).astype(np.int64), SHARE)
    parts = [seen / scale, (values - seen) / scale]
    return [part.astype(np.float32)[..., None] for part in parts]


def _field(split: Split, maps: NDArray) -> Split:
    """The part in which methods are compared."""
    return split.part(*busiest_part(maps), maps.shape[2])
