"""What one process of the benchmark ``nmf`` does: one method on one cube.

A method is a function ``method(cube, n_components, **options)`` that returns a `Fit`.
The cube is an array of shape (ny, nx, n_channels), a dask array or a HyperSpy signal.
"""

import importlib
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measure import MIB, Meter, quickest

# Edge of the blocks that a lazy signal of a cube in memory has.
EDGE = 32


class Fit(NamedTuple):
    """Maps (n_pixels, k), spectra (k, n_channels) and how they were found."""

    maps: np.ndarray
    spectra: np.ndarray
    iterations: int | None = None
    passes: int | None = None
    objective: float | None = None
    noise_model: str | None = None


def ours(cube, n_components, *, estimator, until=None, iterations=None, **options):
    """An estimator of this package.

    It stops when the mean square residual is down to ``until``, or after so many
    ``iterations`` of all descents together.
    """
    import sparsedecomp

    def watch(progress):
        if iterations is not None:
            return progress.iteration >= iterations
        # The objective is n/2 (log s2 + 1) with the mean square s2 of the residual.
        return np.exp(2 * progress.objective / cube.size - 1) <= until

    watched = until is not None or iterations is not None
    model = getattr(sparsedecomp, estimator)(
        n_components,
        random_state=0,
        callback=watch if watched else None,
        **options,
    )
    maps = model.fit_transform(cube if hasattr(cube, "dask") else _matrix(cube))
    return _fit_of(model, maps, model.components_)


def in_hyperspy(
    cube, n_components, *, algorithm, lazy=False, unit_mean=False, **options
):
    """``s.decomposition(algorithm=...)``, of ours or of HyperSpy's.

    ``unit_mean`` divides the cube by its mean first.
    """
    import hyperspy.api as hs

    unit = cube.mean() if unit_mean else 1
    cube = cube / unit if unit_mean else cube
    signal = cube
    if isinstance(cube, np.ndarray):
        signal = hs.signals.Signal1D(cube)
        if lazy:
            import dask.array as da

            blocks = da.from_array(cube, chunks=(EDGE, EDGE, -1))
            signal = hs.signals.Signal1D(blocks).as_lazy()
    model = signal.decomposition(
        algorithm=algorithm,
        output_dimension=n_components,
        print_info=False,
        return_info=True,
        **options,
    )
    learned = signal.learning_results
    spectra = np.asarray(learned.factors).T * unit
    return _fit_of(model, np.asarray(learned.loadings), spectra)


def scikit_learn(cube, n_components, **options):
    """NMF by coordinate descent, from its own default start."""
    from sklearn.decomposition import NMF

    model = NMF(n_components, solver="cd", random_state=0, **options)
    maps = model.fit_transform(_matrix(cube))
    return _fit_of(model, maps, model.components_)


def published(cube, n_components, *, rules, **options):
    """The published rules, in plain NumPy."""
    from benchmarks import published

    found = getattr(published, rules)(_matrix(cube), n_components, **options)
    return Fit(found.C, found.S, len(found.objective))


def _matrix(cube):
    return cube.reshape(-1, cube.shape[-1])


def _fit_of(model, maps, spectra):
    return Fit(
        maps,
        spectra,
        iterations=getattr(model, "n_iter_", None),
        passes=getattr(model, "passes_", None),
        objective=getattr(model, "objective_", None),
        noise_model=getattr(model, "noise_model_", None),
    )


METHODS = {f.__name__: f for f in (ours, in_hyperspy, scikit_learn, published)}
IMPORTS = {
    "ours": ["sparsedecomp.decomposition", "dask.array"],
    "in_hyperspy": ["hyperspy.api", "dask.array", "sparsedecomp.decomposition"],
    "scikit_learn": ["sklearn.decomposition"],
    "published": ["benchmarks.published"],
}


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
    meter = _start(method)
    cube = np.load(path)
    if until is not None:
        options["until"] = until**2 * _mean_square(cube)
    _warm_up(method, options)
    fit, times = quickest(lambda: METHODS[method](cube, **options), repeats)
    row = {**times, "peak_mib": meter.peak_mib(), "cube_mib": cube.nbytes / MIB}
    if save:
        np.savez(save, spectra=fit.spectra)
    return row | _judge(fit, cube, path)


def fit_file(method, path, **options):
    """Fit a cube on disk: HyperSpy loads it lazily, in the blocks that are stored."""
    import hyperspy.api as hs

    meter = _start(method)
    warm = _warm_up(method, options, meter)
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
    meter = _start(method)
    warm = _warm_up(method, options, meter)
    fit, times = quickest(lambda: METHODS[method](cube, **options), 1)
    row = {**times, "peak_mib": meter.peak_mib(), "warm_mib": warm}
    return row | _about(fit) | _compared(fit, truth.spectra, truth.maps)


def compare_spectra(first, second):
    """The cosine of the two saved sets of spectra that are least alike."""
    from sparsedecomp.metrics import match_components

    one, other = (np.load(path)["spectra"] for path in (first, second))
    angles = match_components(one, other)[2]
    return {"cosine": float(np.cos(np.radians(angles)).min())}


def _start(method):
    """Import what the method needs, and measure from there."""
    warnings.simplefilter("ignore")
    for name in IMPORTS[method]:
        importlib.import_module(name)
    return Meter()


def _warm_up(method, options, meter=None):
    """Fit a tiny cube, so that compiling is not timed; what it took in memory."""
    options = options | {"n_components": 2}
    options.pop("until", None)
    if "max_iter" in options:
        options["max_iter"] = 2
    rng = np.random.default_rng(0)
    cube = rng.gamma(0.3, size=(40, 2)) @ rng.random((2, 40))
    cube = (cube + rng.random((40, 40))).reshape(5, 8, 40).astype(np.float32)
    METHODS[method](cube, **options)
    return meter and meter.now_mib()


def _judge(fit, data, path):
    """Residual on the data, and distance from the truth beside them."""
    from sparsedecomp.blocks import as_blocks

    blocks = as_blocks(data, dtype=np.float64)
    _, (left,) = blocks.run(_residual_of, rows=(fit.maps,), shared=(fit.spectra,))
    _, (total,) = blocks.run(_squares_of)
    truth = np.load(Path(path).with_suffix(".truth.npz"))
    row = _about(fit) | _compared(fit, truth["spectra"], truth["maps"])
    return row | {"residual": float(np.sqrt(left / total))}


def _residual_of(X, maps, spectra):
    return (), (np.square(X - maps @ spectra).sum(),)


def _squares_of(X):
    return (), (np.square(X).sum(),)


def _mean_square(cube):
    return float(np.mean([np.square(part, dtype=float).mean() for part in cube]))


def _about(fit):
    row = fit._asdict()
    del row["maps"], row["spectra"]
    return row | {"components": len(fit.spectra)}


def _compared(fit, spectra, maps):
    """Angles to the true spectra, and error of the abundances."""
    from sparsedecomp.metrics import abundance_rmse, match_components

    if not len(fit.spectra):
        return {}
    true, found, angles = match_components(spectra, fit.spectra)
    maps = maps.reshape(-1, len(spectra)).astype(float)
    abundances = np.zeros_like(maps)
    # The true scale of a spectrum that was found up to a factor is the closest one.
    matched = spectra[true]
    scale = np.sum(fit.spectra[found] * matched, axis=1) / np.sum(matched**2, axis=1)
    abundances[:, true] = fit.maps[:, found] * scale
    return {
        "angle": float(angles.mean()),
        "worst_angle": float(angles.max()),
        "abundance_rmse": abundance_rmse(maps, abundances),
    }
