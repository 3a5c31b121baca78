"""Connections between the traits of a model and widgets, all of which can be undone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as w
import traits.api as t


class Bindings:
    """Connections of a view; `undo` removes every observer.

    Examples
    --------
    >>> import ipywidgets, traits.api
    >>> from sparsedecomp.gui.jupyter.bindings import Bindings
    >>> class Model(traits.api.HasTraits):
    ...     size = traits.api.Int(3)
    >>> model, slider, bindings = Model(), ipywidgets.IntSlider(), Bindings()
    >>> bindings.both_ways(model, "size", slider)
    >>> slider.value = 5
    >>> model.size
    5
    >>> bindings.undo()
    >>> slider.value = 6
    >>> model.size
    5
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def on_change(
        self, model: t.HasTraits, names: str, action: Callable[[], object]
    ) -> None:
        """Call a function now, and whenever traits of a model change.

        Parameters
        ----------
        model : HasTraits
            Model.
        names : str
            Names of traits, separated by commas.
        action : callable
            ``action()`` brings the widgets up to date.
        """

        def changed(event: Any) -> None:
            action()

        for name in names.replace(" ", "").split(","):
            model.observe(changed, name)
            self._undo.append(partial(model.observe, changed, name, remove=True))
        action()

    def on_widget(
        self, widget: w.Widget, action: Callable[[Any], object], name: str = "value"
    ) -> None:
        """Call a function with the new value whenever a widget changes.

        Parameters
        ----------
        widget : ipywidgets.Widget
            Widget.
        action : callable
            ``action(value)`` takes the new value.
        name : str, default "value"
            Attribute of the widget.
        """

        def changed(change: Any) -> None:
            action(change["new"])

        widget.observe(changed, name)
        self._undo.append(lambda: widget.unobserve(changed, name))

    def on_click(self, button: w.Button, action: Callable[[], object]) -> None:
        """Call a function whenever a button is clicked.

        Parameters
        ----------
        button : ipywidgets.Button
            Button.
        action : callable
            ``action()`` is called.
        """

        def clicked(_: Any) -> None:
            action()

        button.on_click(clicked)
        self._undo.append(lambda: button.on_click(clicked, remove=True))

    def both_ways(self, model: t.HasTraits, name: str, widget: w.Widget) -> None:
        """Keep a trait of a model and the value of a widget equal.

        Parameters
        ----------
        model : HasTraits
            Model, whose value counts at the beginning.
        name : str
            Name of the trait.
        widget : ipywidgets.Widget
            Widget with the attribute ``value``.
        """
        self.on_change(
            model, name, lambda: setattr(widget, "value", getattr(model, name))
        )
        self.on_widget(widget, lambda value: setattr(model, name, value))

    def undo(self) -> None:
        """Remove all observers."""
        while self._undo:
            self._undo.pop()()
