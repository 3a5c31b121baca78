"""The noise of a data set: its model, whitening, and the edge above which is signal.

`find_noise` looks at a data set once and returns its `NoiseModel`: counts with a gain,
noise of one variance, or variances of every pixel and channel. `whiten` scales data by
it and compresses them, `count_components` says how many components rise above it, and
`count_gain` whether data are counts. Every method asks these four and has no test,
whitening or edge of its own.
"""

from sparsedecomp.noise.components import NoiseEdge, count_components
from sparsedecomp.noise.count_statistics import (
    CountsWithOffset,
    refuse_negative,
    unit_of,
    whole_counts,
)
from sparsedecomp.noise.data_check import DataCheck, Finding, check_data
from sparsedecomp.noise.edge import (
    MOST_COMPONENTS,
    above_noise,
    noise_edge,
    noise_limit,
)
from sparsedecomp.noise.image_counts import counts_of_image
from sparsedecomp.noise.model import (
    NOISE_MODELS,
    NoiseModel,
    count_gain,
    find_noise,
)
from sparsedecomp.noise.residual import ResidualVariance, residual_variance
from sparsedecomp.noise.signal_space import signal_space
from sparsedecomp.noise.spikes import Spikes, find_spikes
from sparsedecomp.noise.whitening import Whitened, whiten

__all__ = [
    "MOST_COMPONENTS",
    "NOISE_MODELS",
    "CountsWithOffset",
    "DataCheck",
    "Finding",
    "NoiseEdge",
    "NoiseModel",
    "ResidualVariance",
    "Spikes",
    "Whitened",
    "above_noise",
    "check_data",
    "count_components",
    "count_gain",
    "counts_of_image",
    "find_noise",
    "find_spikes",
    "noise_edge",
    "noise_limit",
    "refuse_negative",
    "residual_variance",
    "signal_space",
    "unit_of",
    "whiten",
    "whole_counts",
]
