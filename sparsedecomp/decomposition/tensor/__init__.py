"""Decompositions of tensors: series of spectrum images, and signals that share modes.

Two passes over the data compress the channels, the iterations run on the compressed
data, and a last pass removes the approximation.
"""

from sparsedecomp.decomposition.tensor.coupled import fit_coupled
from sparsedecomp.decomposition.tensor.cpd import CPD
from sparsedecomp.decomposition.tensor.parafac2 import PARAFAC2
from sparsedecomp.decomposition.tensor.rank_diagnostics import RankReport, tensor_rank
from sparsedecomp.decomposition.tensor.tucker import Tucker

__all__ = ["CPD", "PARAFAC2", "RankReport", "Tucker", "fit_coupled", "tensor_rank"]
