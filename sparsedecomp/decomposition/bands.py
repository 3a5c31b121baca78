"""Confidence bands of the spectra and maps of an unmixing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from sparsedecomp.blocks import LowRank, MatrixLike, as_blocks
from sparsedecomp.blocks.sources import one_blas_thread
from sparsedecomp.decomposition.geometric.simplex import (
    OVERSAMPLING,
    require_dimensions,
)
from sparsedecomp.decomposition.simplex_likelihood.face_mixture import FaceMixture
from sparsedecomp.decomposition.simplex_likelihood.pixel_cloud import (
    WhitenedData,
    pixel_cloud,
    whitened_signal_space,
)
from sparsedecomp.kernels.simplex import solve_by_active_set
from sparsedecomp.results import Result, Table, drawn_by

# From the shift of an estimate between the full and half the dose to its bias at the
# full dose: facets shift in proportion to the standard deviation of the noise, which
# is sqrt(2) times larger at half the dose.
_BIAS_FACTOR = 1 / (np.sqrt(2) - 1)

# Most updates of noise and shares on the way from the answer to the maximum of the
# whole and of a half, which is near. Each update is followed by up to 25 steps.
_ROUNDS, _ROUNDS_OF_HALF = 6, 4


@dataclass(frozen=True)
class Deviation:
    """Standard errors of spectra or maps by their source.

    Attributes
    ----------
    noise : array
        Spread of the estimate between repeated measurements of the same dose.
    bias : array
        Systematic error, extrapolated from fits at half the dose.
    method : array
        Distance from the maximum of the likelihood that is reached from the answer.
    """

    noise: NDArray[np.float64]
    bias: NDArray[np.float64]
    method: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Root of the sum of the three squares."""
        return np.sqrt(self.noise**2 + self.bias**2 + self.method**2)


@dataclass(frozen=True, repr=False)
class ConfidenceBands(Result):
    """Spectra of unit sum, their maps, and how far both may be from the truth.

    Attributes
    ----------
    spectra : (k, n_channels) array
        Spectra of unit sum over the channels.
    maps : (n_pixels, k) array
        Contribution of each component to a pixel, summed over the channels, in units
        of the data.
    spectra_deviation, maps_deviation : Deviation
        Standard errors of `spectra` and `maps`.
    level : float
        Probability that a band is to cover the truth, channel by channel.
    """

    spectra: NDArray[np.float64]
    maps: NDArray[np.float64]
    spectra_deviation: Deviation
    maps_deviation: Deviation
    level: float

    plot = drawn_by("plot_bands")

    @property
    def summary(self) -> str:
        """Number of components and level in one line."""
        return f"bands of {len(self.spectra)} components at {self.level:.0%}"

    def _details(self) -> Iterator[Table]:
        sizes = np.linalg.norm(self.spectra, axis=1), np.linalg.norm(self.maps, axis=0)
        errors = (
            np.linalg.norm(self.spectra_deviation.total, axis=1),
            np.linalg.norm(self.maps_deviation.total, axis=0),
        )
        spectra, maps = (e / s for e, s in zip(errors, sizes, strict=True))
        yield [
            ["component", "error of spectrum", "error of map"],
            *(
                [f"{j}", f"{of_spectrum:.1%}", f"{of_map:.1%}"]
                for j, (of_spectrum, of_map) in enumerate(
                    zip(spectra, maps, strict=True)
                )
            ),
        ]

    def of_spectra(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of the bands of the spectra.

        Returns
        -------
        tuple of two (k, n_channels) arrays
            Lower and upper ends of the band of each spectrum.
        """
        return _ends(self.spectra, self.spectra_deviation, self.level)

    def of_maps(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends of the bands of the maps.

        Returns
        -------
        tuple of two (n_pixels, k) arrays
            Lower and upper ends of the band of each map.
        """
        return _ends(self.maps, self.maps_deviation, self.level)


def _ends(value, deviation, level):
    half = ndtri((1 + level) / 2) * deviation.total
    return value - half, value + half


def confidence_bands(
    X: MatrixLike,
    spectra: ArrayLike,
    *,
    level: float = 0.9,
    noise: str = "auto",
    n_halvings: int = 4,
    n_pixels: int = 2000,
    random_state: int | np.random.Generator | None = None,
) -> ConfidenceBands:
    """Compute bands that cover true spectra and maps with a given probability.

    The counting noise of a fit is the smaller part of its error. Mixtures of ``k``
    spectra fill a simplex, and where exactly its facets lie in the noise is uncertain,
    too, and biased: facets shift in proportion to the noise. Halving the dose makes
    the noise ``sqrt(2)`` times larger, so that the shift from the full to half the
    dose tells the bias. The measurement is halved `n_halvings` times at random,
    both halves are fitted by the maximum of the likelihood of `SimplexML`, starting
    from the given spectra, and

    - *noise* is the root mean square distance of the halves from the whole, of spectra
      at least, and of maps averaged with, the counting error of least squares,
    - *bias* is the median shift at half the dose, times ``1 / (sqrt(2) - 1)``,
    - *method* is the distance of the given spectra from the maximum of the likelihood.

    No pass over the data is needed for the halves: they are drawn in the whitened
    signal space of ``k`` dimensions, where noise of unit variance is added to the
    scores and, perpendicular to the basis, to the basis.

    Parameters
    ----------
    X : array, SciPy sparse matrix, dask array or BlockMatrix
        Data of shape (n_pixels, n_channels).
    spectra : (k, n_channels) array
        Spectra of an unmixing of these data, of any method and any scale.
    level : float, default 0.9
        Probability that a band is to cover the truth. A larger one makes it wider.
    noise : {"auto", "uniform", "poisson", "estimated"}
        Noise model of the data, see `estimate_rank`.
    n_halvings : int, default 4
        Number of times that the measurement is halved. More of them make the bands
        less random and the computation longer in proportion.
    n_pixels : int, default 2000
        Largest number of pixels that the likelihood is computed from.
    random_state : int or numpy.random.Generator, optional
        Seed of the halves and of the sample of pixels.

    Returns
    -------
    ConfidenceBands
        Spectra of unit sum, maps in units of the data, and their standard errors.

    Raises
    ------
    ValueError
        If the spectra do not fit the data, or if `level` is not between 0 and 1.

    Notes
    -----
    What the bands cannot tell: whether the number of components is right, and errors
    of the model, such as a drift of the energy axis or plural scattering. Where no
    pixel lies near the facets of the simplex, the data leave a whole range of spectra
    open and no method has a probability for it; see `unmixing_report`.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import SimplexML, confidence_bands
    >>> rng = np.random.default_rng(0)
    >>> true = rng.uniform(1, 30, (3, 16))
    >>> X = rng.poisson(rng.dirichlet([0.3] * 3, 2000) @ true * 10)
    >>> model = SimplexML(3, random_state=0).fit(X)
    >>> bands = confidence_bands(X, model.components_, random_state=0)
    >>> low, high = bands.of_spectra()
    >>> low.shape, bool((low < high).all())
    ((3, 16), True)
    """
    blocks = as_blocks(X)
    S = _checked(spectra, blocks, level, n_halvings)
    generator = np.random.default_rng(random_state)
    k = len(S)
    rank = k + max(OVERSAMPLING, k)
    data = whitened_signal_space(blocks, k, rank, noise, generator)
    require_dimensions(data.low_rank, k)
    with one_blas_thread():
        given = _Unmixing.from_spectra(data, S)
        inside = _Unmixing.from_spectra(data, _projected(data, S))
        best = _most_likely(data, S, n_pixels, generator)
        halves = [
            _most_likely(half, best.spectra, n_pixels, generator, _ROUNDS_OF_HALF)
            for _ in range(n_halvings)
            for half in _halves(data, k, generator)
        ]
    counting = _counting_error(data, given)

    def deviation(name: str, combine: Callable) -> Deviation:
        reached = getattr(best, name)
        fits = np.array([getattr(half, name) for half in halves])
        return Deviation(
            noise=combine(np.mean((fits - reached) ** 2, axis=0), counting[name]),
            bias=_BIAS_FACTOR * np.abs(_shift(fits - reached)),
            method=np.abs(reached - getattr(inside, name)),
        )

    return ConfidenceBands(
        given.spectra,
        given.maps,
        deviation("spectra", _larger),
        deviation("maps", _average),
        level,
    )


def _shift(differences):
    """Median over the halvings of the mean of both halves."""
    pairs = differences.reshape(-1, 2, *differences.shape[1:])
    return np.median(pairs.mean(axis=1), axis=0)


def _larger(variance, counting):
    """Standard error of spectra: few halvings scatter, counting is the least."""
    return np.sqrt(np.maximum(variance, counting))


def _average(variance, counting):
    """Standard error of maps, from few halvings of this pixel and all of its map.

    Clipped at zero, maps scatter less than counting has it, by a factor that all
    pixels of a map share.
    """
    shared = variance.mean(axis=0) / counting.mean(axis=0)
    return np.sqrt((variance + shared * counting) / 2)


def _checked(spectra, blocks, level, n_halvings):
    S = np.array(spectra, dtype=float)
    if S.ndim != 2 or S.shape[1] != blocks.shape[1]:
        raise ValueError(
            f"spectra have the shape {S.shape}, expected (k, {blocks.shape[1]}): one "
            "row for each component, and the channels of the data."
        )
    if not np.isfinite(S).all() or not (S.sum(axis=1) > 0).all():
        raise ValueError(
            "spectra have entries that are not finite or sums that are not positive, "
            "expected the components of an unmixing."
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, expected a number between 0 and 1.")
    if n_halvings < 1:
        raise ValueError(f"n_halvings is {n_halvings}, expected at least 1.")
    return S


@dataclass(frozen=True)
class _Unmixing:
    """Spectra of unit sum and the maps that belong to them in given data."""

    spectra: NDArray[np.float64]
    maps: NDArray[np.float64]

    @classmethod
    def from_spectra(cls, data: WhitenedData, S: NDArray) -> _Unmixing:
        """Unit-sum spectra with the maps that fit best in the signal space."""
        S = S / S.sum(axis=1, keepdims=True)
        return cls(S, _maps(data, S) * data.noise.row_scale[:, None])


def _maps(data, S):
    """Non-negative least-squares maps of the whitened data in their signal space."""
    k, low = len(S), data.low_rank
    projected = (S / data.noise.column_scale) @ low.basis[:, :k]
    W = np.empty((len(low.scores), k))
    T = low.scores[:, :k].astype(float)
    solve_by_active_set(W, T @ projected.T, projected @ projected.T, False)
    return W


def _projected(data, S):
    """Spectra without what lies outside of the signal space, which is noise."""
    V, c = data.low_rank.basis[:, : len(S)], data.noise.column_scale
    return ((S / c) @ V @ V.T) * c


def _most_likely(data, S, n_pixels, generator, rounds=_ROUNDS):
    """The maximum of the likelihood that is reached from the spectra ``S``."""
    k = len(S)
    if k > 1:
        cloud = pixel_cloud(data, k, n_pixels, generator)
        fit = FaceMixture(cloud).maximise(cloud.vertices(S), rounds)
        S = cloud.spectra(fit.vertices)
    else:
        S = data.low_rank.basis[:, :1].T * data.noise.column_scale
    if data.noise.summary.minimum >= 0:
        S = np.maximum(S * np.sign(S.sum(axis=1, keepdims=True)), 0)
    return _Unmixing.from_spectra(data, S)


def _halves(data: WhitenedData, k: int, generator: np.random.Generator):
    """Both halves of a measurement, each scaled to the full dose, in ``k`` dimensions.

    The sum of the halves is the measurement, and their difference is noise of twice
    its variance.
    """
    low, sigma = data.low_rank, np.sqrt(data.noise_variance)
    T, V = low.scores[:, :k].astype(float), low.basis[:, :k]
    singular = low.singular_values[:k]
    on_scores = sigma * generator.standard_normal(T.shape)
    across = sigma * generator.standard_normal(V.shape)
    across -= V @ (V.T @ across)
    for sign in (1, -1):
        basis, triangle = np.linalg.qr(V + sign * across / singular)
        scores = (T + sign * on_scores) @ triangle.T
        half = LowRank(scores, basis, np.linalg.norm(scores, axis=0), low.summary)
        yield replace(data, low_rank=half, noise_variance=2 * data.noise_variance)


def _counting_error(data, given):
    """Variance of spectra for known maps, and of maps for known spectra."""
    rows, columns = data.noise.row_scale, data.noise.column_scale
    variance = data.noise_variance
    S, W = given.spectra / columns, given.maps / rows[:, None]
    of_spectra = variance * np.diag(np.linalg.pinv(W.T @ W, hermitian=True))
    of_maps = variance * np.diag(np.linalg.pinv(S @ S.T, hermitian=True))
    return {
        "spectra": of_spectra[:, None] * np.square(columns),
        "maps": np.square(rows)[:, None] * of_maps,
    }
