"""Figure of a tensor decomposition: one row per component, one column per mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.plotting.style import colour, draw, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

    from sparsedecomp.extension.tensor_results import TensorResults


def plot_tensor(
    results: TensorResults,
    *,
    labels: Sequence[str] | None = None,
    figure: Figure | SubFigure | None = None,
) -> np.ndarray:
    """Draw the factor of every mode of every component.

    Spectra that change along a series are drawn for every step, later ones darker.

    Parameters
    ----------
    results : TensorResults
        Result of ``s.tensor_decomposition``.
    labels : sequence of str, optional
        Label of each component; by default its number and weight.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Figure to draw in; by default a new one.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        Axes with one row per component and one column per mode, the spectra last.

    Raises
    ------
    ValueError
        If a mode has more than two axes.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np
    >>> from sparsedecomp.plotting import plot_tensor
    >>> rng = np.random.default_rng(0)
    >>> A, B, C = (rng.random((n, 2)) for n in (5, 6, 20))
    >>> s = hs.signals.Signal1D(np.einsum("ir,jr,er->ije", A, B, C))
    >>> results = s.tensor_decomposition(2, modes=[0, 1], show_progressbar=False)
    >>> plot_tensor(results).shape
    (2, 3)
    """
    for name, factor in zip(results.names, results.factors, strict=True):
        dimension = factor.axes_manager.signal_dimension
        if dimension > 2:
            raise ValueError(
                f"The mode '{name}' has {dimension} axes; at most two can be "
                "drawn. Choose one with `results[name].isig`."
            )
    k = max(len(factor.data) for factor in results.factors)
    figure = figure or new_figure(10, 1.8 * k)
    widths = [1.0] * (len(results.factors) - 1) + [2.0]
    grid = figure.subplots(k, len(widths), squeeze=False, width_ratios=widths)
    for mode, (name, factor) in enumerate(
        zip(results.names, results.factors, strict=True)
    ):
        evolving = results.evolving is not None and factor is results.spectra
        shown: Any = results.evolving if evolving else factor
        lowest = min(np.nanmin(shown.data), 0.0)
        for ax in grid[len(factor.data) :, mode]:
            ax.set_axis_off()
        for r, values in enumerate(shown.data):
            ax, axes = grid[r, mode], factor.axes_manager.signal_axes
            steps = values if evolving else [values]
            for i, each in enumerate(steps, 1):
                line: dict[str, Any] = {"color": colour(r), "linewidth": 1.2}
                line |= {"alpha": i / len(steps)} if evolving else {}
                draw(ax, each, axes, line)
            if len(axes) == 1:
                ax.set_ylim(1.05 * lowest, None)
                ax.set_yticks([])
            if r < k - 1:
                ax.set(xlabel="", ylabel="")
                ax.tick_params(labelbottom=False)
        grid[0, mode].set_title(name, loc="left", fontsize="medium")
    for r, weight in enumerate(results.weights):
        label = labels[r] if labels else f"component {r}, weight {weight:.3g}"
        grid[r, -1].set_title(label, loc="right", fontsize="medium")
    return grid
