"""Blind estimate of the point-spread function from a cube and its guide."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.degradation.point_spread import PointSpread, full_widths
from sparsedecomp.fusion.degradation.prediction import Prediction

# Widths that are tried, in steps of the coarse grid. A Gaussian of a width of one step
# has its half maximum at the edge of the pixel.
_WIDTHS = {
    "gaussian": (0.0, 0.25, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 1.75),
    "box": (0.5, 0.75, 1.0, 1.25, 1.5),
    "disc": (0.6, 1.0, 1.4),
    "airy": (0.7, 1.0, 1.3),
}
# Penalties of the gradient of a free function, over the mean curvature of the fit.
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
# A refined function must leave so much less than the best of the list, and a free one,
# which has more parameters, than the best of all.
_REFINED, _FREE = 0.98, 0.97
# Half widths of parametric and of free functions, in steps of the coarse grid.
_REACH, _FREE_REACH = 1.75, 1.25
# Coarse pixels that are used at most: more take memory and change little.
_MOST = 4096
# Largest shift of the centre, in steps of the coarse grid.
_SHIFT = 0.5


@dataclass(frozen=True, eq=False)
class PointSpreadEstimate:
    """Point-spread function found from data.

    Attributes
    ----------
    psf : PointSpread
        The function that explains the guide best on pixels held out.
    unexplained : float
        Part of the degraded guide that the cube does not predict then.
    scores : dict of str to float
        The same for the best function of each family.
    width_range : (float, float)
        Full widths (mean of both axes) of the functions of the same family that explain
        the guide within one standard error: the uncertainty of the width.
    evidence : dict of str to float
        Log evidence of the candidates, where the guide is no mixture of channels and
        the evidence chose.
    """

    psf: PointSpread
    unexplained: float
    scores: dict[str, float]
    width_range: tuple[float, float]
    evidence: dict[str, float] = field(default_factory=dict)


def estimate_point_spread(
    maps: NDArray,
    guide: NDArray,
    degradation: Degradation,
    keep: NDArray | None = None,
) -> PointSpreadEstimate:
    """Find the point-spread function by which the guide looks like the cube.

    Every candidate degrades the guide, and the result is predicted from the cube's
    coefficients: the right function leaves least on pixels held out. Gaussians, boxes,
    discs and Airy patterns are refined in widths and centre; then a free, smooth and
    non-negative function is fitted in turn with the regression, and taken if it is
    clearly better.

    Parameters
    ----------
    maps : (h, w, p) array
        Coefficients of the coarse pixels.
    guide : (H, W, m) array
        Bands of the guide, which should be close to mixtures of the cube's channels.
    degradation : Degradation
        Grids and border; its point spread is not used.
    keep : (h * w,) bool array, optional
        Coarse pixels to use; default: all.

    Returns
    -------
    PointSpreadEstimate
        The function, and how well others do.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.fusion import (
    ...     Degradation, Grids, PointSpread, estimate_point_spread
    ... )
    >>> rng = np.random.default_rng(0)
    >>> guide = rng.normal(size=(48, 48, 1)).cumsum(0).cumsum(1)
    >>> grids = Grids.of_same_field((48, 48), (12, 12))
    >>> maps = Degradation(grids, PointSpread("box", (4, 4))).forward(guide)
    >>> found = estimate_point_spread(maps, guide, Degradation(grids, PointSpread()))
    >>> found.psf.family
    'box'
    """
    return _Search(maps, guide, degradation, keep).run()


class _Search:
    def __init__(
        self,
        maps: NDArray,
        guide: NDArray,
        degradation: Degradation,
        keep: NDArray | None,
    ) -> None:
        flat = maps.reshape(-1, maps.shape[-1])
        members = np.arange(len(flat)) if keep is None else np.flatnonzero(keep)
        if len(members) > _MOST:
            members = np.random.default_rng(4).permutation(members)[:_MOST]
        self.predict = Prediction(flat[members][None])
        self.step = np.array(degradation.grids.step)
        self.radius = int(np.ceil(_REACH * self.step.max()))
        self.free_radius = int(np.ceil(_FREE_REACH * self.step.max()))
        self.pixels = degradation.neighbourhoods(guide, self.radius, members)
        # Grids of a whole step have one phase; the others are treated as their mean.
        rows, columns = (float(np.mean(phase)) for phase in degradation.phases)
        self.phase = (rows, columns)
        self.errors: dict[str, NDArray] = {}

    def coarse(self, kernel: NDArray) -> NDArray:
        return (self.pixels @ kernel.ravel()).T

    def score(self, psf: PointSpread) -> float:
        try:
            kernel = psf.kernel(self.radius, self.phase)
        except ValueError:
            return np.inf
        return self.predict.unexplained(self.coarse(kernel))

    def run(self) -> PointSpreadEstimate:
        scores: dict[str, float] = {}
        best: tuple[float, PointSpread] = (np.inf, PointSpread())
        for family, widths in _WIDTHS.items():
            tried = [
                (self.score(psf), psf)
                for w in widths
                for psf in [PointSpread(family, tuple(w * self.step))]
            ]
            least, first = min(tried, key=lambda pair: pair[0])
            refined = self.refine(first)
            value = self.score(refined)
            if value > _REFINED * least:
                value, refined = least, first
            scores[family] = value
            if value < best[0] * (_REFINED if best[0] < np.inf else 1):
                best = value, refined
        free = self.free_form(best[1])
        if free is not None:
            scores["free"] = free[0]
            if free[0] < _FREE * best[0]:
                best = free
        return PointSpreadEstimate(
            best[1], best[0], scores, self.width_range(best[1], best[0])
        )

    def refine(self, first: PointSpread) -> PointSpread:
        """Widths and centre by simplex search, from the best of nine centres."""
        start = np.maximum(first.width, 0.5)
        places = [(y, x) for y in (-0.5, 0.0, 0.5) for x in (-0.5, 0.0, 0.5)]
        tried = [PointSpread(first.family, tuple(start), place) for place in places]
        centre = min(tried, key=self.score).centre

        def built(t: NDArray) -> PointSpread:
            return PointSpread(
                first.family, tuple(np.abs(t[:2])), (float(t[2]), float(t[3]))
            )

        def loss(t: NDArray) -> float:
            if np.abs(t[2:]).max() > _SHIFT * self.step.max() + 1:
                return np.inf
            return float(np.log(self.score(built(t)) + 1e-9))

        found = minimize(
            loss,
            [*start, *centre],
            method="Nelder-Mead",
            options={"maxiter": 120, "xatol": 0.01, "fatol": 1e-3},
        )
        return built(found.x)

    def free_form(self, first: PointSpread) -> tuple[float, PointSpread] | None:
        """Non-negative weights with a small gradient, by alternating least squares."""
        kernel = first.kernel(self.free_radius, self.phase)
        size = kernel.shape[0]
        inner = np.zeros((2 * self.radius + 1,) * 2, bool)
        cut = self.radius - self.free_radius
        inner[cut : cut + size, cut : cut + size] = True
        centred = self.pixels[..., inner.ravel()]
        centred = centred - centred.mean(axis=1, keepdims=True)
        if size**2 > 4 * centred.shape[1]:
            return None
        solve = _FreeForm(centred, self.predict.design, size)
        best = None
        for penalty in _PENALTIES:
            errors, total = 0.0, 0.0
            for inside, out in self.predict.parts:
                k = solve(kernel, penalty, inside, 3)
                coarse = np.einsum("mnk,k->nm", centred, k)
                A = self.predict.design
                weights = np.linalg.lstsq(A[inside], coarse[inside], rcond=None)[0]
                errors = errors + np.square(coarse[out] - A[out] @ weights).sum(axis=0)
                mean = coarse[inside].mean(axis=0)
                total = total + np.square(coarse[out] - mean).sum(axis=0)
            value = float(np.mean(errors / total))
            if best is None or value < best[0]:
                best = value, penalty
        assert best is not None
        found = solve(kernel, best[1], slice(None), 6).reshape(size, size)
        # The weights hold the phase already.
        centre = (-self.phase[0], -self.phase[1])
        psf = PointSpread("free", full_widths(found), centre, found)
        return best[0], psf

    def width_range(self, psf: PointSpread, value: float) -> tuple[float, float]:
        """Widths at which the fit is worse by one standard error of its own."""
        width = float(np.mean(psf.width))
        if psf.family == "free" or not value > 0:
            return width, width
        n = len(self.predict.design)
        limit = value * (1 + np.sqrt(2 / n))
        ends = []
        for factors in (1 / 1.02 ** np.arange(1, 40), 1.02 ** np.arange(1, 40)):
            end = width
            for factor in factors:
                wide = tuple(np.array(psf.width) * factor)
                if self.score(PointSpread(psf.family, wide, psf.centre)) > limit:
                    break
                end = width * factor
            ends.append(float(end))
        return ends[0], ends[1]


class _FreeForm:
    """Fit of a free function: ``sum_c |A_c k - u_c|^2 / |u_c|^2 + penalty |grad k|^2``.

    The target ``u_c`` is what the coefficients predict of the guide as the present
    function degrades it.
    """

    def __init__(self, pixels: NDArray, design: NDArray, size: int) -> None:
        self.pixels, self.design = pixels, design
        number = np.arange(size**2).reshape(size, size)
        self.gradient = np.zeros((size**2, size**2))
        for a, b in (
            (number[1:].ravel(), number[:-1].ravel()),
            (number[:, 1:].ravel(), number[:, :-1].ravel()),
        ):
            D = np.zeros((len(a), size**2))
            D[np.arange(len(a)), a] = 1
            D[np.arange(len(a)), b] = -1
            self.gradient += D.T @ D

    def __call__(
        self, kernel: NDArray, penalty: float, rows: NDArray | slice, n_iter: int
    ) -> NDArray:
        A = [band[rows] for band in self.pixels]
        grams = [band.T @ band for band in A]
        design = self.design[rows]
        q = np.linalg.qr(design)[0]
        k = kernel.ravel().copy()
        for _ in range(n_iter):
            H, b = np.zeros_like(self.gradient), np.zeros(len(k))
            for band, gram in zip(A, grams, strict=True):
                seen = band @ k
                target = q @ (q.T @ seen)
                # Regression shrinks its target; scaled back, it is unbiased.
                target *= (seen @ seen) / max(seen @ target, 1e-300)
                weight = 1 / max(target @ target, 1e-300)
                H += weight * gram
                b += weight * (band.T @ target)
            size = np.trace(H) / len(k)
            H += penalty * size * self.gradient + 1e-8 * size * np.eye(len(k))
            L = np.linalg.cholesky(H)
            k, _ = nnls(L.T, np.linalg.solve(L, b), maxiter=30 * len(k))
            k /= max(k.sum(), 1e-300)
        return k
