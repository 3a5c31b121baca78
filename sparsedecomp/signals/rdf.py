"""Atoms around the absorber by distance: the result of a sparse fit."""

import numpy as np
from hyperspy.signals import LazySignal1D, Signal1D

from sparsedecomp.signals import pixelwise


class RDFSpectrum(Signal1D):
    """Number of neighbours N at each distance R in angstrom.

    Sticks, not a density: the sum over a shell is its coordination number. The
    navigation axes are those of the pixels, and one of the elements.

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

    def coordination_number(self, rmin, rmax):
        """Number of neighbours between two distances.

        Parameters
        ----------
        rmin, rmax : float
            In angstrom.

        Returns
        -------
        BaseSignal or float
            A map, or a float for a single one.

        Raises
        ------
        ValueError
            If no point of R lies between them.
        """
        inside, _ = self._between(rmin, rmax)
        return pixelwise.numbers_of(self, lambda n: n @ inside)

    def mean_distance(self, rmin, rmax):
        """Mean distance of the neighbours between two distances.

        Parameters
        ----------
        rmin, rmax : float
            In angstrom.

        Returns
        -------
        BaseSignal or float
            In angstrom; NaN where there are none.

        Raises
        ------
        ValueError
            If no point of R lies between them.
        """
        inside, r = self._between(rmin, rmax)

        def mean(n):
            total = n @ inside
            return (n @ (inside * r)) / np.where(total > 0, total, np.nan)

        return pixelwise.numbers_of(self, mean)

    def _between(self, rmin, rmax):
        r = pixelwise.axis_values(self, "R", ("angstrom", "a"))
        inside = ((r >= rmin) & (r <= rmax)).astype(float)
        if not inside.any():
            raise ValueError(
                f"No point of R lies between {rmin:g} and {rmax:g} angstrom; the axis "
                f"covers {r[0]:g} to {r[-1]:g}."
            )
        return inside, r


class LazyRDFSpectrum(RDFSpectrum, LazySignal1D):
    """Atoms around the absorber, on data larger than memory."""
