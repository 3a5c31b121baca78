"""The methods that are compared, ours and their peers, and what they found.

A method is a function ``method(cube, n_components, **options)`` that returns a `Fit`.
The cube is an array of shape (ny, nx, n_channels), a dask array or a HyperSpy signal.
"""

import importlib
import warnings
from typing import NamedTuple

import numpy as np

from benchmarks.measure import Meter

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


def scikit_learn(cube, n_components, *, solver="cd", **options):
    """NMF from its own default start; ``solver="mu"`` takes other losses."""
    from sklearn.decomposition import NMF

    model = NMF(n_components, solver=solver, random_state=0, **options)
    maps = model.fit_transform(_matrix(cube))
    return _fit_of(model, maps, model.components_)


def py_mcr(cube, n_components, *, max_iter=100, **options):
    """pyMCR: alternating non-negative least squares, closed, from vertices of VCA."""
    from pymcr.constraints import ConstraintNonneg, ConstraintNorm
    from pymcr.mcr import McrAR
    from pymcr.regressors import NNLS

    from sparsedecomp import VCA

    X = _matrix(cube).astype(float)
    first = VCA(n_components, random_state=0).fit(X).components_
    model = McrAR(
        max_iter=max_iter,
        c_regr=NNLS(),
        st_regr=NNLS(),
        c_constraints=[ConstraintNonneg(), ConstraintNorm()],
        st_constraints=[ConstraintNonneg()],
        **options,
    )
    model.fit(X, ST=np.maximum(first, 0))
    return Fit(model.C_opt_, model.ST_opt_, model.n_iter)


def sisal(cube, n_components):
    """SISAL with the parameters of its authors, from vertices of VCA."""
    from benchmarks.sisal import sisal as smallest
    from sparsedecomp import VCA
    from sparsedecomp.decomposition.abundances import abundances

    X = _matrix(cube).astype(float)
    first = VCA(n_components, random_state=0).fit(X).components_
    spectra = smallest(X, first)
    return Fit(abundances(X, spectra), spectra)


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
        noise_model=str(getattr(model, "noise_model_", "")) or None,
    )


METHODS = {
    f.__name__: f for f in (ours, in_hyperspy, scikit_learn, py_mcr, sisal, published)
}
IMPORTS = {
    "ours": ["sparsedecomp.decomposition", "dask.array"],
    "in_hyperspy": ["hyperspy.api", "dask.array", "sparsedecomp.decomposition"],
    "scikit_learn": ["sklearn.decomposition"],
    "py_mcr": ["pymcr.mcr", "sparsedecomp.decomposition"],
    "sisal": ["benchmarks.sisal", "sparsedecomp.decomposition"],
    "published": ["benchmarks.published"],
}


def start(method):
    """Import what the method needs, and measure from there."""
    warnings.simplefilter("ignore")
    for name in IMPORTS[method]:
        importlib.import_module(name)
    return Meter()


def warm_up(method, options, meter=None):
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


def about(fit):
    row = fit._asdict()
    del row["maps"], row["spectra"]
    return row | {"components": len(fit.spectra)}


def compared(fit, spectra, maps):
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
