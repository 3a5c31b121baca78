"""The cases of dictionaries: noise taken off images, and one image made finer.

Images of known truth, rows of published tables. No parameter is given that these
papers leave open.
"""

import numpy as np

from benchmarks.measure import Clock
from benchmarks.superresolution_cases import _folder, psnr

IMAGES = {"Barbara": "09", "Lena": "08", "Boat": "10", "House": "02"}
_QUICK = 96


def denoising(image, noise, draw=0, quick=False):
    """White noise taken off an image by K-SVD, with the noise given and found."""
    from PIL import Image

    from sparsedecomp.superresolution import ksvd_denoise

    file = _folder() / "images" / f"{IMAGES[image]}.png"
    truth = np.asarray(Image.open(file)).astype(float)
    if quick:
        truth = truth[:_QUICK, :_QUICK]
    rng = np.random.default_rng(draw)
    noisy = (truth + noise * rng.normal(size=truth.shape)).astype(np.float32)
    ksvd_denoise(noisy[:32, :32], noise, n_iter=1)
    clock = Clock()
    found = ksvd_denoise(noisy, noise)
    times = clock.read()
    blind = ksvd_denoise(noisy)
    return {
        "psnr": psnr(found.image - truth, 255),
        "blind": psnr(blind.image - truth, 255),
        "noise_found": blind.noise,
        **times,
    }


def single_frame(scale, method="zeyde", quick=False):
    """Set5, luminance: reduced by cubics, rounded, made finer, a border cut."""
    from sparsedecomp.superresolution import super_resolve_single
    from sparsedecomp.superresolution.dictionaries.single_frame import enlarge, shrink

    files = sorted((_folder() / "images" / "Set5").iterdir())
    clock, found, cubic = Clock(), [], []
    images = [_luma(files[-1])]
    for file in files[:1] if quick else files:
        luma = _luma(file)
        h, w = (n // scale * scale for n in luma.shape)
        luma = luma[:h, :w]
        coarse = _rounded(shrink(luma, scale)).astype(np.float32)
        options = {"images": images, "n_atoms": 256} if quick else {}
        fine = super_resolve_single(coarse, scale, method=method, **options)
        inner = (slice(scale, -scale),) * 2
        for x, scores in ((fine, found), (enlarge(coarse, scale), cubic)):
            scores.append(psnr((_rounded(x) - luma)[inner], 255))
    return {
        "psnr": float(np.mean(found)),
        "interpolated": float(np.mean(cubic)),
        "method": method,
        **clock.read(),
    }


def _luma(file):
    from PIL import Image

    rgb = np.asarray(Image.open(file).convert("RGB")).astype(float)
    return np.round(16 + rgb @ [65.481, 128.553, 24.966] / 255)


def _rounded(image):
    return np.clip(np.round(image), 0, 255)
