"""Style that all figures share: colours, lines, maps with scale bars, axes labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsedecomp.extension.components import axis_label
from sparsedecomp.results import AxisScale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers tell apart (Okabe and Ito 2008), without yellow."""
DASHES = ("-", "--", "-.", ":")
_SIGNED = "RdBu_r"


def colour(number: int) -> str:
    """Return the colour of a component, phase or element.

    Parameters
    ----------
    number : int
        Number from zero on; colours repeat after seven.

    Returns
    -------
    str
        Colour of `COLOURS`.
    """
    return COLOURS[number % len(COLOURS)]


def line_of(number: int) -> dict[str, Any]:
    """Return colour and dashes of one of several lines in the same axes.

    Parameters
    ----------
    number : int
        Number from zero on. The combinations repeat after 28.

    Returns
    -------
    dict
        Arguments of ``Axes.plot``.
    """
    dashes = DASHES[number % len(DASHES)]
    return {"color": colour(number), "linestyle": dashes, "linewidth": 1.2}


def new_figure(*size: float) -> Figure:
    """Make a figure of a width and height in inches, those of rcParams by default."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size or None, layout="constrained")


def new_axes(n: int = 1, **options: Any) -> np.ndarray:
    """Make a new figure with a row of axes.

    Parameters
    ----------
    n : int, default 1
        Number of axes.
    **options
        Arguments of ``Figure.subplots``, such as ``width_ratios``.

    Returns
    -------
    (n,) array of matplotlib.axes.Axes
        Axes from left to right.
    """
    figure = new_figure() if n == 1 else new_figure(4 * n, 3.2)
    return np.atleast_1d(figure.subplots(1, n, **options))


def plain(ax: Axes, legend: bool = False) -> None:
    """Remove the upper and right spine and the frame of the legend.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with lines or points.
    legend : bool, default False
        Add a legend where the artists leave most room.
    """
    ax.spines[["top", "right"]].set_visible(False)
    if legend and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="best")


def pixel_axes(shape: Sequence[int]) -> list[AxisScale]:
    """Axes of a map without calibration, x before y.

    Parameters
    ----------
    shape : sequence of int
        Shape in array order.

    Returns
    -------
    list of AxisScale
        Axes in pixels.
    """
    names = "xyz"[: len(shape)]
    return [
        AxisScale(name, "px", np.arange(float(size)))
        for name, size in zip(names, reversed(shape), strict=True)
    ]


def extent_of(x: Any, y: Any) -> tuple[float, float, float, float]:
    """Outer edges of an image over two HyperSpy axes, whose values are pixel centres.

    Parameters
    ----------
    x, y : hyperspy axis
        Axes of the columns and of the rows.

    Returns
    -------
    tuple of float
        Left, right, bottom and top edge, for ``imshow`` with the first row on top.
    """
    edges = []
    for axis in (x, y):
        first, last = axis.axis[0], axis.axis[-1]
        step = (last - first) / (axis.size - 1) if axis.size > 1 else axis.scale
        edges.append((first - step / 2, last + step / 2))
    (left, right), (top, bottom) = edges
    return left, right, bottom, top


def draw(
    ax: Axes, values: np.ndarray, axes: Sequence[Any], line: dict[str, Any]
) -> AxesImage | None:
    """Draw a quantity over one axis as a line, over two as an image.

    Quantities with negative values get a line at zero or a diverging colour map.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : (n,) or (rows, columns) array
        Quantity; NaN stays empty.
    axes : sequence of one or two axes
        Axes as HyperSpy has them, or `AxisScale`; x before y.
    line : dict
        Arguments of ``Axes.plot``.

    Returns
    -------
    matplotlib.image.AxesImage or None
        The image, if it is one.
    """
    if len(axes) == 2:
        return draw_map(ax, values, axes)
    lowest = np.nanmin(values)
    (x,) = axes
    ax.plot(x.axis, values, **line)
    ax.set(xlabel=axis_label(x))
    ax.margins(x=0)
    plain(ax)
    drawn = [drawn.get_gid() for drawn in ax.lines]
    if lowest < 0 and "zero" not in drawn:
        ax.axhline(0, color="0.7", linewidth=0.8, zorder=0, gid="zero")
        ax.set_ylim(None, None, auto=True)
    elif lowest >= 0 and "zero" not in drawn:
        ax.set_ylim(0, None)
    few_ticks(ax)
    return None


def draw_map(
    ax: Axes, values: np.ndarray, axes: Sequence[Any], **image: Any
) -> AxesImage:
    """Draw an image with HyperSpy's colour map and, if calibrated, its scale bar.

    Images with negative values get a diverging colour map around zero.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where to draw.
    values : (rows, columns) array
        Quantity; NaN stays empty.
    axes : sequence of two axes
        Axes of columns and rows.
    **image : object
        Arguments of ``Axes.imshow`` in the place of the usual ones.

    Returns
    -------
    matplotlib.image.AxesImage
        The image.
    """
    from hyperspy.defaults_parser import preferences

    x, y = axes
    finite = np.asarray(values, float)[np.isfinite(values)]
    lowest, highest = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    bound = max(highest, -lowest) or 1.0
    signed = {"cmap": _SIGNED, "vmin": -bound, "vmax": bound}
    usual = {"cmap": preferences.Plot.cmap_signal, "vmin": 0, "vmax": bound}
    left, right, bottom, top = extent_of(x, y)
    options = {
        "extent": (left, right, bottom, top),
        # A line scan of many pixels would be a line.
        "aspect": "equal" if _ratio(left, right, bottom, top) < 8 else "auto",
        "interpolation": "nearest",
        **(signed if lowest < 0 else usual),
        **image,
    }
    drawn = ax.imshow(values, **options)
    if not _scale_bar(ax, x, y, options["aspect"]):
        ax.set(xlabel=axis_label(x), ylabel=axis_label(y))
    return drawn


def _ratio(left: float, right: float, bottom: float, top: float) -> float:
    width, height = abs(right - left), abs(top - bottom)
    return max(width, height) / min(width, height)


@contextmanager
def _without_drawing(ax: Axes) -> Iterator[None]:
    """Let nothing draw the figure meanwhile.

    HyperSpy's scale bar asks for a drawing of the figure three times while it is made;
    canvases without a window draw at once, with the layout of the whole figure.
    """
    canvas = ax.figure.canvas
    canvas.draw_idle = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        del canvas.draw_idle


def _scale_bar(ax: Axes, x: Any, y: Any, aspect: Any) -> bool:
    """Add HyperSpy's scale bar in place of ticks, where both axes are one length."""
    units = x.units if isinstance(x.units, str) else ""
    if not units or units == "px" or units != y.units or aspect != "equal":
        return False
    if x.size < 2 or not np.allclose(np.diff(x.axis), x.axis[1] - x.axis[0]):
        return False
    from hyperspy.drawing._widgets.scalebar import ScaleBar
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import ScaledTranslation

    with _without_drawing(ax):
        bar = ScaleBar(ax, units, max_size_ratio=0.35)
    bar.text.set(x=bar.position[0], y=bar.position[1], ha="left", size="small")
    points = ScaledTranslation(0, 2.5 / 72, ax.figure.dpi_scale_trans)
    bar.text.set_transform(ax.transData + points)
    for artist in (bar.line, bar.text):
        # White is not seen on bright pixels.
        artist.set_path_effects([withStroke(linewidth=2.5, foreground="black")])
        artist.set_gid("scale bar")
    ax.set(xticks=[], yticks=[])
    return True


def colour_bar(image: AxesImage, label: str = "") -> None:
    """Add a colour bar to the right of an image.

    Parameters
    ----------
    image : matplotlib.image.AxesImage
        Image.
    label : str
        Quantity with its unit.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    bar = image.axes.figure.colorbar(
        image, ax=image.axes, label=label, fraction=0.06, pad=0.02
    )
    bar.locator = MaxNLocator(3)
    bar.formatter = StrMethodFormatter("{x:.6g}")
    bar.update_ticks()
    bar.outline.set_visible(False)


def few_ticks(ax: Axes) -> None:
    """Put up to four ticks on a y axis, with numbers that need no common factor.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Axes with a linear y axis.
    """
    from matplotlib.ticker import MaxNLocator

    ax.yaxis.set_major_locator(MaxNLocator(3))
    ax.yaxis.set_major_formatter("{x:.6g}")
