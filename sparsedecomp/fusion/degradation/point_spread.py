"""Point-spread functions: what part of each fine pixel a coarse one sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, j1

FAMILIES = ("gaussian", "box", "disc", "airy")
# A Gaussian of full width at half maximum w has the standard deviation w / 2.3548.
_FWHM = 2 * np.sqrt(2 * np.log(2))
# Argument of the Airy pattern at half maximum.
_AIRY_HALF = 1.61634
# Narrowest width in pixels: below it all families are one pixel.
_LEAST = 0.05
# Points of a pixel along each axis at which a disc is sampled.
_SUBPIXELS = 5


@dataclass(frozen=True, eq=False)
class PointSpread:
    """A point-spread function in pixels of the sharp image.

    Attributes
    ----------
    family : {"gaussian", "box", "disc", "airy", "free"}
        Shape; "free" is given by `weights`.
    width : (float, float)
        Full width along rows and columns: at half maximum for "gaussian" and "airy",
        of the whole footprint for "box" and "disc". A width of zero is one point.
    centre : (float, float)
        Centre relative to where the grids say that the coarse pixel is.
    weights : (2 r + 1, 2 r + 1) array, optional
        Weights of a "free" function around its central pixel.
    """

    family: str = "gaussian"
    width: tuple[float, float] = (0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)
    weights: NDArray | None = None

    def __post_init__(self) -> None:
        if self.family == "free" and self.weights is None:
            raise ValueError("family='free' needs weights.")
        if self.family not in (*FAMILIES, "free"):
            raise ValueError(
                f"family={self.family!r} is unknown, expected one of "
                f"{', '.join(map(repr, FAMILIES))} or 'free'."
            )
        if min(self.width) < 0:
            raise ValueError(f"The widths {self.width} are negative.")

    def kernel(self, radius: int, offset: tuple[float, float] = (0.0, 0.0)) -> NDArray:
        """Weights of the pixels around one, with a sum of one.

        Parameters
        ----------
        radius : int
            Pixels in each direction.
        offset : (float, float), default (0, 0)
            Position of the coarse pixel relative to the central fine pixel.

        Returns
        -------
        (2 radius + 1, 2 radius + 1) array
            Weights; what lies beyond the radius is left out.
        """
        dy, dx = (c + o for c, o in zip(self.centre, offset, strict=True))
        line = np.arange(-radius, radius + 1, dtype=float)
        if self.family == "free":
            k = _shifted(self.weights, radius, (dy, dx))
        elif self.family in ("gaussian", "box"):
            part = _gaussian if self.family == "gaussian" else _box
            k = np.outer(part(line - dy, self.width[0]), part(line - dx, self.width[1]))
        else:
            k = self._round(line - dy, line - dx)
        total = k.sum()
        if not total > 0:
            raise ValueError(
                f"The point-spread function lies outside its {2 * radius + 1} pixels."
            )
        return k / total

    def _round(self, y: NDArray, x: NDArray) -> NDArray:
        """A disc or an Airy pattern, stretched to both widths."""
        wy, wx = (max(w, _LEAST) for w in self.width)
        if self.family == "airy":
            r = np.hypot(y[:, None] / wy, x[None] / wx)
            q = np.maximum(2 * _AIRY_HALF * r, 1e-9)
            return (2 * j1(q) / q) ** 2
        sub = (np.arange(_SUBPIXELS) + 0.5) / _SUBPIXELS - 0.5
        fine = [(t[:, None] + sub).ravel() for t in (y, x)]
        r = np.hypot(fine[0][:, None] / wy, fine[1][None] / wx)
        # An edge one subpixel wide, so that the weights change smoothly with widths.
        soft = np.clip((0.5 - r) * np.sqrt(wy * wx) * _SUBPIXELS + 0.5, 0, 1)
        return soft.reshape(len(y), _SUBPIXELS, len(x), _SUBPIXELS).mean(axis=(1, 3))

    def describe(self) -> str:
        """Shape, widths and centre in words.

        Returns
        -------
        str
            Part of a sentence.
        """
        place = "centred"
        if self.family != "free" and max(map(abs, self.centre)) > 0.05:
            place = f"centred {self.centre[0]:+.2f}, {self.centre[1]:+.2f} px away"
        widths = " x ".join(f"{w:.2f}" for w in self.width)
        kind = "free form" if self.family == "free" else self.family
        return f"{kind}, {widths} px wide, {place}"


def _gaussian(x: NDArray, width: float) -> NDArray:
    """Gaussian at the pixels; integrated over them where it is narrow."""
    s = max(width, _LEAST) / _FWHM
    if s > 0.5:
        return np.exp(-0.5 * (x / s) ** 2)
    a = np.sqrt(2) * s
    return 0.5 * (erf((x + 0.5) / a) - erf((x - 0.5) / a))


def _box(x: NDArray, width: float) -> NDArray:
    half = max(width, _LEAST) / 2
    return np.clip(np.minimum(x + 0.5, half) - np.maximum(x - 0.5, -half), 0, 1)


def _shifted(weights: NDArray, radius: int, by: tuple[float, float]) -> NDArray:
    """Weights moved by parts of a pixel, cut or filled to a radius."""
    from scipy.ndimage import shift

    own = weights.shape[0] // 2
    reach = radius + own + 1
    k = np.pad(weights, reach - own)
    if max(map(abs, by)) > 1e-6:
        k = np.maximum(shift(k, by, order=1), 0)
    keep = slice(reach - radius, reach + radius + 1)
    return k[keep, keep]


def full_widths(kernel: NDArray) -> tuple[float, float]:
    """Full widths at half maximum of the Gaussian with the moments of a kernel."""
    r = kernel.shape[0] // 2
    line = np.arange(-r, r + 1)
    widths = []
    for axis in (1, 0):
        part = kernel.sum(axis=axis) / kernel.sum()
        mean = (part * line).sum()
        variance = (part * (line - mean) ** 2).sum()
        widths.append(float(_FWHM * np.sqrt(max(variance, 0.0))))
    return widths[0], widths[1]
