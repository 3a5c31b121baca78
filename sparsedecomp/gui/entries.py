"""Methods of signals that open the tools."""

from __future__ import annotations

from typing import Any

from sparsedecomp.extension.types import BaseSignal, Mask


def decomposition_tool(
    self: BaseSignal,
    *,
    navigation_mask: Mask | None = None,
    display: bool = True,
    toolkit: str | None = None,
) -> dict[str, Any] | None:
    """Find components in JupyterLab: watch the fit, edit, name and apply its result.

    The fit runs in a thread; the data do not change. "Apply" writes the components and
    their names into ``learning_results``, "Copy code" copies the lines that do the same
    in a script.

    Parameters
    ----------
    navigation_mask : array or BaseSignal, optional
        True where pixels are left out, as in ``decomposition``.
    display : bool, default True
        Whether to show the widgets. Otherwise they are returned.
    toolkit : str, optional
        Toolkit of the widgets; there is "ipywidgets". Default: HyperSpy's preference.

    Returns
    -------
    dict or None
        With ``display=False``: for each toolkit ``widget`` and ``wdict``, in which the
        parts of the widget and, as "tool", the model have names.

    Raises
    ------
    ImportError
        If ipywidgets or what else the tools need is not installed.
    ValueError
        If there is no navigation axis, or the mask does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D(np.random.default_rng(0).random((6, 8, 40)))
    >>> parts = s.decomposition_tool(display=False)["ipywidgets"]["wdict"]
    >>> parts["algorithm"].value
    'nmf_so_ard'
    >>> parts["close_button"].click()
    """
    from sparsedecomp.gui.decomposition_tool import DecompositionTool

    tool = DecompositionTool(self, navigation_mask)
    widgets = tool.gui(display, toolkit)
    tool.check_if_small()
    return widgets
