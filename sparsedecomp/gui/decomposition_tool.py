"""Model of the decomposition tool: its state, its thread and what its buttons do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import traits.api as t

from sparsedecomp.decomposition import DoubtfulResultWarning, estimate_rank
from sparsedecomp.extension.algorithms import ALGORITHMS
from sparsedecomp.extension.arguments import check_signal
from sparsedecomp.extension.data_check import check_data
from sparsedecomp.extension.driver import blocks_of, decompose
from sparsedecomp.gui.fit_result import FitResult
from sparsedecomp.gui.fit_settings import FitSettings, script_of
from sparsedecomp.gui.live_fit import LiveFit
from sparsedecomp.gui.tool import Tool

if TYPE_CHECKING:
    from sparsedecomp.extension.types import BaseSignal, Mask
    from sparsedecomp.noise import DataCheck

# Pixels of a preview, and the size in bytes up to which data are checked unasked.
_PREVIEW_PIXELS, _CHECKED_UNASKED = 4096, 2**29
_QUIET: dict[str, Any] = {"print_info": False, "show_progressbar": False}


class DecompositionTool(Tool):
    """Fit components to a signal in a thread, watch the fit, and edit its result.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Signal with navigation and signal axes. It does not change before `apply`.
    navigation_mask : array or BaseSignal, optional
        True where pixels are left out.

    Attributes
    ----------
    state, phase, activity, message : str
        Attributes of `Tool`.
    settings : FitSettings
        Algorithm, parameters, pixels and channels.
    frame : dict
        Latest picture, see `FitResult.frame`.
    check : DataCheck or None
        What is wrong with the data, once they were checked.
    result : FitResult or None
        The last result.
    kept : FitResult or None
        Result that the next one is compared with.
    previewed : bool
        Whether the result is that of a sample of the pixels, which cannot be applied.
    revision : int
        Counts the changes of the result.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> from sparsedecomp.gui import DecompositionTool
    >>> rng = np.random.default_rng(0)
    >>> s = hs.signals.Signal1D(rng.random((8, 6, 2)) @ rng.random((2, 40)))
    >>> tool = DecompositionTool(s)
    >>> tool.settings.algorithm, tool.settings.n_components = "nmf_so", 2
    >>> tool.run()
    >>> tool.wait()
    True
    >>> tool.apply()
    >>> s.learning_results.loadings.shape
    (48, 2)
    """

    settings: Any = t.Instance(FitSettings)
    frame: Any = t.Dict()
    check: Any = t.Any()
    kept: Any = t.Any()
    previewed: Any = t.Bool()
    revision: Any = t.Int()

    def __init__(self, signal: BaseSignal, navigation_mask: Mask | None = None) -> None:
        super().__init__()
        check_signal(signal, ALGORITHMS["nmf_so_ard"])
        self.signal = signal
        self.settings = FitSettings(signal, navigation_mask)
        self.live: LiveFit | None = None

    def run(self) -> None:
        """Fit the components; returns at once."""
        self._begin_fit(1)

    def preview(self) -> None:
        """Fit a sample of the pixels, which shows what to expect of a large signal."""
        pixels = self.signal.axes_manager.navigation_size
        axes = min(self.signal.axes_manager.navigation_dimension, 2)
        step = max(int(np.ceil((pixels / _PREVIEW_PIXELS) ** (1 / axes))), 1)
        self._begin_fit(step)

    def check_data(self) -> None:
        """Search the data for defects; returns at once."""
        signal = self.signal._deepcopy_with_new_data(self.signal.data)
        self._begin(lambda: self._check(signal), "checking")

    def check_if_small(self) -> None:
        """Check the data unless they are lazy or large, where one has to ask for it."""
        data = self.signal.data
        if not self.signal._lazy and data.nbytes <= _CHECKED_UNASKED:
            self.check_data()

    def close(self) -> None:
        """End the thread; the tool keeps nothing of the data."""
        super().close()
        self.kept = self.check = self.live = None
        self.frame = {}

    def apply(self) -> None:
        """Write the result, with the names, into ``learning_results`` of the signal."""
        if self._has_result("apply"):
            self._try(lambda: self.result.apply_to(self.signal))
            if self.state != "failed":
                names = ", ".join(self.result.names)
                self.message = f"Applied to the signal: {names}."

    def save(self, path: str | Path) -> None:
        """Write component maps and spectra to a file.

        Parameters
        ----------
        path : str or Path
            Name of a file that does not exist; ``.hspy`` is added if it has no
            extension.
        """
        if not str(path).strip():
            self.message = "Give the name of a file to save to."
        elif self._has_result("save"):
            self._try(lambda: self._say(f"Saved to {self.result.save(path)}."))

    def rename(self, number: int, name: str) -> None:
        """Name a component.

        Parameters
        ----------
        number : int
            Number of the component.
        name : str
            Its name.
        """
        self._edit(lambda: self.result.rename(number, name))

    def merge(self, numbers: Sequence[int]) -> None:
        """Replace components by their sum.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the components.
        """
        self._edit(lambda: self.result.merge(numbers))

    def move(self, number: int, by: int) -> None:
        """Move a component up or down in the order.

        Parameters
        ----------
        number : int
            Number of the component.
        by : int
            Number of places, negative to the front.
        """
        order = list(range(len(self.result.names))) if self.result else []
        place = min(max(number + by, 0), len(order) - 1)
        if order and place != number:
            order.insert(place, order.pop(number))
            self._edit(lambda: self.result.reorder(order))

    def split(self, number: int) -> None:
        """Fit two components in the place of one; returns at once.

        Parameters
        ----------
        number : int
            Number of the component.
        """
        if self._has_result("split") and not self.busy:
            self._begin(lambda: self._split(number), "running")

    def keep(self) -> None:
        """Keep the result beside the next ones, for comparison."""
        if self.result is not None:
            self.kept = self.result.copied()
            self.message = "Kept for comparison with the next results."

    def find_residual(self) -> None:
        """Compute the map of the residual, in one pass; returns at once."""
        if self.result is not None and not self.busy:
            self._begin(self._find_residual, "running")

    @property
    def script(self) -> str:
        """Lines of Python that do the same with a signal ``s``."""
        if self.result is not None and not self.previewed:
            return self.result.script
        settings = self.settings
        call = script_of(settings.arguments(), settings.masks())
        return "\n".join([*settings.script_of_masks(), call])

    def _has_result(self, what: str) -> bool:
        if self.result is None:
            self.message = f"There is nothing to {what} yet: press Run first."
        elif self.previewed:
            self.message = "This is a preview of some pixels: press Run first."
        else:
            return True
        return False

    def _edit(self, action: Callable[[], object]) -> None:
        if self.result is None or self.busy:
            return

        def edit() -> None:
            action()
            self._show_result("")

        self._try(edit)

    def _check(self, signal: BaseSignal) -> None:
        mask = self.settings.given_mask
        masks = {"navigation_mask": None if mask is None else mask.T}
        with self._live(signal, masks):
            options: dict[str, Any] = {**masks, "show_progressbar": False}
            found: DataCheck = check_data(signal, **options)
        self.check = found
        self.message = f"{len(found.findings)} findings in the data."

    def _begin_fit(self, step: int) -> None:
        """Begin a fit of every so many pixels, with the settings of this moment.

        HyperSpy copies a signal by taking its data away for a moment: not in a thread.
        """
        if self.busy and self.state != "checking":
            return
        part, masks = _sampled(self.signal, self.settings.masks(), step)
        fitted = part._deepcopy_with_new_data(part.data)
        arguments, preview = self.settings.arguments(), step > 1
        lines = self.settings.script_of_masks()
        self._begin(
            lambda: self._fit(fitted, masks, arguments, lines, preview), "running"
        )

    def _fit(
        self,
        fitted: BaseSignal,
        masks: dict[str, Any],
        arguments: dict[str, Any],
        lines: list[str],
        preview: bool,
    ) -> None:
        if preview and fitted._lazy:
            fitted.compute(show_progressbar=False)
        with self._live(fitted, masks) as (live, blocks, texts):
            needs = ALGORITHMS[arguments["algorithm"]].needs_dimension
            if needs and "output_dimension" not in arguments:
                self.phase = "number of components"
                arguments["output_dimension"] = max(
                    estimate_rank(blocks).interval[0], 1
                )
            decompose(fitted, **arguments, **masks, callback=live.report, **_QUIET)
        self.live = live
        lines = [*lines, script_of(arguments, masks)]
        self._take(FitResult(fitted, lines), texts, preview)
        if not (preview or fitted._lazy):
            self._find_residual()

    def _split(self, number: int) -> None:
        result = self.result.copied()
        with self._live(result.signal, result.masks) as (live, _, texts):
            result.split(number, live.report)
        self.live = live
        self._take(result, texts)

    def _find_residual(self) -> None:
        with self._live(self.result.signal, self.result.masks):
            self.result.find_residual()
        self._show_result(self.message)

    @contextmanager
    def _live(self, signal: BaseSignal, masks: dict[str, Any]) -> Iterator[tuple]:
        """Draw what happens; yields what draws, the data, and a list of warnings."""
        task = self._task
        live = LiveFit(
            lambda frame: self.trait_set(frame=frame),
            lambda text: self.trait_set(activity=text),
            task.shielded,
        )
        arrays = {k: None if mask is None else mask.T for k, mask in masks.items()}
        blocks = blocks_of(signal, **arrays)
        live.of(signal, blocks)
        texts: list[str] = []
        # The filters of warnings are those of all threads: only for the fit.
        with live.watched(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield live, blocks, texts
        texts += _texts_of(caught)

    def _take(self, result: FitResult, texts: list[str], preview: bool = False) -> None:
        self._taken = True
        self.trait_set(result=result, previewed=preview)
        self._show_result(" ".join(texts))

    def _show_result(self, message: str) -> None:
        curve = self.live.history.curve()
        frame = {"phase": "result", "curve": curve, **self.result.frame()}
        self.trait_set(frame=frame, message=message)
        self.revision += 1


def _sampled(
    signal: BaseSignal, masks: dict[str, Any], step: int
) -> tuple[BaseSignal, dict[str, Any]]:
    """Every so many pixels of a signal along two axes, with their masks."""
    axes = signal.axes_manager.navigation_dimension
    every = (slice(None, None, step),) * min(axes, 2)
    if step == 1:
        return signal, masks
    part = signal.inav[every]
    mask = masks["navigation_mask"]
    return part, masks | {"navigation_mask": None if mask is None else mask[every]}


def _texts_of(caught: list[warnings.WarningMessage]) -> list[str]:
    """Warnings of a fit that its verdict does not repeat."""
    kinds = (DoubtfulResultWarning, DeprecationWarning, RuntimeWarning)
    texts = {
        str(each.message): None
        for each in caught
        if issubclass(each.category, UserWarning)
        and not issubclass(each.category, kinds)
        and "Deprecation" not in each.category.__name__
    }
    return list(texts)
