"""Spectrum images without the blur of the zero-loss peak, on plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.restoration.deconvolution import Deconvolution, deconvolve
from sparsedecomp.restoration.subspace import find_subspace


@dataclass(frozen=True, eq=False)
class DeblurredSpectra:
    """Spectra of factors before and after, with the maps that they are mixed by.

    Attributes
    ----------
    maps : (rows, columns, n_factors) array
        Maps, in the units that make ``maps @ spectra`` the data.
    spectra : (n_factors, n_channels) array
        Spectra of the factors without the blur.
    blurred : (n_factors, n_channels) array
        The same before.
    found : list of Deconvolution
        How each of them was found.
    noise : str
        The noise model in words.
    passes : int
        Number of reads of the data.
    """

    maps: NDArray
    spectra: NDArray
    blurred: NDArray
    found: list[Deconvolution]
    noise: str
    passes: int

    @property
    def deviation(self) -> NDArray:
        """Standard deviation of the deblurred spectra, (n_factors, n_channels)."""
        return np.array([each.deviation for each in self.found])


def deblur_cube(
    blocks: BlockMatrix,
    shape: tuple[int, int],
    kernel: NDArray,
    *,
    n_components: int | None = None,
    noise: str = "auto",
    random_state: int = 0,
) -> DeblurredSpectra:
    """Take a blur along the channels off a map of spectra, on its few spectra.

    Parameters
    ----------
    blocks : BlockMatrix
        Pixels times channels, no pixel masked.
    shape : (int, int)
        Rows and columns of the map.
    kernel : (2 w + 1,) array
        Kernel with the sum one, from `kernel_of`.
    n_components : int, optional
        Number of factors; default: those above the noise.
    noise : str, default "auto"
        Argument of `sparsedecomp.noise.find_noise`.
    random_state : int, default 0
        Seed of what the noise model draws.

    Returns
    -------
    DeblurredSpectra
        Spectra of the factors before and after, and their maps.

    Notes
    -----
    The noise of a spectrum of a factor is that of a channel, divided by the length of
    its map, so that strong components get back more detail than weak ones.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.restoration import deblur_cube, kernel_of
    >>> kernel = kernel_of(np.exp(-0.5 * ((np.arange(21) - 10) / 3.0) ** 2))
    >>> e = np.arange(100)
    >>> clean = 30 * np.exp(-0.5 * ((e - 50) / 2.0) ** 2) + 2
    >>> blurred = np.convolve(np.pad(clean, 10, "edge"), kernel, "valid")
    >>> counts = np.random.default_rng(0).poisson(blurred, (20, 20, 100))
    >>> found = deblur_cube(as_blocks(counts), (20, 20), kernel)
    >>> mean = (found.maps @ found.spectra).mean(axis=(0, 1))
    >>> bool(abs(mean[50] / clean[50] - 1) < 0.1)
    True
    """
    before = blocks.passes
    space, least = find_subspace(
        blocks, shape, noise=noise, n_factors=n_components, random_state=random_state
    )
    space = space.truncated(least)
    scales = np.square(space.maps, dtype=float).sum(axis=(0, 1))
    found = [
        deconvolve(spectrum, kernel, np.square(space.column_scale) / scale)
        for spectrum, scale in zip(space.spectra, scales, strict=True)
    ]
    return DeblurredSpectra(
        space.maps * space.row_scale[..., None].astype(np.float32),
        np.array([each.values for each in found]),
        space.spectra,
        found,
        space.noise.description,
        blocks.passes - before,
    )
