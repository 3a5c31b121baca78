"""The cases of the benchmark of super-resolution: data, truth and what is measured.

Frames are made from images whose truth is known, or are real ones of which some are
held out. No parameter of a solver is given: all are at their defaults.
"""

import numpy as np

from benchmarks.measure import MIB, Clock, Meter

# Starts (rows, columns) of the published scan, in tenths of a micrometre.
SEED_SHIFTS = np.array(
    [(4, 0), (2, 0), (0, 0), (0, 2), (2, 2), (4, 2), (4, 0), (2, 0), (0, 0)]
)
SEED_STEP, FINE_STEP = 5, 2
_BRIDGE_BORDER = 24


def bridge(noise, draw=0, quick=False):
    """Ten frames of known shifts, a factor of three; shifts found from the frames."""
    import scipy.io
    from PIL import Image

    from sparsedecomp.superresolution import register, resolve

    folder = _folder()
    frames = scipy.io.loadmat(folder / "bridge_sequence_fig1.mat")
    reference = folder / "bridge_reference_fig1.tif"
    truth = np.asarray(Image.open(reference)).astype(float)
    shifts = frames["T"][:, ::-1]
    Y = np.moveaxis(frames["u0_realistic"], 2, 0)
    if quick:
        Y, truth = Y[:, :36, :36], truth[:108, :108]
    rng = np.random.default_rng(1 + draw)
    Y = (Y + noise * rng.normal(size=Y.shape)).astype(np.float32)[..., None]
    clock = Clock()
    found = register(Y)
    times = clock.read()
    error = found.shifts - shifts
    # A shift that all frames share cannot be known: the truth says where they lie.
    used = found.shifts - error.mean(axis=0)
    fine = resolve(
        Y,
        used,
        3.0,
        registration=False,
        origin=(0.0, 0.0),
        shape=truth.shape,
    )
    inner = (slice(_BRIDGE_BORDER, -_BRIDGE_BORDER),) * 2
    away = fine.maps[..., 0] - truth
    return {
        "method": fine.method,
        "shift_rmse": float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2))),
        "psnr": psnr(away[inner], 255),
        "z_score": float(np.std((away / fine.deviation[..., 0])[inner])),
        **times,
    }


def held_out_frames(name, scale=2.0, quick=False):
    """Real frames, a quarter of them predicted from the others, in turn."""
    from sparsedecomp.superresolution import FrameOperator, register, resolve

    # The last frames of one sequence show another scene.
    Y = np.load(_folder() / "mdsp_text_disk.npz")[name][:20, ..., None]
    Y = Y.astype(np.float32)
    if quick:
        Y = Y[:8]
    clock = Clock()
    found = register(Y)
    squares, baseline = [], []
    for fold in range(1 if quick else 4):
        out = np.arange(len(Y)) % 4 == fold
        fine = resolve(Y[~out], found.shifts[~out], scale, registration=False)
        geometry = fine.geometry.moved(found.shifts[out])
        held = FrameOperator(geometry)
        inside = ~held.mask
        inside[:, :2] = inside[:, -2:] = inside[:, :, :2] = inside[:, :, -2:] = False
        predicted = held.forward(fine.maps)
        squares.append(((predicted - Y[out])[..., 0] ** 2)[inside])
        mean = _registered_mean(Y[~out], fine.geometry, geometry)
        baseline.append(((mean - Y[out][..., 0]) ** 2)[inside])
    return {
        "psnr": decibels(np.concatenate(squares).mean(), 255),
        "interpolated": decibels(np.concatenate(baseline).mean(), 255),
        "method": fine.method,
        **clock.read(),
    }


def _registered_mean(Y, geometry, held):
    """Frames shifted onto those held out by splines, and averaged."""
    from scipy.ndimage import shift

    return np.stack(
        [
            np.mean(
                [
                    shift(y[..., 0], own - to, order=3, mode="nearest")
                    for y, own in zip(Y, geometry.shifts, strict=True)
                ],
                axis=0,
            )
            for to in held.shifts
        ]
    )


def published_scan(draw=0, quick=False):
    """Nine frames, the stage off by 50 nm: what is lost at the nominal places.

    The nominal places are resolved twice: with everything chosen blind, which adapts
    to frames that do not agree, and with the settings of the map at the places found,
    so that nothing but the places differs.
    """
    from sparsedecomp.superresolution import resolve

    Y, nominal, places, truth = _scan(5.0, 0.5, 1.0, draw, quick)
    grid = {"origin": (0.0, 0.0), "shape": truth.shape}
    scale, clock = SEED_STEP / FINE_STEP, Clock()
    found = resolve(Y, nominal, scale, **grid)
    times = clock.read()
    blind, known = (
        resolve(Y, shifts, scale, registration=False, **grid)
        for shifts in (nominal, places)
    )

    def score(maps):
        return psnr((maps[..., 0] - truth)[12:-12, 12:-12], 255)

    error = found.geometry.shifts - places
    return {
        "method": found.method,
        "off": float(np.sqrt(np.mean((places - nominal) ** 2))),
        "shift_rmse": float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2))),
        "nominal": score(blind.maps),
        "same_settings": score(_resolved_alike(found, Y, nominal)),
        "estimated": score(found.maps),
        "true_places": score(known.maps),
        **times,
    }


def _resolved_alike(fine, Y, shifts):
    """The map at other shifts, by the method, weight and processes of one."""
    from sparsedecomp.superresolution import (
        FrameOperator,
        oriented_posterior,
        posterior,
        total_variation,
    )

    A = FrameOperator(fine.geometry.moved(shifts))
    Y = np.where(A.mask[..., None], 0, Y / fine.noise)
    oriented = fine.method == "oriented_process"
    process = oriented_posterior if oriented else posterior
    x, _ = process(A.geometry, Y, fine.processes, A.mask)
    if fine.weight is not None:
        sharp = total_variation(A, Y, fine.weight, start=x, max_iter=300).x
        share = 1.0 if fine.share is None else fine.share
        x = (1 - share) * x + share * sharp
    return x * fine.noise


def noisy_scan(method, spot, noise=15.0, draw=0, quick=False):
    """The published scan at its nominal places, by one method.

    Parameters
    ----------
    method : str
    spot : float
        Standard deviation, in tenths of a micrometre.
    noise : float
    draw : int
    quick : bool
    """
    from sparsedecomp.superresolution import resolve

    Y, nominal, _, truth = _scan(noise, 0.0, spot, draw, quick)
    fine = resolve(
        Y,
        nominal,
        SEED_STEP / FINE_STEP,
        method=method,
        registration=False,
        origin=(0.0, 0.0),
        shape=truth.shape,
    )
    return {
        "method": fine.method,
        "psnr": psnr((fine.maps[..., 0] - truth)[12:-12, 12:-12], 255),
        "seconds": fine.seconds,
    }


def _scan(noise, jitter, spot, draw, quick):
    """Frames of the published scan, nominal and true places, and the map.

    The stage is off by ``jitter``, and the spot is ``spot``, tenths of a micrometre.
    """
    from PIL import Image
    from scipy.ndimage import gaussian_filter, map_coordinates

    scene = np.asarray(Image.open(_folder() / "bridge.tif")).astype(float)
    scene = gaussian_filter(scene, spot)
    n, rng = (24 if quick else 120), np.random.default_rng(draw)
    moved = jitter * rng.normal(size=SEED_SHIFTS.shape)
    moved -= moved.mean(axis=0)
    edge, frames = 4, []
    for start in SEED_SHIFTS + moved:
        axes = [edge + s + SEED_STEP * np.arange(n) for s in start]
        frames.append(
            map_coordinates(scene, np.meshgrid(*axes, indexing="ij"), order=5)
        )
    Y = np.array(frames) + noise * rng.normal(size=(len(frames), n, n))
    fine = edge + FINE_STEP * np.arange(n * SEED_STEP // FINE_STEP)
    return (
        Y.astype(np.float32)[..., None],
        SEED_SHIFTS / SEED_STEP,
        (SEED_SHIFTS + moved) / SEED_STEP,
        scene[np.ix_(fine, fine)],
    )


def cube(counts, method="auto", draw=0, quick=False):
    """Poisson frames of Indian Pines in the published geometry."""
    from scipy.ndimage import gaussian_filter
    from tensorly.datasets import load_indian_pines

    from sparsedecomp.superresolution import factors_of, resolve

    scene = np.asarray(load_indian_pines().tensor, float)
    scene = gaussian_filter(scene * counts / scene.mean(), (1.0, 1.0, 0))
    if quick:
        scene = scene[:, :, ::10]
    rng = np.random.default_rng(draw)
    steps = SEED_STEP * np.arange(10 if quick else 26)
    Y = np.stack(
        [rng.poisson(scene[np.ix_(steps + a, steps + b)]) for a, b in SEED_SHIFTS]
    ).astype(np.float32)
    clock = Clock()
    factors = factors_of(Y)
    fine = resolve(
        factors.maps,
        SEED_SHIFTS / SEED_STEP,
        SEED_STEP / FINE_STEP,
        registration=False,
        method=method,
    )
    H, W = fine.geometry.shape
    truth = scene[: FINE_STEP * H : FINE_STEP, : FINE_STEP * W : FINE_STEP]
    found = fine.maps @ factors.spectra
    square = np.square(found - truth).mean(axis=(0, 1))
    peaks = truth.max(axis=(0, 1))
    cosine = (found * truth).sum(axis=-1) / (
        np.linalg.norm(found, axis=-1) * np.linalg.norm(truth, axis=-1)
    )
    return {
        "method": fine.method,
        "components": fine.maps.shape[-1],
        "psnr": float(
            np.mean([decibels(s, p) for s, p in zip(square, peaks, strict=True)])
        ),
        "sam": float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean()),
        **clock.read(),
    }


def plan():
    """Rank of the published scan, and what is proposed instead."""
    from sparsedecomp.superresolution import plan_shifts

    clock = Clock()
    found = plan_shifts(500.0, 100.0 * SEED_SHIFTS)
    thirds = {(round(y), round(x)) for y, x in found.proposal.shifts}
    wanted = {(y, x) for y in (0, 167, 333) for x in (0, 167, 333)}
    return {
        "rank": found.rank,
        "unknowns": found.n_unknowns,
        "proposed": thirds == wanted,
        **clock.read(),
    }


def large(n=512, n_factors=16, method="auto"):
    """Time and memory of nine large frames with many factors."""
    from sparsedecomp.superresolution import resolve

    waves = _Waves(n_factors)
    starts = SEED_SHIFTS / SEED_STEP
    Y = np.stack([waves.maps(n, start) for start in starts])
    Y += np.random.default_rng(0).standard_normal(Y.shape, dtype=np.float32)
    meter, clock = Meter(), Clock()
    fine = resolve(Y, starts, SEED_STEP / FINE_STEP, method=method)
    return {"method": fine.method, **clock.read(), "peak_mib": meter.peak_mib()}


def lazy(n=512, n_channels=2048, n_factors=8):
    """Nine large spectral frames that are made block by block, through HyperSpy."""
    import dask
    import dask.array as da
    import hyperspy.api as hs

    import sparsedecomp
    from benchmarks.nmf_data import NOISE, add_noise, product_truth

    spectra = product_truth((1, 1), n_channels, n_factors).spectra.astype(np.float32)
    waves, starts = _Waves(n_factors), SEED_SHIFTS / SEED_STEP

    def block(maps, first):
        X = maps.reshape(-1, n_factors) @ spectra
        add_noise(X, first + np.arange(len(X)), NOISE)
        return X.reshape(*maps.shape[:2], -1)

    frames = []
    for k, start in enumerate(starts):
        maps = 1.5 + 0.15 * waves.maps(n, start)
        rows = min(n, 32)
        parts = [
            da.from_delayed(
                dask.delayed(block)(maps[i : i + rows], (k * n + i) * n),
                (min(rows, n - i), n, n_channels),
                np.float32,
            )
            for i in range(0, n, rows)
        ]
        s = hs.signals.Signal1D(da.concatenate(parts)).as_lazy()
        for axis, offset in zip(
            s.axes_manager.navigation_axes, start[::-1], strict=True
        ):
            axis.offset = float(offset)
        frames.append(s)
    warm = [s.inav[:8, :8] for s in frames]
    sparsedecomp.super_resolve(warm, SEED_STEP / FINE_STEP, registration=False)
    meter, clock = Meter(), Clock()
    fine = sparsedecomp.super_resolve(frames, SEED_STEP / FINE_STEP)
    times = clock.read()
    peak = meter.peak_mib()
    report = fine.super_resolution.as_dict()
    row, column = np.array(fine.axes_manager.navigation_shape[::-1]) // 2
    found = np.asarray(fine.data[row, column : column + 64])
    x, y = fine.axes_manager.navigation_axes
    truth = waves.at([y.axis[row]], x.axis[column : column + 64])
    truth = (1.5 + 0.15 * truth[0]) @ spectra
    return times | {
        "method": report["method"],
        "components": report["n_factors"],
        "passes": report["passes"],
        "noise_left": float(np.sqrt(np.mean((found - truth) ** 2)) / NOISE),
        "peak_mib": peak,
        "cube_mib": sum(s.data.nbytes for s in frames) / MIB,
    }


class _Waves:
    """Products of sines, each along its own direction: maps known at every point."""

    def __init__(self, n):
        self.numbers = 0.3 * np.random.default_rng(0).normal(size=(n, 2))

    def at(self, rows, columns):
        """(rows, columns, n) array at places in pixels of the frames."""
        p, q = self.numbers.T
        waves = np.sin(np.outer(rows, p))[:, None] * np.cos(np.outer(columns, q))
        return (3 * waves).astype(np.float32)

    def maps(self, n, start):
        return self.at(*(np.arange(n) + s for s in start))


def _folder():
    from sparsedecomp.datasets import data_dir

    folder = data_dir()
    if folder is None or not (folder / "superresolution").is_dir():
        raise FileNotFoundError("no data folder: set SPARSEDECOMP_DATA_DIR")
    return folder / "superresolution"


def psnr(error, peak):
    return decibels(float(np.square(error).mean()), peak)


def decibels(mean_square, peak):
    return float(10 * np.log10(peak**2 / mean_square))
