"""Methods of `XASSpectrum` for normalisation and background removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from hyperspy.signals import BaseSignal, Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.e0_groups import QUANTUM, E0Groups
from sparsedecomp.signals.exafs import EXAFSSpectrum
from sparsedecomp.signals.scan_flags import scan_flags, warn_of

if TYPE_CHECKING:
    from sparsedecomp.signals.xas import XASSpectrum

E0: TypeAlias = float | str | np.ndarray | BaseSignal


class Reduction(Signal1D):
    """Mixin of `sparsedecomp.signals.XASSpectrum`: normalise, and reduce to chi(k)."""

    def normalize(
        self,
        e0: E0 | None = None,
        pre1: float | None = None,
        pre2: float | None = None,
        norm1: float | None = None,
        norm2: float | None = None,
        nnorm: int | None = None,
        npre: int = 1,
        flatten: bool = False,
    ) -> XASSpectrum:
        """Subtract the pre-edge line and divide by the edge step.

        Parameters
        ----------
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV: one number, one for each pixel in array order, or how it
            is found (see `find_e0`). By default that of the metadata, or else
            "common".
        pre1, pre2 : float, optional
            Range of the pre-edge fit in eV relative to E0. By default from the second
            energy to half way to the edge.
        norm1, norm2 : float, optional
            Range of the post-edge fit in eV relative to E0. By default to the end of
            the scan, starting at a fifteenth of that but at most at 25 eV.
        nnorm : {0, 1, 2, 3}, optional
            Degree of the post-edge polynomial. By default 2 for ranges of 300 eV and
            more, 1 from 30 eV, else 0.
        npre : {1, 0}, default 1
            Degree of the pre-edge fit.
        flatten : bool, default False
            Also subtract the slope and curvature of the post-edge polynomial above E0.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            Normalised spectra; NaN for pixels that hold NaN or no edge.

        Raises
        ------
        ValueError
            If a range holds too few points, or no edge is found.

        See Also
        --------
        sparsedecomp.xas.Normalisation

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> round(float(s.normalize().isig[9600.0].data[0]), 1)
        1.0
        """
        thresholds, done, mean = self._thresholds(e0)
        ranges = _ranges(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(self._energy(), ranges)
        done.update(_ranges_of(reduce.normaliser(typical(thresholds))))
        done.update(self._checked(reduce, thresholds, mean))
        data = pixelwise.spectra_of(
            self,
            lambda mu, at: reduce.normalise(mu, at, flatten),
            len(reduce.energy),
            thresholds,
        )
        pixelwise.warn_of_missing(data, "normalised spectrum")
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        done.update(normalized=True, flattened=bool(flatten))
        return pixelwise.signal_on(
            self, data, axis, "XAS", "Normalised absorption", done
        )

    pre_edge = normalize

    def edge_step(
        self,
        e0: E0 | None = None,
        pre1: float | None = None,
        pre2: float | None = None,
        norm1: float | None = None,
        norm2: float | None = None,
        nnorm: int | None = None,
        npre: int = 1,
    ) -> BaseSignal | float:
        """Edge step: a map that is proportional to the amount of the absorber.

        Parameters
        ----------
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV: one number, one for each pixel in array order, or how it
            is found (see `find_e0`). By default that of the metadata, or else
            "common".
        pre1, pre2 : float, optional
            Range of the pre-edge fit in eV relative to E0. By default from the second
            energy to half way to the edge.
        norm1, norm2 : float, optional
            Range of the post-edge fit in eV relative to E0. By default to the end of
            the scan, starting at a fifteenth of that but at most at 25 eV.
        nnorm : {0, 1, 2, 3}, optional
            Degree of the post-edge polynomial. By default 2 for ranges of 300 eV and
            more, 1 from 30 eV, else 0.
        npre : {1, 0}, default 1
            Degree of the pre-edge fit.

        Returns
        -------
        BaseSignal or float
            Edge step in the unit of mu; a float for a single spectrum.

        Raises
        ------
        ValueError
            As in `normalize`.

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> round(s.edge_step(), 1)
        3.1
        """
        thresholds, _, mean = self._thresholds(e0)
        ranges = _ranges(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(self._energy(), ranges)
        self._checked(reduce, thresholds, mean)
        return pixelwise.numbers_of(self, reduce.edge_step, thresholds)

    def autobk(
        self,
        rbkg: float = 1.0,
        kweight: float = 2,
        kmin: float = 0.0,
        kmax: float | None = None,
        clamp_lo: float = 0.0,
        clamp_hi: float = 1.0,
        e0: E0 | None = None,
        edge_step: float | None = None,
        kstep: float = 0.05,
        pre1: float | None = None,
        pre2: float | None = None,
        norm1: float | None = None,
        norm2: float | None = None,
        nnorm: int | None = None,
        npre: int = 1,
        return_background: bool = False,
    ) -> EXAFSSpectrum | tuple[EXAFSSpectrum, XASSpectrum]:
        """Remove the smooth background: mu(E) to chi(k).

        One matrix maps mu to chi for all pixels of the same threshold.

        Parameters
        ----------
        rbkg : float, default 1.0
            Distance in angstrom below which all Fourier components count as
            background: about half the shortest bond. Larger values remove more.
        kweight : float, default 2
            Power of k that multiplies chi in the fit of the background. The result is
            not weighted.
        kmin, kmax : float, default 0 and the end of the data
            Range of the fit in 1/angstrom; chi starts at 0 and ends at `kmax`.
        clamp_lo, clamp_hi : float, default 0 and 1
            Weights with which the first and last points of chi are kept near zero.
            Larger values flatten the ends of chi.
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV: one number, one for each pixel in array order, or how it
            is found (see `find_e0`). By default that of the metadata, or else
            "common". Each different threshold, rounded to 0.1 eV, costs a matrix.
        edge_step : float, optional
            Divide by this number; by default by the edge step of each pixel (by 1 if
            the spectra are normalised). With one number for all pixels chi stays
            proportional to the amount of absorber, as a linear mixture is.
        kstep : float, default 0.05
            Step of k in 1/angstrom.
        pre1, pre2 : float, optional
            Range of the pre-edge fit in eV relative to E0. By default from the second
            energy to half way to the edge.
        norm1, norm2 : float, optional
            Range of the post-edge fit in eV relative to E0. By default to the end of
            the scan, starting at a fifteenth of that but at most at 25 eV.
        nnorm : {0, 1, 2, 3}, optional
            Degree of the post-edge polynomial. By default 2 for ranges of 300 eV and
            more, 1 from 30 eV, else 0.
        npre : {1, 0}, default 1
            Degree of the pre-edge fit.
        return_background : bool, default False
            Also return the background mu0(E).

        Returns
        -------
        EXAFSSpectrum or LazyEXAFSSpectrum
            EXAFS chi(k), not weighted by k; with `return_background` a tuple of it and
            an XASSpectrum of the background.

        Raises
        ------
        ValueError
            If no edge is found, the range of k leaves the data, or a range holds too
            few points.

        See Also
        --------
        sparsedecomp.xas.autobk

        Notes
        -----
        The background holds all Fourier components below `rbkg`: EXAFS of shells nearer
        than that is removed with it, and slow components of the background above it
        remain in chi.

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> s.autobk(rbkg=1.2, kmax=12)
        <EXAFSSpectrum, title: , dimensions: (|241)>
        """
        energy = self._energy()
        thresholds, done, mean = self._thresholds(e0)
        uneven = np.ptp(thresholds) != 0 and np.isfinite(thresholds).any()
        latest = np.nanmax(thresholds) + (QUANTUM if uneven else 0)
        reached = xas.common_kmax(energy, latest)
        background = {
            "rbkg": rbkg,
            "kweight": kweight,
            "kmin": kmin,
            "kmax": reached if kmax is None else kmax,
            "clamp_lo": clamp_lo,
            "clamp_hi": clamp_hi,
            "kstep": kstep,
        }
        ranges = _ranges(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(energy, ranges, background)
        # Making the matrices checks the parameters before any block is read.
        k = reduce.remover(typical(thresholds)).k
        if edge_step is None and self.metadata.get_item("XAS.normalized", False):
            edge_step = 1.0
        if edge_step is None:
            done.update(_ranges_of(reduce.normaliser(typical(thresholds))))
            done.update(self._checked(reduce, thresholds, mean))
        data = pixelwise.spectra_of(
            self, lambda mu, at: reduce.chi(mu, at, edge_step), len(k), thresholds
        )
        pixelwise.warn_of_missing(data, "chi(k)")
        done.update(
            rbkg=rbkg,
            kweight=kweight,
            kmin=kmin,
            kmax=float(k[-1]),
            edge_step=edge_step,
        )
        axis = {
            "name": "k",
            "units": "1/Angstrom",
            "scale": kstep,
            "offset": 0.0,
            "size": len(k),
            "navigate": False,
        }
        chi = pixelwise.signal_on(self, data, axis, "EXAFS", "chi", done)
        if not return_background:
            return chi
        smooth = pixelwise.spectra_of(self, reduce.bkg, len(energy), thresholds)
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        return chi, pixelwise.signal_on(self, smooth, axis, "XAS", "Background", done)

    def _checked(
        self, reduce: E0Groups, thresholds: np.ndarray, mean: np.ndarray | None
    ) -> dict[str, list[str] | None]:
        """Warn of what is wrong with the mean spectrum; an entry for the metadata."""
        if mean is None and self._lazy:
            # The threshold was given: nothing has been read, and nothing is for this.
            return {}
        e0 = typical(thresholds)
        messages = scan_flags(self, reduce.energy, e0, reduce.normaliser(e0), mean)
        warn_of(messages)
        return {"flags": messages or None}


def typical(e0: np.ndarray) -> float:
    """Median threshold in eV, which stands for all pixels."""
    return float(np.nanmedian(e0))


def _ranges(
    pre1: float | None,
    pre2: float | None,
    norm1: float | None,
    norm2: float | None,
    nnorm: int | None,
    npre: int,
) -> dict[str, Any]:
    """Keyword arguments of `sparsedecomp.xas.Normalisation`."""
    limits = {"pre1": pre1, "pre2": pre2, "norm1": norm1, "norm2": norm2}
    return {**limits, "nnorm": nnorm, "npre": npre}


def _ranges_of(normaliser: xas.Normalisation) -> dict[str, float]:
    """Ranges in use, for the metadata."""
    names = ("pre1", "pre2", "norm1", "norm2", "nnorm")
    return {name: getattr(normaliser, name) for name in names}
