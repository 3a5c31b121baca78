"""Inpainting of spectrum images, images and spectra on plain arrays."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.noise.single_map import find_map_noise
from sparsedecomp.restoration.denoising import DenoisedMaps
from sparsedecomp.restoration.field import Field, busiest_part
from sparsedecomp.restoration.held_out_pixels import Filling, choose_filling
from sparsedecomp.restoration.inpainters import total_variation
from sparsedecomp.restoration.methods import INPAINTERS
from sparsedecomp.restoration.subspace import find_subspace

# Weight of the total variation of the maps that tell which factors are signal.
_WEIGHT = 1.8
# Unit of the parameters for an image whose noise is not known, over the standard
# deviation of its pixels: less than what photographs of eight bits can show.
_UNIT = 0.01
# Fewest pixels that tell a choice.
_FEWEST = 8


@dataclass(frozen=True, eq=False)
class InpaintedMaps(DenoisedMaps):
    """Maps without gaps; `DenoisedMaps` says what else it holds.

    Attributes
    ----------
    measured : (rows, columns) bool array
        Pixels that were measured; `noisy` is zero elsewhere.
    noise_known : bool
        Whether there is a noise model, so that measured pixels are restored, too.
    choice : Filling
        Methods, parameters, what they were compared with, and the error held out.
    """

    measured: NDArray
    noise_known: bool
    choice: Filling

    @cached_property
    def error_covariance(self) -> NDArray:
        """Covariance of the error of the factors, (rows, columns, n, n).

        That of the gaps is scaled so that it is, on average, what it was in the pixels
        held out.
        """
        covariance = super().error_covariance
        gaps = ~self.measured
        if not gaps.any():
            return covariance
        gram = self.spectra @ self.spectra.T
        told = np.einsum("pij,ij->p", covariance[gaps], gram)
        told = float(np.mean(told * np.square(self.row_scale[gaps])))
        factor = self.choice.held_out_error / max(told, np.finfo(float).tiny)
        return covariance * np.where(gaps, max(factor, 1.0), 1.0)[..., None, None]


def inpaint_cube(
    blocks: BlockMatrix,
    measured: ArrayLike,
    method: str = "auto",
    *,
    n_components: int | None = None,
    noise: str = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> InpaintedMaps:
    """Fill the pixels of a map of spectra that were not measured [1]_.

    The spectra of all pixels are mixtures of a few, which the measured ones tell. Their
    maps, scaled to white noise, are restored and filled together by a spatial prior; a
    fifth of the measured pixels, or gaps of the shape of those there are, is held out
    and chooses it.

    Parameters
    ----------
    blocks : BlockMatrix
        Measured pixels times channels.
    measured : (rows, columns) bool array
        True where a pixel is measured.
    method : str, default "auto"
        Name in `INPAINTERS`.
    n_components : int, optional
        Number of factors; default: those that improve the prediction of the counts held
        out, at least those above the noise.
    noise : str, default "auto"
        Argument of `sparsedecomp.noise.find_noise`.
    random_state : int, default 0
        Seed of what is held out.
    **parameters : object
        Parameters of the method; those left out are chosen.

    Returns
    -------
    InpaintedMaps
        Maps of the factors before and after, their spectra, and what was chosen.

    Raises
    ------
    ValueError
        For fewer than eight measured pixels, an unknown method and a parameter that it
        does not take.

    References
    ----------
    .. [1] L. Zhuang and J. M. Bioucas-Dias, IEEE J. Sel. Top. Appl. Earth Obs. Remote
       Sens. 11 (2018) 730.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.restoration import inpaint_cube
    >>> left = (np.arange(24) < 12) * np.ones((24, 1))
    >>> spectra = np.random.default_rng(1).uniform(0, 2, (2, 60))
    >>> clean = np.stack([left, 1 - left], axis=2) @ spectra
    >>> rng = np.random.default_rng(0)
    >>> counts, missing = rng.poisson(clean), rng.random((24, 24)) < 0.6
    >>> blocks = as_blocks(counts, navigation_mask=missing)
    >>> found = inpaint_cube(blocks, ~missing)
    >>> bool(np.std((found.values() - clean)[missing]) < 0.3)
    True
    """
    began, before = time.perf_counter(), blocks.passes
    INPAINTERS.complete(method, parameters)
    field = Field(_checked(measured))
    shape = field.measured.shape
    space, least = find_subspace(
        blocks,
        shape,
        noise=noise,
        n_factors=n_components,
        random_state=random_state,
        field=field,
    )
    kept = least
    if n_components is None and not space.silent:
        filled = total_variation(space.split.seen, field.measured, _WEIGHT)
        seen = np.where(field.measured[..., None], filled, 0)
        kept = space.split.n_factors(seen, least)
    space = space.truncated(kept)
    maps = space.maps
    choice = choose_filling(
        maps,
        field.measured,
        space.row_scale,
        space.spectra,
        method,
        parameters,
        random_state,
        busiest_part(Field(field.measured).filled(maps)),
    )
    return InpaintedMaps(
        choice.apply(maps),
        maps,
        space.spectra,
        space.row_scale,
        choice,
        space.noise.description,
        space.noise.gain,
        space.column_scale,
        least,
        blocks.passes - before,
        time.perf_counter() - began,
        field.measured,
        not space.silent,
    )


def inpaint_map(
    image: NDArray,
    measured: ArrayLike,
    method: str = "auto",
    *,
    noise: str | float = "auto",
    random_state: int = 0,
    **parameters: Any,
) -> InpaintedMaps:
    """Fill the gaps of a single image or spectrum.

    Parameters
    ----------
    image : (rows, columns) array
        Image; a spectrum has one row. What it holds in gaps is not used.
    measured : (rows, columns) bool array
        True where a pixel is measured.
    method : str, default "auto"
        Name in `INPAINTERS`.
    noise : {"auto", "poisson"} or float, default "auto"
        "poisson" for counts, or the standard deviation of the noise. By default nothing
        is known of it.
    random_state : int, default 0
        Seed of the pixels held out.
    **parameters : object
        Parameters of the method; those left out are chosen.

    Returns
    -------
    InpaintedMaps
        With one factor, whose spectrum is one channel.

    Raises
    ------
    ValueError
        For fewer than eight measured pixels, NaN among them, negative counts with
        ``noise="poisson"``, an unknown method and a parameter that it does not take.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import inpaint_map
    >>> y, x = np.mgrid[:40, :40]
    >>> image = np.sin(y / 4.0) + np.cos(x / 5.0)
    >>> missing = np.random.default_rng(0).random(image.shape) < 0.7
    >>> found = inpaint_map(image, ~missing)
    >>> bool(np.abs(found.values()[..., 0] - image).max() < 0.2)
    True
    """
    began = time.perf_counter()
    INPAINTERS.complete(method, parameters)
    measured = _checked(measured)
    if np.shape(image) != measured.shape:
        raise ValueError(
            f"The mask has the shape {measured.shape}, expected that of the image, "
            f"{np.shape(image)}."
        )
    values = np.where(measured, image, 0).astype(np.float32)
    if not np.isfinite(values).all():
        i, j = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"The data are NaN or infinite at ({i}, {j}), which the mask says is "
            "measured: mask it, too."
        )
    known, scale = noise != "auto", np.ones(values.shape)
    if known:
        found = find_map_noise(values[measured][None], noise)
        sigma = 1.0 if found.counts else found.sigma
        if found.counts:
            scale = Field(measured).smooth_scale(values)
        words = "counts" if found.counts else f"standard deviation {sigma:.4g}"
    else:
        sigma, words = _UNIT * float(values[measured].std()), "noise not known"
    if not sigma > 0:
        known, sigma = True, 1.0
    Z = (values / (scale * sigma)).astype(np.float32)[..., None]
    spectra = np.full((1, 1), sigma)
    choice = choose_filling(
        Z,
        measured,
        scale,
        spectra,
        method,
        parameters,
        random_state,
        busiest_part(Field(measured).filled(Z)),
    )
    return InpaintedMaps(
        choice.apply(Z),
        Z,
        spectra,
        scale,
        choice,
        words,
        float(words == "counts"),
        np.full(1, sigma),
        1,
        1,
        time.perf_counter() - began,
        measured,
        bool(known),
    )


def _checked(measured: ArrayLike) -> NDArray:
    measured = np.asarray(measured, bool)
    n = int(measured.sum())
    if n < _FEWEST:
        raise ValueError(
            f"{n} of {measured.size} pixels are measured, expected at least {_FEWEST}: "
            "the mask is True where data are missing."
        )
    if measured.all():
        warnings.warn(
            "Nothing is missing: the data are only restored, as `denoise` does better.",
            stacklevel=3,
        )
    return measured
