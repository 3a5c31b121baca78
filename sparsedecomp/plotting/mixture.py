"""Figures of linear combinations and target transforms: spectra, parts and maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import (
    colour,
    colour_bar,
    draw_map,
    line_of,
    new_axes,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.signals import MixtureResult, TargetTransformResult


def plot_mixture(
    result: MixtureResult,
    pixel: tuple[int, ...] | None = None,
    axes: Sequence[Axes] | None = None,
) -> np.ndarray:
    """Draw the maps of the fractions, or data, fit and parts of one spectrum.

    Parameters
    ----------
    result : MixtureResult
        Result of ``s.linear_combination(...)``.
    pixel : tuple of int, optional
        Indices of a pixel in array order, whose spectrum is drawn. By default images
        are drawn as maps, and of others the first spectrum.
    axes : sequence of matplotlib.axes.Axes, optional
        Axes to draw in, one for each map or one for a spectrum; by default those of a
        new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The axes.
    """
    fractions = np.asarray(result.fractions)
    if pixel is None and fractions.ndim == 3:
        return _maps(result, fractions, axes)
    pixel = pixel or (0,) * (fractions.ndim - 1)
    row = new_axes() if axes is None else np.atleast_1d(np.asarray(axes))
    ax, fit = row[0], result.fit
    energy, w = fit.energy[fit.inside], fractions[pixel]
    model = np.asarray(result.model()._data_aligned_with_axes[pixel])
    residual = np.asarray(result.residual()._data_aligned_with_axes[pixel])
    ax.plot(energy, model + residual, "k.", markersize=3, label="data")
    ax.plot(energy, model, color="black", linewidth=1.2, label="fit")
    for number, name in enumerate(result.names):
        ax.plot(
            energy,
            w[number] * fit.columns[:, number],
            label=f"{w[number]:.2f} {name}",
            **line_of(number),
        )
    ax.plot(energy, residual, color="0.6", linewidth=1.0, label="residual")
    ax.set(xlabel="Energy (eV)", ylabel="Absorption")
    plain(ax, legend=True)
    return row


def _maps(
    result: MixtureResult, fractions: np.ndarray, axes: Sequence[Axes] | None
) -> np.ndarray:
    row = new_axes(len(result.names)) if axes is None else np.asarray(axes)
    pixels = result.fraction(result.names[0]).axes_manager.signal_axes
    for number, (ax, name) in enumerate(zip(row, result.names, strict=True)):
        image = draw_map(ax, fractions[..., number], pixels)
        ax.set_title(name, color=colour(number), fontsize="medium")
        colour_bar(image, "fraction")
    return row


def plot_target_transform(
    result: TargetTransformResult, axes: Sequence[Axes] | None = None
) -> np.ndarray:
    """Draw the indicator of the components, and references with their transforms.

    Parameters
    ----------
    result : TargetTransformResult
        Result of ``s.target_transform(...)``.
    axes : sequence of two matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The two axes.
    """
    row = new_axes(2) if axes is None else np.asarray(axes)
    indicator = result.components.indicator
    number = np.arange(1, len(indicator) + 1)
    row[0].semilogy(number, indicator, ".-", color=colour(0), label="IND")
    row[0].axvline(result.n_components, color="0.7", linewidth=0.8, zorder=0)
    row[0].set(xlabel="Number of components", ylabel="Indicator IND")
    for place, (name, test) in enumerate(result.tests.items()):
        offset = 0.5 * place
        style = {"color": colour(place), "linewidth": 1.2}
        row[1].plot(result.energy, result.targets[name] + offset, ".", markersize=3,
                    color=colour(place))  # fmt: skip
        label = f"{name}: SPOIL {test.spoil:.1f}"
        row[1].plot(result.energy, test.transform + offset, label=label, **style)
    row[1].set(xlabel="Energy (eV)", ylabel="Absorption, shifted")
    plain(row[0])
    plain(row[1], legend=True)
    return row
