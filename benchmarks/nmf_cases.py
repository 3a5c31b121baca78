"""What one process of the benchmark ``nmf`` does: one method on one cube."""

from pathlib import Path

import numpy as np

from benchmarks.measure import MIB, quickest
from benchmarks.methods import METHODS, about, compared, start, warm_up


def fit_cube(method, path, *, repeats=1, until=None, save=None, **options):
    """Fit a cube in memory.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    path : str
        Of the ``.npy`` file, with the truth beside it.
    repeats : int, default 1
        The quickest counts.
    until : float, optional
        Relative residual at which a method of ours may stop.
    save : str, optional
        ``.npz`` file for the spectra found.
    **options
        ``n_components`` and what else the method takes.

    Returns
    -------
    dict
        A row for the report.
    """
    meter = start(method)
    cube = np.load(path)
    if until is not None:
        options["until"] = until**2 * _mean_square(cube)
    warm_up(method, options)
    fit, times = quickest(lambda: METHODS[method](cube, **options), repeats)
    row = {**times, "peak_mib": meter.peak_mib(), "cube_mib": cube.nbytes / MIB}
    if save:
        np.savez(save, spectra=fit.spectra)
    return row | _judge(fit, cube, path)


def fit_file(method, path, **options):
    """Fit a cube on disk: HyperSpy loads it lazily, in the blocks that are stored."""
    import hyperspy.api as hs

    meter = start(method)
    warm = warm_up(method, options, meter)
    signal = hs.load(path, lazy=True)
    fit, times = quickest(lambda: METHODS[method](signal, **options), 1)
    row = {**times, "peak_mib": meter.peak_mib(), "warm_mib": warm}
    return row | _judge(fit, signal.data, path)


def fit_generated(method, shape, n_channels, chunks, true_components, **options):
    """Fit a cube that is nowhere: each block is made again in every pass."""
    from benchmarks.nmf_data import lazy_cube_of, truth_of

    truth = truth_of("product", shape, n_channels, true_components)
    cube = lazy_cube_of("product", truth, tuple(chunks))
    cube[:1, :1].compute()
    meter = start(method)
    warm = warm_up(method, options, meter)
    fit, times = quickest(lambda: METHODS[method](cube, **options), 1)
    row = {**times, "peak_mib": meter.peak_mib(), "warm_mib": warm}
    return row | about(fit) | compared(fit, truth.spectra, truth.maps)


def compare_spectra(first, second):
    """The cosine of the two saved sets of spectra that are least alike."""
    from sparsedecomp.metrics import match_components

    one, other = (np.load(path)["spectra"] for path in (first, second))
    angles = match_components(one, other)[2]
    return {"cosine": float(np.cos(np.radians(angles)).min())}


def _judge(fit, data, path):
    """Residual on the data, and distance from the truth beside them."""
    from sparsedecomp.blocks import as_blocks

    blocks = as_blocks(data, dtype=np.float64)
    _, (left,) = blocks.run(_residual_of, rows=(fit.maps,), shared=(fit.spectra,))
    _, (total,) = blocks.run(_squares_of)
    truth = np.load(Path(path).with_suffix(".truth.npz"))
    row = about(fit) | compared(fit, truth["spectra"], truth["maps"])
    return row | {"residual": float(np.sqrt(left / total))}


def _residual_of(X, maps, spectra):
    return (), (np.square(X - maps @ spectra).sum(),)


def _squares_of(X):
    return (), (np.square(X).sum(),)


def _mean_square(cube):
    return float(np.mean([np.square(part, dtype=float).mean() for part in cube]))
