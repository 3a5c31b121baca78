"""View of the decomposition tool with ipywidgets."""

from __future__ import annotations

import html
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np
from IPython.display import display as show

from sparsedecomp.extension.algorithms import ALGORITHMS
from sparsedecomp.extension.components import axis_label
from sparsedecomp.gui.fit_settings import CHOICES
from sparsedecomp.gui.frames import curves, thumbnails
from sparsedecomp.gui.jupyter.bindings import Bindings
from sparsedecomp.gui.jupyter.component_list import ComponentList
from sparsedecomp.gui.jupyter.live_view import LiveView

if TYPE_CHECKING:
    from sparsedecomp.gui.decomposition_tool import DecompositionTool

_HELP = """<p><b>Run</b> finds the components; nothing has to be set. The maps, the
spectra and the objective are drawn while it runs; <b>Stop</b> keeps the best result.
Give the components names, merge or split them, and press <b>Apply</b>: the result is
then that of <code>s.decomposition</code>. <b>Copy code</b> copies the lines that do the
same in a script.</p><p>The verdict says what the data say against the result; the
findings say what is wrong with the data. Read both.</p>"""


def decomposition_tool(
    obj: DecompositionTool, display: bool = True
) -> dict[str, Any] | None:
    """Make the widgets of a decomposition tool.

    Parameters
    ----------
    obj : DecompositionTool
        Model.
    display : bool, default True
        Whether to show them; otherwise they are returned.

    Returns
    -------
    dict or None
        ``widget``, the whole, and ``wdict``, its parts by name.
    """
    view = _View(obj)
    if display:
        show(view.widget)
        return None
    return {"widget": view.widget, "wdict": view.wdict}


class _View:
    """The widgets of one tool and their connections."""

    def __init__(self, tool: DecompositionTool) -> None:
        self.tool, self.bindings = tool, Bindings()
        self.live = LiveView(axis=_axis_of(tool.signal))
        self.components = ComponentList(tool, self._show_components)
        self.algorithm = w.Dropdown(
            options=CHOICES, description="Algorithm", layout={"width": "230px"}
        )
        self.n_components = w.BoundedIntText(
            description="Components",
            min=0,
            max=999,
            style={"description_width": "initial"},
            layout={"width": "160px"},
            tooltip="Number of components, or the most; 0: found from the data",
        )
        self.counts = w.Checkbox(
            description="Weigh as counts",
            indent=False,
            tooltip="normalize_poissonian_noise of s.decomposition",
        )
        self.buttons = {
            "run": _button("Run", "play", "Fit the components", "primary"),
            "stop": _button("Stop", "stop", "End the fit and keep its best result"),
            "preview": _button("Preview", "eye", "Fit a sample of the pixels"),
            "check": _button(
                "Check data", "stethoscope", "Search the data for defects"
            ),
            "residual": _button("Residual", "th", "Map of what the model leaves"),
            "keep": _button("Keep", "thumb-tack", "Compare with the next results"),
            "merge": _button("Merge", "compress", "Merge the components marked"),
            "apply": _button("Apply", "check", "Result into the signal", "success"),
            "save": _button("Save", "save", "Write maps and spectra to a file"),
            "close": _button("Close", "times", "End the tool"),
        }
        self.path = w.Text(placeholder="file name", layout={"width": "180px"})
        self.status = w.HTML()
        self.findings, self.verdict = w.HTML(), w.HTML()
        self.ranges = [
            w.IntRangeSlider(
                min=0,
                max=axis.size,
                value=(0, axis.size),
                description=axis.name if isinstance(axis.name, str) else "pixels",
                continuous_update=False,
                layout={"width": "420px"},
            )
            for axis in tool.signal.axes_manager.navigation_axes
        ]
        self.channels = w.IntRangeSlider(
            min=0,
            max=tool.signal.axes_manager.signal_size,
            description="channels",
            continuous_update=False,
            layout={"width": "420px"},
        )
        self.parameters = w.VBox()
        self.code = w.Textarea(
            disabled=True, rows=5, layout={"width": "98%"}, description="Code"
        )
        self.widget = self._arranged()
        self._connect()
        self.wdict = self._named_parts()

    def _arranged(self) -> w.VBox:
        b = self.buttons
        one_axis = self.tool.signal.axes_manager.signal_dimension == 1
        limits = [*self.ranges, *([self.channels] if one_axis else [])]
        details = w.Accordion(
            [
                w.VBox([self.verdict, self.findings]),
                w.VBox(limits),
                self.parameters,
                self.code,
                w.HTML(_HELP),
            ],
            titles=(
                "Verdict and findings in the data",
                "Pixels and channels",
                "Parameters",
                "Code",
                "Help",
            ),
            selected_index=0,
        )
        wrap = {"flex_flow": "row wrap"}
        return w.VBox(
            [
                w.HBox([self.algorithm, self.n_components, self.counts], layout=wrap),
                w.HBox(
                    [b[n] for n in ("run", "stop", "preview", "check", "residual")],
                    layout=wrap,
                ),
                self.status,
                self.live,
                self.components.widget,
                w.HBox(
                    [
                        b["merge"],
                        b["keep"],
                        b["apply"],
                        self.path,
                        b["save"],
                        b["close"],
                    ],
                    layout=wrap,
                ),
                details,
            ]
        )

    def _connect(self) -> None:
        tool, settings, on = self.tool, self.tool.settings, self.bindings
        on.both_ways(settings, "algorithm", self.algorithm)
        on.both_ways(settings, "n_components", self.n_components)
        on.both_ways(settings, "normalize_poissonian_noise", self.counts)
        on.both_ways(settings, "channels", self.channels)
        for i, slider in enumerate(self.ranges):
            on.on_widget(slider, partial(self._set_range, i))
        on.on_change(settings, "ranges", self._show_ranges)
        on.on_change(settings, "channels", self._show_channels)
        on.on_widget(self.live, self._drag_ranges, "ranges")
        on.on_widget(self.live, self._drag_channels, "channels")
        on.on_change(settings, "algorithm", self._show_parameters)
        on.on_change(tool, "state, phase, activity, message", self._show_state)
        on.on_change(tool, "frame", self._show_frame)
        on.on_change(
            tool, "state, revision, previewed", self._show_components_of_result
        )
        on.on_change(tool, "check", self._show_check)
        on.on_change(tool, "revision, kept", self._show_kept)
        on.on_change(settings, "algorithm, n_components, ranges", self._show_code)
        on.on_change(settings, "channels, parameters", self._show_code)
        on.on_change(settings, "normalize_poissonian_noise", self._show_code)
        on.on_change(tool, "revision", self._show_code)
        actions = {
            "run": tool.run,
            "stop": tool.stop,
            "preview": tool.preview,
            "check": tool.check_data,
            "residual": tool.find_residual,
            "keep": tool.keep,
            "merge": self.components.merge,
            "apply": tool.apply,
            "save": lambda: tool.save(self.path.value),
            "close": self.close,
        }
        for name, action in actions.items():
            on.on_click(self.buttons[name], action)

    def _named_parts(self) -> dict[str, Any]:
        return {
            **{f"{name}_button": each for name, each in self.buttons.items()},
            "tool": self.tool,
            "live": self.live,
            "components": self.components,
            "algorithm": self.algorithm,
            "n_components": self.n_components,
            "normalize_poissonian_noise": self.counts,
            "ranges": self.ranges,
            "channels": self.channels,
            "parameters": self.parameters,
            "path": self.path,
            "status": self.status,
            "verdict": self.verdict,
            "findings": self.findings,
            "code": self.code,
        }

    def close(self) -> None:
        """End the thread, remove the observers and close the widgets."""
        self.tool.close()
        self.bindings.undo()
        self.components.close()
        _close(self.widget)

    def _show_state(self) -> None:
        tool = self.tool
        busy = tool.busy
        for name in ("run", "preview", "check", "residual", "apply", "save", "merge"):
            self.buttons[name].disabled = busy
        # A fit that is asked for during the check follows it.
        self.buttons["run"].disabled = busy and tool.state != "checking"
        self.buttons["stop"].disabled = not busy
        text = " — ".join(
            filter(None, [tool.state, tool.phase, tool.activity, tool.message])
        )
        kind = "color:#D55E00;font-weight:bold" if tool.state == "failed" else ""
        self.status.value = (
            f'<div role="status" aria-live="polite" style="{kind}">'
            f"{html.escape(text)}</div>"
        )

    def _show_frame(self) -> None:
        if self.tool.frame:
            self.live.frame = self.tool.frame

    def _show_components_of_result(self) -> None:
        self.components.update()
        result = self.tool.result
        names = [] if result is None else result.names
        self.live.names = names
        self._show_components([box.value for box in self.components.shown])
        verdict = "" if result is None else result.verdict
        self.verdict.value = f"<b>Verdict.</b> {html.escape(verdict) or 'None yet.'}"

    def _show_components(self, shown: list[bool]) -> None:
        self.live.shown = shown

    def _show_check(self) -> None:
        check = self.tool.check
        if check is None:
            self.findings.value = "<b>Findings in the data.</b> Not checked yet."
            return
        items = "".join(
            f"<li>{html.escape(each.message)} {html.escape(each.advice)}</li>"
            for each in check.findings
        )
        self.findings.value = "<b>Findings in the data.</b> " + (
            f"<ul>{items}</ul>" if items else "None."
        )
        axes = self.tool.signal.axes_manager
        if axes.navigation_dimension > 2:
            return
        mean = np.full((1, axes.signal_size), np.nan)
        mean[:, check.channels] = check.mean_spectrum
        self.live.overview = {
            "maps": thumbnails(
                check.intensity.reshape(1, -1), axes._navigation_shape_in_array
            ),
            "spectrum": curves(mean) if axes.signal_dimension == 1 else None,
            "sizes": list(axes.navigation_shape),
            "channels": axes.signal_size,
        }

    def _show_kept(self) -> None:
        kept, result = self.tool.kept, self.tool.result
        if kept is None:
            self.live.kept = {}
            return
        pairs = [] if result is None else result.compared_with(kept)
        texts = [
            f"{result.names[i]} and {kept.names[j]}: spectra {angle:.1f}° apart"
            for i, j, angle in pairs
        ]
        self.live.kept = {**kept.frame(), "names": kept.names, "pairs": texts}

    def _show_code(self) -> None:
        self.code.value = self.live.code = self.tool.script

    def _set_range(self, number: int, value: tuple[int, int]) -> None:
        ranges = list(self.tool.settings.ranges)
        ranges[number] = tuple(value)
        if ranges != list(self.tool.settings.ranges):
            self.tool.settings.ranges = ranges

    def _drag_ranges(self, ranges: list) -> None:
        given = [tuple(int(v) for v in each) for each in ranges]
        if given and given != list(self.tool.settings.ranges):
            self.tool.settings.ranges = given

    def _drag_channels(self, channels: list) -> None:
        if channels and tuple(channels) != self.tool.settings.channels:
            self.tool.settings.channels = tuple(int(v) for v in channels)

    def _show_ranges(self) -> None:
        ranges = self.tool.settings.ranges
        self.live.ranges = [list(each) for each in ranges]
        for slider, each in zip(self.ranges, ranges, strict=True):
            slider.value = each

    def _show_channels(self) -> None:
        self.live.channels = list(self.tool.settings.channels)

    def _show_parameters(self) -> None:
        settings = self.tool.settings
        for each in self.parameters.children:
            each.unobserve_all()
            each.close()
        summary = ALGORITHMS[settings.algorithm].summary
        fields: list[w.Widget] = [w.HTML(f"<i>{html.escape(summary)}</i>")]
        for name, default, options in settings.known_parameters():
            field = w.Combobox(
                options=options,
                value=settings.parameters.get(name, ""),
                placeholder=f"default: {default}",
                description=name,
                ensure_option=False,
                continuous_update=False,
                style={"description_width": "140px"},
                layout={"width": "420px"},
            )
            field.observe(
                lambda change, n=name: self._set_parameter(n, change), "value"
            )
            fields.append(field)
        self.parameters.children = fields

    def _set_parameter(self, name: str, change: dict[str, Any]) -> None:
        parameters = self.tool.settings.parameters
        self.tool.settings.parameters = {**parameters, name: change["new"]}


def _button(text: str, icon: str, tooltip: str, style: str = "") -> w.Button:
    return w.Button(
        description=text,
        icon=icon,
        tooltip=tooltip,
        button_style=style,
        layout={"width": "auto"},
    )


def _axis_of(signal: Any) -> dict[str, Any]:
    axes = signal.axes_manager
    if axes.signal_dimension != 1:
        values = np.arange(axes.signal_size)
        return {"values": values.astype(np.float32).tobytes(), "label": "channel"}
    (axis,) = axes.signal_axes
    values = np.asarray(axis.axis, np.float32)
    return {"values": values.tobytes(), "label": axis_label(axis)}


def _close(widget: w.Widget) -> None:
    """Close a widget and all that is in it."""
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()
