"""HyperSpy signals of EXAFS chi(k)."""

from __future__ import annotations

from typing import Any

import numpy as np
from hyperspy.signals import BaseSignal, ComplexSignal2D, LazySignal1D, Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.exafs_fit import exafs_sparse_fit
from sparsedecomp.signals.exafs_r import EXAFSRSpectrum

R_STEP = np.pi / (0.05 * 2048)
"""Step of chi(R) in angstrom, as in larch and ifeffit."""


class EXAFSSpectrum(Signal1D):
    """EXAFS chi(k) of one spectrum or of an image; the data are not weighted by k.

    The signal axis is k in 1/angstrom, evenly spaced. Every method returns a new
    signal with the metadata of the sample, which is lazy if this one is.

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
        self,
        kmin: float = 3.0,
        kmax: float | None = None,
        kweight: float = 2,
        dk: float = 1.0,
        window: str = "hanning",
        rmax: float = 10.0,
    ) -> EXAFSRSpectrum:
        """Fourier transform to the complex chi(R).

        Parameters
        ----------
        kmin, kmax : float, default 3 and the end of the data
            Range of k in 1/angstrom.
        kweight : float, default 2
            Power of k that multiplies chi. Larger values emphasise heavy atoms, which
            scatter at high k, and noise.
        dk : float, default 1
            Width of the rise and fall of the window in 1/angstrom. Larger values give
            weaker side lobes and broader peaks.
        window : str, default "hanning"
            Kind of window: "hanning", "parzen", "welch", "sine", "kaiser" or
            "gaussian".
        rmax : float, default 10
            Largest R in angstrom.

        Returns
        -------
        EXAFSRSpectrum or LazyEXAFSRSpectrum
            Transform chi(R) in angstrom^-(kweight + 1), with the sign, the scale and
            the steps of R of larch.

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
            k, r, kmin=kmin, kmax=kmax, kweight=kweight, dk=dk, window=window
        )
        data = pixelwise.spectra_of(
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
        return pixelwise.signal_on(self, data, axis, "EXAFS_R", "chi(R)", done)

    def estimate_noise(
        self,
        kmin: float = 2.0,
        kmax: float | None = None,
        kweight: float = 1,
        rmin: float = 15.0,
        rmax: float = 30.0,
    ) -> BaseSignal | float:
        """Standard deviation of the noise of chi(k), from chi(R) at large R.

        Parameters
        ----------
        kmin, kmax : float, default 2 and the end of the data
            Range of k in 1/angstrom that is transformed.
        kweight : float, default 1
            Power of k that multiplies chi in the transform.
        rmin, rmax : float, default 15 and 30
            Range of R in angstrom that holds noise only. Noise that is correlated
            between neighbouring k is underestimated there.

        Returns
        -------
        BaseSignal or float
            Map of the standard deviation of chi, not weighted; a float for a single
            spectrum.

        Raises
        ------
        ValueError
            If a range leaves the data.

        See Also
        --------
        sparsedecomp.xas.chi_noise
        """
        k = self._k()
        options: dict[str, Any] = dict(
            kmin=kmin, kmax=kmax, kweight=kweight, rmin=rmin, rmax=rmax
        )
        # Checks the parameters before any block is read.
        xas.chi_noise(k, np.zeros_like(k), **options)
        return pixelwise.numbers_of(self, lambda chi: xas.chi_noise(k, chi, **options))

    def wavelet(
        self,
        kweight: float = 2,
        rmin: float = 0.5,
        rmax: float = 6.0,
        rstep: float = 0.05,
        order: int = 200,
    ) -> ComplexSignal2D:
        """Cauchy wavelet transform: chi as a function of both k and R.

        Parameters
        ----------
        kweight : float, default 2
            Power of k that multiplies chi.
        rmin, rmax, rstep : float, default 0.5, 6 and 0.05
            Range and step of the distances in angstrom, without phase correction.
        order : int, default 200
            Order of the wavelet. Larger values resolve R better and k worse.

        Returns
        -------
        ComplexSignal2D or LazyComplexSignal2D
            Transform with the signal axes k and R.

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
        options: dict[str, Any] = {"kweight": kweight, "order": order}
        # Checks the parameters before any block is read.
        xas.cauchy_wavelet(k, np.zeros_like(k), r[:1], **options)

        def flat(chi: np.ndarray) -> np.ndarray:
            planes = xas.cauchy_wavelet(k, chi, r, **options)
            return planes.reshape(*chi.shape[:-1], -1)

        data = pixelwise.spectra_of(self, flat, len(r) * len(k), dtype=complex)
        cls = signals.LazyComplexSignal2D if self._lazy else signals.ComplexSignal2D
        axis = {"name": "R", "units": "Angstrom", "offset": rmin, "scale": rstep}
        axis |= {"size": len(r), "navigate": False}
        pixels = self.axes_manager._get_navigation_axes_dicts()
        return cls(
            data.reshape(*data.shape[:-1], len(r), len(k)),
            axes=[*pixels, axis, *self.axes_manager._get_signal_axes_dicts()],
            metadata={"General": self.metadata.General.as_dictionary()},
        )

    def weighted(self, kweight: float = 2) -> Signal1D:
        """Multiply chi by a power of k, for plots and exports.

        Parameters
        ----------
        kweight : float, default 2
            Power of k.

        Returns
        -------
        Signal1D or LazySignal1D
            Signal k^kweight chi. It is no `EXAFSSpectrum`, so that it cannot be
            weighted twice.
        """
        weights = self._k() ** kweight
        data = pixelwise.spectra_of(self, lambda chi: chi * weights, len(weights))
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        quantity = f"k^{kweight:g} chi (1/Angstrom^{kweight:g})" if kweight else "chi"
        return pixelwise.signal_on(self, data, axis, "", quantity, {"kweight": kweight})

    def plot(self, kweight: float = 0, **kwargs: Any) -> None:
        """Plot chi(k).

        Parameters
        ----------
        kweight : float, default 0
            Power of k that multiplies chi.
        **kwargs
            Keyword arguments of HyperSpy's `plot`.
        """
        if kweight:
            self.weighted(kweight).plot(**kwargs)
        else:
            super().plot(**kwargs)

    exafs_sparse_fit = exafs_sparse_fit

    def _k(self) -> np.ndarray:
        units = ("1/Angstrom", "Angstrom^-1", "Angstrom-1", "1/A", "A^-1")
        k = pixelwise.axis_values(self, "k", units)
        return xas.increasing(k, "k", "1/angstrom")


class LazyEXAFSSpectrum(EXAFSSpectrum, LazySignal1D):
    """EXAFS chi(k) on data larger than memory."""
