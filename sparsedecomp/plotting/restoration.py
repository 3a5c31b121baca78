"""Restored signals: before, after, and what was taken away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsedecomp.plotting.style import (
    colour,
    colour_bar,
    draw,
    line_of,
    new_axes,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sparsedecomp.extension.deblurring_results import Deblurring
    from sparsedecomp.extension.inpainting_results import Inpainting
    from sparsedecomp.extension.restoration_results import Certificate, Restoration


def plot_restoration(
    report: Restoration,
    component: int | None = None,
    axes: Sequence[Axes] | None = None,
) -> NDArray:
    """Draw a map before and after the restoration, and their difference.

    Parameters
    ----------
    report : sparsedecomp.extension.restoration_results.Restoration
        The attribute ``restoration`` of a restored signal.
    component : int, optional
        Number of the component; default: the sum of all channels.
    axes : sequence of three matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The three axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> from sparsedecomp.plotting import plot_restoration
    >>> clean = 30.0 + 20 * (np.indices((20, 20)).sum(axis=0) > 20)
    >>> s = hs.signals.Signal2D(np.random.default_rng(0).poisson(clean))
    >>> plot_restoration(s.denoise("tv").restoration)[1].get_title(loc="left")
    'restored'
    """
    three = new_axes(3) if axes is None else axes
    found = report.maps
    if component is None:
        scale = found.row_scale[..., None] * found.spectra.sum(axis=1)
        before, after = (
            (maps * scale).sum(axis=2) for maps in (found.noisy, found.maps)
        )
    else:
        before, after = found.noisy[..., component], found.maps[..., component]
    titles = ("measured", "restored", "difference")
    if len(report.axes) == 1:
        for ax, values, title in zip(
            three, (before, after, before - after), titles, strict=True
        ):
            draw(ax, values[0], report.axes, line_of(0))
            ax.set_title(title, loc="left")
        return np.asarray(three)
    low, high = (float(edge(after)) for edge in (np.min, np.max))
    for ax, values, title in zip(
        three, (before, after, before - after), titles, strict=True
    ):
        image = draw(ax, values, report.axes, {})
        if title != "difference":
            image.set_clim(low, high)
            image.set_cmap("viridis" if component is None else image.get_cmap())
        colour_bar(image)
        ax.set_title(title, loc="left")
    return np.asarray(three)


def plot_inpainting(report: Inpainting, axes: Sequence[Axes] | None = None) -> NDArray:
    """Draw the sum of all channels as it was measured, and without gaps.

    Parameters
    ----------
    report : sparsedecomp.extension.inpainting_results.Inpainting
        The attribute ``inpainting`` of a filled signal.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The two axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> from sparsedecomp.plotting import plot_inpainting
    >>> s = hs.signals.Signal2D(np.indices((20, 20)).sum(axis=0) / 10.0)
    >>> mask = np.random.default_rng(0).random((20, 20)) < 0.5
    >>> plot_inpainting(s.inpaint(mask, "gp").inpainting)[1].get_title(loc="left")
    'filled'
    """
    two = new_axes(2) if axes is None else axes
    found = report.restoration.maps
    scale = found.row_scale[..., None] * found.spectra.sum(axis=1)
    before, after = ((maps * scale).sum(axis=2) for maps in (found.noisy, found.maps))
    before = np.where(report.missing, np.nan, before)
    for ax, values, title in zip(
        two, (before, after), ("measured", "filled"), strict=True
    ):
        ax.set_title(title, loc="left")
        if len(report.axes) == 1:
            draw(ax, values[0], report.axes, line_of(0))
            continue
        image = draw(ax, values, report.axes, {})
        image.set_clim(float(after.min()), float(after.max()))
        image.set_cmap("viridis")
        colour_bar(image)
    return np.asarray(two)


def plot_deblurring(report: Deblurring, ax: Axes | None = None) -> Axes:
    """Draw the mean spectrum before and after, with its standard deviation.

    Parameters
    ----------
    report : sparsedecomp.extension.deblurring_results.Deblurring
        The attribute ``deblurring`` of a deblurred signal.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> from sparsedecomp.plotting import plot_deblurring
    >>> s = hs.signals.Signal1D(np.random.default_rng(0).poisson(50, 60))
    >>> plot_deblurring(s.deblur(zero_loss=[1, 2, 1]).deblurring).get_xlabel()
    'channel'
    """
    ax = new_axes()[0] if ax is None else ax
    mean = report.maps.mean(axis=(0, 1))
    channels = np.arange(report.blurred.shape[1])
    after = mean @ report.spectra
    squares = np.array([np.square(each.deviation) for each in report.found])
    deviation = np.sqrt(np.square(mean) @ squares)
    ax.plot(channels, mean @ report.blurred, color=colour(5), label="measured")
    ax.plot(channels, after, color=colour(0), label="deblurred")
    if np.isfinite(deviation).all():
        ax.fill_between(
            channels, after - deviation, after + deviation, color=colour(0), alpha=0.3
        )
    ax.set_xlabel("channel")
    plain(ax, legend=True)
    return ax


def plot_certificate(
    certificate: Certificate, axes: Sequence[Axes] | None = None
) -> NDArray:
    """Draw the largest deviation of each region, and how all of them are distributed.

    Parameters
    ----------
    certificate : sparsedecomp.extension.restoration_results.Certificate
        Certificate of a restored signal.
    axes : sequence of two matplotlib.axes.Axes, optional
        Where to draw; default: the axes of a new figure.

    Returns
    -------
    array of matplotlib.axes.Axes
        The two axes.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> from sparsedecomp.plotting import plot_certificate
    >>> counts = np.random.default_rng(0).poisson(2.0, (20, 20, 12))
    >>> restored = hs.signals.Signal1D(counts).denoise("gaussian", n_components=1)
    >>> certificate = restored.restoration.certificate()
    >>> plot_certificate(certificate)[1].get_xlabel()
    'measured less restored, in counting errors'
    """
    where, histogram = new_axes(2) if axes is None else axes
    found = certificate.deviations
    together = np.concatenate([found.regions, found.projected], axis=2)
    rows, columns = found.flagged.shape
    image = where.imshow(
        np.abs(together).max(axis=2), cmap="viridis", vmin=0, vmax=6, aspect="equal"
    )
    where.scatter(
        *np.nonzero(found.flagged)[::-1], marker="x", color=colour(1), label="flagged"
    )
    where.set(xticks=[], yticks=[], xlabel=f"{columns} x {rows} regions")
    colour_bar(image, "largest deviation")
    edges = np.linspace(-6, 6, 49)
    values = np.clip(found.regions.ravel(), -6, 6)
    histogram.hist(values, list(edges), density=True, color=colour(5), label="regions")
    normal = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    histogram.plot(edges, normal, color=colour(6), label="noise alone")
    histogram.set(xlabel="measured less restored, in counting errors", yticks=[])
    plain(histogram, legend=True)
    return np.array([where, histogram])
