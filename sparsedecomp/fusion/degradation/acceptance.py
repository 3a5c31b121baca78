"""Whether a guide shows the field of the cube: a test against placebos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from sparsedecomp.fusion.degradation.operator import Degradation
from sparsedecomp.fusion.degradation.point_spread import PointSpread
from sparsedecomp.fusion.degradation.prediction import Prediction

# A guide is accepted if less than this part of it is unexplained, absolutely and over
# the best placebo (measured on airborne cubes and EELS; see benchmarks/fusion.py).
LARGEST = 0.5
# Shifts that are looked for, in fine pixels in each direction.
_REACH = 8
# A shift is believed if it leaves at most this part of what none leaves.
_HALVED = 0.5
# Widths of Gaussians in steps of the coarse grid: the test must not depend on a point
# spread that is not known yet.
_WIDTHS = (0.12, 1.0)


@dataclass(frozen=True, eq=False)
class Acceptance:
    """Outcome of the test.

    Attributes
    ----------
    unexplained : float
        Part of the degraded guide that the cube does not predict on pixels held out.
    placebo : float
        The least of the same for guides that were flipped, and rolled by half the
        field.
    shift : (int, int)
        Fine pixels by which the guide was rolled to lie on the cube.
    accepted : bool
        Whether the guide shows the field of the cube.
    would_fit : str
        The placebo that fits far better than the guide itself, such as "upside down";
        empty if there is none.
    """

    unexplained: float
    placebo: float
    shift: tuple[int, int]
    accepted: bool
    would_fit: str = ""


def judge_guide(
    maps: NDArray, guide: NDArray, degradation: Degradation, registration: bool = True
) -> Acceptance:
    """Test whether a guide shows the field of the cube, before anything is fitted.

    The guide, degraded by Gaussians, is predicted from the coefficients of the cube.
    Placebos are the guide itself at wrong places: they have its spectrum and
    histogram, and nothing to do with the cube.

    Parameters
    ----------
    maps : (h, w, p) array
        Coefficients of the coarse pixels.
    guide : (H, W, m) array
        Bands of the guide.
    degradation : Degradation
        Grids and border; its point spread is not used.
    registration : bool, default True
        Look for a shift of the guide of up to eight fine pixels.

    Returns
    -------
    Acceptance
        Scores, shift and verdict.
    """
    step = np.array(degradation.grids.step)
    blurs = [
        degradation.with_psf(PointSpread("gaussian", tuple(np.maximum(w * step, 0.7))))
        for w in _WIDTHS
    ]
    predict = Prediction(maps)

    def score(image: NDArray) -> float:
        m = image.shape[-1]
        return min(
            predict.unexplained(blur.forward(image).reshape(-1, m)) for blur in blurs
        )

    shift = (0, 0)
    if registration:
        shift = _find_shift(predict, guide, blurs[1])
    moved = np.roll(guide, shift, (0, 1))
    own = score(moved)
    H, W = guide.shape[:2]
    placebos = {
        "upside down": moved[::-1],
        "mirrored left to right": moved[:, ::-1],
        "turned by 180 degrees": moved[::-1, ::-1],
        "moved by half its rows": np.roll(moved, H // 2, 0),
        "moved by half its columns": np.roll(moved, W // 2, 1),
        "moved by half of both": np.roll(moved, (H // 2, W // 2), (0, 1)),
    }
    scores = {name: score(image) for name, image in placebos.items()}
    best = min(scores, key=lambda name: scores[name])
    accepted = own < LARGEST * scores[best] and own < LARGEST
    would = best if scores[best] < min(LARGEST * own, LARGEST) else ""
    return Acceptance(own, scores[best], shift, accepted, would)


def _find_shift(
    predict: Prediction, guide: NDArray, blur: Degradation
) -> tuple[int, int]:
    """Shift of the guide that the cube explains best, if it clearly does."""
    q = np.linalg.qr(predict.design)[0]
    y, x = (float(phase[0]) for phase in blur.phases)
    kernel = blur.psf.kernel(blur.radius, (y, x))
    smooth = np.stack(
        [correlate(band, kernel, mode="wrap") for band in np.moveaxis(guide, -1, 0)],
        axis=-1,
    )
    at = [np.floor(blur.grids.positions(i) + 0.5).astype(int) for i in (0, 1)]
    H, W, m = guide.shape
    scores = {}
    for dy in range(-_REACH, _REACH + 1):
        for dx in range(-_REACH, _REACH + 1):
            coarse = smooth[np.ix_((at[0] - dy) % H, (at[1] - dx) % W)].reshape(-1, m)
            coarse = coarse - coarse.mean(axis=0)
            total = np.square(coarse).sum(axis=0)
            found = np.square(q.T @ coarse).sum(axis=0)
            scores[dy, dx] = float(np.mean(1 - found / np.maximum(total, 1e-300)))
    best = min(scores, key=lambda key: scores[key])
    far = max(map(abs, best)) >= 2
    if far and scores[best] < _HALVED * scores[0, 0]:
        return best
    return 0, 0
