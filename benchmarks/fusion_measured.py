"""Fusion of measured EELS with its dark-field image, of guides that mislead, of counts.

The map of copper and zinc edges is binned, and the result is compared with the fine map
that was measured, on its first five principal components: it shares its noise with what
is fused.
"""

import numpy as np

from benchmarks.fusion_cases import decibels, degrees, folder
from benchmarks.measure import Clock

GUIDES = ("true", "upside down", "shuffled", "moved", "inverted", "noisy")


def guide_of(kind, image):
    """The image of the field, or what is made of it to mislead."""
    rng = np.random.default_rng(0)
    if kind == "noisy":
        return image + 0.05 * image.mean() * rng.normal(size=image.shape)
    made = {
        "true": image,
        "upside down": image[::-1],
        "shuffled": rng.permutation(image.ravel()).reshape(image.shape),
        "moved": np.roll(image, (3, -2), (0, 1)),
        "inverted": image.max() + image.min() - image,
    }
    return made[kind]


def eels_case(binning, guide="true"):
    """EELS binned by 2 or 5, with its dark-field image on the fine grid."""
    from hyperspy.io import load

    from sparsedecomp.fusion import Grids, fuse

    if folder() is None:
        return {"missing": "no data folder"}
    fine = load(folder() / "CuZn_EELS_mapping_tutorial.hspy").data.astype(float)
    image = load(folder() / "CuZn_HAADF.hspy").data.astype(float)
    flat = fine.reshape(-1, fine.shape[-1])
    mean = flat.mean(axis=0)
    u, size, v = np.linalg.svd(flat - mean, full_matrices=False)
    truth = ((u[:, :5] * size[:5]) @ v[:5] + mean).reshape(fine.shape)
    h, w = (n // binning for n in fine.shape[:2])
    coarse = fine.reshape(h, binning, w, binning, -1).mean(axis=(1, 3))
    grids = Grids.of_same_field(image.shape, (h, w))
    clock = Clock()
    fused = fuse(coarse, guide_of(guide, image), grids)
    times = clock.read()
    cube = fused.cube()
    alone = fuse(coarse, image, grids, method="spatial_process").cube()
    spline = fuse(coarse, image, grids, method="interpolation").cube()
    return {
        "psnr": decibels(cube, truth),
        "sam": degrees(cube, truth),
        "told": decibels(alone, truth),
        "spline": decibels(spline, truth),
        "spline_sam": degrees(spline, truth),
        "found": f"{fused.verdict.outcome}, sign {fused.verdict.sign}",
        "covered": float(np.mean(np.abs(cube - truth) < 2 * fused.deviation())),
        **times,
    }


def counts_case(counts, draw=0):
    """Simulated EDX counts of a coarse pixel, and an image of 2 % noise."""
    from sparsedecomp.fusion import Degradation, Grids, PointSpread, fuse

    if folder() is None:
        return {"missing": "no data folder"}
    content = np.load(folder().parent / "unmixing" / "phantom_edx_truth.npz")
    spectra = content["spectra"].reshape(256, 4, -1).sum(axis=1)
    maps = content["maps_counts_at_112_per_px"].astype(float)
    truth = maps @ spectra.T
    truth *= counts / truth.sum(axis=-1).mean()
    grids = Grids.of_same_field((80, 80), (20, 20))
    rng = np.random.default_rng(draw)
    mean = Degradation(grids, PointSpread("box", (4, 4))).forward(truth)
    image = maps @ [1.0, 2.0, 0.5, 1.5]
    image += 0.02 * image.std() * rng.normal(size=image.shape)
    clock = Clock()
    fused = fuse(rng.poisson(np.maximum(mean, 0)), image, grids)
    times = clock.read()
    wrong = np.abs(fused.cube() - truth)
    return {
        "covered": float(np.mean(wrong < 2 * fused.deviation())),
        "found": f"{fused.method}, {fused.verdict.outcome}",
        **times,
    }
