"""Figures of a fit: relevance of the components, objective over the iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from sparsedecomp.extension.learning_results import read
from sparsedecomp.plotting.style import colour, new_axes, plain

if TYPE_CHECKING:
    from hyperspy.api.signals import BaseSignal
    from matplotlib.axes import Axes


def plot_relevance(relevance: BaseSignal | ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw the relevance of each component as bars on a logarithmic axis.

    Bars begin at half the relevance of noise, which is one: where a component has no
    abundance.

    Parameters
    ----------
    relevance : hyperspy.signals.BaseSignal or (k,) array
        Signal after ``decomposition(algorithm="nmf_so_ard")``, or the relevances, as in
        ``NMFSOARD.relevance_``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with one bar per component.

    Raises
    ------
    ValueError
        If the decomposition of the signal has no relevance.

    Examples
    --------
    >>> from sparsedecomp.plotting import plot_relevance
    >>> ax = plot_relevance([3.0, 1.2, 0.1])
    >>> len(ax.patches)
    3
    """
    values = _values_of(relevance, "ard_relevance")
    ax = ax or new_axes()[0]
    index = np.arange(len(values))
    ax.bar(index, values, color=[colour(i) for i in range(len(values))], width=0.7)
    ax.axhline(1, color="black", linestyle="--", linewidth=1)
    ax.annotate(
        "noise", (1, 1), (3, 0), ax.get_yaxis_transform(), "offset points", va="center"
    )
    ax.set(xlabel="component", ylabel="relevance", yscale="log", xticks=index)
    ax.set_ylim(min(0.5, values.min() / 2), max(2.0, 2 * values.max()))
    plain(ax)
    return ax


def plot_objective_history(
    objective: BaseSignal | ArrayLike, ax: Axes | None = None
) -> Axes:
    """Draw the objective minus its final value, iteration by iteration.

    Parameters
    ----------
    objective : hyperspy.signals.BaseSignal or (n_iterations,) array
        Signal after ``decomposition`` by an algorithm of this package, or the
        objectives, as in ``NMFSO.objective_history_``.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with a logarithmic scale.

    Raises
    ------
    ValueError
        If the decomposition of the signal has no history.

    Examples
    --------
    >>> from sparsedecomp.plotting import plot_objective_history
    >>> ax = plot_objective_history([9.0, 3.0, 1.5, 1.1, 1.0])
    >>> ax.get_yscale()
    'log'
    """
    from matplotlib.ticker import MaxNLocator

    values = _values_of(objective, "objective_history")
    ax = ax or new_axes()[0]
    iteration = np.arange(1, len(values) + 1)
    # The last point is zero and has no logarithm.
    ax.semilogy(iteration[:-1], (values - values[-1])[:-1], color=colour(0), marker=".")
    ax.set(xlabel="iteration", ylabel="objective above its final value")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain(ax)
    return ax


def _values_of(source: BaseSignal | ArrayLike, name: str) -> np.ndarray:
    """Array that was given, or the entry of the decomposition of a signal."""
    if not hasattr(source, "learning_results"):
        return np.asarray(source, dtype=float)
    values = read(source, name)
    if values is None:
        raise ValueError(
            f"{source} has no {name}: run decomposition(algorithm='nmf_so_ard') first"
        )
    return np.asarray(values, dtype=float)
