"""PIXON: the smoothest image or spectrum that the data allow, place by place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.optimize import minimize
from scipy.stats import norm

from sparsedecomp.noise.single_map import find_map_noise

# Ratio of neighbouring sizes of pixons.
_RATIO = 2**0.5
_SMALLEST = 0.5
# Sizes are lowered within so many of them around what is significant, and grow again
# by this part of the distance.
_REACH, _SLOPE = 2.0, 0.5
_ROUNDS, _RAISES, _STEPS = 15, 3, 60
# Expected counts are at least this, so that their logarithm exists.
_LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class Pixon:
    """A restored image or spectrum, by `pixon`.

    Attributes
    ----------
    image : (rows, columns) or (n,) array
        Restored values, without the blur.
    size : array of the same shape
        Standard deviation of the pixon at each place, in pixels; zero for single
        pixels.
    n_pixons : float
        Number of pixons: the degrees of freedom of the image.
    significance : array of the same shape
        Deviation of the data from a smoother image in units of its error, the largest
        of all kernels that are not wider than the pixon; see `detected`.
    residual : array of the same shape
        Data less the blurred image, in units of the noise.
    threshold : float
        Significance that noise alone exceeds anywhere with the stated probability.
    false_alarm : float
        That probability.
    """

    image: NDArray
    size: NDArray
    n_pixons: float
    significance: NDArray
    residual: NDArray
    threshold: float
    false_alarm: float

    @property
    def detected(self) -> NDArray:
        """Places where smooth structure alone does not explain the data."""
        return self.significance > self.threshold


def pixon(
    data: ArrayLike,
    *,
    noise: str | float = "auto",
    blur: float = 0.0,
    largest: float | None = None,
    false_alarm: float = 0.05,
    positive: bool | None = None,
) -> Pixon:
    """Restore an image or a spectrum by pixons of a size that fits each place [1]_.

    The image is a pseudo-image blurred by normalised Gaussian kernels, whose size
    differs from place to place. It begins with the largest size everywhere. Where the
    residual, summed over a smaller kernel, exceeds what noise does, the size is
    lowered, and the image is fitted again; at the end sizes are raised where nothing
    becomes significant by it. The fit minimises ``chi2 + 2 alpha sum p ln p`` with
    ``alpha = ln n_pixons / ln n_pixels``; counts have their Poisson likelihood in the
    place of chi2.

    Parameters
    ----------
    data : (rows, columns) or (n,) array
        Image or spectrum.
    noise : {"auto", "poisson", "uniform"} or float, default "auto"
        Counts, noise of one variance, or its standard deviation.
    blur : float, default 0
        Standard deviation in pixels of the Gaussian point spread that is taken off.
    largest : float, optional
        Largest size of a pixon, in pixels; default: an eighth of the longer side. A
        background that bends over less than a few times this costs pixons.
    false_alarm : float, default 0.05
        Probability that noise alone makes any structure finer than the largest size.
    positive : bool, optional
        Whether the image is positive; default: where the data are.

    Returns
    -------
    Pixon
        Image, sizes and significance.

    Raises
    ------
    ValueError
        For NaN, negative counts, and a blur wider than the data.

    Notes
    -----
    A structure is detected over the width of the kernels that see it, which is more
    than its own. Fewer than some ten counts in a kernel are not normally distributed:
    their false alarms are more frequent than stated.

    References
    ----------
    .. [1] R. K. Pina and R. C. Puetter, Publ. Astron. Soc. Pac. 105 (1993) 630;
       H. Li, X. Xiao and Y. Wang, Astrophys. J. 921 (2021) 151.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.restoration import pixon
    >>> line = 12 * np.exp(-0.5 * ((np.arange(200) - 80) / 3.0) ** 2)
    >>> found = pixon(line + np.random.default_rng(0).normal(size=200), noise=1.0)
    >>> bool(found.detected[80]), bool(found.size[150] > 5 * found.size[80])
    (True, True)
    """
    values = np.asarray(data, float)
    if values.ndim not in (1, 2) or not np.isfinite(values).all():
        raise ValueError(
            f"Data of shape {values.shape} were given, expected an image or a spectrum "
            "without NaN: fill what is missing before."
        )
    if not 0 < false_alarm < 1:
        raise ValueError(
            f"false_alarm={false_alarm!r} was given, expected a probability."
        )
    if not 0 <= blur < max(values.shape) / 2:
        raise ValueError(
            f"blur={blur!r} was given for data of {values.shape} pixels, expected a "
            "standard deviation in pixels, less than half of them."
        )
    found = find_map_noise(np.atleast_2d(values), noise)
    sigma = found.sigma
    if not found.counts and not sigma > 0:
        whole = np.full(values.shape, np.inf)
        zero = np.zeros(values.shape)
        return Pixon(values.copy(), zero, values.size, whole, zero, 0.0, false_alarm)
    fit = _Fit(values, None if found.counts else sigma, blur, positive)
    sizes = _ladder(largest or max(values.shape) / 8)
    trials = sum(values.size / _volume(size, values.ndim) for size in sizes[:-1])
    threshold = float(norm.isf(0.5 * false_alarm / trials))
    rung = np.full(values.shape, len(sizes) - 1)
    image = fit(rung, sizes)
    seen = np.zeros((len(sizes) - 1, *values.shape))
    for _ in range(_ROUNDS):
        tested = fit.significance(image, sizes[:-1])
        seen = np.maximum(seen, tested)
        lower = _lowered(rung, tested, sizes, threshold)
        if (lower == rung).all():
            break
        rung = lower
        image = fit(rung, sizes)
    for _ in range(_RAISES):
        rung, image, changed = _raised(fit, rung, image, sizes, threshold)
        if not changed:
            break
    size = np.array(sizes)[rung]
    # A wide kernel sees a line far from its place: only those within a pixon count.
    within = np.arange(len(sizes) - 1).reshape(-1, *[1] * values.ndim) <= rung
    significance = np.where(within, seen, 0).max(axis=0)
    n_pixons = float(np.sum(1 / _volume(size, values.ndim)))
    residual = fit.residual(image)
    return Pixon(image, size, n_pixons, significance, residual, threshold, false_alarm)


class _Fit:
    """Fits the pseudo-image for given sizes of pixons."""

    def __init__(
        self, data: NDArray, sigma: float | None, blur: float, positive: bool | None
    ) -> None:
        self.data, self.sigma, self.blur = data, sigma, blur
        self.positive = data.min() >= 0 if positive is None else positive
        self.positive = self.positive or sigma is None
        start = np.full(data.shape, max(data.mean(), _LEAST))
        self.pseudo = start if self.positive else np.full(data.shape, data.mean())

    def __call__(self, rung: NDArray, sizes: list[float]) -> NDArray:
        """The image of pixons of the sizes ``sizes[rung]``."""
        used = [(sizes[k], (rung == k)) for k in np.unique(rung)]
        volume = _volume(np.array(sizes)[rung], rung.ndim)
        n_pixons = max(float(np.sum(1 / volume)), 2.0)
        alpha = np.log(n_pixons) / np.log(rung.size)

        def image_of(pseudo: NDArray) -> NDArray:
            image = np.zeros(rung.shape)
            for size, where in used:
                image += where * _blurred(pseudo, size)
            return image

        def objective(flat: NDArray) -> tuple[float, NDArray]:
            image = image_of(flat.reshape(rung.shape))
            misfit, slope = self._misfit(_blurred(image, self.blur))
            slope = _blurred(slope, self.blur)
            if self.positive:
                total = max(image.sum(), _LEAST)
                share = np.maximum(image, 1e-12 * total) / total
                entropy = float(np.sum(share * np.log(share)))
                misfit += alpha * entropy
                slope = slope + alpha * (np.log(share) - entropy) / total
            gradient = np.zeros(rung.shape)
            for size, where in used:
                gradient += _blurred(where * slope, size)
            return misfit, gradient.ravel()

        bounds = [(0.0, None)] * rung.size if self.positive else None
        solution = minimize(
            objective,
            self.pseudo.ravel(),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _STEPS},
        )
        self.pseudo = solution.x.reshape(rung.shape)
        return image_of(self.pseudo)

    def _misfit(self, expected: NDArray) -> tuple[float, NDArray]:
        """Half of chi2 or of the deviance of counts, and its gradient."""
        if self.sigma is not None:
            residual = (expected - self.data) / self.sigma
            return 0.5 * float(np.square(residual).sum()), residual / self.sigma
        mean = np.maximum(expected, _LEAST)
        logarithm = self.data * np.log(np.where(self.data > 0, self.data / mean, 1))
        return float(np.sum(mean - self.data + logarithm)), 1 - self.data / mean

    def _variance(self, image: NDArray) -> NDArray:
        if self.sigma is not None:
            return np.full(self.data.shape, self.sigma**2)
        return np.maximum(_blurred(image, self.blur), _LEAST)

    def residual(self, image: NDArray) -> NDArray:
        """Residual in units of the noise."""
        left = self.data - _blurred(image, self.blur)
        return left / np.sqrt(self._variance(image))

    def significance(self, image: NDArray, sizes: list[float]) -> NDArray:
        """Residual summed over kernels of all sizes, in units of its noise."""
        left = self.data - _blurred(image, self.blur)
        variance = self._variance(image)
        tested = []
        for size in sizes:
            # The blur makes structure of any size at least as wide as itself.
            width = float(np.hypot(size, self.blur))
            around = _blurred(left, width)
            volume = _volume(width, left.ndim)
            noise = _blurred(variance, width / 2**0.5) / volume
            tested.append(np.abs(around) / np.sqrt(noise))
        return np.array(tested)


def _ladder(largest: float) -> list[float]:
    """Sizes of pixons, from single pixels to the largest."""
    n = max(1, int(np.ceil(np.log(max(largest, 1.0) / _SMALLEST) / np.log(_RATIO))))
    return [0.0, *(_SMALLEST * _RATIO**k for k in range(n + 1))]


def _volume(size: NDArray | float, dimension: int) -> NDArray | float:
    """Pixels of a pixon: the inverse of the sum of the squares of its kernel."""
    return np.maximum(2 * np.pi**0.5 * np.asarray(size), 1.0) ** dimension


def _blurred(values: NDArray, size: float) -> NDArray:
    return gaussian_filter(values, size, mode="reflect") if size > 0 else values


def _lowered(
    rung: NDArray, tested: NDArray, sizes: list[float], threshold: float
) -> NDArray:
    """Lower sizes around what is significant, to the size at which it is most so."""
    wanted = np.where(tested.max(axis=0) > threshold, tested.argmax(axis=0), len(sizes))
    wanted = np.minimum(wanted, np.maximum(rung - 1, 0) + (wanted == len(sizes)) * 999)
    lower = rung.copy()
    for k in np.unique(wanted[wanted < len(sizes)]):
        distance = distance_transform_edt(wanted != k)
        # Around a significant place the size grows with the distance.
        reach = _REACH * max(sizes[k], 1.0)
        allowed = sizes[k] + _SLOPE * np.maximum(distance - reach, 0)
        most = np.searchsorted(sizes, allowed, side="right") - 1
        lower = np.minimum(lower, np.maximum(most, k))
    return lower


def _raised(
    fit: Callable[..., NDArray],
    rung: NDArray,
    image: NDArray,
    sizes: list[float],
    threshold: float,
) -> tuple[NDArray, NDArray, bool]:
    """Raise sizes by one rung where nothing becomes significant by it."""
    higher = np.minimum(rung + 1, len(sizes) - 1)
    before = fit.pseudo  # type: ignore[attr-defined]
    trial = fit(higher, sizes)
    tested = fit.significance(trial, sizes[:-1])  # type: ignore[attr-defined]
    bad = (tested > threshold).any(axis=0)
    if bad.any():
        near = distance_transform_edt(~bad) < 4 * np.maximum(np.array(sizes)[higher], 1)
        higher = np.where(near, rung, higher)
        if (higher == rung).all():
            fit.pseudo = before  # type: ignore[attr-defined]
            return rung, image, False
        trial = fit(higher, sizes)
        tested = fit.significance(trial, sizes[:-1])  # type: ignore[attr-defined]
        if (tested > threshold).any():
            fit.pseudo = before  # type: ignore[attr-defined]
            return rung, image, False
    return higher, trial, bool((higher != rung).any())


def pixon_maps(Z: NDArray, false_alarm: float = 0.05) -> NDArray:
    """Maps with white noise of variance one, each restored by `pixon`.

    Parameters
    ----------
    Z : (rows, columns, n_factors) array
        Maps.
    false_alarm : float, default 0.05
        Probability that noise alone makes structure in a map.

    Returns
    -------
    (rows, columns, n_factors) float32 array
        Restored maps.
    """
    restored = np.empty(Z.shape, np.float32)
    for k in range(Z.shape[2]):
        values = Z[0, :, k] if Z.shape[0] == 1 else Z[..., k]
        found = pixon(values, noise=1.0, false_alarm=false_alarm, positive=False)
        restored[..., k] = found.image
    return restored
