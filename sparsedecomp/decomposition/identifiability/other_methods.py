"""What other methods and the noise say to an unmixing of the same data."""

from __future__ import annotations

import warnings

import numpy as np

from sparsedecomp.blocks import BlockMatrix
from sparsedecomp.decomposition.base import BlockFactorisation
from sparsedecomp.decomposition.geometric.min_volume import MinimumVolume
from sparsedecomp.decomposition.identifiability.report import Refit
from sparsedecomp.decomposition.iterate import uninterrupted
from sparsedecomp.decomposition.mcr.mcr_als import MCRALS
from sparsedecomp.decomposition.nmf.nmf_so import NMFSO
from sparsedecomp.decomposition.rank import estimate_rank
from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import SimplexML

# Methods of different assumptions: disjoint maps, smallest volume, pure variables by
# alternating least squares, the most likely cloud of pixels.
METHODS = {
    "nmf_so": NMFSO,
    "min_volume": MinimumVolume,
    "mcr_als": MCRALS,
    "simplex_ml": SimplexML,
}


def fits_of_other_methods(
    blocks: BlockMatrix,
    components: np.ndarray,
    estimator: BlockFactorisation,
    seed: int,
) -> dict[str, Refit]:
    """Fit other methods with the same number of components.

    Parameters
    ----------
    blocks : BlockMatrix
        The pixels to fit.
    components : (k, n_channels) array
        Spectra that the others are compared with.
    estimator : estimator
        Made the components; its own method is left out.
    seed : int
        Seed of all fits.

    Returns
    -------
    dict of str to Refit
        Without methods that the data do not allow.
    """
    fits = {}
    for name, method in METHODS.items():
        if type(estimator) is method:
            continue
        model = method(len(components), random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                uninterrupted(model.fit(blocks))
            except ValueError:
                continue
        fits[name] = Refit.from_model(components, model)
    return fits


def number_above_noise(blocks: BlockMatrix) -> int | None:
    """Number of components above the noise, by `estimate_rank`.

    Parameters
    ----------
    blocks : BlockMatrix
        The data.

    Returns
    -------
    int or None
        The lower end of its interval; None where no edge divides signal and noise.
    """
    try:
        rank = estimate_rank(blocks)
    except ValueError:
        return None
    edge = rank.method in ("bootstrap", "noise_edge") and rank.edge_found
    return rank.interval[0] if edge else None
