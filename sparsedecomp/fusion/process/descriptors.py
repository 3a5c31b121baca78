"""Features of a guide: functions of its pixels that coefficients may depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.cluster import KMeans

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.superresolution.threads import in_threads

# Pixels that landmarks are placed by, and scales of the texture in fine pixels.
_SAMPLE = 4000
_SCALES = (1.0, 2.0, 4.0)
# Bands that texture is measured in.
_TEXTURED = 2
# Coarse rows whose features are made at once.
_ROWS = 16


@dataclass(frozen=True, eq=False)
class Features:
    """Functions of an image, with a mean of zero on the coarse grid.

    The covariance of a process with these functions and independent weights of one
    variance is ``features @ features' / size``.

    Attributes
    ----------
    image : (H, W, c) array
        Descriptors of the fine pixels.
    landmarks : (J, c) array or None
        Centres of radial basis functions, orthonormalised (Nystrom's method); None
        for the descriptors themselves.
    turn : (J, J) array or None
        Orthonormalises the functions.
    length : float
        Length of the radial basis functions.
    mean : (J,) array
        Mean on the coarse grid.
    size : float
        Mean sum of squares on the coarse grid.
    coarse : (n_coarse, J) array
        The degraded functions.
    """

    image: NDArray
    landmarks: NDArray | None
    turn: NDArray | None
    length: float
    mean: NDArray
    size: float
    coarse: NDArray

    @classmethod
    def of(
        cls,
        image: NDArray,
        degradation: Degradation,
        n_landmarks: int = 0,
        length: float = 1.0,
        centred: bool = True,
    ) -> Features:
        """Make features and degrade them.

        Parameters
        ----------
        image : (H, W, c) array
            Descriptors of the fine pixels.
        degradation : Degradation
            From the fine grid to the coarse one.
        n_landmarks : int, default 0
            Number of radial basis functions; 0 for the descriptors themselves.
        length : float, default 1
            Length of the radial basis functions in units of the descriptors.
        centred : bool, default True
            Subtract the mean on the coarse grid.

        Returns
        -------
        Features
            Functions of the pixels.
        """
        landmarks = turn = None
        if n_landmarks:
            landmarks, turn = _landmarks(image, n_landmarks, length)
        width = image.shape[-1] if turn is None else turn.shape[1]
        blank = np.zeros(width)
        raw = cls(image, landmarks, turn, length, blank, 1.0, blank)
        coarse = raw.degraded(degradation)
        mean = coarse.mean(axis=0) if centred else blank
        coarse = coarse - mean
        size = max(float(np.mean(np.square(coarse).sum(axis=1))), 1e-300)
        return cls(image, landmarks, turn, length, mean, size, coarse)

    def at(self, pixels: NDArray) -> NDArray:
        """Functions at some fine pixels.

        Parameters
        ----------
        pixels : (n, c) array
            Descriptors of the pixels, rows of `image`.

        Returns
        -------
        (n, J) array
            Values of the functions.
        """
        if self.landmarks is None:
            return pixels - self.mean
        assert self.turn is not None
        return _radial(pixels, self.landmarks, self.length) @ self.turn - self.mean

    def degraded(self, degradation: Degradation) -> NDArray:
        """Functions as the coarse grid sees them, some rows at a time."""
        h, w = degradation.grids.coarse
        width = degradation.grids.fine[1]
        flat = self.image.reshape(-1, self.image.shape[-1])

        def band(first: int) -> NDArray:
            rows = degradation.matrix[first * w : min(first + _ROWS, h) * w]
            low = rows.indices.min() // width * width
            high = (rows.indices.max() // width + 1) * width
            return rows[:, low:high] @ self.at(flat[low:high])

        return np.concatenate(in_threads(band, range(0, h, _ROWS)))


def _radial(A: NDArray, B: NDArray, length: float) -> NDArray:
    squares = np.square(A).sum(axis=1)[:, None] + np.square(B).sum(axis=1) - 2 * A @ B.T
    return np.exp(-np.maximum(squares, 0) / (2 * length**2))


def _landmarks(image: NDArray, n: int, length: float) -> tuple[NDArray, NDArray]:
    flat = image.reshape(-1, image.shape[-1])
    rng = np.random.default_rng(0)
    sample = flat[rng.permutation(len(flat))[:_SAMPLE]]
    n = min(n, len(np.unique(sample, axis=0)))
    means = KMeans(n, n_init=1, max_iter=15, random_state=0).fit(sample)
    centres = means.cluster_centers_
    gram = _radial(centres, centres, length)
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-8 * values[-1]
    return centres, vectors[:, kept] / np.sqrt(values[kept])


class Texture:
    """Local means and deviations of a guide at three scales, decorrelated.

    Weak directions are raised towards the variance of strong ones by the square root
    of the ratio.

    Parameters
    ----------
    own : (H, W, m) array
        Decorrelated bands of the guide that fixes the scales.
    """

    def __init__(self, own: NDArray) -> None:
        flat = _layers(own)
        self.mean, self.spread = flat.mean(axis=0), flat.std(axis=0) + 1e-300
        flat = (flat - self.mean) / self.spread
        values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
        self.turn = vectors / np.maximum(values, 1e-6 * values[-1]) ** 0.25

    def __call__(self, bands: NDArray) -> NDArray:
        """Describe a guide.

        Parameters
        ----------
        bands : (H, W, m) array
            Decorrelated bands.

        Returns
        -------
        (H, W, c) array
            Descriptors.
        """
        flat = (_layers(bands) - self.mean) / self.spread @ self.turn
        return flat.reshape(*bands.shape[:2], -1)


def _layers(bands: NDArray) -> NDArray:
    bands = bands[..., :_TEXTURED]
    layers = [bands]
    for s in _SCALES:
        mean = gaussian_filter(bands, (s, s, 0), mode="reflect")
        square = gaussian_filter(bands**2, (s, s, 0), mode="reflect")
        layers += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
    stack = np.concatenate(layers, axis=2)
    return stack.reshape(-1, stack.shape[-1])
