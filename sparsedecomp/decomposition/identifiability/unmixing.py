"""How well the data determine an unmixing: refits, extreme spectra, residual."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from sparsedecomp.blocks import BlockMatrix, MatrixLike, as_blocks
from sparsedecomp.decomposition.bands import confidence_bands
from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.geometric.sss_vca import SSSVCA
from sparsedecomp.decomposition.identifiability.other_methods import (
    fits_of_other_methods,
    number_above_noise,
)
from sparsedecomp.decomposition.identifiability.report import Refit, UnmixingReport
from sparsedecomp.decomposition.identifiability.residual_analysis import (
    ResidualAnalysis,
    analyse_residual,
)
from sparsedecomp.decomposition.iterate import uninterrupted
from sparsedecomp.deprecation import renamed_parameters
from sparsedecomp.metrics import match_components

# Memory in bytes that the sample of pixels for the refits may take (256 MiB).
SAMPLE_BYTES = 2**28
# Pixels, evenly spread, that other methods are fitted to.
_PIXELS = 4096
# Angle in degrees up to which two spectra count as equal by default (a convention).
DEFAULT_TOLERANCE = 5.0


@renamed_parameters(watch="callback")
def unmixing_report(
    X: MatrixLike,
    estimator: BlockFactorisation,
    components: ArrayLike | None = None,
    maps: ArrayLike | None = None,
    *,
    n_starts: int = 5,
    n_resamples: int = 10,
    tolerance: float = DEFAULT_TOLERANCE,
    random_state: int | np.random.Generator | None = None,
    callback: Callable[[int, int], object] | None = None,
) -> UnmixingReport:
    """Examine how well the data determine the result of an unmixing.

    A good fit does not prove that the spectra are right: where no pixel is pure, a
    range of spectra fits equally well, and the method chooses one of them. The report
    fits the model again from other starts and to resampled pixels. It compares the
    purest pixels (inner spectra) with the most contrasted spectra whose mixtures stay
    non-negative (outer spectra): linear mixing alone allows everything between the
    two. Other methods are fitted with as many components, the number above the noise is
    counted anew, and the residual is compared with the noise.

    The report can show that a result is not unique, or that the model is incomplete.
    It cannot show that a result is right: a model with a strong prior gives the same
    wrong result in every fit, and where all spectra share a background the outer
    spectra carry no information.

    Parameters
    ----------
    X : array, SciPy sparse matrix, dask array or BlockMatrix
        Data of shape (n_pixels, n_channels). The refits use evenly spaced pixels of at
        most 256 MiB, the residual uses all pixels.
    estimator : estimator of `sparsedecomp.decomposition`
        Estimator with the parameters of the fit. It is cloned, not changed.
    components : (k, n_channels) array, optional
        Spectra that the report is about. Default: those of the first fit. Must be
        given together with `maps`.
    maps : (n_pixels, k) array, optional
        Maps that belong to `components`.
    n_starts : int, default 5
        Number of fits with other random states. More of them make it more likely to
        find another solution.
    n_resamples : int, default 10
        Number of fits to pixels drawn with replacement. More of them estimate the
        sampling spread of the spectra more exactly.
    tolerance : float, default 5
        Angle in degrees up to which two spectra count as equal. A larger value calls
        more components determined.
    random_state : int or Generator, optional
        Seed of the refits and of the resampling.
    callback : callable, optional
        Called as ``callback(done, total)`` after every fit; returning True ends the
        fitting.

    Returns
    -------
    UnmixingReport
        Verdict, table and figures.

    Raises
    ------
    ValueError
        If the estimator refuses the data or the number of components, and if only one
        of `components` and `maps` is given.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import NMFSO, unmixing_report
    >>> rng = np.random.default_rng(0)
    >>> maps = rng.dirichlet([0.2, 0.2], 400)
    >>> spectra = np.exp(-0.1 * (np.arange(60) - np.array([[20], [40]])) ** 2)
    >>> X = np.maximum(maps @ spectra + rng.normal(0.2, 0.01, (400, 60)), 0)
    >>> report = unmixing_report(X, NMFSO(3, random_state=0), random_state=0)
    >>> report.n_components, len(report.resamples)
    (3, 10)
    """
    if (components is None) != (maps is None):
        raise ValueError(
            "Only one of `components` and `maps` was given, expected both or neither."
        )
    blocks = as_blocks(X)
    generator = np.random.default_rng(random_state)
    sample = _PixelSample.from_blocks(blocks)
    n_fits, done = n_starts + n_resamples + (components is None), 0

    def fit(data: BlockMatrix) -> tuple[BlockFactorisation, bool]:
        nonlocal done
        seed = int(generator.integers(2**31))
        model = clone(estimator).set_params(random_state=seed, callback=None)
        uninterrupted(model.fit(data))
        done += 1
        return model, bool(callback is not None and callback(done, n_fits))

    stopped = False
    if components is None:
        model, stopped = fit(sample.matrix())
        components = model.components_
        maps = model.transform(blocks)
    components, maps = np.asarray(components, float), np.asarray(maps, float)
    starts: list[BlockFactorisation] = []
    resamples: list[Refit] = []
    while not stopped and len(starts) < n_starts:
        model, stopped = fit(sample.matrix())
        starts.append(model)
    while not stopped and len(resamples) < n_resamples:
        rows = generator.integers(len(sample.values), size=len(sample.values))
        model, stopped = fit(sample.matrix(np.sort(rows)))
        resamples.append(Refit.from_model(components, model))

    half_width, others, number = None, {}, None
    if not stopped:
        half_width = _half_width(blocks, components, generator)
        seed = int(generator.integers(2**31))
        n_pixels = len(sample.values)
        some = np.linspace(0, n_pixels - 1, min(n_pixels, _PIXELS))
        part = sample.matrix(np.unique(some.astype(int)))
        others = fits_of_other_methods(part, components, estimator, seed)
        number = number_above_noise(blocks.unscaled())
    k = len(components)
    residual = analyse_residual(blocks, components, maps, generator)
    inner, outer, shared_background = _extreme_spectra(
        sample.matrix(), components, generator
    )
    objectives = [_objective_in_nats(model, sample, residual) for model in starts]
    energy = np.square(maps).sum(axis=0) * np.square(components).sum(axis=1)
    return UnmixingReport(
        components=components,
        energy=energy / energy.sum(),
        starts=[
            Refit.from_model(components, model, objective - min(objectives))
            for model, objective in zip(starts, objectives, strict=True)
        ],
        resamples=resamples,
        # Standard deviation that the noise gives to the objective of a fit with
        # k (n + m) parameters: half a chi-squared variable of as many degrees.
        tie=float(np.sqrt(0.5 * k * sum(sample.matrix().shape))),
        inner=inner,
        outer=outer,
        shared_background=shared_background,
        residual=residual,
        n_sampled=len(sample.values),
        tolerance=tolerance,
        channels=blocks.columns,
        channel_label="channel",
        navigation_shape=blocks.navigation_shape,
        rows=blocks.rows,
        half_width=half_width,
        others=others,
        n_above_noise=number,
    )


def _half_width(blocks, components, generator):
    """Half the 90 % bands of the spectra; None where the data have none."""
    scale = 1.0 if blocks.column_scale is None else blocks.column_scale
    spectra = components * scale
    try:
        bands = confidence_bands(blocks.unscaled(), spectra, random_state=generator)
    except ValueError:
        return None
    low, high = bands.of_spectra()
    return (high - low) / 2 * spectra.sum(axis=1, keepdims=True) / scale


@dataclass(frozen=True)
class _PixelSample:
    """Evenly spaced pixels in memory, with the scaling of the data they come from."""

    values: np.ndarray
    row_scale: np.ndarray | None
    column_scale: np.ndarray | None

    @classmethod
    def from_blocks(cls, blocks: BlockMatrix) -> _PixelSample:
        n, m = blocks.shape
        most = max(SAMPLE_BYTES // (m * blocks.dtype.itemsize), 2)
        chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
        part = blocks.select(chosen)
        (values,), _ = part.run(_dense)
        if part.row_scale is not None:
            values = values * part.row_scale[:, None] * part.column_scale
            values = values.astype(blocks.dtype)
        return cls(values, part.row_scale, part.column_scale)

    def matrix(self, rows: slice | np.ndarray = slice(None)) -> BlockMatrix:
        blocks = as_blocks(self.values[rows])
        if self.row_scale is None:
            return blocks
        return blocks.scaled(self.row_scale[rows], self.column_scale)


def _dense(X):
    return (X.toarray() if hasattr(X, "toarray") else X,), ()


def _objective_in_nats(
    model: BlockFactorisation, sample: _PixelSample, residual: ResidualAnalysis
) -> float:
    """Objective of a fit; a least squares one for estimators without an objective."""
    if hasattr(model, "objective_"):
        return model.objective_
    entries = sample.values.size
    return 0.5 * entries * model.residual_norm_**2 / (entries * residual.noise_variance)


def _extreme_spectra(
    blocks: BlockMatrix, components: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Inner and outer spectra, and whether a shared background spoils the outer."""
    k = len(components)
    inner, outer = np.full((2, k, components.shape[1]), np.nan)
    model = SSSVCA(k, random_state=int(generator.integers(2**31)))
    with warnings.catch_warnings():
        # The report has its own sentence on a shared background.
        warnings.simplefilter("ignore")
        uninterrupted(model.fit(blocks))
    reference, matched, _ = match_components(components, model.components_)
    inner[reference] = model.inner_[matched]
    outer[reference] = model.components_[matched]
    return inner, outer, model.shared_background_
