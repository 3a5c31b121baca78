"""Widget that draws a fit in the browser: maps, spectra, objective, ranges to drag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as tl

from sparsedecomp.plotting.style import COLOURS

_HERE = Path(__file__).parent


class LiveView(anywidget.AnyWidget):
    """Picture of a fit, see `sparsedecomp.gui.frames` for what its entries hold.

    Attributes
    ----------
    frame : dict
        Maps, spectra, relevance, objective and residual.
    names : list of str
        Names of the components.
    shown : list of bool
        Which components are drawn.
    selected : int
        Component that was clicked, -1 for none.
    axis : dict
        ``values`` as float32 bytes and ``label`` of the signal axis.
    overview : dict
        ``maps`` with the sum image, ``spectrum`` with the mean spectrum, ``sizes`` of
        the navigation axes and number of ``channels``; empty before they are known.
    ranges, channels : list
        Chosen pixels along each navigation axis, and chosen channels.
    kept : dict
        Frame of the result that is kept for comparison, its ``names`` and ``pairs``.
    code : str
        Text that the copy button copies.
    colours, lut : list of str, bytes
        Colours of the components, and 256 colours of the maps.
    """

    _esm = _HERE / "live_view.js"
    _css = _HERE / "live_view.css"

    frame = tl.Dict().tag(sync=True)
    names = tl.List(tl.Unicode()).tag(sync=True)
    shown = tl.List(tl.Bool()).tag(sync=True)
    selected = tl.Int(-1).tag(sync=True)
    axis = tl.Dict().tag(sync=True)
    overview = tl.Dict().tag(sync=True)
    ranges: Any = tl.List().tag(sync=True)
    channels: Any = tl.List().tag(sync=True)
    kept = tl.Dict().tag(sync=True)
    code = tl.Unicode().tag(sync=True)
    colours = tl.List(tl.Unicode(), list(COLOURS)).tag(sync=True)
    lut = tl.Bytes().tag(sync=True)

    def __init__(self, **values: Any) -> None:
        """Make the widget.

        Parameters
        ----------
        **values : object
            Initial values of the attributes.
        """
        super().__init__(lut=_colour_map(), **values)


def _colour_map() -> bytes:
    """The colours of HyperSpy's maps, as 256 times red, green and blue."""
    from hyperspy.defaults_parser import preferences
    from matplotlib import colormaps

    colours = colormaps[preferences.Plot.cmap_signal](np.linspace(0, 1, 256))
    return (255 * colours[:, :3]).round().astype(np.uint8).tobytes()
