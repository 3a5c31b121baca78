"""Method of `XASSpectrum` that merges repeat scans."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from hyperspy.signals import BaseSignal, Signal1D
from scipy.interpolate import make_interp_spline

from sparsedecomp import xas
from sparsedecomp.signals import pixelwise
from sparsedecomp.signals.cleaning import ALIGNED
from sparsedecomp.signals.scan_flags import element_and_edge
from sparsedecomp.xas.reduction.merge import scan_noise

if TYPE_CHECKING:
    from sparsedecomp.signals.xas import XASSpectrum


class Merging(Signal1D):
    """Mixin of `sparsedecomp.signals.XASSpectrum`: repeat scans become one."""

    def merge(
        self,
        scans: Sequence[XASSpectrum],
        align: bool = True,
        max_shift: float = 2.0,
        threshold: float = 6.0,
    ) -> XASSpectrum:
        """Merge repeat scans of this sample with this one.

        Parameters
        ----------
        scans : sequence of XASSpectrum
            Further scans, one spectrum each, on any energies.
        align : bool, default True
            Whether scans are shifted in energy to this one.
        max_shift : float, default 2
            Largest shift in eV that is searched.
        threshold : float, default 6
            Standard deviations of the noise above which points, and whole scans of
            another shape, are left out. At least three scans are needed to tell which
            of them is wrong.

        Returns
        -------
        XASSpectrum
            Mean on the energies of this scan, weighted by the inverse variances of the
            noise, with the variance of the mean in
            ``metadata.Signal.Noise_properties.variance``. ``metadata.XAS.merge`` tells
            the number of scans, their shifts in eV, and what was rejected.

        Raises
        ------
        ValueError
            If one of them is no single spectrum, is of another edge, or covers none of
            the energies.

        See Also
        --------
        sparsedecomp.xas.merge_scans

        Examples
        --------
        >>> import numpy as np
        >>> from sparsedecomp.signals import XASSpectrum
        >>> energy = np.arange(8800.0, 9700.0, 1.0)
        >>> mu = np.arctan((energy - 8979) / 2) + 2
        >>> noise = np.random.default_rng(0).normal(0, 0.01, (4, 900))
        >>> first, *others = (
        ...     XASSpectrum.from_counts(np.ones(900), np.exp(-mu - n), energy=energy)
        ...     for n in noise
        ... )
        >>> merged = first.merge(others)
        >>> round(float(np.std(merged.data - mu)), 3), merged.metadata.XAS.merge.scans
        (0.005, 4)
        """
        every = [self, *scans]
        titles = []
        for number, scan in enumerate(every, start=1):
            title = scan.metadata.get_item("General.title", "") or f"scan {number}"
            titles.append(title)
            _check(self, title, scan)
        energy = self._energy()
        target = np.asarray(self.data, dtype=float)
        shifts = np.zeros(len(every))
        rows = [target]
        e0 = xas.e0_of(energy, target, self._search(energy)) if align else 0.0
        for number, scan in enumerate(scans, start=1):
            row = _on_energies(titles[number], scan, energy, 0.0)
            if align:
                shifts[number] = _shift_of(energy, row, target, e0, max_shift)
                row = _on_energies(titles[number], scan, energy, shifts[number])
            rows.append(row)
        noise = [scan_noise(scan.data) for scan in every]
        merged = xas.merge_scans(
            energy, np.array(rows), threshold=threshold, noise=noise
        )
        rejected = [
            title for title, kept in zip(titles, merged.kept, strict=True) if not kept
        ]
        if rejected:
            warnings.warn(
                f"{len(rejected)} of {len(every)} scans have another shape and were "
                f"left out: {', '.join(rejected)}. A larger threshold keeps them.",
                stacklevel=2,
            )
        result = self._like(merged.mu, {})
        result.metadata.set_item(
            "XAS.merge",
            {
                "scans": int(merged.kept.sum()),
                "shifts": shifts.tolist(),
                "rejected_scans": rejected,
                "rejected_points": int(merged.rejected_points.sum()),
            },
        )
        variance = result._deepcopy_with_new_data(merged.standard_deviation**2)
        result.metadata.set_item("Signal.Noise_properties.variance", variance)
        return result


def _check(signal: XASSpectrum, title: str, scan: BaseSignal) -> None:
    from sparsedecomp.signals.xas import XASSpectrum

    if not isinstance(scan, XASSpectrum) or scan.data.ndim != 1:
        raise ValueError(
            f"{title} is a {type(scan).__name__} of shape {scan.data.shape}, expected "
            "one spectrum of the type XAS."
        )
    ours, theirs = element_and_edge(signal), element_and_edge(scan)
    if all(ours) and all(theirs) and ours != theirs:
        raise ValueError(
            f"{title} is a scan of the {' '.join(map(str, theirs))} edge, expected "
            f"{' '.join(map(str, ours))}."
        )


def _on_energies(
    title: str, scan: XASSpectrum, energy: np.ndarray, shift: float
) -> np.ndarray:
    """Spectrum on other energies; NaN where it was not measured."""
    grid = pixelwise.axis_values(scan, "energy", ("eV",)) - shift
    values = np.asarray(scan.data, dtype=float)
    good = np.isfinite(values)
    # Half a step at the ends is extrapolated: scans rarely begin at equal energies.
    low, high = 1.5 * grid[0] - 0.5 * grid[1], 1.5 * grid[-1] - 0.5 * grid[-2]
    inside = (energy >= low) & (energy <= high)
    if good.sum() < 4 or not inside.any():
        raise ValueError(
            f"{title} covers {grid[0]:g} to {grid[-1]:g} eV, none of the energies "
            f"{energy[0]:g} to {energy[-1]:g} eV of the first scan."
        )
    if np.array_equal(grid, energy):
        return values
    row = np.full(len(energy), np.nan)
    row[inside] = make_interp_spline(grid[good], values[good], k=3)(energy[inside])
    return row


def _shift_of(
    energy: np.ndarray, row: np.ndarray, target: np.ndarray, e0: float, largest: float
) -> float:
    """Energy shift of a scan; zero where none is found."""
    good = np.isfinite(row) & np.isfinite(target)
    limits = e0 + ALIGNED[0], e0 + ALIGNED[1]
    if good.sum() < 6:
        return 0.0
    try:
        shift = float(
            xas.shifts_to(energy[good], row[good], target[good], limits, largest)
        )
    except ValueError:
        return 0.0
    return shift if np.isfinite(shift) else 0.0
