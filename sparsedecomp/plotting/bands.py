"""Figure of the confidence bands of spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import line_of, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sparsedecomp.decomposition import ConfidenceBands


def plot_bands(bands: ConfidenceBands, ax: Axes | None = None) -> Axes:
    """Draw the spectra of unit sum with their confidence bands.

    Parameters
    ----------
    bands : sparsedecomp.decomposition.ConfidenceBands
        Result of `sparsedecomp.decomposition.confidence_bands`.
    ax : matplotlib.axes.Axes, optional
        Axes to draw in; by default those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Axes with one line and one shade for each component.
    """
    ax = ax or new_axes()[0]
    channel = np.arange(bands.spectra.shape[1])
    for j, (spectrum, *ends) in enumerate(
        zip(bands.spectra, *bands.of_spectra(), strict=True)
    ):
        (line,) = ax.plot(channel, spectrum, label=f"component {j}", **line_of(j))
        ax.fill_between(channel, *ends, color=line.get_color(), alpha=0.3, linewidth=0)
    ax.set(xlabel="channel", ylabel="share of the spectrum")
    ax.set_title(f"bands of {bands.level:.0%}", loc="left", fontsize="medium")
    ax.margins(x=0)
    plain(ax, legend=True)
    return ax
