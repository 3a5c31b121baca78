"""What a fit needs of all pixels together: one pass over the data, of any size."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Count, sum and second moments of spectra; add those of blocks.

    Attributes
    ----------
    count : int
        Spectra without NaN.
    total : (n_k,) array
        Their sum.
    second : (n_k, n_k) array
        Sum of their outer products.
    """

    count: int
    total: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, chi):
        """Moments of spectra; those with NaN or infinities are left out.

        Parameters
        ----------
        chi : (..., n_k) array
        """
        chi = np.asarray(chi, dtype=float).reshape(-1, chi.shape[-1])
        chi = chi[np.all(np.isfinite(chi), axis=1)]
        return cls(len(chi), chi.sum(axis=0), chi.T @ chi)

    def __add__(self, other):
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.second + other.second,
        )

    @property
    def mean(self):
        """Mean spectrum."""
        return self.total / max(self.count, 1)

    def square_of(self, transform):
        """Mean over pixels and rows of the square of a (complex) linear map."""
        power = np.einsum("ij,jk,ik->i", transform.conj(), self.second, transform)
        return float(np.mean(power.real)) / max(self.count, 1)
