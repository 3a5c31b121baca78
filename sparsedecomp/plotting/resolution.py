"""The curve that a resolution was read from, and the trials of `tune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sparsedecomp.superresolution import Resolution, Tuning


def plot_resolution(resolution: Resolution, ax: Axes | None = None) -> Axes:
    """Draw the edge, the ring correlation or the decorrelation of a resolution.

    Parameters
    ----------
    resolution : sparsedecomp.superresolution.Resolution
        Result of ``s.estimate_resolution()``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes of the picture.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.plotting import plot_resolution
    >>> from sparsedecomp.superresolution import edge_width
    >>> edge = 1 / (1 + np.exp(-0.7 * (np.arange(30) - 14.6)))
    >>> plot_resolution(edge_width(edge, step=0.2).in_units("um")).get_xlabel()
    'distance (um)'
    """
    ax = ax or new_axes()[0]
    name, *_ = resolution.curve or {"frequency": None}
    for number, (label, values) in enumerate(resolution.curve.items(), -1):
        if label == "samples":
            ax.plot(resolution.curve[name], values, ".", color="0.6", ms=3, label=label)
        elif label not in (name, "independent"):
            line: dict[str, Any] = {
                "lw": 1.2,
                "ls": "--" if label == "threshold" else "-",
            }
            x = resolution.curve[name]
            ax.plot(x, values, color=colour(number), label=label, **line)
    value, units = resolution.value, resolution.units
    if name == "distance":
        ax.axvspan(-value / 2, value / 2, color="0.9", zorder=0)
        ax.set(xlabel=f"distance ({units})", ylabel="height", ylim=(-0.5, 1.5))
    else:
        ax.set(xlabel=f"frequency (1/{units})", ylabel="correlation")
        if np.isfinite(value):
            ax.axvline(1 / value, color="0.5", lw=1)
    ax.set_title(
        f"{resolution.method}: {resolution.describe()}", loc="left", fontsize="medium"
    )
    plain(ax, legend=True)
    return ax


def plot_tuning(tuning: Tuning, axes: Sequence[Axes] | None = None) -> NDArray:
    """Draw the score and the resolution of all trials over every parameter.

    Parameters
    ----------
    tuning : sparsedecomp.superresolution.Tuning
        Result of `sparsedecomp.superresolution.tune`.
    axes : sequence of matplotlib.axes.Axes, optional
        Where to draw, one for each parameter; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        Axes of the picture, one for each parameter.
    """
    n = len(tuning.names)
    row = new_axes(n) if axes is None else np.asarray(axes)
    for ax, name, values in zip(row, tuning.names, tuning.parameters.T, strict=True):
        ax.errorbar(values, tuning.score, tuning.error, fmt=".", color="0.7", zorder=0)
        drawn = ax.scatter(values, tuning.score, c=tuning.resolution, zorder=1)
        best = values[tuning.chosen], tuning.score[tuning.chosen]
        ax.plot(*best, "o", mfc="none", mec=colour(1), ms=12, label="chosen")
        wide = values.min() > 0 and values.max() > 10 * values.min()
        ax.set(xlabel=name, xscale="log" if wide else "linear")
        plain(ax)
    row[0].set_ylabel("negative log likelihood of a sample")
    row[0].legend(frameon=False)
    row[-1].figure.colorbar(drawn, ax=row[-1], label="resolution")
    return row
