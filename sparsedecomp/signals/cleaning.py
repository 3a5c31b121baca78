"""Methods of `XASSpectrum` for glitches, energy shifts and rebinning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from hyperspy.signals import BaseSignal, Signal1D

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.reduction import typical

if TYPE_CHECKING:
    from sparsedecomp.signals.xas import XASSpectrum

ALIGNED = (-20.0, 40.0)
"""Default range of an alignment in eV relative to E0: from before the rise of the edge
to past the first oscillation."""

NO_GLITCH = (-30.0, 60.0)
"""Range in eV relative to E0 in which no glitches are searched: there the edge and the
white line are as sharp as glitches."""


class Cleaning(Signal1D):
    """Mixin of `sparsedecomp.signals.XASSpectrum`: corrections before the reduction."""

    def deglitch(
        self,
        energies: Sequence[float | tuple[float, float]] | None = None,
        threshold: float = 8.0,
        per_pixel: bool = False,
        protect: tuple[float, float] | None = None,
    ) -> XASSpectrum:
        """Replace glitches by straight lines between the neighbouring points.

        Parameters
        ----------
        energies : list of floats and of pairs, optional
            Energies, or ranges of energies, in eV to be replaced in all pixels. By
            default glitches are searched automatically.
        threshold : float, default 8
            Distance from the cubic through the neighbours, in robust standard
            deviations, above which a point is a glitch. Larger values find fewer.
        per_pixel : bool, default False
            Search in every pixel, for stray counts, and not in the mean spectrum, for
            glitches of the monochromator, which are the same in all pixels.
        protect : tuple of two floats, optional
            Range in eV in which no glitches are searched; by default from 30 eV
            before to 60 eV after E0.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            Corrected spectra; ``metadata.XAS.deglitched`` lists the energies, unless
            `per_pixel`.

        Raises
        ------
        ValueError
            If an energy was not measured, or fewer than two points remain.

        Notes
        -----
        A glitch is a deviation of up to nine points. Broader artefacts, and glitches
        within `protect`, are not found and must be given as `energies`.

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> s.data[450] += 0.5
        >>> s.deglitch().metadata.XAS.deglitched
        [9250.0]
        """
        energy, done = self._energy(), {}
        if energies is None and protect is None:
            e0 = typical(self._thresholds(None)[0])
            protect = e0 + NO_GLITCH[0], e0 + NO_GLITCH[1]
        if per_pixel and energies is None:

            def corrected(mu: np.ndarray) -> np.ndarray:
                bad = xas.find_glitches(energy, mu, threshold, protect)
                return xas.replace_points(energy, mu, bad)

        else:
            if energies is None:
                mean = pixelwise.mean_spectrum(self)
                bad = xas.find_glitches(energy, mean, threshold, protect)
            else:
                bad = _points_at(energy, energies)
            done = {"deglitched": energy[bad].tolist()}
            # Checks the points before any block is read.
            xas.replace_points(energy, np.zeros_like(energy), bad)

            def corrected(mu: np.ndarray) -> np.ndarray:
                return xas.replace_points(energy, mu, bad)

        data = pixelwise.spectra_of(self, corrected, len(energy))
        return self._like(data, done)

    def rebin_k(
        self,
        kstep: float = 0.05,
        pre_step: float = 5.0,
        edge_step: float | None = None,
        e0: float | None = None,
    ) -> XASSpectrum:
        """Average onto fewer energies: coarse, fine at the edge, then even in k.

        Parameters
        ----------
        kstep : float, default 0.05
            Step in 1/angstrom from 15 eV above the threshold.
        pre_step : float, default 5
            Step in eV up to 30 eV below the threshold.
        edge_step : float, optional
            Step in eV between these; E0 / 25000 by default.
        e0 : float, optional
            Threshold in eV; by default that of the metadata or of the mean spectrum.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            Spectra on the new energies.

        Raises
        ------
        ValueError
            If E0 lies outside the energies, or a step is not positive.

        See Also
        --------
        sparsedecomp.xas.rebin_matrix

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> s.rebin_k()
        <XASSpectrum, title: , dimensions: (|390)>
        """
        energy = self._energy()
        e0 = typical(self._thresholds(e0)[0])
        new = xas.three_regions(
            energy, e0, pre_step=pre_step, edge_step=edge_step, kstep=kstep
        )
        matrix = xas.rebin_matrix(energy, new)
        data = pixelwise.spectra_of(self, lambda mu: xas.applied(matrix, mu), len(new))
        axis = {"name": "Energy", "units": "eV", "axis": new, "navigate": False}
        quantity = self.metadata.get_item("Signal.quantity", "Absorption")
        return pixelwise.signal_on(
            self, data, axis, "XAS", quantity, {"rebinned": True}
        )

    def estimate_shifts(
        self,
        reference: XASSpectrum | None = None,
        limits: tuple[float, float] | None = None,
        max_shift: float = 5.0,
    ) -> BaseSignal | float:
        """Energy shift of every pixel relative to a reference spectrum.

        Parameters
        ----------
        reference : XASSpectrum, optional
            One spectrum on the same energies; by default the mean of all pixels.
        limits : tuple of two floats, optional
            Range of energies in eV that is compared; by default from 20 eV before to
            40 eV after E0.
        max_shift : float, default 5
            Largest shift in eV that is searched.

        Returns
        -------
        BaseSignal or float
            Shift in eV, positive where a pixel lies at higher energies; NaN where no
            shift up to `max_shift` fits.

        Raises
        ------
        ValueError
            If the reference is not one spectrum on the same energies.

        See Also
        --------
        sparsedecomp.xas.shifts_to

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> late = np.exp(-np.arctan((energy - 8980) / 2) - 2)
        >>> late = XASSpectrum.from_counts(np.ones(900), late, energy=energy)
        >>> round(late.estimate_shifts(s), 1)
        1.0
        """
        energy = self._energy()
        if reference is None:
            target = pixelwise.mean_spectrum(self)
        else:
            target = _one_spectrum(reference, energy)
        if limits is None:
            e0 = xas.e0_of(energy, target, self._search(energy))
            limits = e0 + ALIGNED[0], e0 + ALIGNED[1]
        # Checks the parameters before any block is read.
        xas.shifts_to(energy, target, target, limits, max_shift)
        return pixelwise.numbers_of(
            self, lambda mu: xas.shifts_to(energy, mu, target, limits, max_shift)
        )

    def align(
        self,
        reference: XASSpectrum | None = None,
        shifts: float | np.ndarray | BaseSignal | None = None,
        limits: tuple[float, float] | None = None,
        max_shift: float = 5.0,
    ) -> XASSpectrum:
        """Shift every pixel in energy so that the edges coincide.

        Parameters
        ----------
        reference : XASSpectrum, optional
            One spectrum on the same energies; by default the mean of all pixels.
        shifts : float, array or BaseSignal, optional
            Shifts in eV that are subtracted from the energies; by default those of
            `estimate_shifts`. Where the edge moves with the chemistry of the sample,
            give the shifts of a reference foil that was measured simultaneously.
        limits : tuple of two floats, optional
            Range of energies in eV that is compared, as in `estimate_shifts`.
        max_shift : float, default 5
            Largest shift in eV that is searched.

        Returns
        -------
        XASSpectrum or LazyXASSpectrum
            Aligned spectra on the same energies.

        Raises
        ------
        ValueError
            If the shapes do not fit, or as in `estimate_shifts`.

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> s = XASSpectrum.from_counts(np.ones(900), np.exp(-mu), energy=energy)
        >>> late = np.exp(-np.arctan((energy - 8980) / 2) - 2)
        >>> late = XASSpectrum.from_counts(np.ones(900), late, energy=energy)
        >>> late.align(s).find_e0()
        8979.0
        """
        energy = self._energy()
        if shifts is None:
            shifts = self.estimate_shifts(reference, limits, max_shift)
        data = pixelwise.spectra_of(
            self,
            lambda mu, shift: xas.shifted(energy, mu, shift),
            len(energy),
            pixelwise.map_of(shifts, self, "shifts"),
        )
        pixelwise.warn_of_missing(data, "aligned spectrum")
        return self._like(data, {"aligned": True})


def _points_at(
    energy: np.ndarray, energies: Sequence[float | tuple[float, float]]
) -> np.ndarray:
    """Mask of the points at these energies or within these ranges."""
    bad = np.zeros(len(energy), dtype=bool)
    for item in np.atleast_1d(energies) if np.isscalar(energies) else energies:
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


def _one_spectrum(reference: XASSpectrum, energy: np.ndarray) -> np.ndarray:
    data = np.asarray(getattr(reference, "data", reference), dtype=float)
    axes = getattr(reference, "axes_manager", None)
    same = axes is None or np.allclose(axes[-1].axis, energy)
    if data.shape != energy.shape or not same:
        raise ValueError(
            f"The reference has shape {data.shape}: give one spectrum on the same "
            f"{len(energy)} energies."
        )
    return data
