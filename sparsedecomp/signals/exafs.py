"""EXAFS chi(k)."""

import numpy as np
from hyperspy.signals import LazySignal1D, Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import rows

R_STEP = np.pi / (0.05 * 2048)
"""Of chi(R) in angstrom, as in larch and ifeffit."""


class EXAFSSpectrum(Signal1D):
    """EXAFS chi(k) of one spectrum or of an image; the data are not weighted by k.

    The signal axis is k in 1/angstrom, evenly spaced. Every method returns a new
    signal, keeps the metadata, and stays lazy where the signal is.

    Examples
    --------
    >>> import numpy as np
    >>> import hyperspy.api as hs
    >>> k = np.arange(0, 15, 0.05)
    >>> s = hs.signals.Signal1D(np.sin(2 * 2.5 * k) / 10)
    >>> s.axes_manager[0].scale, s.axes_manager[0].units = 0.05, "1/Angstrom"
    >>> s.set_signal_type("EXAFS")
    >>> s.fourier_transform(kmin=3, kmax=14)
    <EXAFSRSpectrum, title: , dimensions: (|326)>
    """

    _signal_type = "EXAFS"

    def fourier_transform(
        self, kmin=3.0, kmax=None, kweight=2, dk=1.0, window="hanning", rmax=10.0
    ):
        """Transform to the complex chi(R).

        Parameters
        ----------
        kmin, kmax : float
            Range in 1/angstrom; to the end of the data by default.
        kweight : float
            Power of k that multiplies chi.
        dk : float
            Width of the sills of the window in 1/angstrom.
        window : str
            Kind of window: "hanning", "parzen", "welch", "sine", "kaiser" or
            "gaussian".
        rmax : float
            Largest R in angstrom.

        Returns
        -------
        EXAFSRSpectrum or LazyEXAFSRSpectrum
            In angstrom^-(kweight + 1), with larch's sign, scale and steps of R.

        Raises
        ------
        ValueError
            If the range of k leaves the data or is empty, or k is not evenly spaced.

        See Also
        --------
        sparsedecomp.xas.transform_matrix
        """
        k = self._k()
        kmax = float(k[-1]) if kmax is None else kmax
        r = R_STEP * np.arange(int(1.01 + rmax / R_STEP))
        transform = xas.transform_matrix(
            k, r, k_min=kmin, k_max=kmax, k_weight=kweight, taper=dk, window=window
        )
        data = rows.spectra_of(
            self, lambda chi: xas.applied(transform, chi), len(r), dtype=complex
        )
        done = {
            "kmin": kmin,
            "kmax": kmax,
            "kweight": kweight,
            "dk": dk,
            "window": window,
        }
        axis = {
            "name": "R",
            "units": "Angstrom",
            "scale": R_STEP,
            "offset": 0.0,
            "size": len(r),
            "navigate": False,
        }
        return rows.signal_on(self, data, axis, "EXAFS_R", "chi(R)", done)

    def estimate_noise(self, kmin=2.0, kmax=None, kweight=1, rmin=15.0, rmax=30.0):
        """Standard deviation of the noise of chi(k), from chi(R) at large R.

        Parameters
        ----------
        kmin, kmax : float
            Range used, in 1/angstrom.
        kweight : float
        rmin, rmax : float
            Where there is noise only, in angstrom.

        Returns
        -------
        BaseSignal or float
            A map, or a float for a single spectrum.

        Raises
        ------
        ValueError
            If a range leaves the data.

        See Also
        --------
        sparsedecomp.xas.chi_noise
        """
        k = self._k()
        options = dict(k_min=kmin, k_max=kmax, k_weight=kweight, r_min=rmin, r_max=rmax)
        xas.chi_noise(k, np.zeros_like(k), **options)
        return rows.numbers_of(self, lambda chi: xas.chi_noise(k, chi, **options))

    def wavelet(self, kweight=2, rmin=0.5, rmax=6.0, rstep=0.05, order=200):
        """Cauchy wavelet transform: where in k and at which distance chi oscillates.

        Parameters
        ----------
        kweight : float
            Power of k that multiplies chi.
        rmin, rmax, rstep : float
            Distances in angstrom, without phase correction.
        order : int
            The larger, the sharper in R and the broader in k.

        Returns
        -------
        ComplexSignal2D or LazyComplexSignal2D
            Signal axes k and R.

        Raises
        ------
        ValueError
            If k is not evenly spaced or a distance is negative.

        See Also
        --------
        sparsedecomp.xas.cauchy_wavelet
        """
        from hyperspy.api import signals

        k, r = self._k(), np.arange(rmin, rmax + rstep / 2, rstep)
        options = {"k_weight": kweight, "order": order}
        xas.cauchy_wavelet(k, np.zeros_like(k), r[:1], **options)

        def flat(chi):
            planes = xas.cauchy_wavelet(k, chi, r, **options)
            return planes.reshape(*chi.shape[:-1], -1)

        data = rows.spectra_of(self, flat, len(r) * len(k), dtype=complex)
        cls = signals.LazyComplexSignal2D if self._lazy else signals.ComplexSignal2D
        axis = {"name": "R", "units": "Angstrom", "offset": rmin, "scale": rstep}
        axis |= {"size": len(r), "navigate": False}
        pixels = self.axes_manager._get_navigation_axes_dicts()
        return cls(
            data.reshape(*data.shape[:-1], len(r), len(k)),
            axes=[*pixels, axis, *self.axes_manager._get_signal_axes_dicts()],
            metadata={"General": self.metadata.General.as_dictionary()},
        )

    def weighted(self, kweight=2):
        """Chi multiplied by a power of k, for plots and exports.

        Parameters
        ----------
        kweight : float

        Returns
        -------
        Signal1D or LazySignal1D
            No `EXAFSSpectrum`, so that it is not weighted twice.
        """
        weights = self._k() ** kweight
        data = rows.spectra_of(self, lambda chi: chi * weights, len(weights))
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        quantity = f"k^{kweight:g} chi (1/Angstrom^{kweight:g})" if kweight else "chi"
        return rows.signal_on(self, data, axis, "", quantity, {"kweight": kweight})

    def plot(self, kweight=0, **kwargs):
        """Plot chi(k).

        Parameters
        ----------
        kweight : float
            Power of k that multiplies chi.
        **kwargs
            Of HyperSpy's `plot`.
        """
        if kweight:
            self.weighted(kweight).plot(**kwargs)
        else:
            super().plot(**kwargs)

    def exafs_sparse_fit(self, *args, **kwargs):
        """Fit shells: distances, coordination numbers and elements.

        Parameters
        ----------
        *args, **kwargs
            Of `sparsedecomp.extension.exafs_fit.exafs_sparse_fit`, which see.

        Returns
        -------
        SparseEXAFSResult
        """
        from sparsedecomp.extension.exafs_fit import exafs_sparse_fit

        return exafs_sparse_fit(self, *args, **kwargs)

    def _k(self):
        units = ("1/Angstrom", "Angstrom^-1", "Angstrom-1", "1/A", "A^-1")
        k = rows.axis_values(self, "k", units)
        return xas.increasing(k, "k", "1/angstrom")


class LazyEXAFSSpectrum(EXAFSSpectrum, LazySignal1D):
    """EXAFS chi(k) on data larger than memory."""
