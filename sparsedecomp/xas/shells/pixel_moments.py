"""What a fit needs of all pixels together: one pass over the data, of any size."""

from dataclasses import dataclass

import numpy as np

from ..transform.fourier import transform_matrix


@dataclass(frozen=True)
class PixelMoments:
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
        """PixelMoments of spectra; those with NaN or infinities are left out.

        Parameters
        ----------
        chi : (..., n_k) array
        """
        chi = np.asarray(chi, dtype=float).reshape(-1, chi.shape[-1])
        chi = chi[np.all(np.isfinite(chi), axis=1)]
        return cls(len(chi), chi.sum(axis=0), chi.T @ chi)

    def __add__(self, other):
        return PixelMoments(
            self.count + other.count,
            self.total + other.total,
            self.second + other.second,
        )

    def check(self, k):
        """Refuse spectra of which nothing can be said.

        Parameters
        ----------
        k : (n_k,) array

        Raises
        ------
        ValueError
            If every spectrum holds NaN, all are zero, or k has another length.
        """
        if self.count == 0:
            raise ValueError(
                "Every spectrum holds NaN or infinities: there is nothing to fit."
            )
        if len(self.total) != len(k):
            count = len(self.total)
            raise ValueError(f"The spectra have {count} channels, k has {len(k)}.")
        if not np.any(self.second):
            raise ValueError("Every spectrum is zero: there is nothing to fit.")

    @property
    def mean(self):
        """Mean spectrum."""
        return self.total / self.count

    def seen_by(self, matrix, inside):
        """Mean outer product and mean of linear coordinates.

        Parameters
        ----------
        matrix : (n, n_inside) array
        inside : slice
            Channels that it takes.

        Returns
        -------
        second, mean : (n, n) and (n,) arrays
        """
        second = matrix @ self.second[inside, inside] @ matrix.T
        return second / self.count, matrix @ self.mean[inside]

    def white_noise(self, k, k_range):
        """Standard deviation of white noise, from R of 15 to 25 angstrom.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        k_range : (float, float)

        Returns
        -------
        float
            Root of the mean over pixels of the variance.
        """
        low, high = k_range
        T = transform_matrix(k, np.arange(15, 25, 0.1), kmin=low, kmax=high, kweight=0)
        power = np.einsum("ij,jk,ik->", T.conj(), self.second, T).real
        return float(np.sqrt(power / np.sum(np.abs(T) ** 2) / self.count))
