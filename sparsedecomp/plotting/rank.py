"""Figure of the singular values of the data and of the edge of the noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.decomposition import RankEstimate


def plot_rank(estimate: RankEstimate, ax: Axes | None = None) -> Axes:
    """Draw the singular values, the edge of the noise and the number of components.

    Parameters
    ----------
    estimate : sparsedecomp.decomposition.RankEstimate
        Result of ``s.estimate_rank()``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with a logarithmic scale.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import estimate_rank
    >>> from sparsedecomp.plotting import plot_rank
    >>> estimate = estimate_rank(np.random.default_rng(0).poisson(5, (200, 40)))
    >>> plot_rank(estimate).get_yscale()
    'log'
    """
    from matplotlib.ticker import MaxNLocator

    ax = ax or new_axes()[0]
    number = np.arange(1, len(estimate.singular_values) + 1)
    low, high = estimate.interval
    kept = number <= estimate.n_components
    ax.semilogy(number, estimate.noise_edge, color="0.5", label="edge of the noise")
    for part, style, label in (
        (kept, "o", f"{estimate.n_components} components"),
        (~kept, ".", "not above the noise"),
    ):
        ax.plot(
            number[part],
            estimate.singular_values[part],
            style,
            color=colour(0) if style == "o" else colour(1),
            label=label,
        )
    if high > low:
        ax.axvspan(low + 0.5, high + 0.5, color="0.9", zorder=0, label="uncertain")
    ax.set(xlabel="component", ylabel="singular value, weighted")
    ax.set_xlim(0.5, min(len(number), max(3 * high, 12)) + 0.5)
    ax.set_title(
        f"{estimate.method}, {estimate.noise_model} noise",
        loc="left",
        fontsize="medium",
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(ax, legend=True)
    return ax
