"""Figure of a segmentation: map, spectra and composition of the phases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.extension.components import axis_label
from sparsedecomp.plotting.style import (
    colour,
    draw_map,
    few_ticks,
    line_of,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from sparsedecomp.extension.segmentation import Segmentation


def plot_segmentation(
    result: Segmentation,
    *,
    labels: Sequence[str] | None = None,
    figure: Figure | SubFigure | None = None,
) -> np.ndarray:
    """Draw the map of the phases, their mean spectra and their compositions.

    Parameters
    ----------
    result : sparsedecomp.extension.segmentation.Segmentation
        Result of ``s.segment_composition()``, with one or two navigation axes.
    labels : sequence of str, optional
        Label of each phase; by default its number and size.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Figure to draw in; by default a new one.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        Axes of the map, of the spectra, and with line windows of their shares of the
        counts with three standard errors.

    Raises
    ------
    ValueError
        If there are more than two navigation axes.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np
    >>> from sparsedecomp.plotting import plot_segmentation
    >>> s = hs.signals.Signal1D(np.random.default_rng(0).poisson(9, (8, 8, 5)))
    >>> len(plot_segmentation(s.segment_composition(1)))
    2
    """
    places = result.labels.axes_manager.signal_axes
    if len(places) > 2:
        raise ValueError(
            f"{result.labels} has {len(places)} axes; at most two can be drawn."
        )
    k = len(result.sizes)
    if labels is None:
        labels = [f"{c}: {size} px" for c, size in enumerate(result.sizes)]
    colours = [colour(c) for c in range(k)]
    n_axes = 3 if result.names else 2
    figure = figure or new_figure(4 * n_axes, 3.2)
    axes = figure.subplots(1, n_axes)
    _draw_map(axes[0], result.labels.data, places, colours)
    energy = result.mean_spectra.axes_manager.signal_axes[0]
    for c, (spectrum, label) in enumerate(
        zip(result.mean_spectra.data, labels, strict=True)
    ):
        axes[1].plot(energy.axis, spectrum, label=label, **line_of(c))
    axes[1].set(xlabel=axis_label(energy), ylabel="mean counts", ylim=(0, None))
    axes[1].margins(x=0)
    few_ticks(axes[1])
    plain(axes[1], legend=True)
    if result.names:
        where = np.arange(len(result.names))
        for c in range(k):
            axes[2].errorbar(
                where + 0.1 * (c - (k - 1) / 2),
                result.composition[c],
                3 * result.composition_error[c],
                color=colours[c],
                marker="os^Dv<>"[c % 7],
                markersize=4,
                linestyle="",
            )
        axes[2].set(xticks=where, ylabel="share of counts", ylim=(0, None))
        axes[2].set_xticklabels(result.names)
        plain(axes[2])
    return axes


def _draw_map(
    ax: Axes, labels: np.ndarray, places: Sequence[Any], colours: list[str]
) -> None:
    """Draw labels as colours, pixels without a phase in white."""
    if len(places) == 1:
        (x,) = places
        ax.scatter(x.axis, labels, c=[(["white", *colours])[i + 1] for i in labels])
        ax.set(xlabel=axis_label(x), ylabel="phase")
        return
    from matplotlib.colors import ListedColormap

    draw_map(
        ax,
        labels,
        places,
        cmap=ListedColormap(["white", *colours]),
        vmin=-1.5,
        vmax=len(colours) - 0.5,
    )
