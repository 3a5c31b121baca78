"""First and second moments of the spectra of all pixels, from one pass over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..transform.fourier import transform_matrix


@dataclass(frozen=True)
class PixelMoments:
    """Count, sum and second moments of spectra. Moments of blocks can be added.

    Attributes
    ----------
    count : int
        Number of spectra without NaN.
    total : (n_k,) array
        Sum of the spectra.
    second : (n_k, n_k) array
        Sum of the outer products of the spectra.
    """

    count: int
    total: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, chi: ArrayLike) -> PixelMoments:
        """Moments of spectra; those with NaN or infinities are left out.

        Parameters
        ----------
        chi : (..., n_k) array
            Spectra, not weighted by k.

        Returns
        -------
        PixelMoments
            Moments over all leading dimensions.
        """
        chi = np.asarray(chi, dtype=float)
        rows = chi.reshape(-1, chi.shape[-1])
        rows = rows[np.all(np.isfinite(rows), axis=1)]
        return cls(len(rows), rows.sum(axis=0), rows.T @ rows)

    def __add__(self, other: PixelMoments) -> PixelMoments:
        return PixelMoments(
            self.count + other.count,
            self.total + other.total,
            self.second + other.second,
        )

    def check(self, k: np.ndarray) -> None:
        """Raise an error if the spectra cannot be fitted.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.

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
    def mean(self) -> np.ndarray:
        """Mean spectrum."""
        return self.total / self.count

    def seen_by(
        self, matrix: np.ndarray, inside: slice
    ) -> tuple[np.ndarray, np.ndarray]:
        """Moments of linear coordinates of the spectra.

        Parameters
        ----------
        matrix : (n, n_inside) array
            Matrix from chi to coordinates.
        inside : slice
            Channels to which the matrix applies.

        Returns
        -------
        second, mean : (n, n) and (n,) arrays
            Mean outer product and mean of the coordinates.
        """
        second = matrix @ self.second[inside, inside] @ matrix.T
        return second / self.count, matrix @ self.mean[inside]

    def white_noise(self, k: np.ndarray, k_range: tuple[float, float]) -> float:
        """Standard deviation of white noise, from chi(R) at 15 to 25 angstrom.

        Parameters
        ----------
        k : (n_k,) array
            Wavenumbers in 1/angstrom.
        k_range : (float, float)
            Range of k that is transformed, in 1/angstrom.

        Returns
        -------
        float
            Root of the mean variance over the pixels.
        """
        low, high = k_range
        T = transform_matrix(k, np.arange(15, 25, 0.1), kmin=low, kmax=high, kweight=0)
        power = np.einsum("ij,jk,ik->", T.conj(), self.second, T).real
        return float(np.sqrt(power / np.sum(np.abs(T) ** 2) / self.count))
