"""Parameters and result of a fit of NMF, and abundances for given spectra."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.base import Factorisation
from sparsedecomp.decomposition.geometric.simplex import OVERSAMPLING
from sparsedecomp.decomposition.nmf.clipping import clipped_abundances
from sparsedecomp.decomposition.progress import Monitor
from sparsedecomp.kernels.coordinate import nonnegative_rows
from sparsedecomp.noise import NoiseModel


@dataclass(frozen=True)
class NMFOptions:
    """Parameters of a fit.

    Attributes
    ----------
    n_components : int or None
        Number of components, or their upper bound with relevance (None: chosen).
    relevance : bool
        Whether the number of components is found by their relevance.
    orthogonality, init, n_init, max_iter, tol, compression, noise, clipping : object
        Parameters of `sparsedecomp.decomposition.NMFSOARD`.
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


@dataclass(frozen=True, kw_only=True)
class NMFFactorisation(Factorisation):
    """A factorisation by NMF, with spectra of unit norm.

    Attributes
    ----------
    objective : float
        Objective on the data themselves.
    noise_variance : float
        Mean variance of the noise.
    noise_model : NoiseModel
        Noise model that was used.
    abundance_model : AbundanceModel
        Finds the abundances of other pixels.
    overlap_weight : float
        Weight ``w`` of the overlap of the maps.
    relevance : (k,) array or None
        Mean abundance under the prior over the standard deviation of the noise.
    selection_history : list of float
        Objective of the search for the number of components.
    """

    objective: float
    noise_variance: float
    noise_model: NoiseModel
    abundance_model: AbundanceModel
    overlap_weight: float = 0.0
    relevance: NDArray | None = None
    selection_history: list[float] = field(default_factory=list)


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


def settled_rows(
    X: NDArray, A: NDArray, gram: NDArray, threshold: NDArray
) -> tuple[tuple[NDArray], tuple[()]]:
    """Converged abundances of some rows for given spectra; for `BlockMatrix.run`."""
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
