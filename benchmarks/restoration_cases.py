"""Cases of the benchmark of restoration; each returns a row."""

import time
import warnings

import numpy as np

from benchmarks.measure import Meter

# Al, Si, Ca and Fe: the maps that are compared, within 0.1 keV of their lines.
LINES = {"Al": 1.487, "Si": 1.740, "Ca": 3.690, "Fe": 6.400}
_HALF_WIDTH = 0.1


def phantom(name, counts, draw, quick=False):
    """Denoise one draw of a phantom by every method, and by peers."""
    clean, energy = expected(name, counts)
    if quick:
        clean = clean[:32, :32]
    noisy = np.random.default_rng(draw).poisson(clean)
    windows = np.stack(
        [abs(energy - line) < _HALF_WIDTH for line in LINES.values()], axis=1
    ).astype(float)

    def decibels(cube):
        return psnr(cube @ windows, clean @ windows)

    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.restoration import METHODS, certify, denoise_cube

    blocks = as_blocks(noisy)
    began, cpu = time.perf_counter(), time.process_time()
    found = denoise_cube(blocks, clean.shape[:2])
    row = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "components": found.maps.shape[2],
        "psnr": decibels(found.values()),
        "raw": decibels(noisy),
        "chosen": str(found.choice),
    }
    single = {}
    for method, parameters in found.choice.parameters.items():
        maps = METHODS[method].load()(found.noisy, **parameters)
        maps = maps * found.row_scale[..., None]
        single[method] = decibels(maps @ found.spectra)
    row["best_single"] = max(single.values())
    row["by_method"] = single
    deviations = certify(blocks, found, dict(zip(LINES, windows.T, strict=True)))
    kept = deviations.regions[~deviations.flagged][:, : len(LINES)]
    row |= {"bias_mean": float(kept.mean()), "bias_spread": float(kept.std())}
    row["flagged"] = float(deviations.flagged.mean())
    return row | peers(noisy, windows, decibels)


def gaps(name, counts, draw, quick=False):
    """Inpaint one draw of a phantom of which 80 % of the pixels are missing."""
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.restoration import INPAINTERS, inpaint_cube

    clean, energy = expected(name, counts)
    if quick:
        clean = clean[:32, :32]
    rng = np.random.default_rng(draw)
    noisy, missing = rng.poisson(clean), rng.random(clean.shape[:2]) < 0.8
    windows = np.stack(
        [abs(energy - line) < _HALF_WIDTH for line in LINES.values()], axis=1
    ).astype(float)

    def decibels(maps):
        return psnr(maps @ (found.spectra @ windows), clean @ windows)

    cpu = time.process_time()
    found = inpaint_cube(as_blocks(noisy, navigation_mask=missing), ~missing)
    row = {
        "cpu_seconds": time.process_time() - cpu,
        "psnr": decibels(found.scaled_maps),
        "chosen": str(found.choice),
        "components": len(found.spectra),
    }
    scale = found.row_scale[..., None]
    row["by_method"] = {
        method: decibels(
            INPAINTERS[method].load()(found.noisy, ~missing, **parameters) * scale
        )
        for method, parameters in found.choice.parameters.items()
    }
    return row


def photograph(name, quick=False, share=0.8):
    """Inpaint a photograph, by default and by a peer."""
    from skimage.io import imread
    from skimage.restoration import inpaint_biharmonic

    from sparsedecomp.datasets import data_dir
    from sparsedecomp.restoration import inpaint_map

    folder = data_dir()
    if folder is None:
        raise FileNotFoundError("no data folder")
    image = imread(folder / f"superresolution/images/{name}.png").astype(float)
    if quick:
        image = image[:48, :48]
    missing = np.random.default_rng(0).random(image.shape) < share
    inpaint_map(image[:40, :40], ~missing[:40, :40], "patches")
    began, cpu = time.perf_counter(), time.process_time()
    found = inpaint_map(np.where(missing, 0, image), ~missing)
    row = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "chosen": str(found.choice),
    }

    def decibels(filled):
        error = np.square(np.where(missing, filled, image) - image).mean()
        return float(10 * np.log10(255**2 / error))

    row["psnr"] = decibels(found.values()[..., 0])
    part = image[:64, :64], missing[:64, :64]
    harmonic = inpaint_biharmonic(np.where(part[1], 0, part[0]), part[1])
    error = np.square(harmonic - part[0]).mean()
    row["skimage_biharmonic_corner"] = float(10 * np.log10(255**2 / error))
    error = np.square(found.values()[:64, :64, 0] - part[0])[part[1]].sum()
    row["same_corner"] = float(10 * np.log10(255**2 * part[1].size / error))
    return row


def peers(noisy, windows, decibels):
    """What microscopists use today: principal components, and filters of line maps."""
    import hyperspy.api as hs
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

    hs.preferences.General.show_progressbar = False
    signal = hs.signals.Signal1D(noisy.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal.decomposition(normalize_poissonian_noise=True, print_info=False)
        pca = max(
            decibels(signal.get_decomposition_model(k).data) for k in (2, 3, 4, 5)
        )
    maps = noisy @ windows
    # Anscombe's transform, the weight by which the truth is approached best.
    stable = 2 * np.sqrt(maps + 0.375)
    filtered = {
        "skimage_tv": [
            denoise_tv_chambolle(stable, weight, channel_axis=-1)
            for weight in (0.5, 1.0, 2.0, 4.0)
        ],
        "skimage_nlm": [
            denoise_nl_means(stable, 5, 9, h=h, sigma=1.0, channel_axis=-1)
            for h in (0.4, 0.8, 1.2)
        ],
    }
    back = np.linalg.pinv(windows)
    best = {
        name: max(decibels((np.square(m / 2) - 0.375) @ back) for m in tried)
        for name, tried in filtered.items()
    }
    return {"hyperspy_pca": pca, **best}


def expected(name, counts):
    """Expected counts of a phantom, and its energy axis in keV."""
    if name == "mixed":
        return mixed(counts)
    from sparsedecomp.datasets import data_dir

    folder = data_dir()
    if folder is None:
        raise FileNotFoundError("no data folder")
    stored = np.load(folder / f"unmixing/phantom_{name}_truth.npz")
    maps = next(stored[key] for key in stored if key.startswith("maps")).astype(float)
    clean = maps @ stored["spectra"].T
    return clean * (counts / clean.sum(axis=2).mean()), stored["energy_keV"]


def mixed(counts):
    """A phantom that favours no method: grains, a gradient, a lattice and a blur."""
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[:80, :80]
    rng = np.random.default_rng(12)
    seeds = rng.uniform(0, 80, (25, 2))
    grain = np.argmin(
        np.hypot(y[..., None] - seeds[:, 0], x[..., None] - seeds[:, 1]), axis=2
    )
    maps = np.stack(
        [
            0.3 + 0.7 * (grain % 3 == 0),
            0.2 + 0.8 * x / 80,
            0.3 + 0.5 * (np.sin(y / 1.5) * np.sin(x / 1.5)) ** 2 * (y > 40),
            gaussian_filter(rng.normal(size=(80, 80)), 4) ** 2 * 60,
        ],
        axis=2,
    )
    energy = np.linspace(0.8, 11, 1024)
    spectra = np.array(
        [
            np.exp(-0.5 * ((energy - line) / 0.05) ** 2) + 0.03 * np.exp(-energy / 3)
            for line in LINES.values()
        ]
    )
    clean = maps @ spectra
    return clean * (counts / clean.sum(axis=2).mean()), energy


def psnr(found, truth):
    """Mean over the maps of the peak signal-to-noise ratio in decibels."""
    error = np.square(found - truth).mean(axis=(0, 1))
    return float(np.mean(10 * np.log10(truth.max(axis=(0, 1)) ** 2 / error)))


def large(draw=0, quick=False, gaps=False):
    """Time for 128 x 128 x 1024, kernels compiled before."""
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.restoration import denoise_cube, inpaint_cube

    def restore(counts):
        if gaps:
            missing = np.random.default_rng(5).random(counts.shape[:2]) < 0.8
            blocks = as_blocks(counts, navigation_mask=missing)
            return inpaint_cube(blocks, ~missing)
        return denoise_cube(as_blocks(counts), counts.shape[:2])

    clean, _ = mixed(100)
    restore(np.random.default_rng(1).poisson(clean[:20, :20]))
    size = 32 if quick else 128
    clean = np.tile(clean, (2, 2, 1))[:size, :size]
    noisy = np.random.default_rng(draw).poisson(clean).astype(np.uint8)
    began, cpu = time.perf_counter(), time.process_time()
    restore(noisy)
    return {
        "gaps": gaps,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
    }


def lazy(gibibytes=2.0):
    """Peak memory of a lazy cube of 1024 channels, stored in a file."""
    import tempfile
    from pathlib import Path

    import dask
    import dask.array as da
    import h5py

    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.restoration import denoise_cube

    clean, _ = mixed(20)
    denoise_cube(as_blocks(np.random.default_rng(1).poisson(clean[:20, :20])), (20, 20))
    tile = np.random.default_rng(0).poisson(clean[:64, :64]).astype(np.float32)
    side = 64 * max(1, round((gibibytes * 2**30 / tile.nbytes) ** 0.5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cube.h5")
        with h5py.File(path, "w") as file:
            stored = file.create_dataset(
                "cube", (side, side, 1024), "f4", chunks=(64, 64, 1024)
            )
            for i in range(0, side, 64):
                for j in range(0, side, 64):
                    stored[i : i + 64, j : j + 64] = tile
        with h5py.File(path) as file:
            cube = da.from_array(file["cube"], chunks=(64, 64, 1024))
            meter, began = Meter(), time.perf_counter()
            with dask.config.set(scheduler="threads", num_workers=2):
                denoise_cube(as_blocks(cube, dtype=np.float32), (side, side))
            return {
                "seconds": time.perf_counter() - began,
                "peak_mib": meter.peak_mib(),
                "gibibytes": side**2 * 4096 / 2**30,
            }
