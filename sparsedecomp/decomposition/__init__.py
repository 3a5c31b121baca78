"""Factorisations of a matrix of pixels times channels.

Estimators follow scikit-learn; they take arrays, SciPy sparse matrices, dask arrays and
`sparsedecomp.blocks.BlockMatrix`, and know nothing of HyperSpy.
"""

from sparsedecomp.decomposition.abundances import abundances
from sparsedecomp.decomposition.base import Progress
from sparsedecomp.decomposition.identifiability import unmixing_report
from sparsedecomp.decomposition.mcr_als import MCRALS
from sparsedecomp.decomposition.min_volume import MinimumVolume
from sparsedecomp.decomposition.mixture import PottsMixture
from sparsedecomp.decomposition.nmf_kl import PoissonNMF
from sparsedecomp.decomposition.nmf_kl_ard import PoissonNMFARD
from sparsedecomp.decomposition.nmf_so import NMFSO, NMFSOARD
from sparsedecomp.decomposition.rank import RankEstimate, estimate_rank
from sparsedecomp.decomposition.report import UnmixingReport
from sparsedecomp.decomposition.segmentation import CompositionKMeans
from sparsedecomp.decomposition.simplex import nfindr, simplex_volume
from sparsedecomp.decomposition.sss_vca import SSSVCA
from sparsedecomp.decomposition.tensor import (
    CPD,
    PARAFAC2,
    Tucker,
    fit_coupled,
    tensor_rank,
)
from sparsedecomp.decomposition.vca import VCA

__all__ = [
    "CPD",
    "PARAFAC2",
    "Tucker",
    "fit_coupled",
    "tensor_rank",
    "CompositionKMeans",
    "MCRALS",
    "MinimumVolume",
    "NMFSO",
    "NMFSOARD",
    "PoissonNMF",
    "PoissonNMFARD",
    "PottsMixture",
    "RankEstimate",
    "SSSVCA",
    "VCA",
    "Progress",
    "abundances",
    "estimate_rank",
    "nfindr",
    "simplex_volume",
    "UnmixingReport",
    "unmixing_report",
]
