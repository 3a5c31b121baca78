"""The few spectra of which all pixels are mixtures, found with the help of neighbours.

Spectra of few counts hide the subspace of the signal from principal components; sums
over neighbouring pixels show it. The data are read in blocks: once for bins of
channels, from whose smoothed maps the subspace follows, once for the spectra in all
channels, and once for the maps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.blocks.compression import gram_of
from sparsedecomp.blocks.summary import poisson_column_scale
from sparsedecomp.kernels.thinning import thin_counts
from sparsedecomp.noise import NoiseModel, count_components, find_noise
from sparsedecomp.noise.binned_spectrum import binned
from sparsedecomp.restoration.field import BLUR, Field
from sparsedecomp.restoration.selection import SHARE, Split

# Factors that are tried beside those that rise above the noise without a blur.
_SPARE = 2
MOST = 20
"""Largest number of factors by default."""
# Bins times pixels that are held in memory at most.
_MOST_VALUES = 2**24
# Noise smaller than this part of the data is the rounding of single precision.
_ROUNDING = 5e-4


@dataclass(frozen=True)
class Subspace:
    """Data as ``row_scale * (maps @ spectra)`` with maps of white noise.

    Attributes
    ----------
    maps : (rows, columns, n_factors) float32 array
        Maps with white noise of variance one.
    spectra : (n_factors, n_channels) float64 array
        Spectra of the factors in the units of the data.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    split : Split
        The maps of two independent parts of the data.
    noise : NoiseModel
        Noise model of the data.
    column_scale : (n_channels,) array
        Standard deviation of the noise of a channel where `row_scale` is one.
    silent : bool
        Whether the data have no noise but rounding errors.
    """

    maps: NDArray
    spectra: NDArray
    row_scale: NDArray
    split: Split
    noise: NoiseModel
    column_scale: NDArray
    silent: bool

    def truncated(self, n_factors: int) -> Subspace:
        """The same with the leading factors only.

        Parameters
        ----------
        n_factors : int
            Number of factors that are kept.

        Returns
        -------
        Subspace
        """
        n = n_factors
        split = self.split.part(slice(None), slice(None), n)
        return Subspace(
            np.ascontiguousarray(self.maps[..., :n]),
            self.spectra[:n],
            self.row_scale,
            split,
            self.noise,
            self.column_scale,
            self.silent,
        )


def find_subspace(
    blocks: BlockMatrix,
    shape: tuple[int, int],
    *,
    noise: str = "auto",
    n_factors: int | None = None,
    random_state: int = 0,
    field: Field | None = None,
) -> tuple[Subspace, int]:
    """Find the subspace of the signal, and the maps of all and of parts of the data.

    Parameters
    ----------
    blocks : BlockMatrix
        Measured pixels times channels.
    shape : (int, int)
        Rows and columns of the maps.
    noise : str, default "auto"
        Argument of `sparsedecomp.noise.find_noise`.
    n_factors : int, optional
        Number of factors; default: those above the noise, and two to be tested.
    random_state : int, default 0
        Seed of the split in two parts.
    field : Field, optional
        Pixels of which `blocks` has a row each; default: all. The maps of the others
        are zero, and their scale is that of their neighbours.

    Returns
    -------
    subspace : Subspace
        All factors.
    least : int
        Number of factors that rise above the noise, or that were given.
    """
    model = find_noise(blocks, noise)
    least = n_factors or count_components(blocks, model, MOST)
    n, m = blocks.shape
    field = Field(np.ones(shape, bool)) if field is None else field
    columns = model.column_scale
    if model.counts:
        columns = poisson_column_scale(blocks.describe().column_sums)
        counts = blocks.describe().row_sums
        scales = field.smooth_scale(field.placed(counts / counts.mean()))
        rows = field.taken(scales)
    else:
        rows = model.row_scale
        scales = field.filled(field.placed(rows))
    split_counts = model.counts and model.gain > 0
    starts, scale = _bins(model, int(np.prod(shape)))
    seed = random_state if split_counts else -1
    whitening = columns, model.gain, seed
    binning = starts, scale, *whitening
    found, (squares,) = blocks.run(_binned, (rows, blocks.rows), binning)
    variances, *binned_maps = found
    k = min(least + (0 if n_factors else _SPARE), len(starts), n, m)
    del found
    smooth_scores = []
    while binned_maps:
        # Each is as large as memory allows, and not needed any more.
        smooth_scores.append(_smooth_scores(field, binned_maps.pop(0), k))
    _, bases_of = blocks.run(_products, (rows, blocks.rows, *smooth_scores), whitening)
    bases = [np.linalg.svd(P, full_matrices=False)[0] for P in bases_of]
    projected, _ = blocks.run(_project, (rows, blocks.rows), (*whitening, bases))
    if model.counts:
        sigma = np.sqrt(model.gain * np.mean(variances / rows**2) / m)
    else:
        left = squares - np.square(projected[0], dtype=float).sum()
        sigma = np.sqrt(max(float(left), 0.0) / max((n - k) * (m - k), 1))
    size = np.sqrt(blocks.describe().sum_of_squares / (n * m))
    silent = not sigma * np.mean(rows) * np.mean(columns) > _ROUNDING * size
    sigma = sigma if sigma > 0 else 1.0
    maps, *parts = (field.placed(part) / np.float32(sigma) for part in projected)
    products = None
    if split_counts:
        *parts, scaled = parts
        products = scaled * np.float32(sigma) * scales[..., None]
    else:
        parts = fission(maps, random_state)
    spectra = bases[0].T * columns
    scales = sigma * scales
    split = split_of(parts, scales, bases[-1].T * columns, products)
    space = Subspace(maps, spectra, scales, split, model, columns, silent)
    return space, min(least, k)


def fission(maps: NDArray, random_state: int) -> list[NDArray]:
    """Two independent parts of maps with Gaussian noise of variance one [1]_.

    Parameters
    ----------
    maps : (rows, columns, n_factors) array
        Maps.
    random_state : int
        Seed of the noise that is added to one part and taken from the other.

    Returns
    -------
    list of two arrays
        Parts whose means are `SHARE` and ``1 - SHARE`` of that of the maps, and whose
        variances are the same parts of that of the noise.

    References
    ----------
    .. [1] A. Neufeld, A. Dharamshi, L. L. Gao and D. Witten, J. Mach. Learn. Res. 25
       (2024) 57.
    """
    rng = np.random.default_rng(random_state)
    noise = rng.standard_normal(maps.shape).astype(np.float32)
    noise *= np.float32(np.sqrt(SHARE * (1 - SHARE)))
    one = np.float32(SHARE) * maps + noise
    return [one, maps - one]


def split_of(
    parts: list[NDArray],
    row_scale: NDArray,
    spectra: NDArray,
    products: NDArray | None = None,
) -> Split:
    """Two independent parts of maps, each scaled to noise of variance one.

    Parameters
    ----------
    parts : list of two (rows, columns, n_factors) arrays
        Parts with `SHARE` and ``1 - SHARE`` of the signal and of the variance.
    row_scale : (rows, columns) array
        What maps are multiplied by to come to the units of the data.
    spectra : (n_factors, n_channels) array
        Spectra of the factors.
    products : (rows, columns, n_factors) array, optional
        Products of the data held out with the spectra; default: those of their maps.

    Returns
    -------
    Split
    """
    gram = spectra @ spectra.T
    seen, held_out = parts[0] / SHARE**0.5, parts[1] / (1 - SHARE) ** 0.5
    if products is None:
        products = row_scale[..., None] * (parts[1] @ gram)
    cross = row_scale[..., None] * products / (1 - SHARE) ** 0.5
    return Split(seen, held_out, row_scale, np.linalg.cholesky(gram), cross)


def _bins(model: NoiseModel, n: int) -> tuple[NDArray, NDArray]:
    """Bins of channels and their scales, so few that all pixels fit in memory."""
    spectrum = model.spectrum
    fold = -(-n * len(spectrum.starts) // _MOST_VALUES)
    first = np.arange(0, len(spectrum.starts), fold)
    squares = np.add.reduceat(np.square(spectrum.bin_scale), first)
    return spectrum.starts[first], np.sqrt(squares)


def _thinned(X: NDArray, pixels: NDArray, gain: float, seed: int) -> NDArray:
    """Counts of the part that methods see, in the units of the data."""
    kept = np.empty_like(X)
    thin_counts(X / X.dtype.type(gain), pixels, SHARE, seed, kept)
    kept *= X.dtype.type(gain)
    return kept


def _dense(X: Any) -> NDArray:
    return X.toarray() if scipy.sparse.issparse(X) else X


def _binned(X, rows, pixels, starts, scale, columns, gain, seed):
    """Variance of each pixel if counts, its bins, of all and of those seen; squares."""
    X = _dense(X)
    maps = [binned(X, rows, starts, scale).astype(np.float32)]
    if seed >= 0:
        X1 = _thinned(X, pixels, gain, seed)
        maps.append(binned(X1, rows, starts, scale).astype(np.float32))
    inverse = 1 / np.square(columns)
    squares = (np.square(X, dtype=float) @ inverse) @ (1 / np.square(rows))
    return (X @ inverse, *maps), (squares,)


def _whitened_parts(X, rows, pixels, columns, gain, seed):
    X = _dense(X)
    scale = (1 / columns).astype(X.dtype)
    parts = [X]
    if seed >= 0:
        parts.append(_thinned(X, pixels, gain, seed))
    return [part * scale / rows[:, None].astype(X.dtype) for part in parts]


def _products(X, rows, pixels, *arguments):
    *scores, columns, gain, seed = arguments
    parts = _whitened_parts(X, rows, pixels, columns, gain, seed)
    sums = [Y.T @ S for Y, S in zip(parts, scores, strict=True)]
    return (), tuple(sums)


def _project(X, rows, pixels, columns, gain, seed, bases):
    parts = _whitened_parts(X, rows, pixels, columns, gain, seed)
    results = [parts[0] @ bases[0].astype(X.dtype)]
    if seed >= 0:
        basis, held_out = bases[1].astype(X.dtype), parts[0] - parts[1]
        squares = np.square(columns)[:, None].astype(X.dtype)
        results += [parts[1] @ basis, held_out @ basis, held_out @ (basis * squares)]
    return tuple(results), ()


def _smooth_scores(field: Field, bins: NDArray, k: int) -> NDArray:
    """Leading principal components of blurred maps of bins, in measured pixels."""
    smooth = field.taken(field.blurred(field.placed(bins), BLUR))
    vectors = np.linalg.eigh(gram_of(smooth))[1][:, ::-1][:, :k]
    return smooth @ vectors.astype(np.float32)
