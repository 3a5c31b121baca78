"""Factorisations of a matrix of pixels times channels.

Estimators follow scikit-learn; they take arrays, SciPy sparse matrices, dask arrays and
`sparsedecomp.blocks.BlockMatrix`, and know nothing of HyperSpy.
"""

from sparsedecomp.decomposition.abundances import abundances
from sparsedecomp.decomposition.automatic.automatic_unmixing import AutomaticUnmixing
from sparsedecomp.decomposition.automatic.verdict import (
    DoubtfulResultWarning,
    Verdict,
)
from sparsedecomp.decomposition.bands import (
    ConfidenceBands,
    Deviation,
    confidence_bands,
)
from sparsedecomp.decomposition.energy_drift.estimate import (
    EnergyDrift,
    estimate_energy_drift,
)
from sparsedecomp.decomposition.geometric.min_volume import MinimumVolume
from sparsedecomp.decomposition.geometric.simplex import nfindr, simplex_volume
from sparsedecomp.decomposition.geometric.sss_vca import SSSVCA
from sparsedecomp.decomposition.geometric.vca import VCA
from sparsedecomp.decomposition.identifiability.report import UnmixingReport
from sparsedecomp.decomposition.identifiability.unmixing import unmixing_report
from sparsedecomp.decomposition.mcr.mcr_als import MCRALS
from sparsedecomp.decomposition.nmf.nmf_so import NMFSO, NMFSOARD
from sparsedecomp.decomposition.poisson.nmf_kl import PoissonNMF
from sparsedecomp.decomposition.poisson.nmf_kl_ard import PoissonNMFARD
from sparsedecomp.decomposition.progress import Progress
from sparsedecomp.decomposition.rank import RankEstimate, estimate_rank
from sparsedecomp.decomposition.segmentation.kmeans import CompositionKMeans
from sparsedecomp.decomposition.segmentation.mixture import PottsMixture
from sparsedecomp.decomposition.simplex_likelihood.simplex_ml import SimplexML
from sparsedecomp.decomposition.tensor import (
    CPD,
    PARAFAC2,
    Tucker,
    fit_coupled,
    tensor_rank,
)

__all__ = [
    "CPD",
    "PARAFAC2",
    "Tucker",
    "fit_coupled",
    "tensor_rank",
    "AutomaticUnmixing",
    "CompositionKMeans",
    "ConfidenceBands",
    "Deviation",
    "confidence_bands",
    "DoubtfulResultWarning",
    "EnergyDrift",
    "estimate_energy_drift",
    "MCRALS",
    "MinimumVolume",
    "NMFSO",
    "NMFSOARD",
    "PoissonNMF",
    "PoissonNMFARD",
    "PottsMixture",
    "RankEstimate",
    "SSSVCA",
    "SimplexML",
    "VCA",
    "Verdict",
    "Progress",
    "abundances",
    "estimate_rank",
    "nfindr",
    "simplex_volume",
    "UnmixingReport",
    "unmixing_report",
]
