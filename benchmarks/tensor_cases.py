"""What one process of the benchmark ``tensor`` does: one method on one tensor."""

import importlib
import warnings

import numpy as np

from benchmarks.measure import MIB, Clock, Meter, quickest


def overlapping(shape, rank, seed, decibel=20.0):
    """Float32 tensor of overlapping peaks in every mode and white noise; its truth."""
    rng = np.random.default_rng(seed)
    factors = []
    for n in shape:
        x = np.arange(n)[:, None] / n
        centre, width = rng.uniform(0.1, 0.9, rank), rng.uniform(0.08, 0.2, rank)
        peaks = np.exp(-0.5 * ((x - centre) / width) ** 2)
        factors.append(peaks + 0.05 * rng.random((n, rank)))
    X = np.einsum("ir,jr,er->ije", *factors, optimize=True).astype(np.float32)
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise *= np.linalg.norm(X) / np.linalg.norm(noise) * 10 ** (-decibel / 20)
    X += noise
    return X, factors


def factor_match(true, found):
    """Mean over components of the product of cosines, best pairing; see metrics."""
    from sparsedecomp.decomposition.tensor.algebra import congruence

    return congruence(true, found)


def ours(X, kind, rank, seed):
    """CPD or Tucker of this package."""
    from sparsedecomp.decomposition import CPD, Tucker

    model = {"cpd": CPD, "tucker": Tucker}[kind](rank, random_state=seed)
    model.fit_transform(X)
    return model.factors_, model.relative_residual_, model.n_iter_, model.passes_


def tensorly(X, kind, rank, seed):
    """TensorLy's non-negative HALS from a random start, or its Tucker."""
    from tensorly.decomposition import non_negative_parafac_hals, tucker

    if kind == "tucker":
        core, factors = tucker(X, [rank] * X.ndim)
        # Of the whole model, after the clock has stopped: single precision cannot
        # tell it from the norms.
        return factors, lambda: residual_of(X, core, factors), None, None
    found, errors = non_negative_parafac_hals(
        X,
        rank,
        init="random",
        n_iter_max=500,
        tol=1e-7,
        random_state=seed,
        return_errors=True,
    )
    return found[1], float(errors[-1]), len(errors), None


def residual_of(X, core, factors):
    """Relative residual of a Tucker model of three modes, a slice at a time."""
    core = np.asarray(core, float)
    left = 0.0
    for row, x in zip(np.asarray(factors[0], float), X, strict=True):
        model = factors[1] @ np.tensordot(row, core, axes=1) @ factors[2].T
        left += np.square(x - model).sum()
    return float(np.sqrt(left / np.square(X, dtype=float).sum()))


METHODS = {"ours": ours, "tensorly": tensorly}
IMPORTS = {"ours": "sparsedecomp.decomposition", "tensorly": "tensorly.decomposition"}


def fit_dense(method, kind, shape, rank, seeds):
    """Fit tensors of some seeds; the worst match, the median time.

    Returns
    -------
    dict
        A row for the report.
    """
    warnings.simplefilter("ignore")
    importlib.import_module(IMPORTS[method])
    run = METHODS[method]
    run(overlapping((12, 10, 40), 2, 0)[0], kind, 2, 0)
    matches, times, residuals, peaks = [], [], [], []
    for seed in seeds:
        X, truth = overlapping(shape, rank, seed)
        meter, clock = Meter(), Clock()
        factors, residual, iterations, passes = run(X, kind, rank, seed)
        times.append(clock.read())
        peaks.append(meter.peak_mib())
        residuals.append(residual() if callable(residual) else residual)
        if kind == "cpd":
            matches.append(float(factor_match(truth, factors)))
    row = {key: float(np.median([t[key] for t in times])) for key in times[0]}
    row |= {
        "components": rank,
        "residual": float(np.mean(residuals)),
        "peak_mib": max(peaks),
        "cube_mib": X.nbytes / MIB,
        "iterations": iterations,
        "passes": passes,
    }
    if matches:
        row |= {"match": min(matches), "mean_match": float(np.mean(matches))}
    return row


def fit_counts(method, shape, n_steps, n_channels, counts, seed, kind="cpd"):
    """Fit a simulated tilt series of counts."""
    from sparsedecomp.datasets import tilt_series, tilt_series_truth

    warnings.simplefilter("ignore")
    importlib.import_module(IMPORTS[method])
    run = METHODS[method]
    run(tilt_series((4, 4), 6, 40, 20.0).data.reshape(6, 16, 40), kind, 2, 0)
    truth = tilt_series_truth(shape, n_steps, n_channels, counts, seed)
    data = tilt_series(shape, n_steps, n_channels, counts, seed).data
    X = data.reshape(n_steps, -1, n_channels)
    meter, clock = Meter(), Clock()
    factors, residual, iterations, passes = run(X, kind, 5, seed)
    return clock.read() | {
        "components": 5,
        "match": float(factor_match(truth.factors, factors)),
        "residual": residual,
        "iterations": iterations,
        "passes": passes,
        "peak_mib": meter.peak_mib(),
    }


def fit_generated(shape, n_steps, n_channels, counts, chunks):
    """Fit a lazy tilt series whose blocks are drawn anew in every pass."""
    import dask

    from sparsedecomp.datasets import tilt_series, tilt_series_truth
    from sparsedecomp.decomposition import CPD

    warnings.simplefilter("ignore")
    dask.config.set(scheduler="synchronous")
    modes = (0, (1, 2))
    small = tilt_series((4, 4), 6, 40, 20.0, lazy=True)
    CPD(2, modes=modes, random_state=0).fit(small.data)
    meter, clock = Meter(), Clock()
    s = tilt_series(shape, n_steps, n_channels, counts, lazy=True, chunks=chunks)
    model = CPD(5, modes=modes, random_state=0).fit(s.data)
    truth = tilt_series_truth(shape, n_steps, n_channels, counts)
    return clock.read() | {
        "components": 5,
        "match": float(factor_match(truth.factors, model.factors_)),
        "residual": model.relative_residual_,
        "iterations": model.n_iter_,
        "passes": model.passes_,
        "peak_mib": meter.peak_mib(),
        "cube_mib": s.data.nbytes / MIB,
    }


def fit_scan(which, shape, seeds, smooth):
    """Maps of simulated EDX and EELS scans, from one detector or from both."""
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.datasets import edx_eels_scan, truth
    from sparsedecomp.decomposition import fit_coupled

    errors, clock = [], Clock()
    chosen = {"EDX": [0], "EELS": [1], "both": [0, 1]}[which]
    grids = {"maps": shape} if smooth else None
    for seed in seeds:
        scan = edx_eels_scan(shape, seed=seed)
        maps = truth(scan[0]).maps.reshape(-1, 4)
        blocks = [as_blocks(scan[i].data) for i in chosen]
        labels = [("maps", f"channels {i}") for i in chosen]
        modes = [((0, 1),)] * len(blocks)
        fit = fit_coupled(blocks, labels, 4, modes=modes, grids=grids, random_state=0)
        errors.append(map_error(maps, fit.factors["maps"]))
    return clock.read() | {
        "components": 4,
        "map_error": float(np.mean(errors)),
        "best_map_error": min(errors),
        "worst_map_error": max(errors),
    }


def map_error(true, found):
    """Relative error of maps that are each scaled and paired in the best way."""
    from scipy.optimize import linear_sum_assignment

    scale = (true.T @ found) / np.maximum(np.square(found).sum(axis=0), 1e-300)
    left = np.square(true[:, :, None] - found[:, None] * scale).sum(axis=0)
    pairs = linear_sum_assignment(left)
    return float(np.sqrt(left[pairs].sum() / np.square(true).sum()))


def fit_amino_acids():
    """Three amino acids in five samples, of known concentration."""
    from sparsedecomp.datasets import load
    from sparsedecomp.decomposition import CPD, tensor_rank

    s = load("amino_acids")
    known = np.asarray(s.metadata.Sample.concentrations)
    X = s.data
    report = tensor_rank(X, 5, random_state=0)
    model, times = quickest(lambda: CPD(3, random_state=0).fit(X), 3)
    pure = [np.linalg.svd(X[i].astype(float), full_matrices=False) for i in range(3)]
    pure = [
        np.abs(np.stack([u[:, 0] for u, _, _ in pure], axis=1)),
        np.abs(np.stack([v[0] for _, _, v in pure], axis=1)),
    ]
    correlation = np.corrcoef(model.factors_[0].T, known.T)[:3, 3:]
    return times | {
        "components": report.recommended or 0,
        "match": float(factor_match(pure, model.factors_[1:])),
        "correlation": float(correlation.max(axis=0).min()),
        "core_consistency": model.core_consistency_,
        "residual": model.relative_residual_,
        "passes": model.passes_,
        "iterations": model.n_iter_,
    }
