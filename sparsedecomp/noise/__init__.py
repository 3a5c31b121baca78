"""The noise of a data set: its model, whitening, and the edge above which is signal."""

from sparsedecomp.noise.data_check import DataCheck, Finding, check_data
from sparsedecomp.noise.scree import noise_edge, noise_limit
from sparsedecomp.noise.spikes import Spikes, find_spikes

__all__ = [
    "DataCheck",
    "Finding",
    "Spikes",
    "check_data",
    "find_spikes",
    "noise_edge",
    "noise_limit",
]
