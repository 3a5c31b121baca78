"""A coarse cube as a few coefficient maps with white noise, and what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import as_blocks
from sparsedecomp.noise import NoiseModel, count_components, find_noise, signal_space

if TYPE_CHECKING:
    import dask.array as da

# Largest number of coefficients by default. Solvers take time in proportion to it.
MOST = 16
# Directions that the range finder carries beside those that are kept (Halko, Martinsson
# and Tropp 2011 recommend 5 to 10).
_SPARE = 8


@dataclass(frozen=True, eq=False)
class Subspace:
    """A cube on few spectra: ``cube[y, x] ~ mean + maps[y, x] @ spectra``.

    Attributes
    ----------
    mean : (n_channels,) array
        Mean spectrum, which is not part of the coefficients.
    spectra : (p, n_channels) array
        Spectra of the coefficients in the units of the cube, the strongest first.
    maps : (h, w, p) array
        Coefficients of the coarse pixels.
    variance : (h, w) array
        Variance of the noise of each coefficient; the same for all of them.
    residual : (n_channels,) array
        Variance of the cube's noise in each channel, for a pixel of mean variance.
    lost : (n_channels,) array
        Variance of the signal that lies outside the spectra, estimated from the noise
        by the spiked covariance model.
    noise : NoiseModel
        Noise model of the cube.
    """

    mean: NDArray
    spectra: NDArray
    maps: NDArray
    variance: NDArray
    residual: NDArray
    lost: NDArray
    noise: NoiseModel

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients."""
        return self.maps.shape[-1]

    def cube(self, maps: NDArray) -> NDArray:
        """Spectra of some maps of coefficients.

        Parameters
        ----------
        maps : (..., p) array
            Coefficients.

        Returns
        -------
        (..., n_channels) array
            Spectra in the units of the cube.
        """
        return maps @ self.spectra + self.mean


def subspace_of(
    cube: NDArray | da.Array,
    n_components: int | None = None,
    noise: str = "auto",
    random_state: int = 0,
) -> Subspace:
    """Find the few spectra of which the pixels of a cube are mixtures.

    The cube is whitened by its noise model; the coefficients are those that rise above
    the edge of the noise.

    Parameters
    ----------
    cube : (h, w, n_channels) array or dask array
        Coarse cube.
    n_components : int, optional
        Number of coefficients; default: those above the noise, at most 16.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model; see `sparsedecomp.noise.find_noise`.
    random_state : int, default 0
        Seed of the range finder.

    Returns
    -------
    Subspace
        Coefficients, spectra and noise.

    Raises
    ------
    ValueError
        For NaN and infinities, with their place, and for a cube without signal.
    """
    dtype = np.float64 if cube.dtype == np.float64 else np.float32
    blocks = as_blocks(cube, dtype=dtype)
    blocks.describe()
    shape, (n, m) = cube.shape[:2], blocks.shape
    model = find_noise(blocks, noise)
    kept = min(n_components or count_components(blocks, model, MOST), n, m)
    rank = min(kept + _SPARE, n, m)
    basis = model.start_basis(rank, np.random.default_rng(random_state))
    low = signal_space(model.whiten(blocks), rank, random_state, basis=basis)
    scores = low.scores[:, :kept].astype(float) * model.row_scale[:, None]
    spectra = low.basis[:, :kept].T.astype(float) * model.column_scale
    # Centred, the coefficients are turned to the axes of their own spread.
    centre = scores.mean(axis=0)
    _, _, turn = np.linalg.svd(scores - centre, full_matrices=False)
    maps = (scores - centre) @ turn.T
    squares = np.square(low.singular_values.astype(float))
    left = max(low.summary.sum_of_squares - squares[:kept].sum(), 0.0)
    white = left / max((n - kept) * (m - kept), 1)
    if model.counts:
        white = max(white, model.variance)
    white = max(white, np.finfo(dtype).eps ** 2 * squares[0] / n)
    variance = (white * np.square(model.row_scale)).reshape(shape)
    residual = white * np.square(model.column_scale) * np.mean(model.row_scale**2)
    scale = np.square(low.basis[:, :kept].astype(float)).sum(axis=1)
    own = low.scores[:, :kept].astype(float) / np.sqrt(white)
    share = _unseen(squares[:kept] / white, n, m, own)
    return Subspace(
        centre @ spectra,
        turn @ spectra,
        maps.reshape(*shape, -1),
        variance,
        residual,
        residual * share * (1 - np.minimum(scale, 1)),
        model,
    )


def _unseen(squares: NDArray, n: int, m: int, scores: NDArray) -> float:
    """Signal outside the found directions, per channel, in units of the noise.

    A direction whose population variance is ``l`` in units of the noise has the sample
    value ``(l + 1) (1 + gamma / l)``, and the fraction ``(1 + gamma / l) gamma / l`` of
    ``l`` lies outside of what was found (Paul 2007, spiked covariance model with
    ``gamma = m / n``).
    """
    gamma = m / n
    b = squares / n - 1 - gamma
    root = np.sqrt(np.maximum(b**2 - 4 * gamma, 0))
    spread = np.maximum((b + root) / 2, 1.05 * np.sqrt(gamma))
    ratio = gamma * (1 + spread) / np.maximum(spread**2 - gamma, 0.05 * gamma)
    return float((ratio * np.mean(np.square(scores), axis=0)).sum() / m)
