"""HyperSpy signals of the number of atoms N around the absorber at each distance."""

from __future__ import annotations

import numpy as np
from hyperspy.signals import BaseSignal, LazySignal1D, Signal1D

from sparsedecomp.signals import pixelwise


class RDFSpectrum(Signal1D):
    """Number of neighbours N at each distance R in angstrom.

    The values are numbers of atoms, not a density: their sum over a shell is its
    coordination number. The navigation axes are those of the image and one of the
    elements. `SparseEXAFSResult.rdf` returns such a signal.

    Examples
    --------
    >>> import hyperspy.api as hs
    >>> s = hs.signals.Signal1D([0, 4.0, 8.0, 0, 6.0])
    >>> s.axes_manager[0].scale, s.axes_manager[0].units = 0.5, "Angstrom"
    >>> s.set_signal_type("RDF")
    >>> s.coordination_number(0.2, 1.2), round(s.mean_distance(0.2, 1.2), 3)
    (12.0, 0.833)
    """

    _signal_type = "RDF"

    def coordination_number(self, rmin: float, rmax: float) -> BaseSignal | float:
        """Number of neighbours between two distances.

        Parameters
        ----------
        rmin, rmax : float
            Range of R in angstrom, both ends included.

        Returns
        -------
        BaseSignal or float
            Sum of N over the range: a map, or a float without navigation axes.

        Raises
        ------
        ValueError
            If no point of R lies between them.
        """
        inside, _ = self._between(rmin, rmax)
        return pixelwise.numbers_of(self, lambda n: n @ inside)

    def mean_distance(self, rmin: float, rmax: float) -> BaseSignal | float:
        """Mean distance of the neighbours between two distances.

        Parameters
        ----------
        rmin, rmax : float
            Range of R in angstrom, both ends included.

        Returns
        -------
        BaseSignal or float
            Mean distance in angstrom, weighted by N; NaN where there are no neighbours.

        Raises
        ------
        ValueError
            If no point of R lies between them.
        """
        inside, r = self._between(rmin, rmax)

        def mean(n: np.ndarray) -> np.ndarray:
            total = n @ inside
            return (n @ (inside * r)) / np.where(total > 0, total, np.nan)

        return pixelwise.numbers_of(self, mean)

    def _between(self, rmin: float, rmax: float) -> tuple[np.ndarray, np.ndarray]:
        r = pixelwise.axis_values(self, "R", ("angstrom", "a"))
        inside = ((r >= rmin) & (r <= rmax)).astype(float)
        if not inside.any():
            raise ValueError(
                f"No point of R lies between {rmin:g} and {rmax:g} angstrom; the axis "
                f"covers {r[0]:g} to {r[-1]:g}."
            )
        return inside, r


class LazyRDFSpectrum(RDFSpectrum, LazySignal1D):
    """Number of neighbours at each distance, on data larger than memory."""
