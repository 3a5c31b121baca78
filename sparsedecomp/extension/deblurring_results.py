"""Reports of deblurring: what was taken off, how, and how sure the result is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..results import Result, Table, drawn_by
from .map_layout import blockwise, like
from .types import BaseSignal

if TYPE_CHECKING:
    import dask.array as da

    from ..restoration.deconvolution import Deconvolution


@dataclass(frozen=True, eq=False, repr=False)
class Deblurring(Result):
    """Report of how spectra were deblurred; printed, it is a table.

    Attributes
    ----------
    maps : (rows, columns, n_factors) array
        Maps that the spectra are mixed by; one for a single spectrum.
    found : list of sparsedecomp.restoration.deconvolution.Deconvolution
        Each deblurred spectrum with its deviation and degrees of freedom.
    blurred : (n_factors, n_channels) array
        The spectra before.
    kernel : (2 w + 1,) array
        Kernel of the blur, in channels.
    method : str
        Name in `DEBLURRERS`.
    noise : str
        The noise model in words.
    source : hyperspy.api.signals.BaseSignal or None
        The signal before; it is not saved with the report.
    """

    maps: NDArray
    found: list[Deconvolution]
    blurred: NDArray
    kernel: NDArray
    method: str
    noise: str
    source: BaseSignal | None = None

    @property
    def spectra(self) -> NDArray:
        """The deblurred spectra, (n_factors, n_channels)."""
        return np.array([each.values for each in self.found])

    @property
    def standard_deviation(self) -> BaseSignal:
        """Standard deviation of every value, as a lazy signal.

        That of the deblurred spectra by their noise and smoothness. The noise of the
        maps of a spectrum image, which deblurring does not change, is not in it.

        Raises
        ------
        AttributeError
            For a report from a file, and for methods that give none.
        """
        deviation = np.array([each.deviation for each in self.found])
        if not np.isfinite(deviation).all():
            raise AttributeError(
                f"method={self.method!r} gives no standard deviation: use 'adaptive'."
            )

        def combined(block: NDArray, squares: NDArray) -> NDArray:
            return np.sqrt(np.square(block) @ squares)

        values = blockwise(self.maps, np.square(deviation), combined)
        signal = like(self._measured(), values.reshape(self._shape()))
        signal.metadata.General.title += ", standard deviation"
        return signal

    def values(self, nonnegative: bool = False) -> da.Array:
        """Deblurred data in the order of the axes of the signal.

        Parameters
        ----------
        nonnegative : bool, default False
            Whether negative values are set to zero.

        Returns
        -------
        dask array
            The data, computed block by block.
        """

        def product(block: NDArray, spectra: NDArray) -> NDArray:
            values = block @ spectra
            return np.maximum(values, 0, out=values) if nonnegative else values

        return blockwise(self.maps, self.spectra, product).reshape(self._shape())

    def _measured(self) -> BaseSignal:
        if self.source is None:
            raise AttributeError("The signal before is not saved with this report.")
        return self.source

    def _shape(self) -> tuple[int, ...]:
        return self._measured()._data_aligned_with_axes.shape

    def as_dict(self) -> dict[str, Any]:
        """Figures of the report, for metadata.

        Returns
        -------
        dict of str to object
            Numbers and strings.
        """
        return {
            "method": self.method,
            "n_components": len(self.found),
            "noise": self.noise,
            "blur": float(self._width()),
            "degrees_of_freedom": [float(each.freedom) for each in self.found],
            "iterations": [int(each.n_iter) for each in self.found],
        }

    def _width(self) -> float:
        """Full width at half maximum of the kernel, in channels."""
        return float(np.sum(self.kernel >= 0.5 * self.kernel.max()))

    @property
    def summary(self) -> str:
        """Method, blur and noise in one line."""
        n = len(self.found)
        many = f"{n} components, " if n > 1 else ""
        return (
            f"{self.method}; {many}blur of {self._width():.0f} channels; noise: "
            f"{self.noise}"
        )

    def _details(self) -> Iterator[str | Table]:
        yield [
            ["spectrum", "degrees of freedom", "iterations"],
            *(
                [str(k), f"{each.freedom:.1f}", str(each.n_iter)]
                for k, each in enumerate(self.found)
            ),
        ]

    plot = drawn_by("plot_deblurring")

    def _saved(self) -> dict[str, Any]:
        return {**vars(self), "source": None}
