"""`sparsity`: how few coefficients of which basis carry a signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..progress import with_progress_bar
from ..results import Result, Table, drawn_by
from .map_layout import Layout
from .types import BaseSignal

# Values of a cube that are looked at, from the centre of the map: more take longer.
_MOST = 2**20


@dataclass(frozen=True, eq=False, repr=False)
class Sparsity(Result):
    """How close few coefficients come to data, by ``s.sparsity()``.

    Attributes
    ----------
    psnr : dict of str to dict of float to float
        For each basis the peak signal-to-noise ratio in decibels over the share of the
        numbers that are kept.
    shape : tuple of int
        Shape of the data that were looked at.
    """

    psnr: dict[str, dict[float, float]]
    shape: tuple[int, ...]

    @property
    def summary(self) -> str:
        """The sparsest basis in one line."""
        share = 0.025
        best = max(self.psnr, key=lambda name: self.psnr[name][share])
        return (
            f"{best} carry the most: {self.psnr[best][share]:.1f} dB with "
            f"{100 * share:g} % of the numbers of {' x '.join(map(str, self.shape))}"
        )

    def _details(self) -> Iterator[str | Table]:
        shares = list(next(iter(self.psnr.values())))
        yield [
            ["numbers kept", *self.psnr],
            *(
                [
                    f"{100 * share:g} %",
                    *(f"{by_share[share]:.1f}" for by_share in self.psnr.values()),
                ]
                for share in shares
            ),
        ]
        yield "Peak signal-to-noise ratio in decibels; noise is carried by no basis."

    plot = drawn_by("plot_sparsity")


@with_progress_bar
def sparsity(self: BaseSignal) -> Sparsity:
    """Measure how few coefficients of which basis carry a signal.

    Wavelets, discrete cosines, differences of neighbours (the total variation) and a
    singular value decomposition are compared. Of a large map of spectra, the centre is
    looked at.

    Returns
    -------
    Sparsity
        A table of decibels when printed, with a plot.

    Raises
    ------
    ValueError
        For NaN, and signals of more than two navigation axes.
    TypeError
        For data that are not real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> import sparsedecomp
    >>> y, x = np.mgrid[:48, :48]
    >>> s = hs.signals.Signal2D(np.cos(y / 9.0) + np.cos(x / 7.0))
    >>> bool(s.sparsity().psnr["wavelets"][0.025] > 30)
    True
    """
    from ..restoration.sparsity import sparsity_of

    if self.data.dtype.kind not in "fiu":
        raise TypeError(
            f"The data have the dtype {self.data.dtype}, expected real floating point "
            "or integer numbers. Convert them first, e.g. with "
            "s.change_dtype('float32')."
        )
    layout = Layout(self)
    data: Any = layout.maps_first(self._data_aligned_with_axes)
    data = data.reshape(*layout.shape, *([layout.channels] if layout.channels else []))
    if data.size > _MOST:
        side = max(8, int(np.sqrt(_MOST / max(layout.channels, 1))))
        middle = tuple(
            slice(max(0, n // 2 - side // 2), max(0, n // 2 - side // 2) + side)
            for n in layout.shape
        )
        data = data[middle]
    values = np.asarray(data)
    if values.shape[0] == 1:
        values = values[0]
    return Sparsity(sparsity_of(values), values.shape)
