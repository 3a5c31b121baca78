"""The result of a fit in a tool: components that can be renamed, merged and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.extension import editing
from sparsedecomp.extension.driver import blocks_of
from sparsedecomp.extension.learning_results import copy_results, matrices, read
from sparsedecomp.gui.frames import curves, thumbnails
from sparsedecomp.metrics import match_components

if TYPE_CHECKING:
    from sparsedecomp.decomposition.progress import Progress
    from sparsedecomp.extension.types import BaseSignal


class FitResult:
    """A decomposed signal that shares its data with the one of the user.

    The methods call those of the signal and record the lines that do so.

    Parameters
    ----------
    signal : hyperspy.api.signals.BaseSignal
        Decomposed signal, which nobody else changes.
    script : list of str
        Lines of Python that decompose a signal ``s`` in the same way.

    Attributes
    ----------
    residual : (n_pixels,) array or None
        Mean squared residual of each pixel; see `find_residual`.
    """

    def __init__(self, signal: BaseSignal, script: Sequence[str]) -> None:
        self.signal = signal
        self.residual: NDArray | None = None
        self._script = list(script)
        self._edits: list[str] = []
        self._names: list[str] = []

    def copied(self) -> FitResult:
        """Return a copy with its own components, which can be changed.

        Returns
        -------
        FitResult
            Shares the data with this one.
        """
        signal = self.signal._deepcopy_with_new_data(self.signal.data)
        copy_results(self.signal, signal)
        copy = FitResult(signal, self._script)
        copy._edits, copy._names = [*self._edits], [*self._names]
        copy.residual = self.residual
        return copy

    @property
    def names(self) -> list[str]:
        """Names of the components."""
        return editing.component_names(self.signal)

    @property
    def masks(self) -> dict[str, NDArray | None]:
        """Masks of the fit in the order of the axes manager, None where there is none.

        They are ``navigation_mask`` and ``signal_mask``, True where left out.
        """
        found = {}
        for name in ("navigation_mask", "signal_mask"):
            mask = read(self.signal, name)
            found[name] = None if mask is None else np.asarray(mask).T
        return found

    @property
    def verdict(self) -> str:
        """What the data say against the fit, empty where nothing was compared."""
        return read(self.signal, "verdict") or ""

    @property
    def script(self) -> str:
        """Lines of Python that do the same with a signal ``s``."""
        names = [f"s.name_components({self._names!r})"] if self._names else []
        return "\n".join([*self._script, *self._edits, *names])

    def rename(self, number: int, name: str) -> None:
        """Name a component.

        Parameters
        ----------
        number : int
            Number of the component.
        name : str
            New name, different from the others.
        """
        names = self.names
        names[number] = name
        editing.name_components(self.signal, names)
        self._names = self.names

    def merge(self, numbers: Sequence[int]) -> None:
        """Replace components by their sum.

        Parameters
        ----------
        numbers : sequence of int
            Numbers of the components.
        """
        editing.merge_components(self.signal, list(numbers))
        self.residual = None
        self._record(f"s.merge_components({sorted(numbers)!r})")

    def reorder(self, order: Sequence[int]) -> None:
        """Change the order of the components.

        Parameters
        ----------
        order : sequence of int
            Numbers of the components in their new order.
        """
        editing.reorder_components(self.signal, list(order))
        self._record(f"s.reorder_components({list(order)!r})")

    def split(self, number: int, callback: Callable[[Progress], object]) -> None:
        """Fit two components in the place of one.

        Parameters
        ----------
        number : int
            Number of the component.
        callback : callable
            Callback of the fit.
        """
        editing.split_component(
            self.signal, number, callback=callback, show_progressbar=False
        )
        self.residual = None
        self._record(f"s.split_component({number})")

    def _record(self, line: str) -> None:
        self._edits.append(line)
        if self._names:
            self._names = self.names

    def apply_to(self, signal: BaseSignal) -> None:
        """Give a signal a copy of the results.

        Parameters
        ----------
        signal : hyperspy.api.signals.BaseSignal
            Signal with the axes of the one that was fitted.
        """
        copy_results(self.signal, signal)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write component maps and spectra to a file for ``hs.load``.

        Parameters
        ----------
        path : str or Path
            Name of the file; ``.hspy`` is added if it has no extension.
        overwrite : bool, default False
            Whether an existing file is replaced.

        Returns
        -------
        Path
            Name of the written file.
        """
        from sparsedecomp.batch.results import write_results

        path = Path(path)
        path = path if path.suffix else path.with_name(f"{path.name}.hspy")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists: choose another name.")
        write_results(path, self.signal, {"script": self.script}, overwrite)
        return path

    def find_residual(self) -> None:
        """Compare the model with the data, in one pass over them."""
        from sparsedecomp.decomposition.abundances import solve

        factors, _ = matrices(self.signal)
        blocks = blocks_of(
            self.signal,
            navigation_mask=read(self.signal, "navigation_mask"),
            signal_mask=read(self.signal, "signal_mask"),
        )
        spectra = np.asarray(factors.T[:, blocks.columns], float)
        misfit = solve(blocks, spectra, "nonnegative")[2]
        residual = np.full(self.signal.axes_manager.navigation_size, np.nan)
        residual[blocks.rows] = misfit / blocks.shape[1]
        self.residual = residual

    def relevance(self) -> tuple[str, NDArray]:
        """Return what tells how important the components are.

        Returns
        -------
        name : {"relevance", "share of the intensity"}
            Which of the two the values are.
        values : (k,) array
            Relevance over that of noise, where the algorithm has it.
        """
        found = read(self.signal, "ard_relevance")
        if found is not None:
            return "relevance", np.asarray(found, float)
        factors, loadings = matrices(self.signal)
        return "share of the intensity", intensity_shares(loadings, factors.T)

    def frame(self) -> dict[str, Any]:
        """Return the components as pictures for the browser.

        Returns
        -------
        dict
            Entries ``n``, ``maps``, ``spectra``, ``relevance``, ``relevance_name`` and
            ``residual``, as in `sparsedecomp.gui.frames`.
        """
        factors, loadings = matrices(self.signal)
        axes = self.signal.axes_manager
        shape = axes._navigation_shape_in_array
        name, values = self.relevance()
        residual = self.residual
        return {
            "n": factors.shape[1],
            "maps": thumbnails(loadings.T, shape),
            "spectra": curves(factors.T),
            "relevance": np.nan_to_num(values).tolist(),
            "relevance_name": name,
            "residual": (
                None if residual is None else thumbnails(residual[None], shape)
            ),
        }

    def compared_with(self, other: FitResult) -> list[tuple[int, int, float]]:
        """Pair the components of two results by the angles between their spectra.

        Parameters
        ----------
        other : FitResult
            Result of the same signal.

        Returns
        -------
        list of (int, int, float)
            Number here, number there and angle in degrees of each pair.
        """
        here, there = (matrices(each.signal)[0].T for each in (self, other))
        seen = np.isfinite(here).all(axis=0) & np.isfinite(there).all(axis=0)
        pairs = match_components(here[:, seen], there[:, seen])
        return [(int(i), int(j), float(a)) for i, j, a in zip(*pairs, strict=True)]


def intensity_shares(maps: NDArray, spectra: NDArray) -> NDArray:
    """Parts of the total intensity that the components contribute.

    Parameters
    ----------
    maps : (n_pixels, k) array
        Maps, NaN where masked.
    spectra : (k, n_channels) array
        Spectra, NaN where masked.

    Returns
    -------
    (k,) array
        Shares, whose sum is one for non-negative components.
    """
    amount = np.nansum(maps, axis=0, dtype=float)
    amount = amount * np.nansum(spectra, axis=1, dtype=float)
    return amount / (np.abs(amount).sum() or 1.0)
