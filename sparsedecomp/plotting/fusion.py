"""A fused cube beside the coarse one, its uncertainty and the test of the guide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import colour_bar, draw_map, new_axes
from sparsedecomp.results import AxisScale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sparsedecomp.extension.fused_signal import Fusion


def plot_fusion(
    report: Fusion, axes: Sequence[Axes] | NDArray | None = None
) -> NDArray:
    """Draw the sum of all channels before and after, and its standard deviation.

    Where the guide was not used, the coarse pixels are crossed out.

    Parameters
    ----------
    report : Fusion
        Attribute ``fusion`` of a signal that `s.fuse` returned.
    axes : sequence of three matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The axes; the third is empty for a method that has no model of its errors.
    """
    axes = np.asarray(new_axes(3) if axes is None else axes)
    fused = report.fused
    weights = fused.subspace.spectra.sum(axis=1)
    level = fused.subspace.mean.sum()
    coarse = fused.subspace.maps @ weights + level
    fine = fused.maps @ weights + level
    if coarse.min() >= 0:
        # Errors below zero would give the sharp map a colour map with two signs.
        fine = np.maximum(fine, 0)
    limits = {"vmin": min(0, coarse.min()), "vmax": np.quantile(fine, 0.999)}
    draw_map(axes[0], coarse, _coarse_axes(report), **limits)
    axes[0].set_title("coarse, all channels", loc="left")
    image = draw_map(axes[1], fine, report.axes, **limits)
    colour_bar(image, "sum of channels")
    axes[1].set_title(f"{fused.method}, guide {report.outcome}", loc="left")
    if fused.variance is None:
        axes[2].set_axis_off()
    else:
        spread = np.sqrt(fused.variance @ weights**2 + fused.subspace.lost.sum())
        image = draw_map(axes[2], spread, report.axes)
        colour_bar(image, "standard deviation")
        axes[2].set_title("uncertainty", loc="left")
    if fused.untrusted is not None and fused.untrusted.any():
        x, y = _coarse_axes(report)
        rows, columns = np.nonzero(fused.untrusted)
        axes[0].plot(x.axis[columns], y.axis[rows], "x", color="white", markersize=4)
    return axes


def _coarse_axes(report: Fusion) -> list[AxisScale]:
    """Axes of columns and rows of the coarse cube."""
    grids = report.fused.degradation.grids
    found = []
    for i, axis in ((1, report.axes[0]), (0, report.axes[1])):
        places = axis.axis[0] + axis.scale * grids.positions(i)
        found.append(axis._replace(axis=places, scale=axis.scale * grids.step[i]))
    return found
