"""Methods of mu(E) that reduce it: normalisation, and the background's removal."""

import numpy as np

from sparsedecomp import xas
from sparsedecomp.signals import rows
from sparsedecomp.signals.e0_groups import QUANTUM, E0Groups


class Reduction:
    """Mixin of `sparsedecomp.signals.XASSpectrum`: to one absorber, and to chi(k)."""

    def normalize(
        self,
        e0=None,
        pre1=None,
        pre2=None,
        norm1=None,
        norm2=None,
        nnorm=None,
        npre=1,
        flatten=False,
    ):
        """Subtract the pre-edge line and divide by the edge step.

        Parameters
        ----------
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV; by default that of the metadata, or else "common".
        pre1, pre2 : float, optional
            Range of the pre-edge fit in eV relative to E0.
        norm1, norm2 : float, optional
            Range of the post-edge fit in eV relative to E0.
        nnorm : {0, 1, 2, 3}, optional
            Degree of the post-edge polynomial.
        npre : {1, 0}
            Degree of the pre-edge fit.
        flatten : bool
            Also take slope and curvature away above E0.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum

        Raises
        ------
        ValueError
            If a range holds too few points, or no edge is found.

        See Also
        --------
        sparsedecomp.xas.Normalisation
        """
        e0, done = self._thresholds(e0)
        options = _normalisation(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(self._energy(), options)
        done.update(_ranges(reduce.normaliser(typical(e0))))
        data = rows.spectra_of(
            self,
            lambda mu, at: reduce.normalise(mu, at, flatten),
            len(reduce.energy),
            e0,
        )
        rows.warn_of_missing(data, "normalised spectrum")
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        done.update(normalized=True, flattened=bool(flatten))
        return rows.signal_on(self, data, axis, "XAS", "Normalised absorption", done)

    pre_edge = normalize

    def edge_step(
        self,
        e0=None,
        pre1=None,
        pre2=None,
        norm1=None,
        norm2=None,
        nnorm=None,
        npre=1,
    ):
        """Height of the edge: a map of how much of the absorber is there.

        Parameters
        ----------
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
        pre1, pre2, norm1, norm2 : float, optional
        nnorm, npre : int, optional
            As in `normalize`.

        Returns
        -------
        BaseSignal or float
            In the unit of mu; a float for a single spectrum.

        Raises
        ------
        ValueError
            As in `normalize`.
        """
        e0, _ = self._thresholds(e0)
        options = _normalisation(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(self._energy(), options)
        reduce.normaliser(typical(e0))
        return rows.numbers_of(self, reduce.edge_step, e0)

    def autobk(
        self,
        rbkg=1.0,
        kweight=2,
        kmin=0.0,
        kmax=None,
        clamp_lo=0.0,
        clamp_hi=1.0,
        e0=None,
        edge_step=None,
        kstep=0.05,
        pre1=None,
        pre2=None,
        norm1=None,
        norm2=None,
        nnorm=None,
        npre=1,
        return_background=False,
    ):
        """Remove the smooth background: mu(E) to chi(k).

        One matrix does it for all pixels of the same threshold.

        Parameters
        ----------
        rbkg : float
            Everything below this distance in angstrom is background: about half the
            shortest bond.
        kweight : float
            Power of k with which chi is weighted in the fit of the background. The
            result is not weighted.
        kmin, kmax : float
            Range of the fit in 1/angstrom; chi ends at `kmax`, by default where the
            data do.
        clamp_lo, clamp_hi : float
            Keep the ends of chi near zero.
        e0 : float, "common", "per_pixel", array or BaseSignal, optional
            Threshold in eV; by default that of the metadata, or else "common".
            Different thresholds cost a matrix for each 0.1 eV.
        edge_step : float, optional
            Divide by this; by default by the edge step of each pixel (by 1 if the
            spectra are normalised). One number keeps the weights of a mixture: chi
            times the amount of absorber.
        kstep : float
            Step of k in 1/angstrom.
        pre1, pre2, norm1, norm2 : float, optional
        nnorm, npre : int, optional
            Of the edge step, as in `normalize`.
        return_background : bool
            Also return the background mu0(E).

        Returns
        -------
        EXAFSSpectrum or LazyEXAFSSpectrum
            And an XASSpectrum if `return_background`.

        Raises
        ------
        ValueError
            If no edge is found, the range of k leaves the data, or a range holds too
            few points.

        See Also
        --------
        sparsedecomp.xas.autobk
        """
        energy = self._energy()
        e0, done = self._thresholds(e0)
        spread = 0 if np.ptp(e0) == 0 or not np.isfinite(e0).any() else QUANTUM
        reached = xas.common_k_max(energy, np.nanmax(e0) + spread)
        background = {
            "r_bkg": rbkg,
            "k_weight": kweight,
            "k_min": kmin,
            "k_max": reached if kmax is None else kmax,
            "clamp_low": clamp_lo,
            "clamp_high": clamp_hi,
            "k_step": kstep,
        }
        options = _normalisation(pre1, pre2, norm1, norm2, nnorm, npre)
        reduce = E0Groups(energy, options, background)
        # Whatever is wrong with the parameters is said before any block is read.
        k = reduce.remover(typical(e0)).k
        if edge_step is None and self.metadata.get_item("XAS.normalized", False):
            edge_step = 1.0
        if edge_step is None:
            done.update(_ranges(reduce.normaliser(typical(e0))))
        data = rows.spectra_of(
            self, lambda mu, at: reduce.chi(mu, at, edge_step), len(k), e0
        )
        rows.warn_of_missing(data, "chi(k)")
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
        chi = rows.signal_on(self, data, axis, "EXAFS", "chi", done)
        if not return_background:
            return chi
        smooth = rows.spectra_of(self, reduce.background_of, len(energy), e0)
        axis = self.axes_manager._get_signal_axes_dicts()[0]
        return chi, rows.signal_on(self, smooth, axis, "XAS", "Background", done)


def typical(e0):
    """Threshold in eV that stands for all pixels."""
    return float(np.nanmedian(e0))


def _normalisation(pre1, pre2, norm1, norm2, nnorm, npre):
    return {
        "pre": (pre1, pre2),
        "post": (norm1, norm2),
        "pre_degree": npre,
        "post_degree": nnorm,
    }


def _ranges(normaliser):
    """What larch calls the ranges, for the metadata."""
    (pre1, pre2), (norm1, norm2) = normaliser.pre, normaliser.post
    return {
        "pre1": pre1,
        "pre2": pre2,
        "norm1": norm1,
        "norm2": norm2,
        "nnorm": normaliser.post_degree,
    }
