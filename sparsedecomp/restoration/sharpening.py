"""Maps and images without the blur of a point spread; the method is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.single_map import find_map_noise
from sparsedecomp.restoration.denoising import DenoisedMaps, parts_of_image
from sparsedecomp.restoration.field import busiest_part, smooth_scale
from sparsedecomp.restoration.methods import SHARPENERS
from sparsedecomp.restoration.point_spread import PointSpread
from sparsedecomp.restoration.selection import Choice, Split, choose
from sparsedecomp.restoration.subspace import find_subspace, split_of
from sparsedecomp.superresolution.method_table import MethodTable

# Restorations of drawn noise, as in `DenoisedMaps`.
_DRAWS = 4


@dataclass
class BlurredSplit(Split):
    """Two parts of blurred maps; methods are judged by what they make when blurred.

    Attributes
    ----------
    psf : (2 h + 1, 2 w + 1) array
        Point spread.
    """

    psf: NDArray

    def restored(self, function: Callable[..., NDArray], **parameters: Any) -> NDArray:
        """The part seen, deblurred and blurred again.

        Parameters
        ----------
        function : callable
            The method.
        **parameters : object
            Its parameters.

        Returns
        -------
        (rows, columns, n_factors) array
        """
        blur = PointSpread(self.psf, self.row_scale)
        return blur.forward(function(self.seen, blur, **parameters))


@dataclass(frozen=True, kw_only=True)
class Sharpening(Choice):
    """What takes the blur off maps, and what it was compared with.

    Attributes
    ----------
    blur : PointSpread
        The blur.
    """

    blur: PointSpread

    methods = SHARPENERS

    def _restored(
        self, function: Callable[..., NDArray], Z: NDArray, parameters: dict[str, Any]
    ) -> NDArray:
        return self.blur.cut(function(Z, self.blur, **parameters))


@dataclass(frozen=True, eq=False)
class SharpenedMaps(DenoisedMaps):
    """Maps without the blur; `DenoisedMaps` says what it holds.

    Attributes
    ----------
    choice : Sharpening
        Method, its parameters, and the blur.
    """

    choice: Sharpening

    @cached_property
    def draws(self) -> list[tuple[NDArray, NDArray]]:
        """Noise that is drawn, and the error of the deblurring with it."""
        blur, rng = self.choice.blur, np.random.default_rng(0)
        blurred = blur.forward(blur.widened(self.maps))
        drawn = []
        for _ in range(_DRAWS):
            noise = rng.standard_normal(self.maps.shape).astype(np.float32)
            drawn.append((noise, self.choice.apply(blurred + noise) - self.maps))
        return drawn


def sharpen_cube(
    blocks: BlockMatrix,
    shape: tuple[int, int],
    psf: ArrayLike,
    method: str = "auto",
    *,
    n_components: int | None = None,
    noise: str = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> SharpenedMaps:
    """Take a blur along rows and columns off a map of spectra.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels, no pixel masked.
    shape : (int, int)
        Rows and columns of the map.
    psf : (2 h + 1, 2 w + 1) array
        Point spread; it is divided by its sum.
    method : str, default "auto"
        Name in `SHARPENERS`.
    n_components : int, optional
        Number of factors; default: those above the noise.
    noise : str, default "auto"
        Argument of `sparsedecomp.noise.find_noise`.
    random_state : int, default 0
        Seed of the split of the data.
    **parameters : object
        Parameters of the method; those left out are chosen by the counts held out.

    Returns
    -------
    SharpenedMaps
        Maps of the factors before and after, their spectra, and what was chosen.

    Raises
    ------
    ValueError
        For a point spread that is wider than half of the field, has an even number of
        rows or columns, or is negative.
    """
    began, before = time.perf_counter(), blocks.passes
    SHARPENERS.complete(method, parameters)
    spread = checked_psf(psf, shape)
    space, least = find_subspace(
        blocks, shape, noise=noise, n_factors=n_components, random_state=random_state
    )
    space = space.truncated(least)
    choice = _chosen(space.split, space.maps, spread, method, parameters)
    return SharpenedMaps(
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


def sharpen_map(
    image: ArrayLike,
    psf: ArrayLike,
    method: str = "auto",
    *,
    noise: str | float = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> SharpenedMaps:
    """Take the blur of a point spread off a single image.

    Parameters
    ----------
    image : (rows, columns) array
        Image.
    psf : (2 h + 1, 2 w + 1) array
        Point spread; it is divided by its sum.
    method : str, default "auto"
        Name in `SHARPENERS`.
    noise : {"auto", "poisson", "uniform"} or float, default "auto"
        Argument of `sparsedecomp.noise.single_map.find_map_noise`.
    random_state : int, default 0
        Seed of the split of the data.
    **parameters : object
        Parameters of the method; those left out are chosen by what is held out.

    Returns
    -------
    SharpenedMaps
        With one factor, whose spectrum is one channel.

    Raises
    ------
    ValueError
        For NaN, negative counts, and a point spread that does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from sparsedecomp.restoration import sharpen_map
    >>> clean = 200.0 * (np.indices((40, 40)).max(axis=0) < 25) + 50
    >>> point = np.zeros((15, 15))
    >>> point[7, 7] = 1
    >>> blurred = gaussian_filter(clean, 2.0)
    >>> counts = np.random.default_rng(0).poisson(blurred)
    >>> found = sharpen_map(counts, gaussian_filter(point, 2.0))
    >>> error = found.values()[..., 0] - clean
    >>> bool(np.std(error) < 0.7 * np.std(counts - clean))
    True
    """
    began = time.perf_counter()
    SHARPENERS.complete(method, parameters)
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"The data are NaN or infinite at ({i}, {j}): fill it before, with "
            "`s.inpaint`."
        )
    spread = checked_psf(psf, values.shape)
    found = find_map_noise(values, noise)
    least = 1e-6 * float(np.abs(values).max()) or 1.0
    scale = smooth_scale(values) if found.counts else np.ones(values.shape)
    sigma = 1.0 if found.counts else max(found.sigma, least)
    Z = (values / (np.maximum(scale, 1e-12) * sigma)).astype(np.float32)[..., None]
    parts = parts_of_image(values, scale, found.counts, Z, random_state)
    split = split_of(parts, scale, np.full((1, 1), sigma))
    choice = _chosen(split, Z, spread, method, parameters)
    words = "counts" if found.counts else f"standard deviation {sigma:.4g}"
    return SharpenedMaps(
        choice.apply(Z),
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


def checked_psf(psf: ArrayLike, shape: tuple[int, ...]) -> NDArray:
    """Point spread with the sum one, refused where it does not fit.

    Parameters
    ----------
    psf : (2 h + 1, 2 w + 1) array
        Point spread.
    shape : (int, int)
        Rows and columns of the field.

    Returns
    -------
    (2 h + 1, 2 w + 1) array
    """
    spread = np.asarray(psf, float)
    if spread.ndim != 2 or any(n % 2 == 0 for n in spread.shape):
        raise ValueError(
            f"psf has the shape {spread.shape}, expected odd numbers of rows and "
            "columns with the centre in the middle."
        )
    if not np.isfinite(spread).all() or spread.min() < 0 or not spread.sum() > 0:
        raise ValueError("psf has NaN or negative values, or is zero everywhere.")
    if any(n > 1 and n > size / 2 for n, size in zip(spread.shape, shape, strict=True)):
        raise ValueError(
            f"psf has the shape {spread.shape} for a field of {tuple(shape)} pixels, "
            "expected at most half of it: a blur wider than the field cannot be taken "
            "off. Cut its edges."
        )
    return spread / spread.sum()


def _chosen(
    split: Split, maps: NDArray, psf: NDArray, method: str, parameters: dict[str, Any]
) -> Sharpening:
    """Method and parameters by what is held out, blurred again."""
    part = split.part(*busiest_part(maps), maps.shape[2])
    methods = SHARPENERS
    if maps.shape[2] > 1 or maps.min() < 0:
        # Iterations need positive maps.
        methods = MethodTable(
            *(each for each in methods.values() if each.name != "richardson_lucy")
        )
    choice = choose(BlurredSplit(**vars(part), psf=psf), method, parameters, methods)
    return Sharpening(
        choice.shares,
        choice.parameters,
        choice.errors,
        choice.error,
        blur=PointSpread(psf, split.row_scale),
    )
