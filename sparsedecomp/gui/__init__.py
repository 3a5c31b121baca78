"""Tools for JupyterLab: models without a toolkit, and their views.

A tool is a `traits.api.HasTraits` with the state, the parameters and the buttons'
methods; it works in a script. Its view in ``gui.jupyter`` is found by HyperSpy through
``hyperspy_extension.yaml``.
"""

from sparsedecomp.gui.decomposition_tool import DecompositionTool

__all__ = ["DecompositionTool"]
