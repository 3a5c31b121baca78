"""How a fit went: relevance of the components, objective over the iterations."""

import numpy as np

from sparsedecomp.extension.learning_results import read


def plot_relevance(relevance, ax=None):
    """Draw the relevance of each component as bars on a logarithmic axis.

    Parameters
    ----------
    relevance : hyperspy.signals.BaseSignal or (k,) array
        A signal after ``decomposition(algorithm="nmf_so_ard")``, or the numbers, as
        in ``NMFSOARD.relevance_``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a signal whose decomposition has no relevance.

    Examples
    --------
    >>> from sparsedecomp.plotting import plot_relevance
    >>> ax = plot_relevance([3.0, 1.2, 0.1])
    >>> len(ax.patches)
    3
    """
    values = _learned(relevance, "ard_relevance")
    ax = ax or _new_axes()
    index = np.arange(len(values))
    ax.bar(index, values, color=[f"C{i % 10}" for i in index], width=0.7)
    ax.set(xlabel="component", ylabel="relevance", yscale="log", xticks=index)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def plot_objective_history(objective, ax=None):
    """Draw the objective above its final value, iteration by iteration.

    Parameters
    ----------
    objective : hyperspy.signals.BaseSignal or (n_iterations,) array
        A signal after ``decomposition`` by one of our algorithms, or the numbers, as
        in ``NMFSO.objective_history_``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        For a signal whose decomposition keeps no history.

    Examples
    --------
    >>> from sparsedecomp.plotting import plot_objective_history
    >>> ax = plot_objective_history([9.0, 3.0, 1.5, 1.1, 1.0])
    >>> ax.get_yscale()
    'log'
    """
    values = _learned(objective, "objective_history")
    ax = ax or _new_axes()
    iteration = np.arange(1, len(values) + 1)
    # The last point is zero by construction and cannot be shown on this axis.
    ax.semilogy(iteration[:-1], (values - values[-1])[:-1], marker=".")
    ax.set(xlabel="iteration", ylabel="objective above its final value")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _learned(source, name):
    """The numbers themselves, or those that a signal has learned."""
    if not hasattr(source, "learning_results"):
        return np.asarray(source, dtype=float)
    values = read(source, name)
    if values is None:
        raise ValueError(
            f"{source} has no {name}: run decomposition(algorithm='nmf_so_ard') first"
        )
    return np.asarray(values, dtype=float)


def _new_axes():
    import matplotlib.pyplot as plt

    return plt.figure(layout="constrained").subplots()
