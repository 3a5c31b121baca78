"""Reports of inpainting: what was missing, how it was filled, how sure that is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results import AxisScale, Result, Table, drawn_by
from .map_layout import Layout, blockwise
from .restoration_results import Restoration
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

    from ..restoration.completion import Completion
    from ..restoration.inpainting import InpaintedMaps


@dataclass(frozen=True, eq=False, repr=False)
class Inpainting(Result):
    """Report of how missing data of a signal were filled; printed, it is a table.

    Attributes
    ----------
    maps : sparsedecomp.restoration.inpainting.InpaintedMaps or None
        Maps of the factors before and after, their spectra, what was chosen; None where
        single entries were filled from the spectra alone.
    completion : sparsedecomp.restoration.completion.Completion or None
        Scores and spectra that single entries were filled from.
    missing : (rows, columns) bool array
        Pixels without any data.
    n_entries : int
        Number of single entries that were missing in other pixels.
    swapped : bool
        Whether the maps are the signal axes, as those of a stack of images.
    axes : tuple of AxisScale
        Axes of the maps, x before y.
    source : hyperspy.api.signals.BaseSignal or None
        The signal before, on its map; it is not saved with the report.
    """

    maps: InpaintedMaps | None
    completion: Completion | None
    missing: NDArray
    n_entries: int
    swapped: bool
    axes: tuple[AxisScale, ...]
    source: BaseSignal | None = None

    @property
    def restoration(self) -> Restoration:
        """The report of the restored maps, with the choice of the method.

        Raises
        ------
        AttributeError
            Where only single entries were filled.
        """
        if self.maps is None:
            raise AttributeError(
                "Only single entries were filled, from the spectra that pixels are "
                "mixtures of; no maps were restored. Choose a method for this."
            )
        return Restoration(self.maps, False, self.swapped, self.axes, self.source)

    @property
    def standard_deviation(self) -> BaseSignal:
        """Standard deviation of every value, as a lazy signal.

        The filled data are taken as the truth, made noisy and filled again. In missing
        pixels it is scaled to the error in the pixels that were held out.
        """
        return self.restoration.standard_deviation

    def filled(self, data: Any, keep: bool, nonnegative: bool) -> da.Array:
        """Data without gaps, in the order of the axes of the signal.

        Parameters
        ----------
        data : array or dask array
            The data before, NaN in single entries that are missing.
        keep : bool
            Whether measured values stay as they are.
        nonnegative : bool
            Whether negative values are set to zero.

        Returns
        -------
        dask array
            The data, computed block by block.
        """
        import dask.array as da

        assert self.source is not None
        if self.maps is not None:
            report = Restoration(self.maps, nonnegative, self.swapped, self.axes)
            values = report.values(self.source)
        else:
            values = self._product(nonnegative)
        if not keep:
            return values
        data = da.asarray(data)
        holes = da.asarray(Layout(self.source).over_channels(self.missing))
        if self.n_entries:
            holes = holes | da.isnan(data)
        return da.where(holes, values, data).astype(np.float32)

    def _product(self, nonnegative: bool) -> da.Array:
        """Data as the product of scores and spectra."""
        assert self.source is not None and self.completion is not None
        completion, shape = self.completion, self.source._data_aligned_with_axes.shape

        def product(block: NDArray, spectra: NDArray) -> NDArray:
            values = block @ spectra
            return np.maximum(values, 0, out=values) if nonnegative else values

        scores = completion.maps.reshape(*self.missing.shape, -1)
        found = blockwise(scores, completion.spectra, product)
        if self.swapped:
            found = found.transpose(2, 0, 1)
        return found.reshape(shape)

    def as_dict(self) -> dict[str, Any]:
        """Figures of the report, for metadata.

        Returns
        -------
        dict of str to object
            Numbers, strings and dictionaries.
        """
        own = {
            "missing_pixels": int(self.missing.sum()),
            "missing_entries": int(self.n_entries),
        }
        if self.maps is None:
            return own
        error = float(self.maps.choice.held_out_error)
        return {**self.restoration.as_dict(), **own, "error": error}

    @property
    def summary(self) -> str:
        """What was missing, and what filled it, in one line."""
        gaps = f"{self.missing.sum()} of {self.missing.size} pixels missing"
        if self.n_entries:
            gaps += f", and {self.n_entries} entries in the others"
        if self.maps is None:
            assert self.completion is not None
            k = len(self.completion.spectra)
            return f"{gaps}; filled from {k} spectra"
        return f"{gaps}; {self.restoration.summary}"

    def _details(self) -> Iterator[str | Table]:
        if self.maps is None:
            yield "Measured entries are as they were."
            return
        yield from self.restoration._details()
        m = self.maps.spectra.shape[1]
        error = np.sqrt(self.maps.choice.held_out_error / m)
        yield (
            f"Measured pixels that were held out were predicted with an error of "
            f"{error:.3g} (root mean square of a channel, without their own noise)."
        )

    plot = drawn_by("plot_inpainting")

    def _saved(self) -> dict[str, Any]:
        return {**vars(self), "source": None}
