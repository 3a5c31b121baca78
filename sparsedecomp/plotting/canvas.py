"""Parts that figures share: new axes, labels, and a quantity over its axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    import matplotlib.pyplot as plt

    size = None if n == 1 else (4 * n, 3.2)
    figure = plt.figure(figsize=size, layout="constrained")
    return np.atleast_1d(figure.subplots(1, n, **options))


def label_of(axis: Any) -> str:
    """Name and units of a HyperSpy axis, as far as they are set."""
    name, units = (v if isinstance(v, str) else "" for v in (axis.name, axis.units))
    return f"{name} ({units})" if units else name


def draw(
    ax: Axes, values: np.ndarray, axes: Sequence[Any], colour: str, **line: Any
) -> None:
    """Draw a quantity over one HyperSpy axis as a line, over two as an image."""
    if len(axes) == 1:
        (x,) = axes
        ax.plot(x.axis, values, color=colour, linewidth=1, **line)
        ax.set(xlabel=label_of(x), xlim=(x.axis[0], x.axis[-1]), ylim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
        return
    from matplotlib.colors import LinearSegmentedColormap

    x, y = axes
    ax.imshow(
        values,
        cmap=LinearSegmentedColormap.from_list(colour, ["white", colour]),
        vmin=0,
        extent=(x.axis[0], x.axis[-1], y.axis[-1], y.axis[0]),
    )
    ax.set(xlabel=label_of(x), ylabel=label_of(y))
