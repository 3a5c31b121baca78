"""Figure of the maps and spectra of the components, beside the truth if known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.extension.editing import component_names
from sparsedecomp.extension.learning_results import matrices
from sparsedecomp.plotting.style import colour, colour_bar, draw, new_figure

if TYPE_CHECKING:
    from hyperspy.api.signals import BaseSignal
    from matplotlib.figure import Figure, SubFigure

    from sparsedecomp.datasets import Truth


def plot_components(
    signal: BaseSignal,
    *,
    truth: Truth | None = None,
    labels: Sequence[str] | None = None,
    figure: Figure | SubFigure | None = None,
) -> np.ndarray:
    """Draw the map and the spectrum of every component of a decomposed signal.

    Parameters
    ----------
    signal : hyperspy.signals.BaseSignal
        Decomposed signal with at most two navigation and two signal axes.
    truth : sparsedecomp.datasets.Truth, optional
        True ``spectra`` (k, channels), ``maps`` (..., k) and ``names``. Components are
        paired with the truth by their spectra; the true map is drawn beside the map
        found, the true spectrum dotted over the one found. The data determine the
        product of map and spectrum only: each pair is drawn on the scale of the truth.
    labels : sequence of str, optional
        Label of each component; by default its name or number, or the name and the
        angle of the truth.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Figure to draw in; by default a new one.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        One row per component: map and spectrum, or map, true map and spectrum.

    Raises
    ------
    ValueError
        If the signal is not decomposed or has too many axes to draw.

    Examples
    --------
    >>> import hyperspy.api as hs, numpy as np
    >>> from sparsedecomp.plotting import plot_components
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 2)) @ rng.random((2, 40)))
    >>> s.decomposition(algorithm="nmf_so", output_dimension=2, print_info=False)
    >>> plot_components(s).shape
    (2, 2)
    """
    maps, spectra = _components(signal)
    names = component_names(signal)
    known = _pair_with_truth(truth, maps, spectra) if truth is not None else {}
    figure = figure or new_figure(9 + 1.5 * (truth is not None), 1.8 * len(maps))
    n_maps = 2 if truth is not None else 1
    grid = figure.subplots(
        len(maps), n_maps + 1, squeeze=False, width_ratios=[1] * n_maps + [2.6]
    )
    places, channels = (
        signal.axes_manager.navigation_axes,
        signal.axes_manager.signal_axes,
    )
    for j, row in enumerate(grid):
        line, label = {"color": colour(j), "linewidth": 1.2}, names[j]
        images = [
            draw(row[0], maps[j], places, line),
            draw(row[-1], spectra[j], channels, line),
        ]
        if j in known:
            true_map, true_spectrum, label = known[j]
            images.append(draw(row[1], true_map, places, line))
            dotted = {"color": "black", "linestyle": ":", "linewidth": 1.2}
            draw(row[-1], true_spectrum, channels, dotted)
        elif truth is not None:
            row[1].set_axis_off()
        for image in filter(None, images):
            colour_bar(image)
        row[-1].set_title(labels[j] if labels else label, loc="left", fontsize="medium")
        # Units once: at the lower left map and the lowest spectrum.
        for ax in row[1:-1] if j == len(maps) - 1 else row:
            if ax is row[-1]:
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
            else:
                ax.set(xlabel="", ylabel="")
                ax.tick_params(labelbottom=False, labelleft=not ax.images)
    if len(channels) == 1:
        # Without the truth the scale is that of the algorithm.
        unit = "Intensity (arb. units)" if truth is None else _quantity(signal)
        grid[len(grid) // 2, -1].set_ylabel(unit)
    titles = ("map",) if truth is None else ("found", "true")
    for ax, title in zip(grid[0], titles, strict=False):
        ax.set_title(title, fontsize="medium")
    return grid


def _components(signal: BaseSignal) -> tuple[np.ndarray, np.ndarray]:
    """Copies of the maps (k, *navigation) and spectra (k, *channels), as floats."""
    results, axes = matrices(signal), signal.axes_manager
    if results is None:
        raise ValueError(f"{signal} has no components: run s.decomposition(...) first")
    if axes.navigation_dimension > 2 or axes.signal_dimension > 2:
        raise ValueError(
            f"{signal} has {axes.navigation_dimension} navigation and "
            f"{axes.signal_dimension} signal axes; at most two of each can be drawn"
        )
    spectra, maps = (np.array(matrix, dtype=float).T for matrix in results)
    return (
        maps.reshape(-1, *axes._navigation_shape_in_array),
        spectra.reshape(-1, *axes._signal_shape_in_array),
    )


def _quantity(signal: BaseSignal) -> str:
    """Label of the intensity, as HyperSpy writes it."""
    return signal.metadata.get_item("Signal.quantity", "") or "Intensity"


def _pair_with_truth(
    truth: Truth, maps: np.ndarray, spectra: np.ndarray
) -> dict[int, tuple[np.ndarray, np.ndarray, str]]:
    """True map, true spectrum and label by component; rescales the found in place."""
    from sparsedecomp.metrics import match_components

    flat = spectra.reshape(len(spectra), -1)
    known = {}
    for i, j, angle in zip(*match_components(truth.spectra, flat), strict=True):
        scale = (flat[j] @ truth.spectra[i]) / (flat[j] @ flat[j])
        spectra[j] *= scale
        maps[j] /= scale
        label = f"{truth.names[i]}, {angle:.1f}° off"
        known[j] = truth.maps[..., i], truth.spectra[i], label
    return known
