"""`segment_composition`, segmentation of a specimen into phases."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..blocks import BlockMatrix
from ..progress import with_progress_bar
from ..results import Result, Table, drawn_by
from ..suggestions import did_you_mean
from . import learning_results
from .components import maps_like, spectra_like
from .learning_results import expanded
from .masks import in_array_order
from .types import BaseSignal, Mask

if TYPE_CHECKING:
    from ..decomposition.segmentation.kmeans import CompositionKMeans
    from ..decomposition.segmentation.mixture import PottsMixture

_logger = logging.getLogger(__name__)

METHODS = {
    "mixture": "sparsedecomp.decomposition.segmentation.mixture:PottsMixture",
    "kmeans": "sparsedecomp.decomposition.segmentation.kmeans:CompositionKMeans",
}
SOURCES = ("spectra", "windows", "loadings")


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation(Result):
    """Phases of a specimen, by decreasing number of pixels.

    Attributes
    ----------
    labels : hyperspy.api.signals.BaseSignal
        Number of the phase of each pixel; -1 where masked or without counts. Its
        signal axes are the navigation axes of the data.
    probabilities : hyperspy.api.signals.BaseSignal or None
        Posterior probability of each phase in each pixel, dimensions (phase | x, y);
        NaN in pixels without a phase. None for k-means, which has no probabilities.
    mean_spectra : hyperspy.api.signals.BaseSignal
        Mean spectrum of each phase, dimensions (phase | energy), with the class and the
        metadata of the data; NaN in masked channels.
    sizes : (k,) int array
        Number of pixels of each phase, decreasing.
    names : tuple of str
        Names of the line windows; empty without windows.
    counts : (k, n_windows) array
        Counts of each phase in each window.
    estimator : PottsMixture or CompositionKMeans
        Fitted estimator: criteria for the number of phases, coupling, history.
    """

    labels: BaseSignal
    probabilities: BaseSignal | None
    mean_spectra: BaseSignal
    sizes: np.ndarray
    names: tuple[str, ...]
    counts: np.ndarray
    estimator: PottsMixture | CompositionKMeans

    plot = drawn_by("plot_segmentation")

    @property
    def summary(self) -> str:
        """Number of phases and of their pixels in one line."""
        sizes = ", ".join(map(str, self.sizes))
        return f"{len(self.sizes)} phases of {sizes} pixels"

    def _details(self) -> Iterator[Table]:
        share, error = self.composition, self.composition_error
        yield [
            ["phase", "pixels", *self.names],
            *(
                [
                    f"{phase}",
                    f"{size}",
                    *map("{:.1%} ± {:.1%}".format, share[phase], error[phase]),
                ]
                for phase, size in enumerate(self.sizes)
            ),
        ]

    @property
    def composition(self) -> np.ndarray:
        """Shares of the windows in the counts of each phase, (k, n_windows)."""
        return self.counts / self.counts.sum(axis=1, keepdims=True)

    @property
    def composition_error(self) -> np.ndarray:
        """Standard errors of `composition` from counting statistics, (k, n_windows).

        They do not include errors of the labels, which add to them where phases are
        hard to distinguish.
        """
        share = self.composition
        return np.sqrt(share * (1 - share) / self.counts.sum(axis=1, keepdims=True))

    def ratio(self, numerator: str, denominator: str) -> tuple[np.ndarray, np.ndarray]:
        """Ratio of the counts of two windows in each phase.

        Parameters
        ----------
        numerator, denominator : str
            Names of windows.

        Returns
        -------
        values, errors : (k,) arrays
            Ratios, and their standard errors from counting statistics, without errors
            of the labels.

        Raises
        ------
        ValueError
            If there is no window of that name.
        """
        for name in (numerator, denominator):
            if name not in self.names:
                raise ValueError(
                    f"There is no window '{name}'.{did_you_mean(name, self.names)} "
                    "Expected one of "
                    f"{', '.join(map(repr, self.names)) or 'none: give windows'}."
                )
        a, b = (
            self.counts[:, self.names.index(name)] for name in (numerator, denominator)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return a / b, a / b * np.sqrt(1 / a + 1 / b)


@with_progress_bar
def segment_composition(
    self,
    n_clusters: int | None = None,
    method: str = "mixture",
    source: str | None = None,
    *,
    windows: dict[str, tuple[float, float]] | list[str] | None = None,
    navigation_mask: Mask | None = None,
    signal_mask: Mask | None = None,
    **parameters: Any,
) -> Segmentation:
    """Find the phases of a specimen: groups of pixels of similar composition.

    Lazy data are read in a few passes over their chunks; the memory needed grows with
    the number of pixels only.

    Parameters
    ----------
    n_clusters : int, optional
        Number of phases. By default the estimator finds it.
    method : {"mixture", "kmeans"}, default "mixture"
        "mixture": likelihood of the counts of every pixel, with a prior that
        neighbouring pixels agree (`PottsMixture`); it needs counts. "kmeans": every
        pixel by itself (`CompositionKMeans`).
    source : {"spectra", "windows", "loadings"}, optional
        Quantity that is compared: whole spectra, counts in `windows`, or the maps of
        the last ``decomposition`` scaled to counts (for "kmeans" only). Default:
        "windows" if these are given, else "spectra".
    windows : dict of str to (float, float), or list of str, optional
        Energy windows by name, in the units of the signal axis; or, for EDS signals,
        names of X-ray lines such as ``["Fe_Ka", "O_Ka"]``, with windows of two line
        widths. Counts are summed without subtracting a background.
    navigation_mask, signal_mask : array or BaseSignal, optional
        True where pixels or channels are left out, as in ``decomposition``. With
        ``source="loadings"`` pixels that the decomposition left out are left out too.
    **parameters : object
        Parameters of the estimator, such as ``random_state=0``, ``coupling=0``,
        ``max_clusters=3``.

    Returns
    -------
    Segmentation
        Labels, probabilities, mean spectra, sizes, ratios with standard errors.

    Raises
    ------
    ValueError
        If a method, source or line is unknown, a window lies outside of the axis, or
        the method does not accept the data; the message gives the position.
    RuntimeError
        If there is no decomposition and ``source="loadings"``.

    See Also
    --------
    sparsedecomp.plotting.plot_segmentation

    Notes
    -----
    Each pixel belongs to one phase: overlapping phases, as in a projection of a
    particle on its support, become phases of their own. ``decomposition`` describes
    mixtures instead.

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
    from ..decomposition.segmentation.clusters import mean_spectra

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


def _check_choices(signal: BaseSignal, method: str, source: str, windows: Any) -> None:
    for name, value, known in (
        ("method", method, METHODS),
        ("source", source, SOURCES),
    ):
        if value not in known:
            raise ValueError(
                f"`{name}` must be one of {', '.join(map(repr, known))}, not {value!r}."
                f"{did_you_mean(value, known)}"
            )
    if (source == "windows") != (windows is not None):
        raise ValueError(
            f"source='{source}' and windows={windows!r} do not go together: windows "
            "are given for source='windows' and for nothing else."
        )
    if source == "loadings" and method != "kmeans":
        raise ValueError("Loadings are not counts: segment them with method='kmeans'.")
    axes = signal.axes_manager
    if not axes.navigation_size or axes.signal_dimension != 1:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes, expected pixels with one spectrum "
            "each. Choose the axes with `s.transpose(signal_axes=1)`."
        )


def _sources(
    signal: BaseSignal, source: str, windows: Any, masks: dict[str, np.ndarray | None]
) -> tuple[BlockMatrix, BlockMatrix, tuple[str, ...]]:
    """Spectra, the data that are segmented, and the names of the windows."""
    from ..blocks import as_blocks

    shape = signal.axes_manager._navigation_shape_in_array
    mask = masks["navigation_mask"]
    aligned = signal._data_aligned_with_axes
    if source == "loadings":
        matrices = learning_results.matrices(signal)
        if matrices is None:
            raise RuntimeError(
                "There are no loadings yet: call `s.decomposition` first."
            )
        factors, loadings = matrices
        # Pixels that the decomposition left out have no loadings.
        left_out = np.isnan(loadings).all(axis=1).reshape(shape)
        mask = left_out if mask is None else mask | left_out
        counts = loadings * np.nansum(factors, axis=0, dtype=float)
        scaled = as_blocks(counts.reshape(*shape, -1), navigation_mask=mask)
        masks = masks | {"navigation_mask": mask}
        return as_blocks(aligned, 1, sparse=True, **masks), scaled, ()
    blocks = as_blocks(aligned, 1, sparse=True, **masks)
    if source == "spectra":
        return blocks, blocks, ()
    names, inside = channel_windows(signal, windows)
    if len(names) < 2:
        raise ValueError(
            f"{len(names)} windows were given, expected at least 2: a composition is "
            "a ratio of counts."
        )
    inside = inside[blocks.columns]
    if not inside.any(axis=0).all():
        name = names[int(np.argmin(inside.any(axis=0)))]
        raise ValueError(
            f"The signal mask leaves no channel of the window '{name}': change one of "
            "them."
        )
    counts = np.zeros((signal.axes_manager.navigation_size, len(names)))
    counts[blocks.rows] = blocks.matmul(inside)
    return blocks, as_blocks(counts.reshape(*shape, -1), navigation_mask=mask), names


def channel_windows(
    signal: BaseSignal, windows: dict[str, tuple[float, float]] | list[str]
) -> tuple[tuple[str, ...], np.ndarray]:
    """Channels of energy windows.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with one signal axis.
    windows : dict of str to (float, float), or list of str
        Windows in the units of the axis, or names of X-ray lines of an EDS signal.

    Returns
    -------
    names : tuple of str
        Names of the windows.
    inside : (n_channels, n_windows) bool array
        Whether a channel is within a window.
    """
    axis = signal.axes_manager.signal_axes[0]
    if not isinstance(windows, dict):
        windows = line_windows(signal, list(windows))
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


def line_windows(
    signal: BaseSignal, lines: list[str]
) -> dict[str, tuple[float, float]]:
    """Windows of the energy that exspy chooses for X-ray lines.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        EDS signal.
    lines : list of str
        X-ray lines such as "Fe_Ka".

    Returns
    -------
    dict
        Lower and upper end of the window of each line, twice as wide as the line.

    Raises
    ------
    ValueError
        If the signal is no EDS signal.
    """
    if not hasattr(signal, "estimate_integration_windows"):
        raise ValueError(
            f"windows={lines!r} names X-ray lines, but {signal} is no EDS signal. Give "
            "windows as a dictionary of name: (low, high), or set the signal type with "
            "`s.set_signal_type('EDS_TEM')`."
        )
    edges = signal.estimate_integration_windows(windows_width=2.0, xray_lines=lines)
    return dict(zip(lines, edges, strict=True))


def estimator_class(method: str) -> type[PottsMixture] | type[CompositionKMeans]:
    """Import the estimator of a method.

    Parameters
    ----------
    method : {"mixture", "kmeans"}
        Method of `segment_composition`.

    Returns
    -------
    type
        Class of the estimator.
    """
    from importlib import import_module

    module, _, name = METHODS[method].partition(":")
    return getattr(import_module(module), name)


def _estimator(
    method: str, n_clusters: int | None, parameters: dict[str, Any]
) -> PottsMixture | CompositionKMeans:
    import inspect

    cls = estimator_class(method)
    known = [p for p in inspect.signature(cls).parameters if p != "n_clusters"]
    for parameter in parameters:
        if parameter not in known:
            raise TypeError(
                f"method='{method}' has no parameter '{parameter}'."
                f"{did_you_mean(parameter, known)} Its parameters are: "
                f"{', '.join(known)}."
            )
    return cls(n_clusters, **parameters)
