"""Parts that figures share: new axes, edges of pixels, and a quantity over its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.extension.components import axis_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(*size: float) -> Figure:
    """Make a figure of a width and height in inches, those of rcParams by default."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size or None, layout="constrained")


def new_axes(n: int = 1, **options: Any) -> np.ndarray:
    """Make a new figure with a row of axes.

    Parameters
    ----------
    n : int, default 1
        Number of axes.
    **options
        Arguments of ``Figure.subplots``, such as ``width_ratios``.

    Returns
    -------
    (n,) array of matplotlib.axes.Axes
        Axes from left to right.
    """
    figure = new_figure() if n == 1 else new_figure(4 * n, 3.2)
    return np.atleast_1d(figure.subplots(1, n, **options))


def extent_of(x: Any, y: Any) -> tuple[float, float, float, float]:
    """Outer edges of an image over two HyperSpy axes, whose values are pixel centres.

    Parameters
    ----------
    x, y : hyperspy axis
        Axes of the columns and of the rows.

    Returns
    -------
    tuple of float
        Left, right, bottom and top edge, for ``imshow`` with the first row on top.
    """
    edges = []
    for axis in (x, y):
        first, last = axis.axis[0], axis.axis[-1]
        step = (last - first) / (axis.size - 1) if axis.size > 1 else axis.scale
        edges.append((first - step / 2, last + step / 2))
    (left, right), (top, bottom) = edges
    return left, right, bottom, top


def draw(
    ax: Axes, values: np.ndarray, axes: Sequence[Any], colour: str, **line: Any
) -> None:
    """Draw a quantity over one HyperSpy axis as a line, over two as an image.

    Quantities with negative values get a line at zero or a diverging colour map.
    """
    lowest, highest = np.nanmin(values), np.nanmax(values)
    if len(axes) == 1:
        (x,) = axes
        ax.plot(x.axis, values, color=colour, linewidth=1, **line)
        ax.set(xlabel=axis_label(x))
        ax.margins(x=0)
        ax.spines[["top", "right"]].set_visible(False)
        drawn = [drawn.get_gid() for drawn in ax.lines]
        if lowest < 0 and "zero" not in drawn:
            ax.axhline(0, color="0.7", linewidth=0.8, zorder=0, gid="zero")
            ax.set_ylim(None, None, auto=True)
        elif lowest >= 0 and "zero" not in drawn:
            ax.set_ylim(0, None)
        return
    from matplotlib.colors import LinearSegmentedColormap

    x, y = axes
    ax.imshow(
        values,
        cmap="RdBu_r"
        if lowest < 0
        else LinearSegmentedColormap.from_list(colour, ["white", colour]),
        vmin=min(lowest, -highest) if lowest < 0 else 0,
        vmax=max(highest, -lowest) if lowest < 0 else None,
        extent=extent_of(x, y),
    )
    ax.set(xlabel=axis_label(x), ylabel=axis_label(y))
