"""Cases of the benchmark of deblurring and of compression; each returns a row."""

import time

import numpy as np


def zero_loss(name, dose, draws=10):
    """Deblur spectra of one dose, and by scikit-image with the best iteration."""
    from skimage.restoration import richardson_lucy

    from sparsedecomp.restoration import deconvolve, kernel_of

    clean = spectrum(name)
    clean *= dose / clean.sum()
    e = np.arange(-24, 25)
    kernel = kernel_of(
        np.exp(-4 * np.log(2) * (e / 8) ** 2) + 0.03 / (1 + (e / 8) ** 2)
    )
    mean = np.convolve(np.pad(clean, 24, "edge"), kernel, "valid")
    errors, best, seconds, deviations = [], [], [], []
    for draw in range(draws):
        counts = np.random.default_rng(draw).poisson(mean)
        began = time.process_time()
        found = deconvolve(counts, kernel)
        seconds.append(time.process_time() - began)
        errors.append(np.linalg.norm(found.values - clean))
        deviations.append(np.std((found.values - clean) / found.deviation))
        padded = np.pad(counts, 48, "edge").astype(float)
        best.append(
            min(
                np.linalg.norm(
                    richardson_lucy(padded, kernel, n, clip=False)[48:-48] - clean
                )
                for n in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
            )
        )
    size = np.linalg.norm(clean)
    return {
        "relative_error": float(np.mean(errors) / size),
        "best_richardson_lucy": float(np.mean(best) / size),
        "over_best": float(np.mean(errors) / np.mean(best)),
        "error_over_deviation": float(np.mean(deviations)),
        "seconds": float(np.mean(seconds)),
    }


def spectrum(name, n=500):
    """Plasmons, or a core-loss edge with white lines on its background."""
    e = np.arange(n, dtype=float)
    if name == "plasmons":
        return 0.01 + sum(
            height * (width / 2) ** 2 / ((e - centre) ** 2 + (width / 2) ** 2)
            for height, centre, width in (
                (1, 150, 20),
                (0.5, 300, 35),
                (0.4, 60, 6),
                (0.3, 210, 5),
            )
        )
    onset = 0.8 * ((np.maximum(e, 111) - 110) / 40) ** -1.5 * (e > 150)
    lines = sum(
        height * np.exp(-0.5 * ((e - centre) / width) ** 2)
        for height, centre, width in ((0.5, 158, 3), (0.4, 170, 3.5), (0.25, 356, 2.5))
    )
    second = 0.35 * (np.maximum(e, 1) / 350) ** -2 * (e > 350)
    return 3 * (1 + e / 60) ** -2.5 + onset + lines + second


def wavelets(name, share=0.025):
    """Approximate a photograph by its largest wavelet coefficients."""
    from skimage.io import imread

    from sparsedecomp.datasets import data_dir
    from sparsedecomp.restoration import best_coefficients

    folder = data_dir()
    if folder is None:
        raise FileNotFoundError("no data folder")
    image = imread(folder / f"superresolution/images/{name}.png").astype(float)
    began = time.process_time()
    found = best_coefficients(image, share)
    error = np.square(found.values - image).mean()
    return {
        "psnr": float(10 * np.log10(255**2 / error)),
        "seconds": time.process_time() - began,
    }
