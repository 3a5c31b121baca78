"""The scree of the data against the edge of the noise."""

import numpy as np


def plot_rank(estimate, ax=None):
    """Draw the singular values, what noise alone would reach, and the number chosen.

    Parameters
    ----------
    estimate : sparsedecomp.decomposition.RankEstimate
        From ``s.estimate_rank()``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import estimate_rank
    >>> from sparsedecomp.plotting import plot_rank
    >>> estimate = estimate_rank(np.random.default_rng(0).poisson(5, (200, 40)))
    >>> plot_rank(estimate).get_yscale()
    'log'
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(layout="constrained").subplots()
    number = np.arange(1, len(estimate.singular_values) + 1)
    low, high = estimate.interval
    found = number <= estimate.n_components
    ax.semilogy(number, estimate.noise_edge, color="0.5", label="edge of the noise")
    for part, style, label in (
        (found, "o", f"{estimate.n_components} components"),
        (~found, ".", "not above the noise"),
    ):
        ax.plot(number[part], estimate.singular_values[part], style, label=label)
    if high > low:
        ax.axvspan(low + 0.5, high + 0.5, color="0.9", zorder=0, label="uncertain")
    ax.set(xlabel="component", ylabel="singular value, weighted")
    ax.set_xlim(0.5, min(len(number), max(3 * high, 12)) + 0.5)
    ax.set_title(
        f"{estimate.method}, {estimate.noise_model} noise",
        loc="left",
        fontsize="medium",
    )
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
