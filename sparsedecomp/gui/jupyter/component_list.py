"""Rows of the components of a tool: name, order, show, choose to merge, split."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets as w

from sparsedecomp.plotting.style import colour

if TYPE_CHECKING:
    from sparsedecomp.gui.decomposition_tool import DecompositionTool

_NARROW = {"width": "36px"}


class ComponentList:
    """A row of widgets for each component of the result of a tool.

    Parameters
    ----------
    tool : DecompositionTool
        Tool whose components are listed.
    on_shown : callable
        ``on_shown(shown)`` is called with a list of bool when one is shown or hidden.

    Attributes
    ----------
    widget : ipywidgets.VBox
        The rows.
    names : list of ipywidgets.Text
        Fields of the names.
    shown, chosen : list of ipywidgets.Checkbox
        Whether a component is drawn, and whether it is to be merged.
    up, down, split : list of ipywidgets.Button
        Buttons of each row.
    """

    def __init__(
        self, tool: DecompositionTool, on_shown: Callable[[list[bool]], object]
    ) -> None:
        self._tool, self._on_shown = tool, on_shown
        self._setting = False
        self.widget = w.VBox()
        self.names: list[w.Text] = []
        self.shown: list[w.Checkbox] = []
        self.chosen: list[w.Checkbox] = []
        self.up: list[w.Button] = []
        self.down: list[w.Button] = []
        self.split: list[w.Button] = []

    def update(self) -> None:
        """Bring rows and names up to date with the result."""
        result = self._tool.result
        names = [] if result is None else result.names
        while len(self.names) > len(names):
            self._remove_row()
        while len(self.names) < len(names):
            self._add_row(len(self.names))
        self._setting = True
        for field, box, name in zip(self.names, self.chosen, names, strict=True):
            field.value, box.value = name, False
        self._setting = False
        editable = not (self._tool.busy or self._tool.previewed)
        for row in zip(self.names, self.up, self.down, self.split, strict=True):
            for each in row:
                each.disabled = not editable

    def merge(self) -> None:
        """Merge the components that are chosen."""
        self._tool.merge([i for i, box in enumerate(self.chosen) if box.value])

    def close(self) -> None:
        """Remove all rows."""
        while self.names:
            self._remove_row()
        self.widget.close()

    def _add_row(self, number: int) -> None:
        mark = w.HTML(
            f'<span aria-hidden="true" style="color:{colour(number)}">&#9632;</span> '
            f"{number}",
            layout={"width": "40px"},
        )
        name = w.Text(continuous_update=False, layout={"width": "200px"})
        name.tooltip = f"Name of component {number}"
        shown = w.Checkbox(True, description="show", indent=False, layout=_WIDE)
        chosen = w.Checkbox(False, description="merge", indent=False, layout=_WIDE)
        up = w.Button(icon="arrow-up", tooltip="Earlier in the order", layout=_NARROW)
        down = w.Button(icon="arrow-down", tooltip="Later in the order", layout=_NARROW)
        split = w.Button(
            description="Split",
            tooltip="Fit two components in the place of this one",
            layout={"width": "70px"},
        )
        tool = self._tool
        name.observe(lambda change: self._rename(number, change["new"]), "value")
        shown.observe(lambda change: self._show(), "value")
        up.on_click(lambda _: tool.move(number, -1))
        down.on_click(lambda _: tool.move(number, 1))
        split.on_click(lambda _: tool.split(number))
        fields = (self.names, self.shown, self.chosen, self.up, self.down, self.split)
        row = (name, shown, chosen, up, down, split)
        for group, each in zip(fields, row, strict=True):
            group.append(each)
        self.widget.children = (*self.widget.children, w.HBox([mark, *row]))

    def _remove_row(self) -> None:
        row = self.widget.children[-1]
        self.widget.children = self.widget.children[:-1]
        for group in (
            self.names, self.shown, self.chosen, self.up, self.down, self.split
        ):  # fmt: skip
            group.pop()
        for each in row.children:
            each.unobserve_all()
            each.close()
        row.close()

    def _rename(self, number: int, name: str) -> None:
        if not self._setting:
            self._tool.rename(number, name)

    def _show(self) -> None:
        self._on_shown([box.value for box in self.shown])


_WIDE = {"width": "80px"}
