"""Figure of an unmixing report."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import (
    colour,
    colour_bar,
    draw,
    few_ticks,
    new_figure,
    pixel_axes,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from sparsedecomp.decomposition import UnmixingReport


def plot_unmixing_report(
    report: UnmixingReport, figure: Figure | SubFigure | None = None
) -> dict[str, Axes]:
    """Draw the spectra with their bands and their range over refits, and the residual.

    Parameters
    ----------
    report : sparsedecomp.decomposition.UnmixingReport
        Result of ``s.unmixing_report()``.
    figure : matplotlib.figure.Figure or SubFigure, optional
        Figure to draw in; by default a new one.

    Returns
    -------
    dict of str to matplotlib.axes.Axes
        "component 0" and so on: the spectrum of unit norm, its 90 % confidence band
        shaded grey, the range of the refits in colour, the purest pixel dashed and the
        most contrasted spectrum dotted;
        "residual": the mean square residual of every channel over that of the noise;
        "left": the strongest spectrum in the residual; "map": its map, if there are one
        or two navigation axes.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsedecomp.decomposition import NMFSO, unmixing_report
    >>> from sparsedecomp.plotting import plot_unmixing_report
    >>> rng = np.random.default_rng(0)
    >>> X = rng.poisson(rng.dirichlet([0.2, 0.2], 300) @ rng.gamma(1, 20, (2, 50)))
    >>> report = unmixing_report(X, NMFSO(2), n_starts=2, n_resamples=2, random_state=0)
    >>> sorted(plot_unmixing_report(report))
    ['component 0', 'component 1', 'left', 'map', 'residual']
    """
    k = report.n_components
    figure = figure or new_figure(10, max(1.4 * k, 4.5))
    halves = figure.add_gridspec(1, 2, width_ratios=[3, 2])
    figure.suptitle("\n".join(wrap(report.verdict, 110)), fontsize="medium")
    rows = halves[0].subgridspec(k, 1)
    axes = {}
    for j in range(k):
        ax = axes[f"component {j}"] = figure.add_subplot(rows[j])
        _draw_component(ax, report, j)
        ax.tick_params(labelbottom=j == k - 1)
    ax.set_xlabel(report.channel_label)
    drawable = len(report.navigation_shape) <= 2
    cells = halves[1].subgridspec(3 if drawable else 2, 1)
    for name, values, reference, cell in (
        ("residual", report.residual.channel_excess, 1.0, cells[0]),
        ("left", report.residual.spectrum, 0.0, cells[1]),
    ):
        ax = axes[name] = figure.add_subplot(cell)
        ax.axhline(reference, color="0.7", linewidth=1)
        ax.plot(report.channels, values, color="black", linewidth=1)
        ax.margins(x=0)
        few_ticks(ax)
        plain(ax)
    for name, title in (
        ("residual", "mean square residual over that of noise"),
        ("left", "strongest spectrum in the residual"),
    ):
        axes[name].set_title(title, loc="left", fontsize="medium")
    axes["residual"].tick_params(labelbottom=False)
    axes["left"].set_xlabel(report.channel_label)
    if drawable:
        axes["map"] = figure.add_subplot(cells[2])
        _draw_map(axes["map"], report)
    return axes


def _draw_component(ax: Axes, report: UnmixingReport, j: int) -> None:
    x = report.channels
    refits = [*report.starts, *report.resamples]
    spectra = np.array([fit.spectra[j] for fit in refits])
    spectra = spectra[~np.isnan(spectra).any(axis=1)] if len(refits) else spectra
    if report.half_width is not None:
        norm = np.linalg.norm(report.components[j])
        centre, half = report.components[j] / norm, report.half_width[j] / norm
        ax.fill_between(
            x,
            centre - half,
            centre + half,
            color="0.75",
            linewidth=0,
            label="90 % band",
        )
    if len(spectra):
        ax.fill_between(
            x,
            spectra.min(0),
            spectra.max(0),
            color=colour(j),
            alpha=0.3,
            linewidth=0,
            label="range of the refits",
        )
    for spectrum, style, name in (
        (report.inner[j], "--", "purest pixel"),
        (report.outer[j], ":", "most contrasted"),
        (report.components[j], "-", "found"),
    ):
        spectrum = spectrum / np.linalg.norm(spectrum)
        shade = colour(j) if style == "-" else "black"
        ax.plot(x, spectrum, linestyle=style, color=shade, linewidth=1, label=name)
    if j == 0:
        ax.legend(frameon=False, fontsize="small", ncols=2)
    label = f"component {j}" + ("" if report.determined[j] else ", not determined")
    ax.set_title(label, loc="left", fontsize="medium")
    ax.set_yticks([])
    ax.margins(x=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _draw_map(ax: Axes, report: UnmixingReport) -> None:
    values = np.full(report.navigation_shape, np.nan)
    values.flat[report.rows] = report.residual.map
    places = list(report.pixel_axes) or pixel_axes(report.navigation_shape)
    image = draw(ax, values, places, {"color": "black", "linewidth": 1})
    if image is not None:
        bound = np.nanmax(np.abs(values)) or 1.0
        image.set(cmap="RdBu_r", clim=(-bound, bound))
        colour_bar(image)
    ax.set_title("its map", loc="left", fontsize="medium")
