"""`segment_composition`: where in the specimen which phase is."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from . import learning_results
from .components import maps_like, spectra_like
from .learning_results import expanded
from .masks import in_array_order

_logger = logging.getLogger(__name__)

METHODS = {
    "mixture": "sparsedecomp.decomposition.segmentation.mixture:PottsMixture",
    "kmeans": "sparsedecomp.decomposition.segmentation.kmeans:CompositionKMeans",
}
SOURCES = ("spectra", "windows", "loadings")


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Phases of a specimen, the one with most pixels first.

    Attributes
    ----------
    labels : hyperspy.api.signals.BaseSignal
        Number of the phase of each pixel; -1 where masked or without counts. Its
        signal axes are the navigation axes of the data.
    probabilities : hyperspy.api.signals.BaseSignal or None
        (phase | x, y): how sure each pixel is of each phase; NaN where there is none.
        None for k-means, which does not ask.
    mean_spectra : hyperspy.api.signals.BaseSignal
        (phase | energy): of the class of the data, with its metadata. NaN in masked
        channels.
    sizes : (k,) int array
        Pixels of each phase, falling.
    names : tuple of str
        Of the line windows; empty without windows.
    counts : (k, n_windows) array
        Counts of each phase in each window.
    estimator : PottsMixture or CompositionKMeans
        Fitted: criteria for the number of phases, coupling, history.
    """

    labels: object
    probabilities: object
    mean_spectra: object
    sizes: np.ndarray
    names: tuple
    counts: np.ndarray
    estimator: object

    @property
    def composition(self):
        """Shares of the counts of each phase in the windows, (k, n_windows)."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    @property
    def composition_error(self):
        """Standard errors of `composition` by counting statistics, (k, n_windows).

        They take the labels for true; where phases are hard to tell apart, errors of
        the labels come on top.
        """
        share = self.composition
        return np.sqrt(share * (1 - share) / self.counts.sum(axis=1, keepdims=True))

    def ratio(self, numerator, denominator):
        """Ratio of the counts of two windows in each phase.

        Parameters
        ----------
        numerator, denominator : str
            Names of windows.

        Returns
        -------
        values, errors : (k,) arrays
            Errors are one standard deviation of the counts, the labels taken for true.

        Raises
        ------
        ValueError
            For an unknown name.
        """
        for name in (numerator, denominator):
            if name not in self.names:
                raise ValueError(
                    f"There is no window '{name}', expected one of "
                    f"{', '.join(map(repr, self.names)) or 'none: give windows'}."
                )
        a, b = (
            self.counts[:, self.names.index(name)] for name in (numerator, denominator)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return a / b, a / b * np.sqrt(1 / a + 1 / b)


def segment_composition(
    self,
    n_clusters=None,
    method="mixture",
    source=None,
    *,
    windows=None,
    navigation_mask=None,
    signal_mask=None,
    **parameters,
):
    """Find the phases of a specimen: pixels of like composition.

    Works on eager and lazy signals; lazy data are read in a few passes over their
    chunks, and what is kept in memory grows with the number of pixels alone.

    Parameters
    ----------
    n_clusters : int, optional
        Number of phases. Default: found, see the estimators.
    method : {"mixture", "kmeans"}, default "mixture"
        "mixture" for counts: the likelihood of every pixel's counts, and neighbours
        that tend to agree (`PottsMixture`). "kmeans": pixels by themselves
        (`CompositionKMeans`).
    source : {"spectra", "windows", "loadings"}, optional
        What is compared: whole spectra, counts in `windows`, or the maps of the last
        ``decomposition``, each in counts (by "kmeans" only). Default: "windows" if
        these are given, else "spectra".
    windows : dict of str to (float, float), or list of str, optional
        Energy windows by name, in the units of the signal axis; or names of X-ray
        lines, e.g. ``["Fe_Ka", "O_Ka"]``, for EDS signals, whose windows are then two
        line widths. Counts are summed; subtract a background before if it matters.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out, as in ``decomposition``.
    **parameters : object
        Of the estimator, e.g. ``random_state=0``, ``coupling=0``, ``max_clusters=3``.

    Returns
    -------
    Segmentation
        Labels, probabilities, mean spectra, sizes, ratios with standard errors.

    Raises
    ------
    ValueError
        For an unknown method, source or line, for windows outside of the axis, and for
        data that the method cannot take: the message names the place.
    RuntimeError
        For ``source="loadings"`` before a decomposition.

    See Also
    --------
    sparsedecomp.plotting.plot_segmentation

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> mean = np.where(np.arange(20)[:, None] < 12, [30.0, 0, 10], [10.0, 0, 30])
    >>> counts = np.random.default_rng(0).poisson(np.tile(mean, (20, 1, 1)))
    >>> s = hs.signals.Signal1D(counts)
    >>> result = s.segment_composition(
    ...     windows={"Fe": (0, 0.5), "O": (1.5, 2)}, random_state=0
    ... )
    >>> result.labels, result.sizes.tolist()
    (<Signal2D, title: Clusters of, dimensions: (|20, 20)>, [240, 160])
    >>> result.ratio("Fe", "O")[0].round(1)
    array([2.9, 0.3])
    """
    from ..decomposition.segmentation.kmeans import mean_spectra

    source = source or ("spectra" if windows is None else "windows")
    _check_choices(self, method, source, windows)
    masks = {
        "navigation_mask": in_array_order(self, navigation_mask, "navigation"),
        "signal_mask": in_array_order(self, signal_mask, "signal"),
    }
    blocks, data, names = _sources(self, source, windows, masks)
    estimator = _estimator(method, n_clusters, parameters).fit(data)

    axes = self.axes_manager
    labels = np.full(axes.navigation_size, -1)
    labels[blocks.rows] = estimator.labels_
    centres = estimator.cluster_centers_
    counts = np.empty((estimator.n_clusters_, 0))
    if source != "spectra":
        counts = centres * estimator.sizes_[:, None] if names else counts
        centres = mean_spectra(blocks, estimator.labels_, estimator.sizes_)
    probabilities = getattr(estimator, "probabilities_", None)
    if probabilities is not None:
        everywhere = expanded(probabilities, blocks.rows, axes.navigation_size)
        probabilities = maps_like(
            self, everywhere.T, "Probabilities of clusters", "Cluster"
        )
    spectra = spectra_like(
        self, expanded(centres.T, blocks.columns, axes.signal_size), "Cluster"
    )
    title = f"Mean spectra of clusters of {self.metadata.General.title}".rstrip()
    spectra.metadata.General.title = title
    _logger.info("%d clusters of %s pixels", len(estimator.sizes_), estimator.sizes_)
    return Segmentation(
        labels=maps_like(self, labels, "Clusters"),
        probabilities=probabilities,
        mean_spectra=spectra,
        sizes=estimator.sizes_,
        names=names,
        counts=counts,
        estimator=estimator,
    )


def _check_choices(signal, method, source, windows):
    for name, value, known in (
        ("method", method, METHODS),
        ("source", source, SOURCES),
    ):
        if value not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, known))}, not {value!r}."
            )
    if (source == "windows") != (windows is not None):
        raise ValueError(
            f"source='{source}' and windows={windows!r} do not go together: windows "
            "are given for source='windows' and for nothing else."
        )
    if source == "loadings" and method != "kmeans":
        raise ValueError(
            "Loadings are no counts any more: segment them with method='kmeans'."
        )
    axes = signal.axes_manager
    if not axes.navigation_size or axes.signal_dimension != 1:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected pixels with one spectrum "
            "each. Choose the axes with `s.transpose(signal_axes=1)`."
        )


def _sources(signal, source, windows, masks):
    """Spectra as blocks, what is segmented, and the names of the windows."""
    from ..blocks import as_blocks

    blocks = as_blocks(signal._data_aligned_with_axes, **masks)
    if source == "spectra":
        return blocks, blocks, ()
    shape = signal.axes_manager._navigation_shape_in_array
    pixels = {"navigation_mask": masks["navigation_mask"]}
    if source == "loadings":
        matrices = learning_results.matrices(signal)
        if matrices is None:
            raise RuntimeError(
                "There are no loadings yet: call `s.decomposition` first."
            )
        factors, loadings = matrices
        counts = loadings * np.nansum(factors, axis=0, dtype=float)
        return blocks, as_blocks(counts.reshape(*shape, -1), **pixels), ()
    names, inside = _windows(signal, windows)
    inside = inside[blocks.columns]
    if not inside.any(axis=0).all():
        name = names[int(np.argmin(inside.any(axis=0)))]
        raise ValueError(
            f"The signal mask leaves no channel of the window '{name}': change one of "
            "them."
        )
    counts = np.zeros((signal.axes_manager.navigation_size, len(names)))
    counts[blocks.rows] = blocks.matmul(inside)
    return blocks, as_blocks(counts.reshape(*shape, -1), **pixels), names


def _windows(signal, windows):
    """Names, and (n_channels, n_windows) bool: the channels inside."""
    axis = signal.axes_manager.signal_axes[0]
    if not isinstance(windows, dict):
        windows = _line_windows(signal, list(windows))
    if len(windows) < 2:
        raise ValueError(
            f"{len(windows)} windows were given, expected at least 2: a composition is "
            "a ratio of counts."
        )
    inside = np.empty((axis.size, len(windows)), bool)
    for column, (name, (low, high)) in enumerate(windows.items()):
        inside[:, column] = (axis.axis >= low) & (axis.axis <= high)
        if not inside[:, column].any():
            raise ValueError(
                f"The window '{name}' from {low:g} to {high:g} holds no channel of the "
                f"axis, which runs from {axis.axis[0]:g} to {axis.axis[-1]:g} "
                f"{axis.units if isinstance(axis.units, str) else ''}."
            )
    return tuple(windows), inside


def _line_windows(signal, lines):
    if not hasattr(signal, "estimate_integration_windows"):
        raise ValueError(
            f"windows={lines!r} names X-ray lines, but {signal} is no EDS signal. Give "
            "windows as a dictionary of name: (low, high), or set the signal type with "
            "`s.set_signal_type('EDS_TEM')`."
        )
    edges = signal.estimate_integration_windows(windows_width=2.0, xray_lines=lines)
    return dict(zip(lines, edges, strict=True))


def _estimator(method, n_clusters, parameters):
    import importlib
    import inspect

    module, _, name = METHODS[method].partition(":")
    cls = getattr(importlib.import_module(module), name)
    known = [p for p in inspect.signature(cls).parameters if p != "n_clusters"]
    for parameter in parameters:
        if parameter not in known:
            raise TypeError(
                f"method='{method}' has no parameter '{parameter}'. Its parameters "
                f"are: {', '.join(known)}."
            )
    return cls(n_clusters, **parameters)
