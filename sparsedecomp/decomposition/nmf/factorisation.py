"""Parameters and result of a fit of NMF, and the abundances of other pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.iterate import Outcome
from sparsedecomp.decomposition.nmf.clipping import clipped_abundances
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.noise import NoiseModel

# Directions kept beyond the components: the last ones of a range finder are poor.
OVERSAMPLING = 10


@dataclass(frozen=True)
class NMFOptions:
    """Parameters of a fit.

    Attributes
    ----------
    n_components : int or None
        Number of components, or their upper bound with relevance (None: chosen).
    relevance : bool
        Whether components must be needed to be kept.
    orthogonality, init, n_init, max_iter, tol, compression, noise, clipping
        As in `sparsedecomp.decomposition.NMFSOARD`.
    generator : numpy.random.Generator
        Source of all random numbers of the fit.
    monitor : Monitor
        Receives every iteration.
    """

    n_components: int | None
    relevance: bool
    orthogonality: float
    init: str
    n_init: int
    max_iter: int
    tol: float
    compression: str | int | None
    noise: str
    clipping: str | bool
    generator: np.random.Generator
    monitor: Monitor

    def rank(self, n_components: int) -> int:
        """Number of directions to compress to for a number of components."""
        rank = n_components + OVERSAMPLING
        return (
            max(self.compression, rank) if isinstance(self.compression, int) else rank
        )


@dataclass(frozen=True)
class Factorisation:
    """A factorisation in the units of the data, strongest component first.

    Attributes
    ----------
    C : (n_pixels, k) array
        Abundances.
    S : (k, n_channels) array
        Spectra of unit norm.
    noise_variance : float
        Mean variance of the noise.
    relevance : (k,) array or None
        Mean abundance under the prior over the standard deviation of the noise.
    selection_history : list of float
        Objective of the search for the number of components.
    objective : float
        Objective on the data themselves.
    residual, sum_of_squares : float
        ``||X - C S||^2`` and ``||X||^2``.
    outcome : Outcome
        How the last descent ended.
    overlap_weight : float
        Weight ``w`` of the overlap of the maps.
    noise_model : NoiseModel
        Noise model that was used.
    abundance_model : AbundanceModel
        Finds the abundances of other pixels.
    scale : (k,) array
        Norms of the spectra in the units of the data.
    """

    C: NDArray
    S: NDArray
    noise_variance: float
    relevance: NDArray | None
    selection_history: list[float]
    objective: float
    residual: float
    sum_of_squares: float
    outcome: Outcome
    overlap_weight: float
    noise_model: NoiseModel
    abundance_model: AbundanceModel
    scale: NDArray


@dataclass(frozen=True)
class AbundanceModel:
    """The problem of the abundances of single pixels for given spectra.

    Attributes
    ----------
    S : (k, n_channels) array
        Spectra.
    gram : (k, k) array
        Gram matrix of the spectra plus the soft orthogonality.
    threshold : (k,) array
        l1 weight of every component.
    sigma : float or None
        Standard deviation of noise that was clipped at zero, None for other data.
    """

    S: NDArray
    gram: NDArray
    threshold: NDArray
    sigma: float | None

    def take(self, order: NDArray) -> AbundanceModel:
        """The model with its components in another order."""
        return AbundanceModel(
            self.S[order],
            self.gram[np.ix_(order, order)],
            self.threshold[order],
            self.sigma,
        )

    def solve(
        self, blocks: BlockMatrix, row_scale: NDArray
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Abundances of all pixels, in one pass.

        Parameters
        ----------
        blocks : BlockMatrix
            Pixels in the units of the spectra.
        row_scale : (n_pixels,) array
            Weights of the pixels in the sums.

        Returns
        -------
        C : (n_pixels, k) array
            Abundances.
        gram, CX : (k, k) and (k, n_channels) arrays
            ``C' C`` and ``C' X`` with the rows of both multiplied by `row_scale`.
        """
        (C,), (gram, CX) = blocks.run(_solve_rows, rows=(row_scale,), shared=(self,))
        return C, gram, CX


def settled_rows(X, A, gram, threshold):
    """Abundances of some rows for given spectra, to the end; for `BlockMatrix.run`."""
    C = np.zeros((X.shape[0], len(gram)), X.dtype)
    nonnegative_rows(C, X @ A.astype(X.dtype), gram, threshold, 1000, 1e-9)
    return (C,), ()


def _solve_rows(X, row_scale, model):
    if model.sigma is None:
        (C,), _ = settled_rows(X, model.S.T, model.gram, model.threshold)
    else:
        C = clipped_abundances(X, model.S, model.gram, model.threshold, model.sigma)
    wide = C * row_scale[:, None]
    return (C,), (wide.T @ wide, (wide * row_scale[:, None]).T @ X)
