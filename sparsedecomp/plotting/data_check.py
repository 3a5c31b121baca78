"""Figure of a data check: mean image and mean spectrum, with the findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.plotting.style import (
    colour,
    colour_bar,
    draw,
    draw_map,
    new_axes,
    pixel_axes,
    plain,
)
from sparsedecomp.results import AxisScale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..noise import DataCheck

# Findings about channels; all others are about pixels.
_CHANNELS = ("dead_channels", "hot_channels")


def plot_data_check(
    check: DataCheck, axes: tuple[Axes, Axes] | None = None
) -> tuple[Axes, Axes]:
    """Draw the intensity of the pixels and the mean spectrum, with the findings.

    Parameters
    ----------
    check : sparsedecomp.noise.DataCheck
        Result of ``s.check_data()``.
    axes : tuple of two matplotlib.axes.Axes, optional
        Axes for the image and the spectrum; by default those of a new figure.

    Returns
    -------
    tuple of two matplotlib.axes.Axes
        Axes of the image and of the spectrum.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.blocks import as_blocks
    >>> from sparsedecomp.noise import check_data
    >>> from sparsedecomp.plotting import plot_data_check
    >>> counts = np.random.default_rng(0).poisson(20.0, (8, 8, 50))
    >>> image, spectrum = plot_data_check(check_data(as_blocks(counts), 1.0))
    >>> spectrum.get_xlabel()
    'channel'
    """
    image, spectrum = new_axes(2, width_ratios=(1, 1.4)) if axes is None else axes
    pixels = list(check.pixel_axes) or pixel_axes(check.intensity.shape)
    plane = check.intensity
    if len(pixels) > 2:
        plane, pixels = plane.reshape(-1, plane.shape[-1]), []
        pixels = pixel_axes(plane.shape)
    if plane.ndim == 2:
        colour_bar(draw_map(image, plane, pixels), "intensity")
    else:
        draw(image, plane, pixels, {"color": "0.3", "linewidth": 1})
    channel = check.channel_axis or AxisScale("channel", "", check.channels)
    line = {"color": "0.3", "linewidth": 1}
    draw(spectrum, check.mean_spectrum, [channel], line)
    spectrum.set_ylabel("mean intensity")
    for number, finding in enumerate(check.findings):
        marks: dict[str, Any] = {
            "linestyle": "",
            "markerfacecolor": "none",
            "color": colour(number),
            "label": finding.kind.replace("_", " "),
        }
        if finding.kind in _CHANNELS:
            at = np.searchsorted(check.channels, finding.places)
            heights = check.mean_spectrum[at]
            spectrum.plot(channel.axis[at], heights, marker="o", **marks)
        elif 0 < len(finding.places) < check.intensity.size // 2:
            *rows, x = np.unravel_index(finding.places, plane.shape)
            y = pixels[1].axis[rows[0]] if rows else plane[x]
            image.plot(pixels[0].axis[x], y, marker="s", markersize=4, **marks)
    for ax in (image, spectrum):
        if ax.get_legend_handles_labels()[0]:
            # Below, where nothing is drawn.
            ax.legend(
                loc="upper left",
                bbox_to_anchor=(0, -0.18),
                frameon=False,
                fontsize="small",
            )
    if plane.ndim == 1:
        plain(image)
    kinds = ", ".join(f.kind.replace("_", " ") for f in check.findings) or "nothing"
    image.set_title(f"found: {kinds}", loc="left", fontsize="medium")
    return image, spectrum
