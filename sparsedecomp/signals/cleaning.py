"""Methods of mu(E) that mend it: glitches, and shifts of the energy."""

import numpy as np

from sparsedecomp import xas
from sparsedecomp.signals import rows
from sparsedecomp.signals.reduction import typical

ALIGNED = (-20.0, 40.0)
"""Energies that are compared in an alignment, in eV about E0."""

NO_GLITCH = (-30.0, 60.0)
"""Energies that bend too sharply to look for glitches, in eV about E0."""


class Cleaning:
    """Mixin of `sparsedecomp.signals.XASSpectrum`: what to mend before reducing."""

    def deglitch(self, energies=None, threshold=8.0, per_pixel=False, protect=None):
        """Replace glitches by what lies beside them.

        Parameters
        ----------
        energies : list of floats or of pairs, optional
            Energies, or ranges of energies, in eV to be replaced in all pixels. By
            default they are found.
        threshold : float
            How many robust standard deviations from the cubic through the neighbours
            make a glitch.
        per_pixel : bool
            Find them in every pixel, not in the mean spectrum: stray counts, where
            glitches of the monochromator are the same in all pixels.
        protect : tuple of two floats, optional
            Energies in eV between which nothing is a glitch; by default from 30 eV
            before to 60 eV after E0.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            ``metadata.XAS.deglitched`` lists the energies, unless `per_pixel`.

        Raises
        ------
        ValueError
            If an energy was not measured, or too few points stay.
        """
        energy, done = self._energy(), {}
        if energies is None and protect is None:
            e0 = typical(self._thresholds(None)[0])
            protect = e0 + NO_GLITCH[0], e0 + NO_GLITCH[1]
        if per_pixel and energies is None:

            def mended(mu):
                bad = xas.find_glitches(energy, mu, threshold, protect)
                return xas.replace_points(energy, mu, bad)

        else:
            if energies is None:
                mean = rows.mean_spectrum(self)
                bad = xas.find_glitches(energy, mean, threshold, protect)
            else:
                bad = _named(energy, energies)
            done = {"deglitched": energy[bad].tolist()}
            xas.replace_points(energy, np.zeros_like(energy), bad)

            def mended(mu):
                return xas.replace_points(energy, mu, bad)

        data = rows.spectra_of(self, mended, len(energy))
        return self._like(data, done)

    def rebin_k(self, kstep=0.05, pre_step=5.0, edge_step=None, e0=None):
        """Average onto fewer energies: coarse, fine at the edge, even in k.

        Parameters
        ----------
        kstep : float
            Step in 1/angstrom from 15 eV past the threshold.
        pre_step : float
            Step in eV up to 30 eV before the threshold.
        edge_step : float, optional
            Step in eV between the two; E0 / 25000 by default.
        e0 : float, optional
            Threshold in eV; by default that of the metadata or of the mean spectrum.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum

        Raises
        ------
        ValueError
            If E0 lies outside the energies, or a step is not positive.

        See Also
        --------
        sparsedecomp.xas.rebin_matrix
        """
        energy = self._energy()
        e0 = typical(self._thresholds(e0)[0])
        new = xas.three_regions(
            energy, e0, pre_step=pre_step, edge_step=edge_step, k_step=kstep
        )
        matrix = xas.rebin_matrix(energy, new)
        data = rows.spectra_of(self, lambda mu: xas.applied(matrix, mu), len(new))
        axis = {"name": "Energy", "units": "eV", "axis": new, "navigate": False}
        quantity = self.metadata.get_item("Signal.quantity", "Absorption")
        return rows.signal_on(self, data, axis, "XAS", quantity, {"rebinned": True})

    def estimate_shifts(self, reference=None, limits=None, max_shift=5.0):
        """Energy shift of every pixel against a reference spectrum.

        Parameters
        ----------
        reference : XASSpectrum, optional
            One spectrum on the same energies; by default the mean of all pixels.
        limits : tuple of two floats, optional
            Compare between these energies in eV; by default from 20 eV before to
            40 eV after E0.
        max_shift : float
            Largest shift in eV that is looked for.

        Returns
        -------
        BaseSignal or float
            In eV, positive where a pixel lies at higher energies; NaN where none
            below `max_shift` fits.

        Raises
        ------
        ValueError
            If the reference is not one spectrum on the same energies.

        See Also
        --------
        sparsedecomp.xas.shifts_to
        """
        energy = self._energy()
        if reference is None:
            target = rows.mean_spectrum(self)
        else:
            target = _one_spectrum(reference, energy)
        if limits is None:
            e0 = xas.e0_of(energy, target, self._search(energy))
            limits = e0 + ALIGNED[0], e0 + ALIGNED[1]
        xas.shifts_to(energy, target, target, limits, max_shift)
        return rows.numbers_of(
            self, lambda mu: xas.shifts_to(energy, mu, target, limits, max_shift)
        )

    def align(self, reference=None, shifts=None, limits=None, max_shift=5.0):
        """Move every pixel in energy so that the edges coincide.

        Parameters
        ----------
        reference : XASSpectrum, optional
            As in `estimate_shifts`.
        shifts : float, array or BaseSignal, optional
            What to take away, in eV: those of a reference foil measured along, where
            the edge of the sample itself moves with its chemistry.
        limits : tuple of two floats, optional
        max_shift : float
            As in `estimate_shifts`.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            On the same energies.

        Raises
        ------
        ValueError
            If the shapes do not fit, or as in `estimate_shifts`.
        """
        energy = self._energy()
        if shifts is None:
            shifts = self.estimate_shifts(reference, limits, max_shift)
        data = rows.spectra_of(
            self,
            lambda mu, shift: xas.shifted(energy, mu, shift),
            len(energy),
            rows.map_of(shifts, self, "shifts"),
        )
        rows.warn_of_missing(data, "aligned spectrum")
        return self._like(data, {"aligned": True})


def _named(energy, energies):
    """Points at these energies or within these ranges."""
    bad = np.zeros(len(energy), dtype=bool)
    for item in np.atleast_1d(np.asarray(energies, dtype=float)):
        low, high = np.min(item), np.max(item)
        if high < energy[0] or low > energy[-1]:
            raise ValueError(
                f"{low:g} eV was not measured: the scan covers {energy[0]:g} to "
                f"{energy[-1]:g} eV."
            )
        inside = (energy >= low) & (energy <= high)
        if not inside.any():
            inside[np.abs(energy - (low + high) / 2).argmin()] = True
        bad |= inside
    return bad


def _one_spectrum(reference, energy):
    data = np.asarray(getattr(reference, "data", reference), dtype=float)
    axes = getattr(reference, "axes_manager", None)
    same = axes is None or np.allclose(axes[-1].axis, energy)
    if data.shape != energy.shape or not same:
        raise ValueError(
            f"The reference has shape {data.shape}: give one spectrum on the same "
            f"{len(energy)} energies."
        )
    return data
