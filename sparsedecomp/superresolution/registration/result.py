"""Shifts that were found, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.superresolution.gaussian_process.evidence import Process
from sparsedecomp.superresolution.registration.intensities import Intensities


@dataclass(frozen=True)
class Registration:
    """Shifts of frames by `register`; lengths are in pixels of the frames.

    Attributes
    ----------
    shifts : (n_frames, 2) array
        Shifts to be used: the estimate if it was accepted, else the nominal shifts.
    nominal : (n_frames, 2) array
        Shifts that were given, or found by correlation.
    estimate : (n_frames, 2) array
        Shifts that maximise the evidence.
    deviation : (n_frames, 2) array
        Standard deviation of the estimate, less the shift that is common to all; NaN
        where the estimate is not used.
    accepted : bool
        Whether the estimate is used.
    reason : str
        Why it is used or not.
    log_evidence : (float, float)
        Log evidence of the nominal shifts and of the estimate.
    held_out : (float, float)
        Root mean square error of frames predicted from the others, with the nominal
        shifts and with the estimate.
    misfit : (n_frames,) array
        Error of each frame predicted from the others, at the shifts to be used, over
        that of the median frame: far above 1 where a frame shows something else than
        the others.
    process : Process
        Covariance of the frames at the shifts to be used.
    kept : (n_frames,) bool array
        False for frames that show something else than the others. They are left out:
        their shifts are the nominal ones, their estimate and deviation NaN.
    intensities : Intensities
        Gains and offsets of the frames that are kept.
    maps : (n_kept, 2) array
        Angle in radians, from rows to columns, and magnification less one, of each
        frame that is kept, about its middle.
    """

    shifts: NDArray
    nominal: NDArray
    estimate: NDArray
    deviation: NDArray
    accepted: bool
    reason: str
    log_evidence: tuple[float, float]
    held_out: tuple[float, float]
    misfit: NDArray
    process: Process
    kept: NDArray
    intensities: Intensities
    maps: NDArray

    @property
    def error(self) -> float:
        """Root mean square error of frames predicted from the others, as used."""
        return self.held_out[int(self.accepted)]

    @property
    def uneven(self) -> bool:
        """Whether frames differ in gain or offset."""
        return bool(np.ptp(self.intensities.factor) > 0)

    def for_all(self, kept: NDArray, nominal: NDArray, misfit: NDArray) -> Registration:
        """The registration of some frames as that of all.

        Parameters
        ----------
        kept : (n_frames,) bool array
            True for the frames of this registration.
        nominal : (n_frames, 2) array
            Nominal shifts of all frames.
        misfit : (n_frames,) array
            Misfits of all; those of the other frames are taken from it.

        Returns
        -------
        Registration
            Registration with an entry for each frame.
        """
        shifts, misfits = nominal.copy(), misfit.copy()
        shifts[kept], misfits[kept] = self.shifts, self.misfit
        estimate, deviation = (np.full(nominal.shape, np.nan) for _ in range(2))
        estimate[kept], deviation[kept] = self.estimate, self.deviation
        return replace(
            self,
            shifts=shifts,
            nominal=nominal,
            estimate=estimate,
            deviation=deviation,
            misfit=misfits,
            kept=kept,
        )

    @property
    def drift(self) -> NDArray:
        """Difference of the estimate and the nominal shifts, (n_frames, 2)."""
        return self.estimate - self.nominal
