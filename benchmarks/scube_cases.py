"""Cases of the benchmark ``counts``: files of sparse counts, written, read, fitted."""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np

from benchmarks.measure import MIB, Clock, Meter, quickest

COMPONENTS = 8
# Entries of the table that draws channels from a spectrum.
_TABLE = 2**16
_CONVERTED = {
    "jeol_view000.pts": {},
    "jeol_view000.pts, frames": {"frames": True},
    "Hitachi_TM3030Plus.bcf": {},
    "P45_the_default_job.bcf": {},
    "bcf_v2_50x50px.bcf": {},
    "example_velox_EELS_EDS.emd": {},
}


def spectra_of(n_channels, seed=0):
    """Spectra of `COMPONENTS` phases: a background and some peaks, adding up to one."""
    rng = np.random.default_rng(seed)
    channel = np.arange(n_channels)
    found = np.empty((COMPONENTS, n_channels))
    for spectrum in found:
        spectrum[:] = 0.3 * np.exp(-channel / (0.15 * n_channels)) / n_channels * 7
        for centre in rng.uniform(0.03, 0.7, 4) * n_channels:
            width = 2 + 0.004 * centre
            peak = np.exp(-0.5 * ((channel - centre) / width) ** 2)
            spectrum += rng.uniform(0.1, 0.3) * peak / peak.sum()
    return found / found.sum(axis=1, keepdims=True)


def tile_of(rows, width, spectra, per_pixel, rng):
    """Counts of some lines of a map of stripes, with a fifth from the next phase."""
    from rsciio_sparse._counts import counts_of_events

    cdf = np.cumsum(spectra, axis=1)
    levels = (np.arange(_TABLE) + 0.5) / _TABLE
    table = np.array([np.searchsorted(each, levels) for each in cdf], np.uint16)
    number = rng.poisson(per_pixel, rows * width)
    pointers = np.concatenate([[0], np.cumsum(number)])
    phase = (np.arange(width) * COMPONENTS // width).astype(np.uint8)
    phase = np.repeat(np.tile(phase, rows), number)
    phase = (phase + (rng.random(phase.size, np.float32) < 0.2)) % COMPONENTS
    draws = rng.integers(0, _TABLE, phase.size, np.uint16)
    return counts_of_events(pointers, table[phase, draws], spectra.shape[1])


def write_cube(path, shape, per_pixel, dense=None):
    """Write a simulated cube tile by tile, without ever holding more than one.

    Returns
    -------
    dict
        A row: times of drawing and of writing, counts a second and core once they are
        drawn, size, peak memory.
    """
    import hyperspy.api as hs

    from rsciio_sparse.scube._layout import Layout, choose_tiles
    from rsciio_sparse.scube._write import Writer

    hs.signals.Signal1D  # noqa: B018
    shape = tuple(shape)
    layout = Layout(shape, 2, choose_tiles(shape, 2, "u1"), np.dtype("u1"))
    axes = [
        {
            "name": name, "size": size, "navigate": name != "Energy", "scale": 0.01,
            "offset": 0.0, "units": "keV" if name == "Energy" else "nm",
        }
        for name, size in zip(("y", "x", "Energy"), shape, strict=True)
    ]  # fmt: skip
    signal = {"axes": axes, "metadata": {"General": {"title": "simulated"}}}
    signal["metadata"]["Signal"] = {"signal_type": ""}
    rest = ("original_metadata", "learning_results", "attributes", "models")
    signal |= {name: {} for name in (*rest, "package_info")}
    spectra, rng = spectra_of(shape[2]), np.random.default_rng(0)
    warm = tile_of(1, 16, spectra, per_pixel, rng)
    with tempfile.TemporaryDirectory() as folder:
        small = Layout((1, 16, shape[2]), 2, (1, 16), np.dtype("u1"))
        header = {
            **signal,
            "axes": [{**a, "size": n} for a, n in zip(axes, small.shape, strict=True)],
        }
        with Writer(Path(folder, "warm.scube"), header, small) as writer:
            writer.append(0, warm)
    meter, clock, drawing, total = Meter(), Clock(), 0.0, 0
    with Writer(path, signal, layout) as writer:
        for number in range(layout.n_tiles):
            before = Clock()
            counts = tile_of(*layout.size_of(number), spectra, per_pixel, rng)
            drawing += before.read()["cpu_seconds"]
            writer.append(number, counts)
            total += counts.total
    times = clock.read()
    size = os.path.getsize(path)
    row = {
        **times, "mcounts": total / 1e6,
        "mcounts_per_second": total / 1e6 / (times["cpu_seconds"] - drawing),
        "file_mib": size / MIB, "bits_per_count": 8 * size / total,
        "peak_mib": meter.peak_mib(),
    }  # fmt: skip
    if dense is not None:
        hs.load(path, lazy=True).save(dense, overwrite=True, show_progressbar=False)
        row["hspy_mib"] = os.path.getsize(dense) / MIB
    return row


def load_lazily(path):
    """Load lazily, and make the first map and the sum spectrum."""
    import hyperspy.api as hs

    import sparsedecomp.extension.counts  # noqa: F401

    warnings.simplefilter("ignore")
    hs.load(path, lazy=True)
    rows = []
    s, load = quickest(lambda: hs.load(path, lazy=True), 3)
    energy = s.axes_manager[-1]
    window = {"line": (energy.axis[energy.size // 8], energy.axis[energy.size // 6])}
    options = {"show_progressbar": False}
    s.inav[:8, :8].get_line_maps(window, **options)
    s.inav[:8, :8].get_sum_spectrum(**options)
    actions = {
        "first map": lambda: hs.load(path, lazy=True).get_line_maps(window, **options),
        "sum spectrum": lambda: s.get_sum_spectrum(**options),
    }
    rows.append({"action": "lazy load", **load})
    for name, action in actions.items():
        meter = Meter()
        _, times = quickest(action, 2)
        rows.append({"action": name, **times, "peak_mib": meter.peak_mib()})
    return {"rows": rows}


def sum_spectrum_of_hspy(path):
    """Sum spectrum of a dense file, as HyperSpy makes it."""
    import hyperspy.api as hs

    s = hs.load(path, lazy=True)
    _, times = quickest(lambda: np.asarray(s.sum().data), 2)
    return {"action": "sum spectrum, .hspy", **times}


def fit_file(path, iterations, until=None):
    """Poisson NMF of a file, without prior, from its sparse blocks."""
    import hyperspy.api as hs

    from benchmarks.counts_cases import _loss
    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.decomposition import PoissonNMF

    warnings.simplefilter("ignore")
    s = hs.load(path, lazy=True)
    warm = as_blocks(s.inav[:64, :32].data, sparse=True)
    PoissonNMF(COMPONENTS, concentration=None, max_iter=2).fit(warm)
    X = _csr(path) if until is not None else None
    x = None if X is None else X.data.astype(float)
    constant = 0.0 if x is None else float(x @ np.log(x) - x.sum())
    last, complete = np.inf, False

    def watch(progress):
        nonlocal last, complete
        complete = complete or progress.objective > last
        last = progress.objective
        return until is not None and complete and last + constant <= until

    blocks = as_blocks(s.data, sparse=True)
    model = PoissonNMF(
        COMPONENTS, concentration=None, max_iter=iterations, tol=1e-9, random_state=0,
        callback=watch,
        # The peer has all counts in memory, and a sample would have a lower loss.
        memory=1.5e8 if until is None else 1e10,
    )  # fmt: skip
    meter, clock = Meter(), Clock()
    W = model.fit_transform(blocks)
    times = clock.read()
    row = {
        **times, "iterations": model.n_iter_, "passes": blocks.passes,
        "seconds_per_pass": times["cpu_seconds"] / blocks.passes,
        "peak_mib": meter.peak_mib(), "mcounts": float(W.sum(dtype=float)) / 1e6,
    }  # fmt: skip
    if X is not None:
        row["loss"] = _loss(X, W, model.components_)
    return row


def fit_peer(path, iterations):
    """scikit-learn's multiplicative updates of the same counts as one CSR matrix."""
    from sklearn.decomposition import NMF

    from benchmarks.counts_cases import _loss

    warnings.simplefilter("ignore")
    X = _csr(path)
    model = NMF(
        COMPONENTS, solver="mu", beta_loss="kullback-leibler", init="nndsvda", tol=0,
        max_iter=iterations, random_state=0,
    )  # fmt: skip
    meter, clock = Meter(), Clock()
    W = model.fit_transform(X)
    times = clock.read()
    return {
        **times, "iterations": model.n_iter_, "peak_mib": meter.peak_mib(),
        "loss": _loss(X, W, model.components_),
    }  # fmt: skip


def passes_of(path, repeats):
    """Time of an iteration of Poisson NMF, which reads all of the file once."""
    import hyperspy.api as hs

    from sparsedecomp.blocks import as_blocks
    from sparsedecomp.decomposition.poisson.model import (
        PoissonModel,
        PoissonNMFMethod,
        PoissonState,
    )

    data = hs.load(path, lazy=True).data
    S, alpha = spectra_of(data.shape[-1]), np.full(COMPONENTS, 1 / COMPONENTS)

    def iteration(part):
        blocks = as_blocks(part, sparse=True)
        method = PoissonNMFMethod(blocks, PoissonModel(concentration=1.0), 1e-4)
        A = np.full((blocks.shape[0], COMPONENTS), 1.0, np.float32)
        return method.step(PoissonState(A, S, alpha))

    iteration(data[:1])
    meter = Meter()
    _, times = quickest(lambda: iteration(data), repeats, enough=60)
    return {**times, "mcounts": s_total(path) / 1e6, "peak_mib": meter.peak_mib()}


def s_total(path):
    """Number of counts of a file."""
    from rsciio_sparse.scube._read import ScubeFile

    return int(ScubeFile(path).totals.sum())


def convert_makers_file(name):
    """Convert a file of the shared data; compare with the entropy of its marginals."""
    import hyperspy.api as hs

    from rsciio_sparse.scube._read import ScubeFile
    from sparsedecomp.batch import convert_files
    from sparsedecomp.datasets import data_dir

    warnings.simplefilter("ignore")
    folder = data_dir()
    file = None if folder is None else folder / "counts" / name.split(",")[0]
    if file is None or not file.is_file():
        return {"missing": f"{name} is not here"}
    with tempfile.TemporaryDirectory() as place:
        options = {**_CONVERTED[name], "show_progressbar": False}
        convert_files([file], Path(place, "warm.scube"), **options)
        target = Path(place, "new.scube")
        meter, clock = Meter(), Clock()
        (done,) = convert_files([file], target, **options)
        times, peak = clock.read(), meter.peak_mib()
        scube = ScubeFile(target)
        spectrum, per_pixel, filled = np.zeros(scube.layout.n_channels), [], 0
        for number in range(scube.layout.n_tiles):
            counts = scube.read(number)
            np.add.at(spectrum, counts.indices, counts.values)
            sums = np.concatenate([[0], np.cumsum(counts.values, dtype=int)])
            filled += len(counts.values)
            per_pixel.append(np.diff(sums[counts.indptr]))
        n = int(spectrum.sum())
        per_pixel = np.concatenate(per_pixel)
        bits = (
            _entropy(spectrum) + _entropy(np.bincount(per_pixel)) * len(per_pixel) / n
        )
        row = {
            **times, "mcounts": n / 1e6, "peak_mib": peak,
            "source_mib": file.stat().st_size / MIB,
            "file_kb": target.stat().st_size / 1e3,
            "bits_per_count": 8 * target.stat().st_size / n, "entropy": bits,
            "filling": filled / (len(per_pixel) * len(spectrum)),
        }  # fmt: skip
        if not options.get("frames"):
            dense = Path(place, "dense.hspy")
            hs.load(target, lazy=True).save(dense, show_progressbar=False)
            row["of_hspy"] = target.stat().st_size / dense.stat().st_size
        return row


def _entropy(numbers):
    p = numbers[numbers > 0] / numbers.sum()
    return float(-(p * np.log2(p)).sum())


def _csr(path):
    """The counts of a file as one float32 CSR matrix."""
    import scipy.sparse

    from rsciio_sparse.scube._lazy import sparse_tile
    from rsciio_sparse.scube._read import ScubeFile

    file = ScubeFile(path)
    parts = [
        sparse_tile(file, number).tocsr().astype(np.float32)
        for number in range(file.layout.n_tiles)
    ]
    return scipy.sparse.vstack(parts, format="csr")
