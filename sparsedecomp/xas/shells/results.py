"""Results of a sparse EXAFS fit: shells, and the numbers of atoms of pixels."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Shells:
    """Shells of a fit.

    Attributes
    ----------
    labels : (m,) array of str
        Element, and for a focused path the atom half way, such as "Ni via O".
    r, r_std : (m,) arrays
        Distance in angstrom and its standard deviation.
    sigma2, third, e0 : (m,) arrays
        Mean square displacement in square angstrom, third cumulant in cubic angstrom
        and shift of the energy zero in eV.
    sigma2_std, e0_std : (m,) arrays
        Standard deviations of sigma2 and e0; NaN where they were not fitted.
    is_leakage : (m,) bool array
        Whether the shell lies beyond the window of R: it models signal that leaks into
        the window and is not to be reported.
    probability : (m,) array
        Probability of the shell among the fits that the search visited; NaN where
        there was none.
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
    probability: np.ndarray

    def chosen(self, index: np.ndarray) -> Shells:
        """Shells at some indices."""
        return Shells(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class PixelShells:
    """Numbers of atoms of pixels.

    Attributes
    ----------
    n, n_std : (n_pixels, m) arrays
        Atoms of each shell and their standard deviations; NaN for pixels with NaN.
    inclusion : (n_pixels, m) array
        Probability that a pixel has the shell for ``method="mcmc"``, else whether it
        has it.
    noise : (n_pixels,) array
        Noise standard deviation in units of the noise model.
    log_evidence : (n_pixels,) array
        Log evidence of the shells; NaN where the method has none.
    """

    n: np.ndarray
    n_std: np.ndarray
    inclusion: np.ndarray
    noise: np.ndarray
    log_evidence: np.ndarray
