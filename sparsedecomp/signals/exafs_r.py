"""EXAFS in R: the Fourier transform of chi(k)."""

from hyperspy.signals import ComplexSignal1D, LazyComplexSignal1D


class EXAFSRSpectrum(ComplexSignal1D):
    """Complex chi(R); the signal axis is R in angstrom, without phase correction.

    Peaks lie some 0.3 to 0.5 angstrom below the distances of the shells.
    """

    _signal_type = "EXAFS_R"

    def plot(self, representation="cartesian", **kwargs):
        """Plot chi(R).

        Parameters
        ----------
        representation : {"cartesian", "polar", "magnitude"}
            Real and imaginary part, or magnitude and phase, or the magnitude alone.
        **kwargs
            Of HyperSpy's `plot`.
        """
        if representation == "magnitude":
            self.amplitude.plot(**kwargs)
        else:
            super().plot(representation=representation, **kwargs)


class LazyEXAFSRSpectrum(EXAFSRSpectrum, LazyComplexSignal1D):
    """Complex chi(R) on data larger than memory."""
