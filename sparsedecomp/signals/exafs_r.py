"""EXAFS in R: the Fourier transform of chi(k)."""

from __future__ import annotations

from typing import Any

from hyperspy.signals import ComplexSignal1D, LazyComplexSignal1D


class EXAFSRSpectrum(ComplexSignal1D):
    """Complex chi(R) of one spectrum or of an image.

    The signal axis is R in angstrom, without phase correction: peaks lie about 0.3 to
    0.5 angstrom below the distances of the shells.
    """

    _signal_type = "EXAFS_R"

    def plot(self, representation: str = "cartesian", **kwargs: Any) -> None:
        """Plot chi(R).

        Parameters
        ----------
        representation : {"cartesian", "polar", "magnitude"}, default "cartesian"
            Real and imaginary part, or magnitude and phase, or the magnitude alone.
        **kwargs
            Keyword arguments of HyperSpy's `plot`.
        """
        if representation == "magnitude":
            self.amplitude.plot(**kwargs)
        else:
            super().plot(representation=representation, **kwargs)


class LazyEXAFSRSpectrum(EXAFSRSpectrum, LazyComplexSignal1D):
    """Complex chi(R) on data larger than memory."""
