"""What a sparse fit of EXAFS gives: shells, and numbers of atoms of pixels."""

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Shells:
    """What was found, by distance.

    Attributes
    ----------
    labels : (m,) array of str
        Element, with the atom half way where that focuses the wave.
    r, r_std : (m,) arrays
        Distance in angstrom and its standard deviation.
    sigma2, third, e0 : (m,) arrays
        Mean square displacement, third cumulant and energy shift used.
    sigma2_std, e0_std : (m,) arrays
        Their standard deviations; NaN where they were not fitted.
    is_leakage : (m,) bool array
        Beyond the window of R: not to be reported.
    """

    labels: np.ndarray
    r: np.ndarray
    r_std: np.ndarray
    sigma2: np.ndarray
    sigma2_std: np.ndarray
    third: np.ndarray
    e0: np.ndarray
    e0_std: np.ndarray
    is_leakage: np.ndarray

    def chosen(self, index):
        """Some of them."""
        return Shells(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class PixelShells:
    """Numbers of atoms of pixels.

    Attributes
    ----------
    n, n_std : (n_pixels, m) arrays
        Atoms of each shell and their standard deviations; NaN for pixels with NaN.
    inclusion : (n_pixels, m) array
        Probability that the shell is there, for ``method="mcmc"``; else whether it is.
    noise : (n_pixels,) array
        Noise standard deviation, in units of the noise model.
    log_evidence : (n_pixels,) array
    """

    n: np.ndarray
    n_std: np.ndarray
    inclusion: np.ndarray
    noise: np.ndarray
    log_evidence: np.ndarray
