"""The cases of the benchmark of fusion: data, truth, and what is measured.

Airborne cubes are degraded before they are cut, so that nothing is periodic and the
coarse cube sees what lies beyond the guide. No parameter is given but to the peers.
"""

import os
from pathlib import Path

import numpy as np

from benchmarks.measure import Clock

CUBES = ("hydice", "beach4", "urban2", "sandiego")
# Fine pixels that are cut off on each side after the degradation.
_MARGIN = 8
# Decibels of the noise of cube and guide.
_CUBE_NOISE, _GUIDE_NOISE = 30, 40


def folder():
    """Folder of the shared data, or None."""
    root = Path(__file__).resolve().parents[1]
    path = Path(os.environ.get("SPARSEDECOMP_DATA_DIR", root / "../shared/data"))
    return path / "fusion" if (path / "fusion").is_dir() else None


def airborne(name, step, bands, draw=0, psf="gaussian"):
    """A cube, its coarse picture, and a guide whose bands are means of channels.

    Returns
    -------
    truth, coarse, guide : arrays
        Fine cube, coarse cube, (H, W, bands) guide.
    grids : sparsedecomp.fusion.Grids
        Where the coarse pixels lie.
    told : sparsedecomp.fusion.PointSpread
        The point spread of the simulation.
    """
    from scipy.io import loadmat

    from sparsedecomp.fusion import Degradation, Grids

    content = loadmat(folder() / f"airborne_{name}.mat")
    (cube,) = (v for v in content.values() if getattr(v, "ndim", 0) == 3)
    cube = cube.astype(float)
    size = tuple((n - 2 * _MARGIN) // 8 * 8 for n in cube.shape[:2])
    cube = cube / np.quantile(cube, 0.999)
    inner = tuple(slice(_MARGIN, _MARGIN + n) for n in size)
    origin, coarse = (step // 2,) * 2, tuple(n // step for n in size)
    told = point_spread(psf, step)
    whole = Grids(
        cube.shape[:2], coarse, (step, step), tuple(_MARGIN + o for o in origin)
    )
    rng = np.random.default_rng(draw)
    low = Degradation(whole, told).forward(cube)
    truth = cube[inner]
    low = low + _noise(low, _CUBE_NOISE, rng)
    parts = np.array_split(np.arange(cube.shape[2]), bands)
    guide = np.stack([truth[..., part].mean(axis=-1) for part in parts], axis=-1)
    guide = guide + _noise(guide, _GUIDE_NOISE, rng)
    return truth, low, guide, Grids(size, coarse, (step, step), origin), told


def _noise(values, decibels, rng):
    size = np.sqrt(np.mean(values**2) / 10 ** (decibels / 10))
    return size * rng.normal(size=values.shape)


PSFS = (
    "gaussian",
    "narrow",
    "wide",
    "skew",
    "box",
    "delta",
    "motion",
    "airy",
    "defocus",
    "tails",
)


def point_spread(kind, step):
    """Ten point-spread functions in units of the step."""
    from sparsedecomp.fusion import PointSpread

    round_ = (float(step), float(step))
    if kind in ("gaussian", "box", "airy"):
        return PointSpread(kind, round_)
    if kind == "narrow":
        return PointSpread("gaussian", (0.5 * step, 0.5 * step))
    if kind == "wide":
        return PointSpread("gaussian", (1.5 * step, 1.5 * step))
    if kind == "skew":
        return PointSpread("gaussian", (0.6 * step, 1.3 * step))
    if kind == "defocus":
        return PointSpread("disc", (1.2 * step, 1.2 * step))
    if kind == "delta":
        return PointSpread("gaussian", (0.0, 0.0))
    r = 2 * step
    y, x = np.mgrid[-r : r + 1, -r : r + 1].astype(float)
    if kind == "tails":
        weights = (1 + (2 * np.hypot(y, x) / step) ** 2) ** -2.0
    else:
        along = y * np.sin(0.5) + x * np.cos(0.5)
        across = y * np.cos(0.5) - x * np.sin(0.5)
        weights = np.clip(1 - np.abs(across), 0, 1)
        weights *= np.clip(step / 2 + 0.5 - np.abs(along), 0, 1)
    return PointSpread("free", round_, (0.0, 0.0), weights / weights.sum())


def decibels(found, truth):
    """Peak signal over the error, the mean over bands."""
    error = np.mean((found - truth) ** 2, axis=(0, 1))
    peak = truth.max(axis=(0, 1)) ** 2
    return float(np.mean(10 * np.log10(peak / np.maximum(error, 1e-12))))


def degrees(found, truth):
    """Mean angle between the spectra of all pixels."""
    from sparsedecomp.metrics import spectral_angle

    return float(np.nanmean(spectral_angle(found, truth)))


def spline(coarse, grids):
    """The channels of the coarse cube interpolated by cubic splines."""
    from sparsedecomp.fusion.solvers.interpolation import upsampled

    return upsampled(coarse, grids)


def gsa(coarse, guide, degradation):
    """Each channel regressed on the degraded guide, whose details are injected.

    It is told the point spread (Aiazzi, Baronti and Selva 2007).
    """
    grids = degradation.grids
    low = degradation.forward(guide)
    design = np.column_stack([low.reshape(-1, low.shape[-1]), np.ones(grids.n_coarse)])
    flat = coarse.reshape(-1, coarse.shape[-1])
    weights = np.linalg.lstsq(design, flat, rcond=None)[0][:-1]
    return spline(coarse, grids) + (guide - spline(low, grids)) @ weights


def airborne_case(name, step, bands, draw=0, psf="gaussian", twin=False):
    """Everything by default, beside the spline and GSA told the point spread."""
    from sparsedecomp.fusion import Degradation, fuse

    if folder() is None:
        return {"missing": "no data folder"}
    truth, coarse, guide, grids, told = airborne(name, step, bands, draw, psf)
    clock = Clock()
    fused = fuse(coarse, guide, grids)
    times = clock.read()
    cube = fused.cube()
    smooth = spline(coarse, grids)
    peer = gsa(coarse, guide, Degradation(grids, told))
    psnr, sam = decibels(cube, truth), degrees(cube, truth)
    row = {
        "psnr": psnr,
        "sam": sam,
        "gain": psnr - decibels(peer, truth),
        "spline": decibels(smooth, truth),
        "spline_sam": degrees(smooth, truth),
        "gsa": decibels(peer, truth),
        "found": f"{fused.method}, {fused.verdict.outcome}",
        "covered": float(np.mean(np.abs(cube - truth) < 2 * fused.deviation())),
        **times,
    }
    if twin:
        known = fuse(coarse, guide, grids, psf=told).cube()
        row["told"] = decibels(known, truth)
    return row
