"""How far the data determine an unmixing: refits, bodies, and what is left over."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from sparsedecomp.blocks import as_blocks
from sparsedecomp.decomposition.geometric.sss_vca import SSSVCA
from sparsedecomp.decomposition.identifiability.report import Refit, UnmixingReport
from sparsedecomp.decomposition.identifiability.residual_analysis import (
    analyse_residual,
)
from sparsedecomp.metrics import match_components

# What a sample of the pixels may take in memory.
SAMPLE_BYTES = 2**28
# Angles in degrees up to which two spectra are taken for the same answer.
SAME = 5.0


def unmixing_report(
    X,
    estimator,
    components=None,
    maps=None,
    *,
    n_starts=5,
    n_resamples=10,
    tolerance=SAME,
    random_state=None,
    watch=None,
):
    """Ask how far the data determine what an estimator finds in them.

    A good fit does not make the spectra right: where no pixel is pure, a whole band of
    spectra fits equally well, and which of them a method returns is its own choice.
    The report fits the model again from other starts and to resampled pixels, compares
    the purest pixels (the inner body) with the most contrasted spectra of non-negative
    mixtures (the outer body), between which linear mixing leaves every answer open,
    and looks at what the model leaves over.

    What it can tell: that an answer is not unique, or that the model misses something.
    What it cannot: that the answer is right. A model with a strong preference gives
    the same wrong answer each time, and spectra that share a background have an outer
    body too large to mean anything.

    Parameters
    ----------
    X : array, SciPy sparse matrix, dask array or BlockMatrix
        Of shape (n_pixels, n_channels). Refits look at evenly spread pixels of at most
        256 MiB, the residual at all.
    estimator : estimator of `sparsedecomp.decomposition`
        With the parameters to fit with; it is not changed.
    components, maps : (k, n_channels) and (n_pixels, k) arrays, optional
        The answer that the report is about. Default: that of the first fit.
    n_starts, n_resamples : int, default 5 and 10
        Fits with other random states, and to pixels drawn with replacement.
    tolerance : float, default 5
        Degrees up to which two spectra are the same answer.
    random_state : int or Generator, optional
    watch : callable, optional
        ``watch(done, of)`` after every fit; returning True ends the fitting.

    Returns
    -------
    UnmixingReport

    Raises
    ------
    ValueError
        For data and numbers of components that the estimator refuses, and if only one
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
    sample = _Sample.of(blocks)
    n_fits, done = n_starts + n_resamples + (components is None), 0

    def fit(data):
        nonlocal done
        seed = int(generator.integers(2**31))
        model = clone(estimator).set_params(random_state=seed, callback=None)
        model.fit(data)
        done += 1
        return model, bool(watch is not None and watch(done, n_fits))

    stopped = False
    if components is None:
        model, stopped = fit(sample.matrix())
        components = model.components_
        maps = model.transform(blocks)
    components = np.asarray(components, float)
    starts, resamples = [], []
    while not stopped and len(starts) < n_starts:
        model, stopped = fit(sample.matrix())
        starts.append(model)
    while not stopped and len(resamples) < n_resamples:
        rows = generator.integers(sample.n_pixels, size=sample.n_pixels)
        model, stopped = fit(sample.matrix(np.sort(rows)))
        resamples.append(Refit.of(components, model))

    k = len(components)
    left = analyse_residual(blocks, components, maps, generator)
    inner, outer, shared_background = _bodies(sample.matrix(), components, generator)
    objectives = [_nats(model, sample, left) for model in starts]
    energy = np.square(maps).sum(axis=0) * np.square(components).sum(axis=1)
    return UnmixingReport(
        components=components,
        energy=energy / energy.sum(),
        starts=[
            Refit.of(components, model, objective - min(objectives))
            for model, objective in zip(starts, objectives, strict=True)
        ],
        resamples=resamples,
        # What the noise moves the objective of a fit with so many parameters by.
        tie=float(np.sqrt(0.5 * k * sum(sample.matrix().shape))),
        inner=inner,
        outer=outer,
        shared_background=shared_background,
        left=left,
        n_sampled=sample.n_pixels,
        tolerance=tolerance,
        channels=blocks.columns,
        channel_label="channel",
        navigation_shape=blocks.navigation_shape,
        rows=blocks.rows,
    )


@dataclass(frozen=True)
class _Sample:
    """Evenly spread pixels in memory, with the scaling of the data they come from."""

    values: np.ndarray
    row_scale: np.ndarray | None
    column_scale: np.ndarray | None

    @classmethod
    def of(cls, blocks):
        n, m = blocks.shape
        most = max(SAMPLE_BYTES // (m * blocks.dtype.itemsize), 2)
        chosen = np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))
        part = blocks.select(chosen)
        (values,), _ = part.run(_dense)
        if part.row_scale is not None:
            values = values * part.row_scale[:, None] * part.column_scale
            values = values.astype(blocks.dtype)
        return cls(values, part.row_scale, part.column_scale)

    @property
    def n_pixels(self):
        return len(self.values)

    def matrix(self, rows=slice(None)):
        blocks = as_blocks(self.values[rows])
        if self.row_scale is None:
            return blocks
        return blocks.scaled(self.row_scale[rows], self.column_scale)


def _dense(X):
    return (X.toarray() if hasattr(X, "toarray") else X,), ()


def _nats(model, sample, left):
    """Objective of a fit; that of least squares where the model has none of its own."""
    if hasattr(model, "objective_"):
        return model.objective_
    entries = sample.values.size
    return 0.5 * entries * model.residual_norm_**2 / (entries * left.noise_variance)


def _bodies(blocks, components, generator):
    """Corners of the inner and outer body, and whether a background spoils these."""
    k = len(components)
    inner, outer = np.full((2, k, components.shape[1]), np.nan)
    model = SSSVCA(k, random_state=int(generator.integers(2**31)))
    with warnings.catch_warnings():
        # The report says it in its own words.
        warnings.simplefilter("ignore")
        model.fit(blocks)
    ours, theirs, _ = match_components(components, model.components_)
    inner[ours], outer[ours] = model.inner_[theirs], model.components_[theirs]
    return inner, outer, model.shared_background_
